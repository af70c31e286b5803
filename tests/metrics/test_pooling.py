"""Multi-query pooling, against going through all images; and that it cannot leak a match."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.scenes import by_parts, make_scene, scenes, scored
from osnet_lib.errors import MetricError
from osnet_lib.metrics import evaluate, pool_queries


def plain_pooling(scene, method):
    query, query_pids, query_camids, extra, extra_pids, extra_camids = scene
    pooled = []
    for feature, pid, camid in zip(query, query_pids, query_camids):
        group = [feature, *(f for f, p, c in zip(extra, extra_pids, extra_camids) if (p, c) == (pid, camid))]
        pooled.append(np.mean(group, axis=0) if method == "mean" else np.max(group, axis=0))
    return np.array(pooled)


def test_by_hand():
    query, extra = [[1.0, 4.0], [2.0, 2.0]], [[3.0, 0.0], [9.0, 9.0], [5.0, 5.0], [8.0, 8.0]]
    labels = [1, 1], [1, 2], [1, 1, 1, -1], [1, 3, 1, 1]
    assert pool_queries((query, *labels[:2]), (extra, *labels[2:])).tolist() == [[3, 3], [2, 2]]
    assert pool_queries((query, *labels[:2]), (extra, *labels[2:]), method="max").tolist() == [[5, 5], [2, 2]]


@pytest.mark.parametrize("method", ["mean", "max"])
def test_one_thousand_random_cases(method):
    rng = np.random.default_rng(5)
    alone = 0
    for _ in range(1000):
        scene = make_scene(rng, integers=False)
        pooled = by_parts(pool_queries, *scene, method=method)
        assert pooled.dtype == np.float32 and pooled.shape == scene[0].shape
        np.testing.assert_allclose(pooled, plain_pooling(scene, method), rtol=1e-5, atol=1e-6)
        same = (scene[1][:, None] == scene[4]) & (scene[2][:, None] == scene[5])
        np.testing.assert_array_equal(pooled[~same.any(axis=1)], scene[0][~same.any(axis=1)])
        alone += (~same.any(axis=1)).any()
    assert alone > 200


@settings(max_examples=60, deadline=None)
@given(scenes(integers=False), st.randoms(use_true_random=False), st.sampled_from(["mean", "max"]))
def test_order_does_not_matter(scene, random, method):
    q, e = (random.sample(range(len(part)), len(part)) for part in (scene[0], scene[3]))
    shuffled = *(part[q] for part in scene[:3]), *(part[e] for part in scene[3:])
    np.testing.assert_array_equal(
        by_parts(pool_queries, *shuffled, method=method), by_parts(pool_queries, *scene, method=method)[q]
    )


@settings(max_examples=60, deadline=None)
@given(scenes(), st.integers(0, 2**32 - 1))
def test_the_gallery_as_extras_leaks_nothing(scene, seed):
    """What a query is scored on may be anything: its pooled feature does not change."""
    query, pids, camids, gallery, gallery_pids, gallery_camids = scene
    pooled = by_parts(pool_queries, *scene)
    for i in range(len(query)):
        dropped = (gallery_pids == pids[i]) & (gallery_camids == camids[i])
        noise = np.random.default_rng(seed).standard_normal(gallery.shape).astype(np.float32)
        other = np.where(dropped[:, None], gallery, noise)
        again = pool_queries(
            (query[i : i + 1], pids[i : i + 1], camids[i : i + 1]), (other, gallery_pids, gallery_camids)
        )
        np.testing.assert_array_equal(again[0], pooled[i])


def test_no_extras_at_all_and_inputs_stay():
    query = np.ones((2, 3), np.float32)
    pooled = pool_queries((query, [1, 2], [1, 1]), (np.empty((0, 3)), [], []))
    np.testing.assert_array_equal(pooled, query)
    pooled[:] = 5
    assert (query == 1).all()
    more = pool_queries((query, [1, 2], [1, 1]), (np.full((1, 3), 3.0), [1], [1]))
    assert more.dtype == np.float64 and more.tolist() == [[2] * 3, [1] * 3] and (query == 1).all()


def test_it_helps_where_images_are_noisy():
    rng = np.random.default_rng(0)
    people = rng.standard_normal((20, 8))
    pids, camids = np.repeat(np.arange(1, 21), 6), np.tile([1, 1, 1, 2, 2, 2], 20)
    gallery = people[pids - 1] + 1.2 * rng.standard_normal((120, 8))
    query = people + 1.2 * rng.standard_normal((20, 8))
    labels = np.arange(1, 21), np.ones(20, int)
    asked, shown = (query, *labels), (gallery, pids, camids)
    alone = evaluate(asked, shown)
    pooled = evaluate((pool_queries(asked, shown), *labels), shown)
    assert pooled.mAP > alone.mAP + 0.05


GOOD = dict(
    query_features=np.ones((2, 3)),
    query_pids=[1, 2],
    query_camids=[1, 1],
    extra_features=np.ones((3, 3)),
    extra_pids=[1, 2, 0],
    extra_camids=[2, 2, 2],
)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(method="sum"), "method: unknown pooling 'sum'. Use one of mean, max"),
        (dict(query_pids=[1, -1]), "query pids: a query has pid -1, which marks junk. Leave junk"),
        (dict(query_camids=[1]), "query camids: int64 of shape (1,) for 2 images"),
        (dict(extra_pids=[1, 2]), "extra pids: int64 of shape (2,) for 3 images. Give 3 integers"),
        (dict(extra_camids=[1.0, 2.0, 3.0]), "extra camids: float64 of shape (3,) for 3 images"),
        (dict(extra_features=np.ones((3, 4))), "features: query features have 3 values each, extra features 4"),
        (dict(extra_features=np.full((3, 3), np.nan)), "extra features: 3 of 3 rows are not finite"),
        (dict(extra_features=[1, 2, 3]), "extra features: int64 of shape (3,) is no matrix of real numbers"),
        (
            dict(query_features=np.ones((0, 3)), query_pids=[], query_camids=[]),
            "query features: no features (shape (0, 3)",
        ),
    ],
)
def test_refusals(change, message):
    assert by_parts(pool_queries, **GOOD).shape == (2, 3)
    with pytest.raises(MetricError) as caught:
        by_parts(pool_queries, **{**GOOD, **change})
    assert str(caught.value).startswith(message) and caught.value.cure


def test_pooled_queries_go_through_the_protocol():
    scene = make_scene(np.random.default_rng(8))
    assert scored(evaluate, by_parts(pool_queries, *scene), *scene[1:]).num_valid > 0
