"""k-reciprocal re-ranking: a case on paper, the published dense program, a reference of sets for ties, refusals."""

from __future__ import annotations

import importlib.util
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from helpers.paths import ROOT
from helpers.scenes import by_parts
from osnet_lib.errors import MetricError
from osnet_lib.metrics import distance, distances, evaluate, evaluate_distances
from osnet_lib.metrics.reranking import rerank

_path = ROOT / "benchmarks" / "dense_reranking.py"
_spec = importlib.util.spec_from_file_location("dense_reranking", _path)
published = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(published)


def by_sets(query, gallery, k1, k2, lambda_value):
    """The formulas with Python's sets, one image after the other; whoever is as far as the last neighbour is one."""
    features = np.concatenate([query, gallery])
    images = range(len(features))
    dist = np.square(features[:, None] - features).sum(axis=2)

    def nearest(i, k):
        reach = sorted(dist[i])[k - 1]
        return {j for j in images if dist[i, j] <= reach}

    def reciprocal(i, k):
        return {j for j in nearest(i, k + 1) if i in nearest(j, k + 1)}

    dist_scaled = dist / dist.max(axis=1, keepdims=True)
    weights = np.zeros_like(dist)
    for i in images:
        chosen = reciprocal(i, k1)
        for other in list(chosen):
            theirs = reciprocal(other, round(k1 / 2))
            if 3 * len(theirs & reciprocal(i, k1)) > 2 * len(theirs):
                chosen |= theirs
        for j in chosen:
            weights[i, j] = np.exp(-dist_scaled[i, j])
        weights[i] /= weights[i].sum()
    expanded = np.array([weights[sorted(nearest(i, k2))].mean(axis=0) for i in images])
    shared = np.array([[np.minimum(expanded[i], expanded[j]).sum() for j in images] for i in images])
    final = (1 - lambda_value) * (1 - shared / (2 - shared)) + lambda_value * dist_scaled
    return final[: len(query), len(query) :]


@st.composite
def scenes(draw, ties=True, most=24):
    """Query and gallery features, k1, k2, lambda; with `ties`, whole numbers from a small range, exact in float32."""
    queries, gallery = draw(st.integers(1, 6)), draw(st.integers(2, most))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = queries + gallery, draw(st.integers(1, 4))
    if ties:
        features = rng.integers(0, draw(st.integers(2, 30)), shape).astype(np.float64)
    else:
        features = rng.standard_normal(shape)
    assume(len(np.unique(features, axis=0)) > 1)
    k1, k2 = draw(st.integers(1, len(features) - 1)), draw(st.integers(1, len(features)))
    return features[:queries], features[queries:], k1, k2, draw(st.sampled_from([0, 0.3, 0.5, 1]))


# ------------------------------------------------------------------------------------------------ what it computes
def test_a_case_on_paper():
    """Two pairs on a line, 0 and 1, 10 and 11, each the other's only neighbour: V of an image and its twin overlap."""
    result = rerank([[0.0]], [[1.0], [10.0], [11.0]], k1=1, k2=1)
    a, b = 1 / (1 + np.exp(-1 / 121)), 1 / (1 + np.exp(-1 / 100))  # own weight of 0 and of 1
    shared = (1 - a) + (1 - b)
    expected = [0.7 * (1 - shared / (2 - shared)) + 0.3 * 1 / 121, 0.7 + 0.3 * 100 / 121, 0.7 + 0.3]
    assert result.dtype == np.float32 and result.shape == (1, 3)
    np.testing.assert_allclose(result, [expected], atol=1e-7)


@settings(max_examples=60, deadline=None)
@given(scenes(), st.sampled_from([np.float32, np.float64, np.int64]))
def test_agrees_with_sets_where_distances_tie(scene, dtype):
    query, gallery, k1, k2, lambda_value = scene
    result = rerank(query.astype(dtype), gallery.astype(dtype), k1=k1, k2=k2, lambda_value=lambda_value)
    np.testing.assert_allclose(result, by_sets(*scene), atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(scenes(ties=False, most=60))
def test_agrees_with_the_published_program_without_ties(scene):
    query, gallery, k1, k2, lambda_value = scene
    found = rerank(query, gallery, k1=k1, k2=k2, lambda_value=lambda_value)
    np.testing.assert_allclose(found, published.dense_rerank(*scene), atol=1e-5)


@pytest.mark.parametrize("k1, k2", [(20, 6), (7, 3), (5, 1), (50, 60)])
def test_agrees_with_the_published_program_on_clusters(k1, k2):
    """As many images as make several groups of columns and, with small blocks, several blocks."""
    query, gallery = clusters(30, 470)
    expected = published.dense_rerank(query, gallery, k1, k2)
    np.testing.assert_allclose(rerank(query, gallery, k1=k1, k2=k2), expected, atol=1e-5)
    with mock.patch.object(distance, "BLOCK_BYTES", 1 << 16):
        np.testing.assert_allclose(rerank(query, gallery, k1=k1, k2=k2), expected, atol=1e-5)
    single = rerank(query.astype(np.float32), gallery.astype(np.float32), k1=k1, k2=k2)
    assert (np.abs(single - expected) > 1e-5).mean() < 1e-3  # rounding may swap two neighbours


def clusters(queries, gallery, seed=0, noise=0.6):
    """Features of people seen several times."""
    rng = np.random.default_rng(seed)
    features = rng.standard_normal((40, 24))[np.arange(queries + gallery) % 40]
    features = features + noise * rng.standard_normal(features.shape)
    return features[:queries], features[queries:]


@settings(max_examples=60, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_order_decides_nothing(scene, random):
    query, gallery, k1, k2, lambda_value = scene
    parameters = {"k1": k1, "k2": k2, "lambda_value": lambda_value}
    result = rerank(query, gallery, **parameters)
    rows, columns = (random.sample(range(len(f)), len(f)) for f in (query, gallery))
    np.testing.assert_allclose(
        rerank(query[rows], gallery[columns], **parameters), result[np.ix_(rows, columns)], atol=1e-6
    )


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_lambda_one_is_the_distance_over_the_largest_of_its_row(metric):
    query, gallery = clusters(7, 90)
    largest = distances(query, np.concatenate([query, gallery]), metric=metric).max(axis=1, keepdims=True)
    result = rerank(query, gallery, lambda_value=1, metric=metric)
    np.testing.assert_allclose(result, distances(query, gallery, metric=metric) / largest, atol=1e-6)


def test_cosine_is_euclidean_between_unit_vectors():
    query, gallery = clusters(9, 120)
    scale = np.random.default_rng(1).uniform(0.1, 9, (129, 1))
    unit = [f / np.linalg.norm(f, axis=1, keepdims=True) for f in (query, gallery)]
    expected = rerank(*unit)
    for metric, normalize in (("cosine", False), ("euclidean", True), ("cosine", True)):
        result = rerank(query * scale[:9], gallery * scale[9:], metric=metric, normalize=normalize)
        np.testing.assert_allclose(result, expected, atol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_equal_features_tie_exactly(dtype):
    query, gallery = (f.astype(dtype) for f in clusters(11, 333))
    copies, originals = np.random.default_rng(2).permutation(333)[:200].reshape(2, 100)
    gallery[copies] = gallery[originals]
    gallery[7] = query[3]
    result = rerank(query, gallery)
    np.testing.assert_array_equal(result[:, copies], result[:, originals])
    assert result[3, 7] == pytest.approx(0, abs=1e-5) and result.min() > -1e-6 and result.max() <= 1 + 1e-6


def test_scores_rise_where_people_form_clusters():
    query, gallery = clusters(60, 900, noise=1.1)
    labels = np.arange(60) % 40, np.ones(60, int), np.arange(60, 960) % 40, np.full(900, 2)
    before = evaluate((query, *labels[:2]), (gallery, *labels[2:]))
    after = evaluate_distances(labels[:2], labels[2:], distances=rerank(query, gallery))
    assert after.mAP > before.mAP + 0.05 and after.hits(1) >= before.hits(1)


# ------------------------------------------------------------------------------------------------ memory, progress
def test_memory_is_bounded_by_the_block():
    """One matrix of 2000 x 2000 distances would take 16 MB as float32, and the published program holds four."""
    query, gallery = (f.astype(np.float32) for f in clusters(100, 1900))
    with mock.patch.object(distance, "BLOCK_BYTES", 1 << 20):
        tracemalloc.start()
        rerank(query, gallery)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 7 << 20


def test_progress_shows_only_when_asked(capsys):
    query, gallery = clusters(5, 40)
    rerank(query, gallery)
    assert capsys.readouterr().err == ""
    rerank(query, gallery, progress=True)
    shown = capsys.readouterr().err
    assert "neighbours" in shown and "re-ranking" in shown


# ------------------------------------------------------------------------------------------------ refusals
GOOD = dict(query_features=[[0.0, 1.0]], gallery_features=[[1.0, 1.0], [2.0, 5.0], [7.0, 1.0]], k1=2, k2=2)
REFUSED = {
    "k1 beyond the set": (
        dict(k1=4),
        ("k1: 4 is not a whole number from 1 to 3. Queries and gallery together are 4 images"),
    ),
    "k2 beyond the set": (
        dict(k2=5),
        ("k2: 5 is not a whole number from 1 to 4. Queries and gallery together are 4 images"),
    ),
    "defaults on a tiny set": (dict(k1=20, k2=6), "k1: 20 is not a whole number from 1 to 3"),
    "no neighbours": (dict(k1=0), "k1: 0 is not a whole number from 1 to 3"),
    "no expansion": (dict(k2=0), "k2: 0 is not a whole number from 1 to 4"),
    "half a neighbour": (dict(k1=1.5), "k1: 1.5 is not a whole number from 1 to 3"),
    "a truth value": (dict(k1=True), "k1: True is not a whole number from 1 to 3"),
    "lambda above 1": (dict(lambda_value=1.01), "lambda_value: a weight of 1.01. Choose a number from 0 to 1"),
    "lambda below 0": (dict(lambda_value=-0.1), "lambda_value: a weight of -0.1"),
    "lambda NaN": (dict(lambda_value=float("nan")), "lambda_value: a weight of nan"),
    "lambda of text": (dict(lambda_value="0.3"), "lambda_value: a weight of '0.3'"),
    "unknown metric": (dict(metric="manhattan"), "metric: unknown distance 'manhattan'"),
    "other width": (dict(query_features=[[1.0]]), "features: query features have 1 values each, gallery features 2"),
    "NaN in a query": (dict(query_features=[[np.nan, 1]]), "query features: 1 of 1 rows are not finite"),
    "no gallery": (dict(gallery_features=np.ones((0, 2))), "gallery features: no features"),
    "zeros normalised": (dict(query_features=[[0.0, 0.0]], normalize=True), "query features: 1 of 1 rows are all zero"),
    "all equal": (
        dict(query_features=[[3.0, 1.0]], gallery_features=[[3.0, 1.0]] * 3),
        "features: all features are equal within rounding. Check the model and its input",
    ),
    "all in one direction": (
        dict(query_features=[[0.1, 0.3]], gallery_features=[[0.2, 0.6], [0.7, 2.1], [1e-3, 3e-3]], metric="cosine"),
        "features: all features are equal within rounding",
    ),
}


@pytest.mark.parametrize("change, message", REFUSED.values(), ids=REFUSED)
def test_refusals(change, message):
    assert by_parts(rerank, **GOOD).shape == (1, 3)
    with pytest.raises(MetricError) as caught:
        by_parts(rerank, **{**GOOD, **change})
    assert message in str(caught.value)
    assert caught.value.where and caught.value.cure and "\n" not in str(caught.value)


@pytest.mark.parametrize("different, copies", [(2, 400), (10, 80)])
def test_neighbourhoods_that_ties_blow_up_are_refused(different, copies):
    """A few pictures, each many times: all neighbours of an image are its copies, and all of theirs."""
    rng = np.random.default_rng(0)
    gallery = np.repeat(rng.standard_normal((different, 8)), copies, axis=0)
    message = "features: so many images are exactly equally far apart that neighbourhoods grow without bound. Look for"
    with mock.patch("osnet_lib.metrics.reranking.MOST_TIES", 300), pytest.raises(MetricError, match=message):
        rerank(gallery[::copies] + 1, gallery)
    few = np.repeat(rng.standard_normal((40, 8)), 20, axis=0)
    assert np.isfinite(rerank(few[::20] + 1, few)).all()
