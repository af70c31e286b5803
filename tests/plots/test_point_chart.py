"""osnet_lib.plots.point_chart: every point in every drawing that it belongs to, with its words."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from osnet_lib.errors import ResultError
from osnet_lib.plots.point_chart import ChartPoint, Series, point_chart
from osnet_lib.plots.ticks import Axis

LINE = Series(
    "net, 2 threads",
    (ChartPoint(1, 20.0, 2.0), ChartPoint(8, 40.0, 1.0, "disturbed", hollow=True)),
    "measured here",
    "CPU",
)
CHIP = Series("chip", (ChartPoint(1, 240.0), ChartPoint(16, 4000.0)), "published", "NPU", dashed=True)
BATCH, RATE = Axis("batch size", ("log",), (1, 8, 16)), Axis("images per second", ("log", "linear"))
LOSS = Axis("loss of mAP, points")


def chart(*series: Series, x: Axis = BATCH, y: Axis = RATE):
    return point_chart(series or (LINE, CHIP), x, y, 'The chip is "faster" & <dearer>.')


def marks(drawing: str) -> list[ElementTree.Element]:
    plot = ElementTree.fromstring(drawing[: drawing.index("<ul")])
    return [part for part in plot if part.get("class") == "mark"]


def test_every_point_is_drawn_with_its_values():
    first, *_ = found = marks(chart().drawing())
    assert len(found) == 4
    assert first.get("aria-label") == "net, 2 threads (measured here): batch size 1, images per second 20 ± 2"
    assert found[1].get("aria-label").endswith("images per second 40 ± 1; disturbed")
    assert found[3].get("aria-label") == "chip (published): batch size 16, images per second 4,000"
    assert ["hollow" in mark[-1].get("class") for mark in found] == [False, True, False, False]
    assert [len(mark) for mark in found] == [2, 2, 1, 1]  # a bar where the error is known


@pytest.mark.parametrize("scale", ["log", "linear"])
def test_places_follow_the_values(scale):
    found = [(float(m.get("x").rstrip("%")), float(m.get("y"))) for m in marks(chart().drawing(scale=scale))]
    (x1, y20), (x8, y40), (again, y240), (x16, y4000) = found
    assert 0 <= x1 == again < x8 < x16 <= 100 and 0 <= y4000 < y240 < y40 < y20 <= 320
    if scale == "linear":
        assert (y20 - y40) / (y20 - y4000) == pytest.approx(20 / 3980, abs=1e-3)
    else:
        assert (x8 - x1) / (x16 - x1) == pytest.approx(3 / 4, abs=1e-3)


def test_one_drawing_for_each_device_and_scale():
    made = chart()
    data = made.payload()
    assert data["devices"] == ["", "CPU", "NPU"] and data["scales"] == ["log", "linear"]
    assert [[len(marks(one)) for one in row] for row in data["drawings"]] == [[4, 4], [2, 2], [2, 2]]
    looks = [re.findall(r'class="mark"[^>]*style="([^"]*)"', row[0])[-1] for row in data["drawings"]]
    assert looks[0] == looks[2] != looks[1]  # a series keeps its colour


def test_points_of_engines_stand_alone_with_their_bars():
    engines = [
        Series(name, (ChartPoint(speed, loss, 0.3),), device="CPU", joined=False)
        for name, speed, loss in (("float32", 30.0, 0.0), ("int8", 70.0, 1.2), ("better", 20.0, -0.4))
    ]
    made = chart(*engines, x=RATE, y=LOSS)
    drawing = made.drawing(scale="linear")
    assert 'class="join"' not in drawing and drawing.count('class="bar"') == 3
    assert marks(drawing)[2].get("aria-label") == "better: images per second 20, loss of mAP, points −0.4 ± 0.3"
    assert made.payload()["devices"] == [""] and made.scales == ("log", "linear")


def test_the_html_reads_without_a_script():
    html = chart()._repr_html_()
    before = html[: html.index("<script")]
    assert before.count('class="plot"') == 1 and before.count("<tr>") == 5
    assert "<figcaption>The chip is &quot;faster&quot; &amp; &lt;dearer&gt;.</figcaption>" in before
    assert 'aria-label="The chip is &quot;faster&quot;' in before and "<dearer>" not in html
    assert repr(chart()) == 'The chip is "faster" & <dearer>.'


def test_hollow_is_explained_where_it_occurs():
    assert "hollow: disturbed" in chart().drawing() and "hollow" not in chart(CHIP).drawing()


@pytest.mark.parametrize(
    "series, words",
    [
        ([Series("none", ())], "no point to show"),
        (
            [Series("a", (ChartPoint(1, 0.0),))],
            "a: images per second of 0.0. It must be finite, and positive on a log axis",
        ),
        ([Series("a", (ChartPoint(0, 1.0),))], "a: batch size of 0"),
        ([Series("a", (ChartPoint(1, float("nan")),))], "a: images per second of nan"),
    ],
)
def test_what_cannot_be_drawn_is_refused(series, words):
    with pytest.raises(ResultError) as caught:
        chart(*series)
    assert words in str(caught.value)
