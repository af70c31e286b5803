"""osnet_lib.plots.widget: one piece of HTML that no data can break."""

from __future__ import annotations

import json
from html.parser import HTMLParser

import pytest

from osnet_lib.plots.widget import as_script, widget

EVIL = "</script><img src=x onerror=alert(1)>&\"'<!--\u2028"


class Parts(HTMLParser):
    """The elements of a page, and what stands in its scripts."""

    def __init__(self):
        super().__init__()
        self.names, self.scripts, self._inside = [], [], False

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes = getattr(self, "attributes", []) + [dict(attrs)]
        self._inside = tag == "script"
        if self._inside:
            self.scripts.append("")

    def handle_endtag(self, tag):
        self._inside = False

    def handle_data(self, data):
        if self._inside:
            self.scripts[-1] += data


def parts(html: str) -> Parts:
    found = Parts()
    found.feed(html)
    return found


@pytest.mark.parametrize("script", ["explorer.js", "point_chart.js"])
def test_data_reach_the_script_and_nothing_else(script):
    data = {"name": EVIL, EVIL: [1, 2.5, None, True]}
    found = parts(widget(script, EVIL, "<p>words</p>", data))
    assert found.names == ["div", "style", "p", "script", "script"]
    assert json.loads(found.scripts[0]) == data and '"use strict"' in found.scripts[1]
    assert found.attributes[0]["aria-label"] == EVIL


def test_nothing_is_loaded_from_elsewhere():
    for script in ("explorer.js", "point_chart.js"):
        html = widget(script, "label", "", {})
        assert "http" not in html and "fetch(" not in html and "import" not in html.replace("important", "")


def test_numbers_that_json_lacks_are_refused():
    with pytest.raises(ValueError, match="Out of range float values"):
        as_script([float("nan")])
