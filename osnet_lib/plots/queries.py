"""Figures of scores: how average precision is spread over the queries, and Rank-1 from camera to camera."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from ..checks import whole_number
from ..errors import MetricError
from .descriptions import describe, sentence
from .style import (
    BLACK,
    CHART_WIDTH,
    COLOURS,
    FINE_PRINT,
    GREY,
    HATCHES,
    LIGHTNESS,
    LINES,
    ON_MAP,
    legend_below,
    new_chart,
    styled,
)

if TYPE_CHECKING:
    from ..metrics.cameras import CameraPairs
    from ..metrics.evaluation import Evaluation


@styled
def plot_ap(evaluations: Mapping[str, Evaluation], bins: int = 20, title: str | None = None) -> Figure:
    """Histogram of average precision over queries, a bar for each evaluation, with mAP as a line.

    A bin holds its lower edge, the last one also 100 %. Queries without a match are left out and counted.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        By label; one to five.
    bins : int
        Of equal width, from 0 to 100 %.

    Raises
    ------
    MetricError
        No evaluation, or more than five; no bin; an evaluation without a scored query.
    """
    whole_number(bins, "bins", error=MetricError, where="average precision")
    if not 1 <= len(evaluations) <= len(HATCHES):
        raise MetricError(
            f"{len(evaluations)} evaluations", where="average precision", cure=f"Give 1 to {len(HATCHES)}"
        )
    figure = new_chart(3.0, title=title)
    axes = figure.add_subplot()
    edges = np.linspace(0, 100, bins + 1)
    width = 0.9 * edges[1] / len(evaluations)
    said = [sentence("ap")]
    for i, (label, evaluation) in enumerate(evaluations.items()):
        ap = 100 * evaluation.ap[evaluation.valid]
        if not len(ap):
            raise MetricError(
                "no query with a match, so no average precision",
                where=label,
                cure="Give an evaluation in which queries were scored",
            )
        left_out = len(evaluation.ap) - len(ap)
        note = f"; {left_out:,} without a match left out" if left_out else ""
        axes.bar(
            edges[:-1] + 0.05 * edges[1] + (i + 0.5) * width,
            np.histogram(ap, edges)[0],
            width,
            facecolor=COLOURS[i] + "80",
            edgecolor=BLACK,
            hatch=HATCHES[i],
            linewidth=0.7,
            label=f"{label}: {len(ap):,} queries, median {np.median(ap):.1f} %, "
            f"{np.count_nonzero(ap >= 100):,} at 100 %{note}",
        )
        axes.axvline(
            100 * evaluation.mAP,
            color=COLOURS[i],
            linestyle=LINES[i % len(LINES)],
            linewidth=1.8,
            label=f"{label}: mAP {100 * evaluation.mAP:.1f} %",
        )
        shares = {"mean": ap.mean(), "median": np.median(ap), "low": np.count_nonzero(ap < 50)}
        said.append(sentence("ap of", label=label, queries=len(ap), **shares))
    axes.set(xlabel=f"average precision of a query / %; a bin is {edges[1]:.4g} wide", ylabel="queries", xlim=(0, 100))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.grid(axis="x", visible=False)
    legend_below(figure)
    return describe(figure, *said)


@styled
def plot_camera_pairs(pairs: CameraPairs, title: str | None = None) -> Figure:
    """Rank-1 from query camera to gallery camera as a heat map; each cell says its figure and its queries.

    Dark is low, and hatched cells have no query.

    Raises
    ------
    MetricError
        No pair of cameras with a query.
    """
    if not pairs.queries.any():
        raise MetricError(
            "no pair of cameras has a query",
            where="camera pairs",
            cure="Give what camera_pairs computes of query and gallery",
        )
    rows, columns = pairs.rank1.shape
    figure = new_chart(max(2.6, 1.5 + 0.5 * rows), max(CHART_WIDTH, 1.0 + 0.6 * columns), title)
    axes = figure.add_subplot()
    percent = 100 * pairs.rank1
    low = min(95.0, 5 * np.floor(np.nanmin(percent) / 5))
    high = max(low + 5, 5 * np.ceil(np.nanmax(percent) / 5))
    shown = axes.imshow(np.ma.masked_invalid(percent), cmap=LIGHTNESS, vmin=low, vmax=high, aspect="auto")
    for (row, column), value in np.ndenumerate(percent):
        if np.isnan(value):
            axes.add_patch(
                Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor="white", edgecolor=GREY, hatch="////", linewidth=0)
            )
            continue
        share = (value - low) / (high - low)  # black and white text stand out alike where the lightness is 0.46
        axes.text(
            column,
            row,
            f"{value:.1f} %\nof {pairs.queries[row, column]:,}",
            ha="center",
            va="center",
            fontsize=FINE_PRINT,
            color=ON_MAP[_lightness(share) > 0.46],
        )
    axes.set(xlabel="camera of the gallery images", ylabel="camera of the query")
    axes.set_xticks(range(columns), [str(camera) for camera in pairs.gallery_cameras])
    axes.set_yticks(range(rows), [str(camera) for camera in pairs.query_cameras])
    axes.grid(False)
    axes.spines[:].set_visible(False)
    figure.colorbar(
        shown,
        ax=axes,
        location="bottom",
        aspect=40,
        label=f"Rank-1 / %, {pairs.metric}{' of unit features' * pairs.normalized}",
    )
    values: dict[str, object] = {}
    for name, place in (("worst", np.nanargmin(percent)), ("best", np.nanargmax(percent))):
        row, column = np.unravel_index(place, percent.shape)
        values[name], values[f"{name}_queries"] = percent[row, column], pairs.queries[row, column]
        values[f"{name}_from"], values[f"{name}_to"] = pairs.query_cameras[row], pairs.gallery_cameras[column]
    return describe(figure, sentence("camera pairs", **values))


def _lightness(share: float) -> float:
    """How light the colour map is at a share of its range, 0 to 1 (luma of ITU-R BT.601)."""
    return float(np.dot(colormaps[LIGHTNESS](share)[:3], (0.299, 0.587, 0.114)))
