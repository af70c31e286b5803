"""Words inside charts: said in another language, with their values, wherever a drawing or a script holds them."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree

import pytest

from osnet_lib.core.code_digest import PACKAGE
from osnet_lib.plots.point_chart import ChartPoint, Series, point_chart
from osnet_lib.plots.style import legend_below, line_styles, new_chart
from osnet_lib.plots.ticks import Axis
from osnet_lib.report.labels import label, relabelled, said_by, unsaid
from osnet_lib.report.words import script_words

SCRIPTS = sorted((PACKAGE / "resources").glob("*.js"))
TABLE = re.compile(r"<table.*?</table>", re.DOTALL)
LONG = "largest difference between a row and its image alone"


def drawing(xlabel: str, *labels: str) -> str:
    chart = new_chart(2.0, width=2.2)
    axes = chart.add_subplot()
    for name, look in zip(labels, line_styles(len(labels))):
        axes.plot([0, 1], [0, 1], **look, label=name)
    axes.set(xlabel=xlabel)
    legend_below(chart)
    return chart.svg()


def texts(svg: str) -> list[str]:
    return [text for text in ElementTree.fromstring(svg).itertext() if text.strip()]


def chart():
    line = Series("net, 2 threads", (ChartPoint(1, 20.0, 2.0, "disturbed", hollow=True),), "measured here", "CPU & co")
    chip = Series("Ascend 310", (ChartPoint(8, 715.0),), "published", "NPU")
    words = "The fastest published chip is Ascend 310 at batch 8: 715 images/s."
    return point_chart((line, chip), Axis("batch size", ("log",), (1, 8)), Axis("images per second", ("log",)), words)


@pytest.mark.parametrize(
    "text, said",
    [
        ("images per second", "吞吐率（张/秒）"),
        ("euclidean: Rank-1 93.0 %, mAP 84.6 %", "欧氏：Rank-1 93.0 %，mAP 84.6 %"),
        ("simplified, 16", "简化后，16"),
        ("published, Ascend 310P, CANN 5.1.RC1 with AOE", "公开数据，Ascend 310P，CANN 5.1.RC1，使用 AOE"),
        ("osnet_x1_0, onnxruntime, 2 threads", "osnet_x1_0, onnxruntime，2 个线程"),
        ("hollow: disturbed or published", "空心：受干扰或公开数据"),
        ("Ascend 310P3", "Ascend 310P3"),
        ("a name of nobody", None),
    ],
)
def test_a_label_is_said_with_its_values(text, said):
    assert label(text, "zh_CN") == said


def test_a_drawing_follows_the_language_and_nothing_else_of_it_changes():
    svg = drawing("rank k", "tolerance 0.0001", "aa <b> & c")
    other = relabelled(svg, "zh_CN")
    assert relabelled(svg) == svg and unsaid(svg, "zh_CN") == ["aa <b> & c"]
    assert {"名次 k", "容差 0.0001", "aa <b> & c"} <= set(texts(other))
    assert re.sub(r">[^<]*<", "><", other) == re.sub(r">[^<]*<", "><", svg)


def test_a_label_on_several_lines_is_looked_up_as_a_whole():
    svg = drawing("rank k", LONG)
    assert LONG not in texts(svg) and unsaid(svg, "zh_CN") == []
    said = texts(relabelled(svg, "zh_CN"))
    assert "批内推理与单独推理的最大差值" in "".join(said) and not [text for text in said if "difference" in text]


def test_every_drawing_of_a_widget_is_said_again_and_its_script_gets_its_words():
    html = relabelled(chart()._repr_html_(), "zh_CN")
    data, words = map(json.loads, re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', html))
    assert data["devices"] == ["", "CPU & co", "NPU"]
    for drawn in [html.partition("<script")[0], *(one for row in data["drawings"] for one in row)]:
        assert "吞吐率（张/秒）" in drawn and "images per second" not in TABLE.sub("", drawn)
    assert "net，2 个线程（实测）：批大小 1，吞吐率 20 ± 2 张/秒；受干扰" in data["drawings"][1][0]
    assert words == {said: script_words("zh_CN")[said] for said in said_by(SCRIPTS[1].read_text("utf-8"))}
    assert relabelled(html, "en") == html and unsaid(chart()._repr_html_(), "zh_CN") == []


def test_a_label_without_a_counterpart_is_found_in_every_place():
    widget = (
        '<div aria-label="Nobody said this"><p>Nor that</p><table><td>but tables have words</td></table>'
        '<script type="application/json">{"x":["\\u003csvg>nor this\\u003c/svg>","a name"]}</script>'
        '<script>say("or this {n}", { n }); say("rank {rank}")</script></div>'
    )
    assert unsaid(widget, "zh_CN") == ["Nobody said this", "Nor that", "nor this", "or this {n}"]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_what_a_script_says_has_its_counterpart_with_the_same_values(path):
    code, known = path.read_text("utf-8"), script_words("zh_CN")
    said = said_by(code)
    assert len(said) > 5 and len(said) == len(set(re.findall(r'say\("([^"]+)"', code)))
    assert "say(" not in re.sub(r'\bsay\("[^"]+"|const say = ', "", code)
    for text in said:
        assert sorted(re.findall(r"\{\w+\}", known[text])) == sorted(re.findall(r"\{\w+\}", text))


def test_no_word_of_a_script_is_left_behind():
    said = {text for path in SCRIPTS for text in said_by(path.read_text("utf-8"))}
    assert said == script_words("zh_CN").keys()
