"""The theme without what no page shows: of its 1,400 icons the book uses some thirty, and they weigh more than a page.

The theme brings each icon three times: as a script of 1.5 MB, as fonts and as rules of its style sheet. The rules and
the font are enough; after the build both are cut to the icons that a page or a script names, and the script is emptied.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont
from sphinx.application import Sphinx

_STYLE = Path("styles/pydata-sphinx-theme.css")
_FONTS = Path("vendor/fontawesome/webfonts")
_SCRIPT = Path("scripts/fontawesome.js")
_ICON = re.compile(r"fa-[\w-]+")
_RULE = re.compile(r'(?<=\})((?:\.fa-[\w-]+:(?:before|after),?)+)\{content:"[^"]*"\}')
_LETTER = re.compile(r"\\([ef][0-9a-f]{3})\b|([\ue000-\uf8ff])")  # an icon's place in the font, as code or as it is


def cut_style(style: str, used: set[str]) -> str:
    """The style sheet without the rules of icons that are not used, and with fonts as WOFF."""

    def kept(rule: re.Match) -> str:
        names = [name for name in rule[1].split(",") if set(_ICON.findall(name)) & used]
        return ",".join(names) + rule[0][len(rule[1]) :] if names else ""

    return re.sub(r'url\(([^)]*)\.woff2\) format\("woff2"\)', r'url(\1.woff) format("woff")', _RULE.sub(kept, style))


def cut_font(source: Path, letters: Iterable[int]) -> None:
    """Write a font's WOFF beside it, with these letters alone, and remove the whole fonts."""
    font = TTFont(source)
    options = subset.Options(flavor="woff", layout_features=[], notdef_outline=False)
    cutter = subset.Subsetter(options)
    cutter.populate(unicodes=letters)
    cutter.subset(font)
    subset.save_font(font, str(source.with_suffix(".woff")), options)
    for whole in (source, source.with_suffix(".woff2")):
        whole.unlink(missing_ok=True)


def cut(app: Sphinx, failure: Exception | None) -> None:
    """Cut the theme's files in a finished book; a theme that is laid out otherwise (0.15, on Python 3.10) is left."""
    static = Path(app.outdir) / "_static"
    if failure or not all((static / part).exists() for part in (_STYLE, _SCRIPT, _FONTS)):
        return
    pages = [
        path for suffix in ("*.html", "*.js") for path in Path(app.outdir).rglob(suffix) if path.name != _SCRIPT.name
    ]
    used = {name for path in pages for name in _ICON.findall(path.read_text("utf-8"))}
    style = cut_style((static / _STYLE).read_text("utf-8"), used)
    (static / _STYLE).write_text(style, "utf-8")
    sheets = [path.read_text("utf-8") for path in static.rglob("*.css")]
    letters = {int(code, 16) if code else ord(sign) for sheet in sheets for code, sign in _LETTER.findall(sheet)}
    for font in (static / _FONTS).glob("*.ttf"):
        cut_font(font, {*letters, *range(0x20, 0x7F)})  # some icons are letters, such as +
    (static / _SCRIPT).write_text("", "utf-8")


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", cut)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
