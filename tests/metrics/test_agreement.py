"""Agreement of rankings: Kendall's tau against scipy, nearest images against a plain reference, ties by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from scipy.stats import kendalltau

from osnet_lib.errors import MetricError
from osnet_lib.metrics import distances
from osnet_lib.metrics.agreement import kendall_tau, rank_agreement

NAN = np.nan


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), min_size=2, max_size=12))
def test_tau_is_that_of_scipy_ties_included(pairs):
    a, b = np.array(pairs, float).T
    expected = kendalltau(a, b).statistic
    if np.isnan(expected):  # no order in one of them, which scipy leaves undefined
        expected = float(np.ptp(a) == np.ptp(b) == 0)
    assert kendall_tau(a[None], b[None])[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    "a, b, expected",
    [
        ([1, 2, 3, 4], [10, 20, 30, 40], 1),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1),
        ([1, 2, 3, 4], [1, 2, 4, 3], 2 / 3),
        ([1, 2, NAN], [5, 6, 0], 1),
        ([1, 2, 9], [5, 6, NAN], 1),
        ([1, NAN], [2, NAN], 1),
        ([3, 3], [1, 2], 0),
        ([3, 3], [7, 7], 1),
        ([1, 1, 2], [1, 2, 3], 2 / np.sqrt(6)),
    ],
)
def test_tau_by_hand(a, b, expected):
    assert kendall_tau([a], [b]) == pytest.approx([expected])


def market(queries: int, gallery: int, seed: int = 0) -> tuple[list[np.ndarray], np.ndarray, np.ndarray]:
    """Labels with junk and dropped images, and random features of both splits."""
    random = np.random.default_rng(seed)
    labels = [
        random.integers(1, 4, queries),
        random.integers(1, 3, queries),
        random.integers(-1, 4, gallery),
        random.integers(1, 3, gallery),
    ]
    return labels, random.normal(size=(queries, 8)), random.normal(size=(gallery, 8))


def agreement(reference, candidate, labels, **options):
    """`rank_agreement` of two pairs of features with the same labels."""
    return rank_agreement(
        (reference[0], *labels[:2]), (reference[1], *labels[2:]), candidate=tuple(candidate), **options
    )


def slow(reference, candidate, labels, k, metric):
    """One query at a time, by sorting."""
    query_pids, query_camids, pids, camids = labels
    a, b = (distances(query, gallery, metric=metric) for query, gallery in (reference, candidate))
    changed, tau = [], []
    for i, (pid, camid) in enumerate(zip(query_pids, query_camids)):
        kept = np.flatnonzero((pids != -1) & ~((pids == pid) & (camids == camid)))
        near = kept[np.argsort(a[i, kept])]
        changed.append(len(kept) > 0 and near[0] != kept[np.argmin(b[i, kept])])
        near = near[:k]
        tau.append(kendalltau(a[i, near], b[i, near]).statistic if len(near) > 1 else 1)
    return changed, tau


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k", [1, 2, 5, 50])
def test_agreement_with_a_slow_reference(metric, k):
    labels, query, gallery = market(40, 30, seed=k)
    random = np.random.default_rng(9)
    candidate = [values + random.normal(scale=0.3, size=values.shape) for values in (query, gallery)]
    found = agreement((query, gallery), candidate, labels, k=k, metric=metric)
    changed, tau = slow((query, gallery), candidate, labels, k, metric)
    assert found.top1_changed.tolist() == changed and any(changed) and not all(changed)
    assert found.tau == pytest.approx(tau)


def test_a_ranking_agrees_with_itself_and_with_every_monotone_transform():
    labels, query, gallery = market(30, 40)
    for candidate in ((query, gallery), (3 * query, 3 * gallery)):
        found = agreement((query, gallery), candidate, labels)
        assert not found.top1_changed.any() and (found.tau == 1).all()


def test_order_of_images_does_not_matter():
    labels, query, gallery = market(30, 40)
    random = np.random.default_rng(1)
    candidate = [values + random.normal(scale=0.3, size=values.shape) for values in (query, gallery)]
    found = agreement((query, gallery), candidate, labels)
    rows, images = random.permutation(30), random.permutation(40)
    again = agreement(
        (query[rows], gallery[images]),
        (candidate[0][rows], candidate[1][images]),
        [labels[0][rows], labels[1][rows], labels[2][images], labels[3][images]],
    )
    assert np.array_equal(again.top1_changed, found.top1_changed[rows]) and again.tau == pytest.approx(found.tau[rows])


@pytest.mark.parametrize(
    "places, changed",
    [
        ([1, 2, 3], False),
        ([2, 1, 3], True),
        ([1, 1, 3], False),
        ([1, 1, 1], False),
        ([3, 1, 1], True),
    ],
)
def test_a_tie_for_the_first_place_changes_nothing(places, changed):
    labels = [[1], [1], [1, 2, 3], [2, 2, 2]]
    reference, candidate = (([[0.0]], np.array(at, float)[:, None]) for at in ([1, 2, 3], places))
    assert agreement(reference, candidate, labels).top1_changed.tolist() == [changed]
    assert agreement(candidate, reference, labels).top1_changed.tolist() == [changed]


def test_a_query_without_ranked_images_agrees():
    found = agreement(([[0.0]], [[1.0], [2.0]]), ([[0.0]], [[2.0], [1.0]]), [[1], [1], [1, -1], [1, 1]])
    assert found.top1_changed.tolist() == [False] and found.tau.tolist() == [1]


def test_bad_input_is_refused_as_elsewhere():
    labels, query, gallery = market(3, 4)
    with pytest.raises(MetricError, match="unknown distance"):
        agreement((query, gallery), (query, gallery), labels, metric="manhattan")
