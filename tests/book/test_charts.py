"""A chart of a notebook becomes part of its page, with its alternative text and names of its own."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree

from osnet_lib.plots.style import line_styles, new_chart


def _drawing(value: float) -> str:
    chart = new_chart(2.0)
    axes = chart.add_subplot()
    axes.plot([0, 1], [0, value], **line_styles(1)[0])
    axes.bar([0.5], [value], hatch="//")
    return chart.svg()


def test_a_chart_is_labelled_and_fits_its_page(extension):
    inline = extension("charts").inline
    drawing = inline(_drawing(1), 'A line & a "bar".')
    root = ElementTree.fromstring(drawing)
    assert root.get("aria-label") == 'A line & a "bar".' and root.get("role") == "img" and root.get("class") == "chart"
    assert root.get("viewBox") and root.get("width") is None


def test_names_of_two_charts_do_not_meet(extension):
    inline = extension("charts").inline
    names = []
    for value in (1, 2):
        drawing = inline(_drawing(value), "A line.")
        named = set(re.findall(r' id="([^"]*)"', drawing))
        assert named and set(re.findall(r"url\(#([^)]*)\)", drawing)) <= named
        assert set(re.findall(r'href="#([^"]*)"', drawing)) <= named
        names.append(named)
    assert not names[0] & names[1]
