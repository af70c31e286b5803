"""osnet_lib.plots.maps: every image a point, identities by shape, queries filled, cameras where there is room."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import same_color

from helpers.figures import assert_legible, legend
from osnet_lib.errors import MetricError
from osnet_lib.features.projection import IdentityMap, Projection
from osnet_lib.plots.maps import MAP_MARKERS, plot_map


def _map(identities: int, images: int, spread: float, queries: int = 3, seed: int = 0) -> IdentityMap:
    rng = np.random.default_rng(seed)
    pids = np.tile(np.arange(1, identities + 1), images)
    points = 10 * rng.standard_normal((identities + 1, 2))[pids] + spread * rng.standard_normal((len(pids), 2))
    projection = Projection(points, np.array([0.305, 0.121]))
    return IdentityMap(
        projection, pids, rng.integers(1, 7, len(pids)), np.arange(len(pids)) < queries * identities, "cosine"
    )


@pytest.mark.parametrize("identities, images, spread", [(1, 4, 1.0), (8, 12, 1.0), (12, 60, 3.0)])
def test_map_shows_every_image(identities, images, spread):
    shown = _map(identities, images, spread)
    figure = plot_map(shown, title="A map")
    (axes,) = figure.axes
    for i in range(identities):
        gallery, query = axes.lines[2 * i : 2 * i + 2]
        for line, is_query in ((gallery, False), (query, True)):
            mine = (shown.pids == i + 1) & (shown.is_query == is_query)
            np.testing.assert_array_equal(line.get_xydata(), shown.projection.points[mine])
            assert line.get_marker() == MAP_MARKERS[i] and line.get_linestyle() == "None"
        assert gallery.get_markerfacecolor() == "none" and query.get_markerfacecolor() == query.get_color()
        assert same_color(query.get_markeredgecolor(), "black")
    assert len(axes.lines) == 2 * identities
    assert len({line.get_marker() for line in axes.lines}) == identities  # known without colour
    assert legend(figure) == [*(f"pid {i + 1:04d}" for i in range(identities)), "query, with its camera", "gallery"]
    assert figure.axes[0].get_title() == "42.6 % of the variance of cosine features"
    assert axes.get_xlabel() == "first principal component, 30.5 % of the variance"
    assert axes.get_ylabel() == "second, 12.1 %" and axes.get_aspect() == 1 and figure.get_suptitle() == "A map"
    assert_legible(figure)


def test_numbers_are_the_cameras_of_the_queries_beside_them():
    shown = _map(6, 4, 2.0)
    figure = plot_map(shown)
    (axes,) = figure.axes
    places = shown.projection.points
    labels = [(text.xy, text.get_text()) for text in axes.texts]
    assert 9 < len(labels) <= 18
    for place, camera in labels:
        (query,) = np.flatnonzero((places == place).all(axis=1))
        assert shown.is_query[query] and camera == str(shown.camids[query])


def test_numbers_lie_on_no_point():
    shown = _map(8, 12, 1.0)
    figure = plot_map(shown)
    assert_legible(figure)
    (axes,) = figure.axes
    assert axes.texts
    pixels = axes.transData.transform(shown.projection.points)
    for text in axes.texts:
        box = text.get_window_extent()
        assert not (
            (box.x0 < pixels[:, 0]) & (pixels[:, 0] < box.x1) & (box.y0 < pixels[:, 1]) & (pixels[:, 1] < box.y1)
        ).any()


def test_where_there_is_no_room_there_is_no_number():
    axis = np.linspace(0, 1, 60)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    crowd = IdentityMap(
        Projection(grid, np.array([0.5, 0.5])),
        np.full(3600, 7),
        np.full(3600, 1),
        np.isin(np.arange(3600), [30 * 60 + 30, 20 * 60 + 40]),
        "euclidean",
    )
    figure = plot_map(crowd)
    assert not figure.axes[0].texts
    assert_legible(figure)


@pytest.mark.parametrize("identities", [0, 13])
def test_map_refuses_what_markers_cannot_tell_apart(identities):
    with pytest.raises(MetricError, match=f"^map: {identities} identities. Give 1 to 12, which markers"):
        plot_map(_map(identities, 4, 1.0))
