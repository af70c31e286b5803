"""osnet_lib.metrics.ranking: lists as the protocol ranks them, with what it drops in its place."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.scenes import by_parts
from osnet_lib.errors import MetricError
from osnet_lib.metrics import distances, evaluate, ranked_list

# One query of pid 1, camera 1. Gallery rows: distance, pid, camid.
GALLERY = [(4, 1, 1), (1, 1, 1), (2, 2, 2), (3, -1, 2), (5, 1, 2), (6, 1, 1), (7, 2, 1)]


def listed(rows, **arguments):
    away, pids, camids = zip(*rows)
    return ranked_list(([0.0], 1, 1), (np.sqrt(np.array(away, float))[:, None], pids, camids), **arguments)


@pytest.mark.parametrize(
    "k, dropped, indices, ranks",
    [
        (2, 0, [2, 4], [1, 2]),
        (2, 9, [1, 2, 3, 0, 4], [0, 1, 0, 0, 2]),  # 5 lies behind the second ranked image
        (2, 1, [1, 2, 4], [0, 1, 2]),
        (1, 9, [1, 2], [0, 1]),
        (3, 2, [1, 2, 3, 4, 6], [0, 1, 0, 2, 3]),
        (4, 9, [1, 2, 3, 0, 4, 5, 6], [0, 1, 0, 0, 2, 0, 3]),  # the gallery ends before the fourth
    ],
)
def test_dropped_images_stand_where_they_would_have_ranked(k, dropped, indices, ranks):
    shown = listed(GALLERY, k=k, dropped=dropped)
    missing = k + dropped - len(indices)
    assert shown.indices.tolist() == [indices + [-1] * missing]
    assert shown.ranks.tolist() == [ranks + [0] * missing]
    assert shown.correct.tolist() == [[rank > 0 and i == 4 for i, rank in zip(indices, ranks)] + [False] * missing]
    np.testing.assert_allclose(shown.distances[0], [GALLERY[i][0] for i in indices] + [np.nan] * missing, rtol=1e-6)


def test_at_equal_distance_wrong_comes_before_right_and_dropped_last():
    shown = listed([(1, 1, 1), (1, 1, 2), (1, -1, 2), (1, 3, 2), (2, 4, 2)], k=3, dropped=3)
    assert shown.indices.tolist() == [[3, 1, 0, 2, 4, -1]] and shown.ranks.tolist() == [[1, 2, 0, 0, 3, 0]]


@st.composite
def scenes(draw):
    queries, gallery = draw(st.integers(1, 4)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    features = [rng.integers(0, 3, (n, 2)).astype(np.float32) for n in (queries, gallery)]  # few values: many ties
    return (
        features[0],
        rng.integers(0, 3, queries),
        rng.integers(1, 4, queries),
        features[1],
        rng.integers(-1, 3, gallery),
        rng.integers(1, 4, gallery),
    )


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(1, 6), st.integers(0, 4))
def test_lists_agree_with_sorting(scene, k, dropped):
    query, query_pids, query_camids, gallery, gallery_pids, gallery_camids = scene
    shown = by_parts(ranked_list, *scene, k=k, dropped=dropped)
    dist = distances(query, gallery)
    for i, (pid, camid) in enumerate(zip(query_pids, query_camids)):
        aside = (gallery_pids == -1) | ((gallery_pids == pid) & (gallery_camids == camid))
        match = (gallery_pids == pid) & ~aside
        order = sorted(range(len(gallery)), key=lambda j: (dist[i, j], aside[j], match[j], j))
        ranked = [j for j in order if not aside[j]]
        before = order.index(ranked[k - 1]) if len(ranked) >= k else len(order)
        small = [j for j in order[:before] if aside[j]][:dropped]
        expected = [j for j in order if j in ranked[:k] or j in small]
        there = shown.indices[i] >= 0
        assert shown.indices[i][there].tolist() == expected and not there[len(expected) :].any()
        assert shown.ranks[i][there].tolist() == [0 if j in small else ranked.index(j) + 1 for j in expected]
        assert shown.correct[i][there].tolist() == [j not in small and gallery_pids[j] == pid for j in expected]
        np.testing.assert_array_equal(shown.distances[i][there], dist[i, expected])


@settings(max_examples=50, deadline=None)
@given(scenes())
def test_dropped_images_change_no_rank(scene):
    alone, together = (by_parts(ranked_list, *scene, k=4, dropped=dropped) for dropped in (0, 3))
    for i in range(len(alone.indices)):
        np.testing.assert_array_equal(together.indices[i][together.ranks[i] > 0], alone.indices[i][alone.ranks[i] > 0])


@pytest.mark.parametrize("metric, normalize", [("euclidean", False), ("euclidean", True), ("cosine", False)])
def test_the_first_match_stands_where_evaluate_counts_it(metric, normalize):
    rng = np.random.default_rng(5)
    pids, camids = rng.integers(1, 6, 60), rng.integers(1, 4, 60)
    features = rng.standard_normal((60, 5)) * rng.uniform(0.2, 3, (60, 1))
    arguments = (features[:15], pids[:15], camids[:15]), (features[15:], pids[15:], camids[15:])
    shown = ranked_list(*arguments, k=45, metric=metric, dropped=5, normalize=normalize)
    score = evaluate(*arguments, metric=metric, normalize=normalize)
    first = [ranks[correct].min() - 1 if correct.any() else -1 for ranks, correct in zip(shown.ranks, shown.correct)]
    assert first == score.first_hit.tolist()


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(k=0), "k: 0 is not a whole number of 1 or more"),
        (dict(k=2.5), "k: 2.5 is not a whole number"),
        (dict(dropped=-1), "dropped: -1 is not a whole number of 0 or more"),
        (dict(dropped=None), "dropped: None is not a whole"),
    ],
)
def test_ranked_list_refuses(options, message):
    with pytest.raises(MetricError) as caught:
        listed(GALLERY, **options)
    assert str(caught.value).startswith(message)
