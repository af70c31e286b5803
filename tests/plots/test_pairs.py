"""osnet_lib.plots.pairs: distances of pairs, with the thresholds that decide."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from helpers.figures import assert_legible, in_grey, legend, texts
from osnet_lib.errors import MetricError
from osnet_lib.metrics.verification import PairHistogram, Verification, pair_histogram, verify
from osnet_lib.plots.pairs import plot_pairs


@pytest.fixture(scope="module")
def arguments():
    rng = np.random.default_rng(4)
    pids, camids = np.repeat(np.arange(1, 41), 4), np.tile([1, 2, 3, 4], 40)
    features = rng.standard_normal((41, 16))[pids] + 0.7 * rng.standard_normal((160, 16))
    query = camids == 1
    return tuple((features[side], pids[side], camids[side]) for side in (query, ~query))


@pytest.fixture(scope="module")
def histogram(arguments):
    return pair_histogram(*arguments, bins=40)


@pytest.fixture(scope="module")
def points(arguments):
    return verify(*arguments, fprs=(1e-3, 1e-2, 1e-1))


def test_pairs_show_shares_above_and_numbers_below(histogram):
    figure = plot_pairs(histogram, title="Distances")
    shares, counts = figure.axes
    for axes, expected in (
        (shares, [100 * histogram.same / 120, 100 * histogram.different / 4680]),
        (counts, [histogram.same, histogram.different]),
    ):
        outlines = [patch for patch in axes.patches if isinstance(patch, StepPatch) and not patch.get_fill()]
        for outline, values in zip(outlines, expected, strict=True):
            np.testing.assert_allclose(outline.get_data().values, values)
            np.testing.assert_array_equal(outline.get_data().edges, histogram.edges)
        assert len({outline.get_linestyle() for outline in outlines}) == 2
        fills = [patch for patch in axes.patches if isinstance(patch, StepPatch) and patch.get_fill()]
        assert [bool(fill.get_hatch()) for fill in fills] == [True, False]
        assert not axes.lines
    assert (shares.get_yscale(), counts.get_yscale()) == ("linear", "log")
    assert legend(figure) == ["same identity: 120 pairs", "different identity: 4,680 pairs"]
    assert counts.get_xlabel() == "squared Euclidean distance" and figure.get_suptitle() == "Distances"
    assert_legible(figure)


def test_pairs_mark_the_thresholds(histogram, points):
    figure = plot_pairs(histogram, points)
    for axes in figure.axes:
        assert [line.get_xdata()[0] for line in axes.lines] == points.thresholds.tolist()
        assert len({line.get_linestyle() for line in axes.lines}) == 3
    assert legend(figure)[2:] == [
        f"below {threshold:.4g}: {100 * tpr:.1f} % of the same, at most {percent} % of different"
        for threshold, tpr, percent in zip(points.thresholds, points.tprs, ("0.1", "1", "10"))
    ]
    assert_legible(figure)


def test_an_infinite_threshold_is_named_but_not_drawn(histogram):
    figure = plot_pairs(histogram, Verification(np.ones(1), np.ones(1), np.array([np.inf]), 120, 4680, "euclidean"))
    assert all(np.isnan(axes.lines[0].get_xdata()).all() for axes in figure.axes)
    assert legend(figure)[-1] == "below inf: 100.0 % of the same, at most 100 % of different"
    assert_legible(figure)


@pytest.mark.parametrize(
    "metric, normalized, label",
    [
        ("cosine", False, "cosine distance, 1 − cosine"),
        ("euclidean", True, "squared Euclidean distance of unit features"),
    ],
)
def test_pairs_name_the_distance(histogram, metric, normalized, label):
    other = dataclasses.replace(histogram, metric=metric, normalized=normalized)
    assert label in texts(plot_pairs(other))


def test_same_and_different_are_told_apart_in_grey():
    """Side by side in two bins: the hatched one has lines in grey print, the other is even."""
    figure = plot_pairs(PairHistogram(np.array([0.0, 1.0, 2.0]), np.array([9, 0]), np.array([0, 9]), "cosine"))
    grey, axes = in_grey(figure), figure.axes[0]
    spread = []
    for middle in (0.5, 1.5):
        x, y = axes.transData.transform((middle, 60))
        part = grey[round(len(grey) - y) - 10 : round(len(grey) - y) + 10, round(x) - 25 : round(x) + 25]
        spread.append(np.ptp(part))
    assert spread[0] > 0.15 > spread[1]


EMPTY = PairHistogram(np.array([0.0, 1.0]), np.array([0]), np.array([3]), "cosine")


def test_a_histogram_without_pairs_is_refused():
    with pytest.raises(MetricError, match="pairs: 0 pairs of the same and 3 of different identity. Give the histogram"):
        plot_pairs(EMPTY)
