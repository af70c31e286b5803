"""Pairs accepted and refused by one threshold, against trying every threshold; histograms of the distances."""

from __future__ import annotations

import json
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

from helpers.scenes import by_parts, kept_and_right, make_scene, scenes, squares
from osnet_lib.errors import MetricError
from osnet_lib.metrics import METRICS, distance, distances, normalize, pair_histogram, verify
from osnet_lib.metrics.verification import _allowed

RATES = (0, 1e-3, 0.02, 0.1, 1 / 3, 0.5, 0.9, 1)


def pairs(dist, labels):
    """Distances of one identity and of two, of the pairs that the protocol keeps."""
    kept, right = kept_and_right(labels)
    return dist[right], dist[kept & ~right]


def best_tpr(same, different, rate):
    """The largest share of `same` below a threshold below which lies a share of `different` of `rate` at most."""
    thresholds = [*np.unique(np.concatenate([same, different])), np.inf]
    return max(np.mean(same < t) for t in thresholds if np.count_nonzero(different < t) / len(different) <= rate)


def verified(function, scene, **options):
    """The result, or None where there are no pairs of one kind."""
    try:
        return by_parts(function, *scene, **options)
    except MetricError as error:
        assert "has a match" in str(error) or "no pair of two identities" in str(error)
        return None


def test_by_hand():
    """One identity at 1, 4 and 9, two at 0, 4, 4 and 16: FPR 1/4 lets in the pair at 0 and none of those at 4."""
    query, gallery = [[0.0]], [[1], [2], [3], [0], [2], [-2], [4], [0], [0]]
    labels = [7], [1], [7, 7, 7, 5, 5, 0, 0, -1, 7], [2, 2, 3, 2, 1, 2, 2, 2, 1]
    found = verify((query, *labels[:2]), (gallery, *labels[2:]), fprs=(0, 1 / 4, 1 / 2, 3 / 4, 1))
    assert found.tprs.tolist() == [0, 1 / 3, 1 / 3, 1, 1]
    assert found.thresholds.tolist() == [0, 4, 4, 16, np.inf]
    assert (found.num_positive, found.num_negative, found.metric) == (3, 4, "euclidean")
    plain = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    assert plain["tpr"] == found.tprs.tolist() and plain["fpr"][1] == 1 / 4 and plain["threshold"][3:] == [16, None]
    with pytest.raises(ValueError):
        found.tprs[0] = 1
    histogram = pair_histogram((query, *labels[:2]), (gallery, *labels[2:]), bins=4)
    assert histogram.edges.tolist() == [0, 4, 8, 12, 16]
    assert histogram.same.tolist() == [1, 1, 1, 0] and histogram.different.tolist() == [1, 2, 0, 1]


def test_two_thousand_random_cases():
    rng = np.random.default_rng(7)
    checked = tied = 0
    for case in range(2000):
        scene = make_scene(rng)
        same, different = pairs(squares(scene[0], scene[3]), (*scene[1:3], *scene[4:]))
        rate = RATES[case % len(RATES)]
        found = verified(verify, scene, fprs=[rate])
        if not (len(same) and len(different)):
            assert found is None
            continue
        checked += 1
        tied += len(np.intersect1d(same, different)) > 0
        assert (found.num_positive, found.num_negative) == (len(same), len(different))
        assert found.tprs[0] == best_tpr(same, different, rate) == np.mean(same < found.thresholds[0])
        assert np.mean(different < found.thresholds[0]) <= rate
    assert checked > 1000 and tied > 500


@settings(max_examples=300, deadline=None)
@given(st.integers(1, 10**6), st.floats(0, 1))
@example(22, 15 / 22)  # times 22 it is less than 15
@example(984770, 924041 / 984770)
def test_the_rate_asked_for_is_met_to_the_last_bit(number, share):
    """Rounding must neither give a pair away nor let in one too many."""
    count = round(share * number)
    for rate in (count / number, np.nextafter(count / number, 0), np.nextafter(count / number, 1)):
        allowed = _allowed(float(rate), number)
        assert allowed / number <= rate < (allowed + 1) / number


@settings(max_examples=100, deadline=None)
@given(scenes(), st.randoms(use_true_random=False), st.integers(1, 400))
def test_neither_order_nor_blocks_matter(scene, random, block_bytes):
    q, g = (random.sample(range(len(part)), len(part)) for part in (scene[0], scene[3]))
    shuffled = *(part[q] for part in scene[:3]), *(part[g] for part in scene[3:])
    for function, options in ((verify, {"fprs": RATES}), (pair_histogram, {"bins": 5})):
        a = verified(function, scene, **options)
        with mock.patch.object(distance, "BLOCK_BYTES", block_bytes):
            b = verified(function, shuffled, **options)
        assert (a is None) == (b is None)
        if a is not None:
            for name, value in vars(a).items():
                np.testing.assert_array_equal(value, getattr(b, name))


@settings(max_examples=60, deadline=None)
@given(scenes(integers=False), st.sampled_from(METRICS), st.booleans())
def test_metrics_and_growing_distances(scene, metric, unit):
    """TPR grows with FPR; twice the features is another distance, but the same curve."""
    found = verified(verify, scene, fprs=RATES, metric=metric, normalize=unit)
    if found is None:
        return
    assert (np.diff(found.tprs) >= 0).all() and found.tprs[-1] == 1
    assert (found.metric, found.normalized) == (metric, unit)
    doubled = 2 * scene[0], *scene[1:3], 2 * scene[3], *scene[4:]
    np.testing.assert_array_equal(
        found.tprs, by_parts(verify, *doubled, fprs=RATES, metric=metric, normalize=unit).tprs
    )
    rows = [normalize(part) if unit else part for part in (scene[0], scene[3])]
    same, different = pairs(distances(*rows, metric=metric), (*scene[1:3], *scene[4:]))
    np.testing.assert_allclose(found.tprs, [best_tpr(same, different, rate) for rate in RATES])


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(1, 12))
def test_histogram_counts_every_pair_once(scene, bins):
    same, different = pairs(squares(scene[0], scene[3]), (*scene[1:3], *scene[4:]))
    found = verified(pair_histogram, scene, bins=bins)
    if not (len(same) and len(different)):
        assert found is None
        return
    everything = np.concatenate([same, different])
    if np.ptp(everything):
        assert (found.edges[0], found.edges[-1]) == (everything.min(), everything.max())
    assert len(found.edges) == bins + 1 and (np.diff(found.edges) > 0).all()
    np.testing.assert_array_equal(found.same, np.histogram(same, found.edges)[0])
    np.testing.assert_array_equal(found.different, np.histogram(different, found.edges)[0])
    assert (found.same.sum(), found.different.sum()) == (len(same), len(different))


def test_memory_is_that_of_a_block_and_of_the_share_asked_for():
    """Two million distances would take 8 MB."""
    rng = np.random.default_rng(3)
    scene = [
        (rng.standard_normal((1414, 4)).astype(np.float32), rng.integers(1, 200, 1414), rng.integers(1, 7, 1414))
        for _ in range(2)
    ]
    for function in (verify, pair_histogram):
        with mock.patch.object(distance, "BLOCK_BYTES", 1 << 18):
            tracemalloc.start()
            function(*scene)
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 3 << 20


GOOD = dict(
    query_features=np.ones((2, 3)),
    query_pids=[1, 2],
    query_camids=[1, 1],
    gallery_features=np.ones((3, 3)),
    gallery_pids=[1, 2, 0],
    gallery_camids=[2, 2, 2],
)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(gallery_camids=[1, 1, 1]), "query and gallery: none of the 2 queries has a match"),
        (dict(query_pids=[1, 1], gallery_pids=[1, 1, -1]), "query and gallery: no pair of two identities. Add gallery"),
        (dict(metric="manhattan"), "metric: unknown distance 'manhattan'"),
        (dict(query_pids=[1]), "query pids: int64 of shape (1,) for 2 images"),
        (dict(query_features=np.zeros((2, 3)), normalize=True), "query features: 2 of 2 rows are all zero"),
    ],
)
@pytest.mark.parametrize("function", [verify, pair_histogram])
def test_refusals(function, change, message):
    assert by_parts(function, **GOOD) is not None
    with pytest.raises(MetricError) as caught:
        by_parts(function, **{**GOOD, **change})
    assert str(caught.value).startswith(message) and caught.value.cure


@pytest.mark.parametrize("fprs", [(), 0.1, [0.1, 1.1], [-0.1], [np.nan], ["few"], [[0.1]], None])
def test_refused_rates(fprs):
    with pytest.raises(MetricError, match=r"^fprs: .* Give one or more rates from 0 to 1"):
        by_parts(verify, **GOOD, fprs=fprs)


@pytest.mark.parametrize("bins", [0, -1, 2.5])
def test_refused_bins(bins):
    with pytest.raises(MetricError, match=f"^bins: {bins} is not a whole number of 1 or more"):
        by_parts(pair_histogram, **GOOD, bins=bins)
