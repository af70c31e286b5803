"""osnet_lib.plots.pareto: engines by speed and loss."""

from __future__ import annotations

import pytest

from helpers.figures import assert_legible, texts
from osnet_lib.errors import ResultError
from osnet_lib.plots.pareto import plot_engines

MARKS = [
    ("onnxruntime float32", "onnxruntime", "float32", 70.0, (0.0, 0.0, 0.0), True, False),
    ("openvino bfloat16, streams fused", "openvino", "bfloat16", 120.0, (0.03, -0.01, 0.07), True, False),
    ("openvino int8", "openvino", "int8", 110.0, (1.8, 1.1, 2.4), False, True),
]


def test_shows_every_engine_the_front_and_the_budget():
    figure = plot_engines(MARKS, 0.1)
    assert_legible(figure)
    seen = texts(figure)
    assert figure.alt.endswith(
        "The fastest, openvino bfloat16, streams fused, reaches 120.0 images per second and changes mAP by -0.03 "
        "points; speeds disturbed: 1."
    )
    assert {name for name, *_ in MARKS} | {"front", "budget, 0.1 points", "hollow: disturbed"} <= set(seen)


def test_only_disturbed_marks_are_hollow():
    axes = plot_engines(MARKS).axes[0]
    faces = [bars.lines[0].get_markerfacecolor() for bars in axes.containers]
    assert [face == "white" for face in faces] == [False, False, True]
    seen = texts(plot_engines(MARKS[:2]))
    assert "hollow: disturbed" not in seen and not [text for text in seen if text.startswith("budget")]


def test_a_line_joins_the_front():
    line = next(line for line in plot_engines(MARKS).axes[0].lines if len(line.get_xdata()) == 2)
    assert line.get_xdata().tolist() == [70, 120] and line.get_ydata().tolist() == [0, 0.03]


@pytest.mark.parametrize("marks", [[], [(*MARKS[0][:3], 0.0, *MARKS[0][4:])]])
def test_refuses_what_has_no_speed(marks):
    with pytest.raises(ResultError, match="no engine with a speed"):
        plot_engines(marks)
