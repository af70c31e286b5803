"""osnet_lib.plots.queries: histograms of average precision and Rank-1 by camera pair, in figures and in grey."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.container import BarContainer
from matplotlib.patches import Rectangle

from helpers.figures import assert_legible, in_grey, legend, lightness, texts
from osnet_lib.errors import MetricError
from osnet_lib.metrics import evaluate
from osnet_lib.metrics.cameras import CameraPairs, camera_pairs
from osnet_lib.plots.queries import plot_ap, plot_camera_pairs


def _arguments(seed: int):
    rng = np.random.default_rng(seed)
    pids, camids = np.repeat(np.arange(1, 31), 4), np.tile([1, 2, 3, 4], 30)
    features = np.random.default_rng(0).standard_normal((31, 16))[pids] + 1.1 * rng.standard_normal((120, 16))
    query = camids <= 2
    return (features[query], pids[query], camids[query]), (features, pids, camids)


@pytest.fixture(scope="module")
def evaluations():
    return {"euclidean": evaluate(*_arguments(1)), "cosine": evaluate(*_arguments(1), metric="cosine")}


def _bars(figure) -> list[BarContainer]:
    return [c for c in figure.axes[0].containers if isinstance(c, BarContainer)]


@pytest.mark.parametrize("bins", [1, 5, 20])
def test_ap_counts_every_query_in_its_bin(evaluations, bins):
    figure = plot_ap(evaluations, bins, title="Average precision")
    for bars, evaluation in zip(_bars(figure), evaluations.values(), strict=True):
        counts = [int(bar.get_height()) for bar in bars]
        expected = np.bincount(np.minimum((evaluation.ap * bins).astype(int), bins - 1), minlength=bins)
        assert counts == expected.tolist() and sum(counts) == 60
        centres = [bar.get_x() + bar.get_width() / 2 for bar in bars]
        assert [int(centre * bins / 100) for centre in centres] == list(range(bins))
    lines = figure.axes[0].lines
    assert [line.get_xdata()[0] for line in lines] == [100 * e.mAP for e in evaluations.values()]
    assert len({line.get_linestyle() for line in lines}) == len({bars[0].get_hatch() for bars in _bars(figure)}) == 2
    best = [np.count_nonzero(e.ap == 1) for e in evaluations.values()]
    assert best[0] and legend(figure) == [
        *(f"{label}: mAP {100 * e.mAP:.1f} %" for label, e in evaluations.items()),
        *(
            f"{label}: 60 queries, median {100 * np.median(e.ap):.1f} %, {number} at 100 %"
            for number, (label, e) in zip(best, evaluations.items())
        ),
    ]
    assert figure.get_suptitle() == "Average precision"
    assert_legible(figure)


def test_ap_bars_differ_in_grey(evaluations):
    """A hatched bar shows lines in grey print; a plain one does not."""
    figure = plot_ap(evaluations, bins=5)
    grey = in_grey(figure)
    spread = []
    for bars in _bars(figure):
        box = bars[-1].get_window_extent()
        spread.append(
            grey[
                round(len(grey) - (box.y0 + box.y1) / 2) : round(len(grey) - box.y0) - 5,
                round(box.x0) + 3 : round(box.x1) - 3,
            ].std()
        )
    assert spread[0] < 0.02 < 0.08 < spread[1]


def test_ap_says_how_many_queries_have_no_match():
    (query, pids, camids), gallery = _arguments(2)
    score = evaluate((query, np.where(pids == 1, 99, pids), camids), gallery)
    figure = plot_ap({"one": score})
    assert sum(bar.get_height() for bar in _bars(figure)[0]) == 58
    assert legend(figure)[1].startswith("one: 58 queries, median ")
    assert legend(figure)[1].endswith("; 2 without a match left out")
    assert_legible(figure)


def test_ap_refuses(evaluations):
    one = evaluations["cosine"]
    for arguments, message in (
        (({}, 20), "average precision: 0 evaluations"),
        (({str(i): one for i in range(6)}, 20), "average precision: 6 evaluations. Give 1 to 5"),
        (({"a": one}, 0), "average precision: bins 0 is not a whole number of 1 or more"),
        (
            ({"a": dataclasses.replace(one, ap=np.full(60, np.nan), first_hit=np.full(60, -1))}, 20),
            "a: no query with a match",
        ),
    ):
        with pytest.raises(MetricError) as caught:
            plot_ap(*arguments)
        assert str(caught.value).startswith(message)


def test_five_evaluations_are_legible(evaluations):
    figure = plot_ap({f"feature set number {i}": evaluations["cosine"] for i in range(5)})
    assert len({bars[0].get_hatch() for bars in _bars(figure)}) == 5
    assert_legible(figure)


@pytest.fixture(scope="module")
def pairs():
    return camera_pairs(*_arguments(3))


def test_camera_pairs_say_their_figures(pairs):
    figure = plot_camera_pairs(pairs, title="From camera to camera")
    axes, bar = figure.axes
    assert pairs.rank1.shape == (2, 4) and np.isnan(pairs.rank1).sum() == 2
    cells = {text.get_position(): text for text in axes.texts}
    hatched = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    for (row, column), value in np.ndenumerate(pairs.rank1):
        here = [p for p in hatched if p.get_x() + 0.5 == column and p.get_y() + 0.5 == row]
        if np.isnan(value):
            assert (column, row) not in cells and here[0].get_hatch() == "////"
        else:
            assert cells[column, row].get_text() == f"{100 * value:.1f} %\nof {pairs.queries[row, column]}" and not here
    (image,) = axes.images
    low, high = image.get_clim()
    assert low <= 100 * np.nanmin(pairs.rank1) and high >= 100 * np.nanmax(pairs.rank1)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["1", "2", "3", "4"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["1", "2"]
    assert axes.get_xlabel() == "camera of the gallery images" and axes.get_ylabel() == "camera of the query"
    assert bar.get_xlabel() == "Rank-1 / %, euclidean" and figure.get_suptitle() == "From camera to camera"
    assert_legible(figure)


def test_numbers_stand_out_from_their_cells():
    """Contrast of WCAG 2: at least 4.5, the level for text."""
    values = np.linspace(0.5, 1, 24).reshape(4, 6)
    cameras = np.arange(1, 7)
    figure = plot_camera_pairs(CameraPairs(cameras[:4], cameras, values, np.full((4, 6), 1234), "cosine", True))
    axes = figure.axes[0]
    (image,) = axes.images
    shades = []
    for text in axes.texts:
        column, row = text.get_position()
        cell = image.to_rgba(image.get_array())[row, column, :3]
        linear = np.where(cell <= 0.04045, cell / 12.92, ((cell + 0.055) / 1.055) ** 2.4) @ (0.2126, 0.7152, 0.0722)
        contrast = 1.05 / (linear + 0.05) if lightness(text.get_color()) > 0.5 else (linear + 0.05) / 0.05
        assert contrast > 4.4
        shades.append(lightness(cell))
    assert (np.diff(shades) > 0).all()  # a better pair is lighter, in grey print too
    assert "of 1,234" in " ".join(texts(figure))
    assert figure.axes[1].get_xlabel() == "Rank-1 / %, cosine of unit features"
    assert_legible(figure)


def test_a_single_perfect_pair_is_legible():
    one = CameraPairs(np.array([3]), np.array([5]), np.ones((1, 1)), np.ones((1, 1), int), "euclidean")
    figure = plot_camera_pairs(one)
    assert [text.get_text() for text in figure.axes[0].texts] == ["100.0 %\nof 1"]
    assert_legible(figure)


def test_camera_pairs_refuse_to_show_nothing():
    none = CameraPairs(np.array([1]), np.array([1]), np.full((1, 1), np.nan), np.zeros((1, 1), int), "euclidean")
    with pytest.raises(MetricError, match="^camera pairs: no pair of cameras has a query. Give what"):
        plot_camera_pairs(none)
