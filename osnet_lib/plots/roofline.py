"""Figures of the roofline: computed roofs, published points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from ..errors import ResultError
from .descriptions import describe, sentence
from .style import BLACK, FINE_PRINT, legend_below, line_styles, new_chart, plain_decades, styled

if TYPE_CHECKING:
    from ..published.chips import Chip
    from ..published.roofline import RooflinePoint


@styled
def plot_roofline(chips: Sequence[Chip], points: Sequence[RooflinePoint], title: str | None = None) -> Figure:
    """Attainable TFLOPS over arithmetic intensity, one roof a chip, and the published speeds as hollow markers.

    A point stands at the intensity of a network whose every operator goes to memory. One above its slope is proof that
    part of the activations stays on the chip. A chip without a bandwidth on file has no slope.

    Raises
    ------
    ResultError
        No chip; a point of a chip whose roof is not drawn.
    """
    if not chips:
        raise ResultError("no roof to draw", where="chips", cure="Give the chips of osnet_lib.published.chips.chips()")
    missing = {p.chip.name for p in points} - {c.name for c in chips}
    if missing:
        raise ResultError(
            "a published point without its roof", where=", ".join(sorted(missing)), cure="Give its chip as well"
        )
    figure = new_chart(3.8, title=title)
    axes = figure.add_subplot(xscale="log", yscale="log")
    for axis in (axes.xaxis, axes.yaxis):
        plain_decades(axis)
    intensity = np.geomspace(1, 4096, 400)
    said = [sentence("roofline", chips=len(chips))]
    for chip, look in zip(chips, line_styles(len(chips))):
        known = bool(chip.bandwidth_gbs)
        roof = [chip.attainable_tflops(i) for i in intensity]
        slope = f"{chip.bandwidth_gbs:g} GB/s" if known else "bandwidth not on file"
        axes.plot(
            intensity, roof, **{**look, "marker": ""}, label=f"{chip.name}: {chip.peak_tflops:.1f} TFLOPS, {slope}"
        )
        mine = sorted((p for p in points if p.chip.name == chip.name), key=lambda p: p.batch_size)
        if not mine:
            continue
        batches = ", ".join(str(size) for size in dict.fromkeys(p.batch_size for p in mine))
        columns = len({p.label for p in mine})
        axes.plot(
            [p.intensity for p in mine],
            [p.tflops for p in mine],
            **{**look, "linestyle": "none"},
            markersize=7,
            markerfacecolor="white",
            label=f"published, {chip.name}, {columns} columns, batch {batches}",
        )
        first, best = min(mine, key=lambda p: p.tflops), max(mine, key=lambda p: p.tflops)
        reached = {"tflops": best.tflops, "share": 100 * best.share_of_peak, "batch": best.batch_size}
        said.append(sentence("roofline of", chip=chip.name, **reached))
        for point in dict.fromkeys((first, best)):
            axes.annotate(
                f"batch {point.batch_size}: {point.tflops:.2f} TFLOPS, {point.share_of_peak:.1%}",
                (point.intensity, point.tflops),
                (10, -3),
                textcoords="offset points",
                fontsize=FINE_PRINT,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
            )
    axes.set(xlabel="operations per byte through memory", ylabel="10¹² operations per second (fp16)")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axis.set_minor_formatter(NullFormatter())
    legend_below(figure)
    return describe(figure, *said)


@styled
def plot_best_batch(points: Sequence[RooflinePoint], title: str | None = None) -> Figure:
    """Published images per second over batch size, a line a column, beside the two computed speeds; a panel a chip.

    Raises
    ------
    ResultError
        No point.
    """
    names = list(dict.fromkeys(p.chip.name for p in points))
    if not names:
        raise ResultError(
            "no published point", where="points", cure="Give osnet_lib.published.roofline.roofline_points()"
        )
    figure = new_chart(0.2 + 2.2 * len(names), title=title)
    said = [sentence("best batch")]
    for axes, name in zip(np.atleast_1d(figure.subplots(len(names), 1)), names):
        mine = sorted((p for p in points if p.chip.name == name), key=lambda p: p.batch_size)
        batches = sorted({p.batch_size for p in mine})
        at = {p.batch_size: p for p in mine}
        series = {
            "computed, if what fits the L2 stays on chip": [at[n].kept_if_it_fits for n in batches],
            "computed, if all goes through memory": [at[n].all_through_memory for n in batches],
        }
        for (label, rates), look in zip(series.items(), line_styles(len(series))):
            axes.plot(batches, rates, **look, label=label)
        labels = list(dict.fromkeys(p.label for p in mine))
        for label, look in zip(labels, line_styles(len(series) + len(labels))[len(series) :]):
            line = [p for p in mine if p.label == label]
            hollow = {"markerfacecolor": "white", "markersize": 7}
            axes.plot(
                [p.batch_size for p in line],
                [p.throughput for p in line],
                **{**look, **hollow},
                label=f"published, {label}",
            )
            best = max(line, key=lambda p: p.throughput)
            axes.axvline(best.batch_size, color=BLACK, linewidth=0.8, linestyle=":")
            at_best = {"batch": best.batch_size, "rate": best.throughput}
            said.append(sentence("best batch of", label=label, chip=name, **at_best))
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.set(xlabel="batch size / images", ylabel="images per second", title=name)
        axes.set_xticks(batches, [str(b) for b in batches])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    handles = {label: handle for axes in figure.axes for handle, label in zip(*axes.get_legend_handles_labels())}
    legend_below(figure, handles.values(), handles)
    return describe(figure, *said)
