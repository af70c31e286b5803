"""The figure of the engines: what is lost in accuracy against what is gained in speed, and the front of both."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ..errors import ResultError
from .descriptions import describe, sentence
from .style import BLACK, COLOURS, GREY, MARKERS, legend_below, new_chart, styled

#: engine, backend, precision, images/s, points of mAP lost (value, least, most), on the front, disturbed
Mark = tuple[str, str, str, float, tuple[float, float, float], bool, bool]


@styled
def plot_engines(marks: Sequence[Mark], budget: float | None = None, title: str | None = None) -> Figure:
    """Loss of mAP with its paired interval over images per second: one mark an engine and precision.

    A marker is a backend and a colour a precision; a line joins those of the front, which no other beats in one without
    being worse in the other; hollow markers were disturbed.

    Parameters
    ----------
    marks : sequence of `Mark`
    budget : float, optional
        Points of mAP, drawn as a line.

    Raises
    ------
    ResultError
        No mark, or a speed that is not positive.
    """
    if not marks or any(not speed > 0 for _, _, _, speed, *_ in marks):
        raise ResultError("no engine with a speed to show", where="marks", cure="Measure the engines first")
    figure = new_chart(3.4, title=title)
    axes = figure.add_subplot()
    backends = list(dict.fromkeys(backend for _, backend, *_ in marks))
    precisions = list(dict.fromkeys(precision for _, _, precision, *_ in marks))
    for name, backend, precision, speed, (loss, least, most), _, disturbed in marks:
        colour = COLOURS[precisions.index(precision) % len(COLOURS)]
        axes.errorbar(
            [speed],
            [loss],
            yerr=[[max(0.0, loss - least)], [max(0.0, most - loss)]],
            color=colour,
            marker=MARKERS[backends.index(backend) % len(MARKERS)],
            markersize=8,
            markerfacecolor="white" if disturbed else colour,
            capsize=3,
            linestyle="none",
            zorder=3,
            label=name,
        )
    front = sorted((speed, loss[0]) for _, _, _, speed, loss, ahead, _ in marks if ahead)
    extra = []
    if len(front) > 1:
        axes.plot(*zip(*front), color=GREY, linewidth=1.2, zorder=2)
        extra.append(Line2D([], [], color=GREY, linewidth=1.2, label="front"))
    if budget is not None:
        extra.append(axes.axhline(budget, color=BLACK, linestyle="--", linewidth=1, label=f"budget, {budget:g} points"))
    if any(disturbed for *_, disturbed in marks):
        extra.append(
            Line2D(
                [], [], color=BLACK, marker="o", markerfacecolor="white", linestyle="none", label="hollow: disturbed"
            )
        )
    axes.set(xlabel="images per second", ylabel="mAP lost against\nONNX Runtime float32 / points", xlim=(0, None))
    axes.margins(y=0.15)
    handles = [*axes.get_legend_handles_labels()[0], *(one for one in extra if one not in axes.lines)]
    legend_below(figure, dict.fromkeys(handles))
    name, _, _, speed, (loss, *_), *_ = max(marks, key=lambda mark: mark[3])
    fastest = sentence("engines of", engine=name, speed=speed, change=-loss, disturbed=sum(mark[-1] for mark in marks))
    return describe(figure, sentence("engines", engines=len(marks)), fastest)
