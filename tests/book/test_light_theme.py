"""The theme is cut to the icons that are used."""

from __future__ import annotations

import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont

STYLE = (
    'a{b:c}.fa-bars:before,.fa-navicon:before{content:"\\f0c9"}.fa-fish:before{content:"\\f578"}'
    '.x,.fa-cat:before{content:"\\f6be"}.fa-2x{font-size:2em}@font-face{src:url(a.woff2) format("woff2"),url(a.ttf)}'
)


@pytest.mark.parametrize(
    "used, there, gone",
    [
        ({"fa-bars"}, '}.fa-bars:before{content:"\\f0c9"}', "fa-fish"),
        ({"fa-navicon", "fa-fish"}, '.fa-navicon:before{content:"\\f0c9"}.fa-fish:before{', "fa-bars"),
        (set(), "a{b:c}.x,.fa-cat:before{", "f0c9"),
    ],
)
def test_rules_of_other_icons_go(extension, used, there, gone):
    cut = extension("light_theme").cut_style(STYLE, used)
    assert there in cut and gone not in cut
    assert ".fa-2x{font-size:2em}" in cut and 'url(a.woff) format("woff"),url(a.ttf)' in cut


def test_a_font_keeps_the_letters_that_are_used(extension, tmp_path):
    glyphs = {letter: f"icon{letter:x}" for letter in (0xF0C9, 0xF578, 0x2B)}
    names = [".notdef", *glyphs.values()]
    pen = TTGlyphPen(None)
    for point, move in (((0, 0), pen.moveTo), ((9, 0), pen.lineTo), ((9, 9), pen.lineTo)):
        move(point)
    pen.closePath()
    built = FontBuilder(1000)
    built.setupGlyphOrder(names)
    built.setupCharacterMap(glyphs)
    built.setupGlyf(dict.fromkeys(names, pen.glyph()))
    built.setupHorizontalMetrics(dict.fromkeys(names, (10, 0)))
    built.setupHorizontalHeader()
    built.setupNameTable({"familyName": "icons", "styleName": "regular"})
    built.setupOS2()
    built.setupPost()
    source = tmp_path / "icons.ttf"
    built.save(source)
    extension("light_theme").cut_font(source, [0xF0C9, 0x2B, 0x41])
    assert [path.name for path in tmp_path.iterdir()] == ["icons.woff"]
    assert set(TTFont(tmp_path / "icons.woff").getBestCmap()) == {0xF0C9, 0x2B}
