"""The figure of a map of features: identities by marker and colour, queries filled, gallery hollow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from ..errors import MetricError
from .descriptions import describe, sentence
from .style import BLACK, COLOURS, FINE_PRINT, GREY, MARKERS, legend_below, new_chart, styled

if TYPE_CHECKING:
    from ..features.projection import IdentityMap

MAP_MARKERS = (*MARKERS, "<", ">", "*", "p", "h")  # an identity must be known by its shape alone
_SIDES = ((1, 0), (-1, 0), (0, 1), (0, -1))


@styled
def plot_map(identities: IdentityMap, title: str | None = None) -> Figure:
    """The plane in which the features of some identities differ most; it states the share of variance it shows.

    Queries are filled and gallery images hollow. The number at a query is its camera; it is left out where there is
    no room for it.

    Parameters
    ----------
    identities : IdentityMap
        Of at most 12 identities, as `osnet_lib.features.projection.project_identities` gives it.

    Raises
    ------
    MetricError
        No identity, or more than there are markers.
    """
    pids = np.unique(identities.pids)
    if not 1 <= len(pids) <= len(MAP_MARKERS):
        raise MetricError(
            f"{len(pids)} identities", where="map", cure=f"Give 1 to {len(MAP_MARKERS)}, which markers can tell apart"
        )
    figure = new_chart(4.4, title=title)
    axes = figure.add_subplot(aspect="equal", adjustable="datalim")
    points, explained = identities.projection.points, 100 * identities.projection.explained
    handles = []
    for i, pid in enumerate(pids):
        look: dict[str, Any] = {
            "marker": MAP_MARKERS[i],
            "color": COLOURS[i % len(COLOURS)],
            "linestyle": "none",
            "markersize": 6.5,
        }
        mine = identities.pids == pid
        for queries, fill in ((False, {"markerfacecolor": "none"}), (True, {"markeredgecolor": BLACK})):
            x, y = points[mine & (identities.is_query == queries)].T
            axes.plot(x, y, **(look | fill), zorder=2 + queries)
        name = "distractor" if pid == 0 else f"pid {pid:04d}"
        handles.append(Line2D([], [], **look, markeredgecolor=BLACK, label=name))
    for label, face in (("query, with its camera", GREY), ("gallery", "none")):
        handles.append(Line2D([], [], marker="o", color=BLACK, markerfacecolor=face, linestyle="none", label=label))
    axes.set(
        title=f"{explained.sum():.1f} % of the variance of {identities.metric} features",
        xlabel=f"first principal component, {explained[0]:.1f} % of the variance",
        ylabel=f"second, {explained[1]:.1f} %",
    )
    legend_below(figure, handles)
    _number(figure, axes, points, identities.camids, np.flatnonzero(identities.is_query))
    return describe(
        figure,
        sentence(
            "map",
            people=len(pids),
            explained=explained.sum(),
            astray=_astray(points, identities),
            queries=np.count_nonzero(identities.is_query),
        ),
    )


def _astray(points: np.ndarray, identities: IdentityMap) -> int:
    """Queries that lie nearer to the middle of another identity's gallery images than to that of their own."""
    gallery = ~identities.is_query
    pids = np.unique(identities.pids[gallery])
    middles = np.array([points[gallery & (identities.pids == pid)].mean(axis=0) for pid in pids]).reshape(-1, 2)
    queries = points[identities.is_query]
    if not len(pids):
        return 0
    nearest = pids[np.square(queries[:, None] - middles).sum(axis=2).argmin(axis=1)]
    return int(np.count_nonzero(nearest != identities.pids[identities.is_query]))


def _number(figure: Figure, axes: Axes, points: np.ndarray, camids: np.ndarray, queries: np.ndarray) -> None:
    """Write the camera at queries, on the first side where the number lies on nothing."""
    figure.draw_without_rendering()  # sets the limits that decide where points lie
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    unit = figure.dpi / 72  # pixels of a point
    places = axes.transData.transform(points)
    taken = [Bbox.from_bounds(x - 3.5 * unit, y - 3.5 * unit, 7 * unit, 7 * unit) for x, y in places]
    for query in queries:
        x, y = places[query]
        for right, up in _SIDES:
            box = Bbox.from_bounds(x + (8 * right - 2.5) * unit, y + (8.5 * up - 4) * unit, 5 * unit, 8 * unit)
            inside = (
                axes.bbox.containsx(box.x0)
                and axes.bbox.containsx(box.x1)
                and axes.bbox.containsy(box.y0)
                and axes.bbox.containsy(box.y1)
            )
            if inside and not any(box.overlaps(other) for other in taken):
                taken.append(box)
                axes.annotate(
                    str(camids[query]),
                    points[query],
                    (8 * right, 8.5 * up),
                    textcoords="offset points",
                    ha="center",
                    va="center",
                    fontsize=FINE_PRINT,
                )
                break
