"""Principal components against the eigenvectors of the covariance, whatever the order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osnet_lib.errors import MetricError
from osnet_lib.features.projection import map_identities, project, project_identities
from osnet_lib.features.store import Features
from osnet_lib.metrics import evaluate


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(3, 30), st.integers(2, 9), st.sampled_from(["euclidean", "cosine"]))
def test_points_are_principal_components(seed, rows, width, metric):
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((rows, width)) * np.arange(1, width + 1) + rng.standard_normal(width)
    found = project(features, metric)
    unit = features / np.linalg.norm(features, axis=1, keepdims=True) if metric == "cosine" else features
    variances, axes = np.linalg.eigh(np.cov(unit.T))
    first, second = axes[:, -1], axes[:, -2]
    for i, axis in enumerate((first, second)):
        axis = axis * np.sign(axis[np.abs(axis).argmax()])
        np.testing.assert_allclose(found.points[:, i], (unit - unit.mean(axis=0)) @ axis, atol=1e-6)
        assert found.explained[i] == pytest.approx(variances[-1 - i] / variances.sum(), abs=1e-9)
    np.testing.assert_allclose(found.points.mean(axis=0), 0, atol=1e-9)


def test_order_does_not_matter_and_cosine_forgets_length():
    rng = np.random.default_rng(3)
    features = rng.standard_normal((50, 20)).astype(np.float32) * np.linspace(1, 3, 20, dtype=np.float32)
    order = rng.permutation(50)
    for metric in ("euclidean", "cosine"):
        straight, mixed = project(features, metric), project(features[order], metric)
        np.testing.assert_allclose(mixed.points, straight.points[order], atol=1e-9)
        np.testing.assert_allclose(mixed.explained, straight.explained, atol=1e-12)
    longer = project(features * rng.uniform(0.5, 2, (50, 1)).astype(np.float32), "cosine")
    np.testing.assert_allclose(longer.points, straight.points, atol=1e-5)
    with pytest.raises(ValueError, match="read-only"):
        straight.points[0] = 0


@pytest.mark.parametrize(
    "features, points, explained",
    [
        ([[0.0], [2.0]], [[-1, 0], [1, 0]], [1, 0]),  # a single value has a single axis
        ([[0, 0], [0, -4]], [[2, 0], [-2, 0]], [1, 0]),
        (np.array([[3, 0], [-3, 0], [0, 1], [0, -1]], np.float16), [[3, 0], [-3, 0], [0, 1], [0, -1]], [0.9, 0.1]),
    ],
)
def test_projections_worked_out_by_hand(features, points, explained):
    found = project(features)
    np.testing.assert_allclose(found.points, points, atol=1e-12)
    np.testing.assert_allclose(found.explained, explained, atol=1e-12)


@pytest.mark.parametrize(
    "features, metric, message",
    [
        (np.eye(3), "manhattan", "metric: unknown distance 'manhattan'"),
        (np.ones(3), "euclidean", "features: float64 of shape (3,) is no matrix"),
        (np.ones((1, 3)), "euclidean", "features: one image makes no map"),
        (np.ones((4, 3)), "euclidean", "features: all features are equal, so there is nothing to map"),
        ([[1.0, 2], [2, 4]], "cosine", "features: all features are equal"),
        ([[1.0, 2], [0, 0]], "cosine", "features: 1 of 2 rows are all zero"),
        ([[1.0, 2], [np.inf, 0]], "euclidean", "features: 1 of 2 rows are not finite"),
    ],
)
def test_project_refuses(features, metric, message):
    with pytest.raises(MetricError) as caught:
        project(features, metric)
    assert str(caught.value).startswith(message)


def _features(pids, camids, seed) -> Features:
    rng = np.random.default_rng(seed)
    pids = np.array(pids)
    values = np.random.default_rng(0).standard_normal((10, 6))[pids] + 0.8 * rng.standard_normal((len(pids), 6))
    return Features(np.array([f"{seed}_{i}.jpg" for i in range(len(pids))]), pids, np.array(camids), values)


@pytest.fixture
def split():
    query = _features([1, 2, 3, 3, 5, 6], [1, 1, 1, 2, 1, 1], 1)
    gallery = _features([2, 2, 2, 1, 3, 3, 0, 0, 0, 0, 0, 5, 9], [2, 3, 4, 2, 3, 4, 1, 2, 3, 4, 5, 1, 1], 2)
    return query, gallery  # 5 is only in its own camera, 6 not in the gallery, 9 not in the query


def test_identities_come_by_images_or_by_score(split):
    query, gallery = split
    assert map_identities(query, gallery).tolist() == [2, 3, 1, 5]  # 4 and 4 images, 2 and 2: then by number
    assert map_identities(query, gallery, count=2).tolist() == [2, 3]
    score = evaluate(query, gallery)
    means = {pid: score.ap[query.pids == pid].mean() for pid in (1, 2, 3)}
    worst = sorted(means, key=lambda pid: (means[pid], pid))
    assert map_identities(query, gallery, 9, "worst", score).tolist() == worst  # 5 has no score
    assert map_identities(query, gallery, 1, "best", score).tolist() == [max(means, key=means.get)]


def test_projecting_identities_says_what_each_point_is(split):
    query, gallery = split
    found = project_identities(query, gallery, [3, 1], "cosine")
    assert found.pids.tolist() == [1, 3, 3, 1, 3, 3] and found.camids.tolist() == [1, 1, 2, 2, 3, 4]
    assert found.is_query.tolist() == [True] * 3 + [False] * 3 and found.metric == "cosine"
    rows = np.concatenate([query.features[[0, 2, 3]], gallery.features[[3, 4, 5]]])
    np.testing.assert_array_equal(found.projection.points, project(rows, "cosine").points)


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(count=0), "identities: count 0 is not a whole number of 1 or more"),
        (dict(order="random"), "identities: there is no order 'random'. Give one of"),
        (dict(order="worst"), "identities: no evaluation of these 6 queries"),
    ],
)
def test_map_identities_refuses(split, options, message):
    with pytest.raises(MetricError) as caught:
        map_identities(*split, **options)
    assert str(caught.value).startswith(message)


def test_identities_that_are_not_there_are_refused(split):
    query, gallery = split
    with pytest.raises(MetricError, match="^identities: no image of identity 77"):
        project_identities(query, gallery, [1, 77])
    with pytest.raises(MetricError, match="^query and gallery: no identity has images in both"):
        map_identities(_features([1, 2], [1, 1], 1), _features([0, 3], [1, 1], 2))
