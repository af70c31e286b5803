"""Figures of pairs of images: how far apart the same and different identities are, and what a threshold makes of it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from ..errors import MetricError
from ..metrics.verification import PairHistogram, Verification
from .style import BLACK, BLUE, LINES, VERMILLION, line_styles, new_chart, styled

DISTANCES = {"euclidean": "squared Euclidean distance", "cosine": "cosine distance, 1 − cosine"}


@styled
def plot_pairs(histogram: PairHistogram, verification: Verification | None = None,
               title: str | None = None) -> Figure:
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
    _check(histogram, "pairs")
    figure = new_chart(5.2, title=title)
    shares, counts = figure.subplots(2, 1, sharex=True)
    looks = (("same identity", histogram.same, BLUE, "-", "////"),
             ("different identity", histogram.different, VERMILLION, "--", ""))
    for name, pairs, colour, line, hatch in looks:
        for axes, values in ((shares, 100 * pairs / pairs.sum()), (counts, pairs)):
            axes.stairs(values, histogram.edges, fill=True, facecolor=colour + "30", edgecolor=colour + "90",
                        hatch=hatch, linewidth=0)
            axes.stairs(values, histogram.edges, color=colour, linestyle=line, linewidth=1.6,
                        label=f"{name}: {pairs.sum():,} pairs")
    points = () if verification is None else zip(verification.thresholds, verification.tprs, verification.fprs)
    for i, (threshold, tpr, fpr) in enumerate(points, 1):
        for axes in (shares, counts):
            # An infinite threshold accepts all and is nowhere on the axis, but stays in the legend.
            axes.axvline(threshold if np.isfinite(threshold) else np.nan, color=BLACK, linestyle=LINES[i % len(LINES)],
                         linewidth=1.1, label=f"below {threshold:.4g}: {100 * tpr:.1f} % of the same, at most "
                                              f"{100 * fpr:.4g} % of different")
    counts.set_yscale("log")
    counts.set_ylim(bottom=0.7)
    counts.yaxis.set_minor_locator(NullLocator())
    counts.yaxis.set_major_locator(LogLocator(numticks=7))
    counts.yaxis.set_major_formatter(FuncFormatter(_count))
    shares.set(ylabel="share of its pairs / %", ylim=(0, None))
    used = np.flatnonzero(histogram.same + histogram.different)
    counts.set(ylabel="pairs in a bin", xlim=(histogram.edges[used[0]], histogram.edges[used[-1] + 1]),
               xlabel=DISTANCES[histogram.metric] + " of unit features" * histogram.normalized)
    figure.align_ylabels()
    figure.legend(*shares.get_legend_handles_labels(), loc="outside lower center", ncols=1 + (verification is None))
    return figure


@styled
def plot_roc(histograms: Mapping[str, PairHistogram], verifications: Mapping[str, Verification] | None = None,
             title: str | None = None) -> Figure:
    """Receiver operating characteristic: the share of same-identity pairs accepted, over that of others.

    The curve joins the edges of the histogram's bins, at which it is exact.

    Parameters
    ----------
    histograms : dict of str to PairHistogram
        One curve each, by label.
    verifications : dict of str to Verification, optional
        By a label among these; their exact points are hollow markers.

    Raises
    ------
    MetricError
        No curve; no pair of one of the two kinds; a verification without its curve.
    """
    verifications = verifications or {}
    if not histograms or set(verifications) - set(histograms):
        raise MetricError(f"curves {', '.join(histograms) or 'none'}, points {', '.join(verifications) or 'none'}",
                          where="ROC", cure="Give at least one curve, and one for each label with points")
    figure = new_chart(4.2, title=title)
    axes = figure.add_subplot(xscale="log")
    least = min(1 / _check(histogram, label).different.sum() for label, histogram in histograms.items())
    handles = []
    for look, (label, histogram) in zip(line_styles(len(histograms)), histograms.items()):
        fpr = histogram.different.cumsum() / histogram.different.sum()
        tpr = 100 * histogram.same.cumsum() / histogram.same.sum()
        axes.plot(fpr[fpr > 0], tpr[fpr > 0], **{**look, "marker": ""})
        if label not in verifications:
            handles.append(Line2D([], [], **{**look, "marker": ""}, label=label))
            continue
        points, look = verifications[label], look | {"markersize": 8, "markerfacecolor": "white"}
        axes.plot(points.fprs, 100 * np.asarray(points.tprs), **{**look, "linestyle": "none"}, clip_on=False, zorder=3)
        exact = ", ".join(f"{100 * tpr:.1f} % at {_rate(fpr)}" for fpr, tpr in zip(points.fprs, points.tprs))
        handles.append(Line2D([], [], **look, label=f"{label}: {exact}"))
    axes.set(xlabel="false positive rate: share of different identities accepted",
             ylabel="true positive rate / %", xlim=(max(least, 1e-6), 1), ylim=(0, 100.5))
    axes.xaxis.set_major_formatter(FuncFormatter(_rate))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.legend(handles=handles, loc="lower right")
    return figure


def _check(histogram: PairHistogram, where: str) -> PairHistogram:
    if not histogram.same.sum() or not histogram.different.sum():
        raise MetricError(f"{histogram.same.sum():,} pairs of the same and {histogram.different.sum():,} of different "
                          "identity", where=where, cure="Give the histogram of a query set and its gallery")
    return histogram


def _count(value: float, _place: object = None) -> str:
    return f"{value:,.0f}"


def _rate(value: float, _place: object = None) -> str:
    return f"{value:g}".replace("e-0", "e-")
