"""osnet_lib.plots_accuracy: what lies behind a score, shown as it is."""

from __future__ import annotations

import numpy as np
import pytest
from figures import assert_legible, legend
from matplotlib.colors import to_hex, to_rgba

from osnet_lib.errors import MetricError
from osnet_lib.plots_accuracy import plot_distances


@pytest.mark.parametrize("metric, label", [
    ("euclidean", "squared Euclidean distance"), ("cosine", "cosine distance, 1 − cos"),
    ("jaccard", "jaccard distance")])
def test_distances_shows_shares_and_medians(metric, label):
    rng = np.random.default_rng(2)
    same, other = rng.normal(1, 0.2, (20, 10)), rng.normal(2, 0.3, 5000).astype(np.float32)
    figure = plot_distances(same, other, metric)
    (axes,) = figure.axes
    first, second = axes.patches
    for stairs, values in ((first, same), (second, other)):
        shares, edges, _ = stairs.get_data()
        assert shares.sum() == pytest.approx(100) and edges[0] <= values.min() and edges[-1] >= values.max()
    assert first.get_hatch() and not second.get_hatch()
    assert to_hex(first.get_edgecolor()) != to_hex(second.get_edgecolor())
    assert [line.get_xdata()[0] for line in axes.lines] == pytest.approx([np.median(same), np.median(other)])
    assert axes.get_xlabel() == label and axes.get_ylabel() == "share of the pairs / %"
    assert legend(figure)[::2] == ["same identity: 200 pairs", "different identity: 5,000 pairs"]
    assert to_rgba(first.get_facecolor())[3] < 1 and to_rgba(second.get_facecolor())[3] < 1  # the overlap is visible
    assert_legible(figure)


def test_distances_that_are_all_equal():
    assert_legible(plot_distances([1.0], [1.0, 1.0]))


@pytest.mark.parametrize("positive, negative, where", [([], [1.0], "same identity"), ([1.0], [], "different identity"),
                                                       ([1.0], [np.inf], "different identity")])
def test_distances_refuses(positive, negative, where):
    with pytest.raises(MetricError, match=f"^{where}: no finite distances.*Give one distance per pair"):
        plot_distances(positive, negative)
