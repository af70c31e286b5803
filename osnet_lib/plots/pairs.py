"""Figures of pairs of images: how far apart the same and different identities are, and what a threshold makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..errors import MetricError
from .descriptions import describe, sentence
from .style import BLACK, BLUE, LINES, VERMILLION, legend_below, new_chart, styled

if TYPE_CHECKING:
    from ..metrics.verification import PairHistogram, Verification

DISTANCES = {"euclidean": "squared Euclidean distance", "cosine": "cosine distance, 1 − cosine"}


@styled
def plot_pairs(histogram: PairHistogram, verification: Verification | None = None, title: str | None = None) -> Figure:
    """Distances of pairs of the same and of different identity: shares above, numbers on a log axis below.

    Parameters
    ----------
    histogram : PairHistogram
    verification : Verification, optional
        Of the same features; its thresholds are drawn: below each, what share of the pairs lies.

    Raises
    ------
    MetricError
        No pair of one of the two kinds.
    """
    if not histogram.same.sum() or not histogram.different.sum():
        raise MetricError(
            f"{histogram.same.sum():,} pairs of the same and {histogram.different.sum():,} of different identity",
            where="pairs",
            cure="Give the histogram of a query set and its gallery",
        )
    figure = new_chart(4.4, title=title)
    shares, counts = figure.subplots(2, 1, sharex=True)
    looks = (
        ("same identity", histogram.same, BLUE, "-", "////"),
        ("different identity", histogram.different, VERMILLION, "--", ""),
    )
    for name, pairs, colour, line, hatch in looks:
        for axes, values in ((shares, 100 * pairs / pairs.sum()), (counts, pairs)):
            axes.stairs(
                values,
                histogram.edges,
                fill=True,
                facecolor=colour + "30",
                edgecolor=colour + "90",
                hatch=hatch,
                linewidth=0,
            )
            axes.stairs(
                values,
                histogram.edges,
                color=colour,
                linestyle=line,
                linewidth=1.6,
                label=f"{name}: {pairs.sum():,} pairs",
            )
    points = () if verification is None else zip(verification.thresholds, verification.tprs, verification.fprs)
    for i, (threshold, tpr, fpr) in enumerate(points, 1):
        for axes in (shares, counts):
            # An infinite threshold accepts all and is nowhere on the axis, but stays in the legend.
            axes.axvline(
                threshold if np.isfinite(threshold) else np.nan,
                color=BLACK,
                linestyle=LINES[i % len(LINES)],
                linewidth=1.1,
                label=f"below {threshold:.4g}: {100 * tpr:.1f} % of the same, at most {100 * fpr:.4g} % of different",
            )
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.7)
    counts.yaxis.set_minor_locator(NullLocator())
    counts.yaxis.set_major_locator(LogLocator(numticks=7))
    counts.yaxis.set_major_formatter(FuncFormatter(_count))
    shares.set(ylabel="share of its pairs / %", ylim=(0, None))
    used = np.flatnonzero(histogram.same + histogram.different)
    counts.set(
        ylabel="pairs in a bin",
        xlim=(histogram.edges[used[0]], histogram.edges[used[-1] + 1]),
        xlabel=DISTANCES[histogram.metric] + " of unit features" * histogram.normalized,
    )
    figure.align_ylabels()
    legend_below(figure, *shares.get_legend_handles_labels())
    same, different = histogram.same, histogram.different
    values = {"same": same.sum(), "different": different.sum()}
    medians = {"same_median": _median(same, histogram.edges), "different_median": _median(different, histogram.edges)}
    said = [sentence("pairs", **values, **medians)]
    if verification is not None and len(verification.fprs):
        strictest = int(np.argmin(verification.fprs))
        tpr, fpr = 100 * verification.tprs[strictest], 100 * verification.fprs[strictest]
        said.append(sentence("pairs at", tpr=tpr, fpr=fpr))
    return describe(figure, *said)


def _median(counts: np.ndarray, edges: np.ndarray) -> float:
    """Upper edge of the bin that holds the middle pair."""
    return float(edges[1 + np.searchsorted(np.cumsum(counts), counts.sum() / 2)])


def _count(value: float, _place: object = None) -> str:
    return f"{value:,.0f}"
