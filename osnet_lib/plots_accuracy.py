"""Figures that look behind a score: how far apart the features of one person and of different people are."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from .errors import MetricError
from .plots_style import BLACK, BLUE, VERMILLION, new_chart, styled

DISTANCE_LABELS = {"euclidean": "squared Euclidean distance", "cosine": "cosine distance, 1 − cos"}


@styled
def plot_distances(positive: ArrayLike, negative: ArrayLike, metric: str = "euclidean",
                   title: str | None = None) -> Figure:
    """Distances between images of the same person and of different people; where they overlap, ranking goes wrong.

    Parameters
    ----------
    positive, negative : array
        Distances of pairs of the same and of different identity, any number of them.
    metric : str
        Names the axis.

    Raises
    ------
    MetricError
        No pairs of one kind, or a distance that is not finite.
    """
    pairs = {"same identity": np.ravel(positive), "different identity": np.ravel(negative)}
    for label, values in pairs.items():
        if not values.size or not np.isfinite(values).all():
            raise MetricError(f"no finite distances, but {values.size} values", where=label,
                              cure="Give one distance per pair of images")
    edges = np.histogram_bin_edges(np.array([f(v) for v in pairs.values() for f in (np.min, np.max)], np.float64), 60)
    figure = new_chart(3.6, title=title)
    axes = figure.add_subplot()
    for (label, values), colour, hatch, line in zip(pairs.items(), (BLUE, VERMILLION), ("////", ""), ("--", ":")):
        share, median = 100 * np.histogram(values, edges)[0] / values.size, float(np.median(values))
        axes.stairs(share, edges, fill=True, facecolor=colour + "55", edgecolor=colour, hatch=hatch, linewidth=1.4,
                    label=f"{label}: {values.size:,} pairs")
        axes.axvline(median, color=BLACK, linestyle=line, label=f"its median {median:.4g}")
    axes.set(xlabel=DISTANCE_LABELS.get(metric, f"{metric} distance"), ylabel="share of the pairs / %")
    axes.set_ylim(bottom=0)
    axes.legend()
    return figure
