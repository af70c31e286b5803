"""The Market-1501 protocol: cases worked out by hand, agreement with a plain argsort loop, properties, refusals."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import os
import subprocess
import sys
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

from helpers.paths import ROOT
from helpers.scenes import by_parts, kept_and_right, make_scene, scenes, scored, squares
from osnet_lib.errors import MetricError
from osnet_lib.metrics import (
    METRICS,
    distance,
    distances,
    evaluate,
    evaluate_distances,
    evaluate_lists,
    normalize,
    ranked_list,
)

_spec = importlib.util.spec_from_file_location("argsort_loop", ROOT / "benchmarks" / "argsort_loop.py")
reference = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(reference)

# ------------------------------------------------------------------------------------------------ cases by hand
# One query of pid 1, camera 1. Gallery rows: (distance, pid, camid). AP and first hit worked out on paper.
ONE_QUERY = {
    "match leads": ([(1, 1, 2), (2, 2, 2), (3, 3, 2)], 1.0, 0),
    "match second": ([(1, 2, 2), (2, 1, 2), (3, 3, 2)], 1 / 2, 1),
    "match last": ([(1, 2, 2), (2, 3, 2), (3, 1, 2)], 1 / 3, 2),
    "ranks 1 and 3": ([(1, 1, 2), (2, 2, 2), (3, 1, 3)], (1 / 1 + 2 / 3) / 2, 0),
    "ranks 2, 3 and 5": ([(1, 0, 2), (2, 1, 2), (3, 1, 3), (4, 2, 2), (5, 1, 4)], (1 / 2 + 2 / 3 + 3 / 5) / 3, 1),
    "same camera is dropped": ([(1, 1, 1), (2, 2, 1), (3, 1, 2)], 1 / 2, 1),
    "same camera of another person stays": ([(1, 2, 1), (2, 1, 2)], 1 / 2, 1),
    "junk is dropped": ([(1, -1, 2), (2, -1, 1), (3, 1, 2), (4, 2, 2)], 1.0, 0),
    "distractors stay": ([(1, 0, 2), (2, 0, 1), (3, 1, 2)], 1 / 3, 2),
    "six matches around wrong images": (
        [(1, 1, 2), (2, 1, 2), (3, 2, 2), (4, 1, 2), (5, 1, 2), (6, 3, 2), (7, 1, 2), (8, 1, 2)],
        (1 + 1 + 3 / 4 + 4 / 5 + 5 / 7 + 6 / 8) / 6,
        0,
    ),
    "tie: wrong before match": ([(1, 1, 2), (1, 2, 2)], 1 / 2, 1),
    "tie: wrong before match, other order": ([(1, 2, 2), (1, 1, 2)], 1 / 2, 1),
    "tie between matches": ([(1, 1, 2), (1, 1, 3), (2, 2, 2)], 1.0, 0),
    "tie with what is dropped": ([(1, 1, 1), (1, -1, 2), (1, 1, 2)], 1.0, 0),
    "all equal": ([(5, 1, 2), (5, 2, 2), (5, 3, 2), (5, 1, 3)], (1 / 3 + 2 / 4) / 2, 2),
    "negative distances": ([(-1, 2, 2), (-2, 1, 2)], 1.0, 0),
}


@pytest.mark.parametrize("gallery, ap, first_hit", ONE_QUERY.values(), ids=ONE_QUERY)
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64])
def test_one_query_by_hand(gallery, ap, first_hit, dtype):
    dist, pids, camids = (np.array(column) for column in zip(*gallery))
    score = evaluate_distances(([1], [1]), (pids, camids), distances=dist[None].astype(dtype), max_rank=len(pids))
    assert score.ap == pytest.approx([ap], abs=1e-15)
    assert score.mAP == pytest.approx(ap, abs=1e-15)
    assert score.first_hit.tolist() == [first_hit]
    assert score.cmc.tolist() == [float(k >= first_hit) for k in range(len(pids))]
    assert score.num_junk == np.count_nonzero(pids == -1) and score.num_gallery == len(pids) - score.num_junk


def test_several_queries_by_hand():
    """Four queries: hit at rank 1, hit at rank 3, only the same camera, identity absent."""
    dist = [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4]]
    score = evaluate_distances(
        ([7, 8, 9, 5], [1, 1, 1, 1]), ([7, 9, 8, 7], [2, 1, 2, 3]), distances=dist, max_rank=4, metric="mine"
    )
    assert score.first_hit.tolist() == [0, 2, -1, -1]
    np.testing.assert_allclose(score.ap, [(1 + 2 / 4) / 2, 1 / 3, np.nan, np.nan])
    assert (score.num_queries, score.num_valid, score.num_gallery, score.metric) == (4, 2, 4, "mine")
    assert score.cmc.tolist() == [0.5, 0.5, 1, 1] and score.cmc.dtype == np.float64
    assert [score.hits(k) for k in (1, 2, 3, 4, 100)] == [1, 1, 2, 2, 2]
    assert score.rank(1) == 0.5 and score.rank(3) == 1
    assert score.mAP == pytest.approx((3 / 4 + 1 / 3) / 2)
    plain = json.loads(json.dumps(score.as_dict()))
    assert plain["hits"] == {"1": 1, "5": 2, "10": 2, "20": 2} and plain["rank"]["1"] == 0.5
    assert plain["cmc"] == [0.5, 0.5, 1, 1] and plain["num_valid"] == 2 and plain["metric"] == "mine"


def test_evaluation_cannot_be_changed():
    score = evaluate_distances(([1], [1]), ([1], [2]), distances=[[1.0]], max_rank=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        score.mAP = 0.0
    with pytest.raises(ValueError):
        score.ap[0] = 0


QUERY, GALLERY = [[0.0, 3.0], [1.0, 0.0]], [[4.0, 0.0], [0.0, 1.0], [3.0, 3.0]]


@pytest.mark.parametrize(
    "metric, expected",
    [
        ("euclidean", [[25, 4, 9], [9, 2, 13]]),
        ("cosine", [[1, 0, 1 - 0.5**0.5], [0, 1, 1 - 0.5**0.5]]),
    ],
)
@pytest.mark.parametrize(
    "dtype, result",
    [(np.float16, np.float32), (np.float32, np.float32), (np.int64, np.float32), (np.float64, np.float64)],
)
def test_distances_by_hand(metric, expected, dtype, result):
    found = distances(np.array(QUERY, dtype), np.array(GALLERY, dtype), metric=metric)
    assert found.dtype == result
    np.testing.assert_allclose(found, expected, atol=3e-7)


# ------------------------------------------------------------------------------------------------ random cases
def assert_same(a, b, exact=True, same_junk=True):
    assert (a is None) == (b is None)
    if a is None:
        return
    np.testing.assert_array_equal(a.first_hit, b.first_hit)
    for values in ("ap", "ap_trapezoid", "inp"):
        np.testing.assert_allclose(getattr(a, values), getattr(b, values), rtol=0 if exact else 1e-12)
    np.testing.assert_allclose(a.cmc, b.cmc, rtol=0 if exact else 1e-12)
    assert (a.num_queries, a.num_valid) == (b.num_queries, b.num_valid)
    if same_junk:  # lists know only what every query ignores, which may be more than images of pid -1
        assert (a.num_gallery, a.num_junk) == (b.num_gallery, b.num_junk)


def check_against_reference(score, dist, labels, wrong_first):
    ap, first = reference.argsort_loop(dist, *labels, wrong_first=wrong_first)
    if score is None:
        assert (first == -1).all()
        return
    np.testing.assert_array_equal(score.first_hit, first)
    np.testing.assert_allclose(score.ap, ap, atol=1e-14)
    cmc, mean_ap = reference.summary(ap, first, len(score.cmc))
    np.testing.assert_allclose(score.cmc, cmc, atol=1e-14)
    assert score.mAP == pytest.approx(mean_ap, abs=1e-14)
    assert score.num_valid == np.count_nonzero(first >= 0)


@settings(max_examples=400, deadline=None)
@given(scenes())
def test_agrees_with_the_loop_on_ties(scene):
    query, query_pids, query_camids, gallery, gallery_pids, gallery_camids = scene
    labels = query_pids, query_camids, gallery_pids, gallery_camids
    dist = squares(query, gallery)
    ranks = len(gallery)
    score = scored(evaluate_distances, *labels, distances=dist, max_rank=ranks)
    check_against_reference(score, dist, labels, wrong_first=True)
    assert_same(score, scored(evaluate, *scene, max_rank=ranks))  # integers: the expanded square is exact too


@settings(max_examples=100, deadline=None)
@given(scenes(integers=False), st.sampled_from(METRICS))
def test_agrees_with_the_plain_loop_without_ties(scene, metric):
    query, query_pids, query_camids, gallery, gallery_pids, gallery_camids = scene
    labels = query_pids, query_camids, gallery_pids, gallery_camids
    dist = distances(query, gallery, metric=metric)
    assume(all(len(np.unique(row)) == len(row) for row in dist))  # two can coincide in float32; ties are tested above
    before = dist.copy()
    score = scored(evaluate_distances, *labels, distances=dist, max_rank=1)
    np.testing.assert_array_equal(dist, before)
    check_against_reference(score, dist, labels, wrong_first=False)
    exact = reference.distance_matrix(query.astype(np.float64), gallery.astype(np.float64), metric)
    np.testing.assert_allclose(dist, exact, atol=1e-5 * max(1, exact.max()))


def published_ap(index, good, junk):
    """AP as ``compute_AP`` of the published MATLAB code goes through a ranked list of indices, step by step."""
    old_recall, old_precision, ap, found, ranked = 0.0, 1.0, 0.0, 0, 0
    for image in index:
        if image in junk:
            continue
        found += image in good
        recall, precision = found / len(good), found / (ranked + 1)
        ap += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision, ranked = recall, precision, ranked + 1
        if found == len(good):
            break
    return ap


def by_definition(dist, kept, right):
    """AP, trapezoid AP, INP and first hit of each query, ranked one by one with wrong images first where they tie."""
    rows = []
    for distances_, keep, match in zip(dist, kept, right):
        order = sorted(np.flatnonzero(keep), key=lambda j: (distances_[j], match[j]))
        ranks = [rank for rank, j in enumerate(order, 1) if match[j]]
        if not ranks:
            rows.append((np.nan, np.nan, np.nan, -1))
            continue
        ap = sum(i / rank for i, rank in enumerate(ranks, 1)) / len(ranks)
        good = set(np.flatnonzero(match))
        rows.append((ap, published_ap(order, good, ()), len(ranks) / ranks[-1], ranks[0] - 1))
    return [np.array(column) for column in zip(*rows)]


def check_by_definition(score, dist, kept, right):
    ap, trapezoid, inp, first = by_definition(dist, kept, right)
    if score is None:
        assert (first == -1).all()
        return
    np.testing.assert_array_equal(score.first_hit, first)
    for found, mean, expected in (
        (score.ap, score.mAP, ap),
        (score.ap_trapezoid, score.mAP_trapezoid, trapezoid),
        (score.inp, score.mINP, inp),
    ):
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert mean == pytest.approx(np.nanmean(expected), abs=1e-12)


def test_two_thousand_random_cases_agree_with_the_definition():
    """Every figure, from labels, from given distances and from lists, with ties, junk and missing matches."""
    rng = np.random.default_rng(2015)
    tied = junk = missing = 0
    for _ in range(2000):
        scene = make_scene(rng)
        query, gallery, labels = scene[0], scene[3], (*scene[1:3], *scene[4:])
        dist = squares(query, gallery)
        kept, right = kept_and_right(labels)
        score = scored(evaluate, *scene)
        check_by_definition(score, dist, kept, right)
        assert_same(score, scored(evaluate_distances, *labels, distances=dist))
        good, dropped = ([np.flatnonzero(row) for row in matrix] for matrix in (right, ~kept))
        assert_same(score, scored(evaluate_lists, query, gallery, good=good, junk=dropped), same_junk=False)
        junk += (labels[2] == -1).any()
        missing += (~right.any(axis=1)).any()
        tied += any(len(np.intersect1d(row[m], row[k & ~m])) for row, k, m in zip(dist, kept, right))
    assert min(tied, junk, missing) > 500


@settings(max_examples=150, deadline=None)
@given(scenes(), st.integers(0, 2**32 - 1))
def test_any_lists_are_scored_by_definition(scene, seed):
    """Lists that follow no label: each image is good, junk or wrong by chance."""
    query, gallery = scene[0], scene[3]
    kind = np.random.default_rng(seed).choice(3, (len(query), len(gallery)), p=(0.2, 0.2, 0.6))
    good, junk = ([np.flatnonzero(row) for row in kind == k] for k in (0, 1))
    score = scored(evaluate_lists, query, gallery, good=good, junk=junk)
    check_by_definition(score, squares(query, gallery), kind != 1, kind == 0)
    if score is not None:
        junk = np.count_nonzero((kind == 1).all(axis=0))
        assert (score.num_junk, score.num_gallery) == (junk, len(gallery) - junk)


def test_lists_by_hand():
    """Ranks of the matches of query 0: 2 and 3 of the four images that are not junk."""
    query, gallery = [[0.0], [9.0]], [[1.0], [2.0], [3.0], [4.0], [5.0]]
    score = evaluate_lists(query, gallery, good=[[4, 2], []], junk=[(1,), []], max_rank=4)
    assert score.first_hit.tolist() == [1, -1] and score.cmc.tolist() == [0, 1, 1, 1] and score.num_valid == 1
    assert score.mAP == pytest.approx((1 / 2 + 2 / 4) / 2) and score.mINP == 2 / 4
    assert score.mAP_trapezoid == pytest.approx(((0 / 1 + 1 / 2) / 2 + (1 / 3 + 2 / 4) / 2) / 2)


@pytest.mark.parametrize("ranks, inp", [((1,), 1), ((1, 2, 3), 1), ((2,), 1 / 2), ((5, 6), 2 / 6), ((1, 10), 2 / 10)])
def test_inp_by_hand(ranks, inp):
    pids = [1 if rank in ranks else 2 for rank in range(1, 11)]
    score = evaluate_distances(([1], [1]), (pids, [2] * 10), distances=[np.arange(10)])
    assert score.inp.tolist() == [inp] and score.mINP == inp == score.as_dict()["mINP"]


@settings(max_examples=150, deadline=None)
@given(scenes())
def test_bounds_between_ap_and_inp(scene):
    """n matches and m wrong images before the last: AP is largest with all but that one in front, smallest with none.

    So INP is no lower bound of AP, nor an upper one; it is 1 exactly where AP is.
    """
    score = scored(evaluate, *scene)
    if score is None:
        return
    right = kept_and_right((*scene[1:3], *scene[4:]))[1]
    for ap, trapezoid, inp, n in zip(score.ap, score.ap_trapezoid, score.inp, right.sum(axis=1)):
        if not n:
            assert np.isnan([ap, trapezoid, inp]).all()
            continue
        places, wrong = np.arange(1, n + 1), round(n / inp) - n
        assert np.mean(places / (places + wrong)) - 1e-12 <= ap <= 1 - (1 - inp) / n + 1e-12
        assert (ap == 1) == (inp == 1) == (trapezoid == 1) and 0 < trapezoid <= ap


@settings(max_examples=100, deadline=None)
@given(scenes(integers=False))
def test_normalised_features_rank_as_their_cosine(scene):
    cosine = scored(evaluate, *scene, metric="cosine")
    for metric in METRICS:
        score = scored(evaluate, *scene, metric=metric, normalize=True)
        if score is None:
            assert cosine is None
            return
        assert_same(score, cosine, exact=False)
        assert score.normalized and score.metric == metric and not cosine.normalized
        scene_ = normalize(scene[0]), *scene[1:3], normalize(scene[3]), *scene[4:]
        assert_same(score, by_parts(evaluate, *scene_, metric=metric), exact=False)


def test_agrees_with_the_loop_on_a_large_case():
    """More matches than are counted one by one, several blocks, and far more wrong images than right ones."""
    rng = np.random.default_rng(5)
    query, gallery = (rng.integers(-9, 10, (n, 16)).astype(np.float32) for n in (60, 3000))
    labels = rng.integers(1, 21, 60), rng.integers(1, 7, 60), rng.integers(-1, 21, 3000), rng.integers(1, 7, 3000)
    dist = squares(query, gallery)
    score = evaluate((query, *labels[:2]), (gallery, *labels[2:]), block_rows=7)
    check_against_reference(score, dist, labels, wrong_first=True)


@settings(max_examples=100, deadline=None)
@given(scenes(), st.randoms(use_true_random=False))
def test_order_of_files_does_not_matter(scene, random):
    query, query_pids, query_camids, gallery, gallery_pids, gallery_camids = scene
    q, g = (random.sample(range(n), n) for n in (len(query), len(gallery)))
    score = scored(evaluate, *scene, max_rank=1)
    other = scored(
        evaluate, query[q], query_pids[q], query_camids[q], gallery[g], gallery_pids[g], gallery_camids[g], max_rank=1
    )
    assert (score is None) == (other is None)
    if score is not None:
        np.testing.assert_array_equal(score.ap[q], other.ap)
        np.testing.assert_array_equal(score.first_hit[q], other.first_hit)
        assert score.mAP == pytest.approx(other.mAP, abs=1e-15) and score.hits(1) == other.hits(1)


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(1, 10))
def test_block_size_does_not_matter(scene, block_rows):
    score = scored(evaluate, *scene, max_rank=1)
    assert_same(score, scored(evaluate, *scene, max_rank=1, block_rows=block_rows))
    dist = distances(scene[0], scene[3])
    labels = *scene[1:3], *scene[4:]
    with mock.patch.object(distance, "BLOCK_BYTES", 1 + block_rows * dist.shape[1] * 8):
        assert_same(score, scored(evaluate_distances, *labels, distances=dist, max_rank=1))


@settings(max_examples=100, deadline=None)
@given(scenes())
def test_properties_of_cmc_and_ap(scene):
    labels = *scene[1:3], *scene[4:]
    dist = distances(scene[0], scene[3])
    ranks = dist.shape[1]
    score = scored(evaluate_distances, *labels, distances=dist, max_rank=ranks)
    if score is None:
        return
    assert (np.diff(score.cmc) >= 0).all() and score.cmc[-1] == 1 and 0 < score.mAP <= 1
    assert [score.rank(k) for k in range(1, ranks + 1)] == pytest.approx(score.cmc.tolist(), abs=0)
    valid = score.first_hit >= 0
    assert np.isnan(score.ap[~valid]).all() and (score.ap[valid] > 0).all()
    for i in np.flatnonzero(valid):  # AP = 1 exactly where every match is nearer than every wrong image
        same = labels[2] == labels[0][i]
        farthest_match = dist[i, same & (labels[3] != labels[1][i])].max()
        leads = (dist[i, ~same & (labels[2] != -1)] > farthest_match).all()
        assert (score.ap[i] == 1) == leads
    exact = dist.astype(np.float64)
    for other in (3 * exact + 7, exact**3, np.exp(exact / 9), -1 / (1 + exact)):  # increasing functions
        assert_same(score, evaluate_distances(labels[:2], labels[2:], distances=other, max_rank=ranks))


@settings(max_examples=100, deadline=None)
@given(scenes(), st.integers(1, 45))
def test_ranked_list_tells_the_same_story(scene, k):
    query, query_pids, query_camids, gallery, gallery_pids, gallery_camids = scene
    shown = by_parts(ranked_list, *scene, k=k)
    dist = distances(query, gallery)
    score = scored(evaluate, *scene, max_rank=1)
    for i in range(len(query)):
        kept = (gallery_pids != -1) & ~((gallery_pids == query_pids[i]) & (gallery_camids == query_camids[i]))
        order = sorted(np.flatnonzero(kept), key=lambda j: (dist[i, j], gallery_pids[j] == query_pids[i], j))[:k]
        rest = k - len(order)
        assert shown.indices[i].tolist() == order + [-1] * rest
        np.testing.assert_array_equal(shown.distances[i], dist[i, order].tolist() + [np.nan] * rest)
        assert shown.correct[i].tolist() == (gallery_pids[order] == query_pids[i]).tolist() + [False] * rest
        first = score.first_hit[i] if score else -1
        assert shown.correct[i].any() == (0 <= first < k)
        if shown.correct[i].any():
            assert np.argmax(shown.correct[i]) == first


def test_ranked_list_of_one_query():
    shown = ranked_list(([0.0, 1.0], 3, 1), ([[0, 1], [0, 2], [0, 4], [9, 9]], [3, 3, 5, -1], [1, 2, 2, 2]), k=3)
    assert shown.indices.tolist() == [[1, 2, -1]] and shown.correct.tolist() == [[True, False, False]]
    np.testing.assert_array_equal(shown.distances, [[1, 9, np.nan]])


# ------------------------------------------------------------------------------------------------ rounding, memory
@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("queries, gallery, width", [(1, 15, 17), (7, 49, 17), (33, 333, 64), (100, 1000, 512)])
def test_identical_features_tie_exactly(metric, queries, gallery, width):
    """A network that answers the same for every image gets no credit, wherever its matches stand in the gallery."""
    rng = np.random.default_rng(width)
    feature = np.repeat(rng.standard_normal((1, width)).astype(np.float32), gallery, axis=0)
    query = np.repeat(feature[:1], queries, axis=0)
    assert (np.ptp(distances(query, feature, metric=metric), axis=1) == 0).all()
    for match in (0, gallery // 2, gallery - 1):
        pids = np.where(np.arange(gallery) == match, 1, 2)
        sides = (query, np.ones(queries, int), np.ones(queries, int)), (feature, pids, np.full(gallery, 2))
        score = evaluate(*sides, metric=metric, max_rank=gallery)
        assert (score.first_hit == gallery - 1).all() and score.mAP == pytest.approx(1 / gallery)


@pytest.mark.parametrize("metric", METRICS)
def test_copies_among_other_features_tie(metric):
    rng = np.random.default_rng(0)
    gallery = rng.standard_normal((777, 61)).astype(np.float32)
    copies, originals = rng.permutation(777)[:400].reshape(2, 200)
    gallery[copies] = gallery[originals]
    dist = distances(rng.standard_normal((19, 61)).astype(np.float32), gallery, metric=metric)
    np.testing.assert_array_equal(dist[:, copies], dist[:, originals])


def test_zero_and_minus_zero_are_the_same_feature():
    """A ReLU in front of a sign change leaves -0.0; such a row must tie with its twin."""
    rng = np.random.default_rng(3)
    gallery = rng.standard_normal((333, 17)).astype(np.float32)
    gallery[:, 3] = 0
    gallery[300:] = gallery[:33]
    gallery[300:, 3] = -0.0
    dist = distances(rng.standard_normal((7, 17)).astype(np.float32), gallery)
    np.testing.assert_array_equal(dist[:, 300:], dist[:, :33])


def test_large_features_give_finite_distances_or_are_refused():
    largest = np.array([[np.sqrt(np.finfo(np.float32).max) / 2]], np.float32)
    assert np.isfinite(distances(0.99 * largest, -0.99 * largest)).all()
    for arguments in ((1.01 * largest, largest / 2), (largest / 2, 1.01 * largest)):
        with pytest.raises(MetricError, match="features: 1 of 1 rows are not finite or too large to square"):
            distances(*arguments)


def test_cosine_ignores_length_and_euclidean_does_not():
    rng = np.random.default_rng(1)
    query, gallery = rng.standard_normal((9, 32)), rng.standard_normal((50, 32))
    labels = [rng.integers(1, 5, 9), rng.integers(1, 3, 9)], [rng.integers(0, 5, 50), rng.integers(1, 3, 50)]
    scale = 4.0 ** rng.integers(-3, 4, (50, 1))
    for metric, same in (("cosine", True), ("euclidean", False)):
        a, b = (evaluate((query, *labels[0]), (g, *labels[1]), metric=metric) for g in (gallery, gallery * scale))
        assert (a.ap.tolist() == b.ap.tolist()) == same


def test_memory_is_bounded_by_the_block():
    """1500 x 1500 distances would take 9 MB; with one identity everywhere their index pairs would take far more."""
    rng = np.random.default_rng(2)
    features = rng.standard_normal((1500, 4)).astype(np.float32)
    camids = rng.integers(1, 7, 1500)
    for pids in (np.arange(1500) % 500 + 1, np.ones(1500, int)):
        with mock.patch.object(distance, "BLOCK_BYTES", 1 << 20):
            tracemalloc.start()
            evaluate((features, pids, camids), (features, pids, camids))
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 3 << 20


def test_progress_shows_only_when_asked(capsys):
    arguments = ([[0.0]], [1], [1]), ([[0.0]], [1], [2])
    evaluate(*arguments, max_rank=1)
    assert capsys.readouterr().err == ""
    evaluate(*arguments, max_rank=1, progress=True)
    assert "ranking" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ refusals
GOOD = dict(
    query_features=np.ones((2, 3)),
    query_pids=[1, 2],
    query_camids=[1, 1],
    gallery_features=np.ones((3, 3)),
    gallery_pids=[1, 2, 0],
    gallery_camids=[2, 2, 2],
    max_rank=3,
)
REFUSED = {
    "unknown metric": (dict(metric="manhattan"), "metric: unknown distance 'manhattan'. Use one of euclidean, cosine"),
    "features of a vector": (
        dict(query_features=np.ones(3)),
        "query features: float64 of shape (3,) is no matrix of real numbers. Give one row per image and one column",
    ),
    "features of strings": (dict(gallery_features=[["a"]]), "gallery features: <U1 of shape (1, 1) is no matrix"),
    "ragged features": (dict(query_features=[[1], [1, 2]]), "query features: not a matrix ("),
    "no queries": (
        dict(query_features=np.ones((0, 3)), query_pids=[], query_camids=[]),
        "query features: no features (shape (0, 3)). Check that the split holds images",
    ),
    "no gallery": (dict(gallery_features=np.ones((0, 3))), "gallery features: no features (shape (0, 3)). Check that"),
    "features without values": (dict(query_features=np.ones((2, 0))), "query features: no features (shape (2, 0))"),
    "NaN": (
        dict(gallery_features=[[1, 1, 1], [1, np.nan, 1], [1, 1, 1]]),
        "gallery features: 1 of 3 rows are not finite or too large to square, first row 1. Look for NaN",
    ),
    "infinity": (
        dict(query_features=[[np.inf, 1, 1], [1, 1, -np.inf]]),
        "query features: 2 of 2 rows are not finite or too large to square, first row 0. Look for NaN",
    ),
    "overflow": (dict(query_features=np.full((2, 3), 1e20, np.float32)), "query features: 2 of 2 rows are not finite"),
    "zero under cosine": (
        dict(gallery_features=[[1, 1, 1], [1, 1, 1], [0, 0, 0]], metric="cosine"),
        (
            "gallery features: 1 of 3 rows are all zero, first row 2: they have no direction, so no cosine and no unit "
            "length. Check the model's output, or use the euclidean distance without normalising"
        ),
    ),
    "zero query under cosine": (
        dict(query_features=np.zeros((2, 3)), metric="cosine"),
        "query features: 2 of 2 rows are all zero, first row",
    ),
    "other width": (
        dict(gallery_features=np.ones((3, 4))),
        "features: query features have 3 values each, gallery features 4. Extract query and gallery with the same",
    ),
    "too few pids": (
        dict(query_pids=[1]),
        "query pids: int64 of shape (1,) for 2 images. Give 2 integers, one per image",
    ),
    "too many camids": (
        dict(gallery_camids=[2] * 4),
        "gallery camids: int64 of shape (4,) for 3 images. Give 3 integers",
    ),
    "pids of floats": (dict(gallery_pids=[1.0, 2.0, 0.0]), "gallery pids: float64 of shape (3,) for 3 images. Give 3"),
    "camids of strings": (dict(query_camids=["c1", "c1"]), "query camids: <U2 of shape (2,) for 2 images. Give 2"),
    "ragged pids": (dict(query_pids=[[1], [1, 2]]), "query pids: no list of integers ("),
    "junk query": (dict(query_pids=[1, -1]), "query pids: 1 of 2 are -1, which marks junk. Leave junk images out"),
    "max_rank beyond the gallery": (
        dict(max_rank=4),
        "max_rank: 4 is not a whole number from 1 to 3. No rank is behind the gallery's last",
    ),
    "max_rank of zero": (dict(max_rank=0), "max_rank: 0 is not a whole number from 1 to 3"),
    "max_rank of half": (dict(max_rank=1.5), "max_rank: 1.5 is not a whole number from 1 to 3"),
    "empty block": (dict(block_rows=0), "block_rows: 0 is not a whole number of 1 or more"),
    "single camera": (
        dict(gallery_camids=[1, 1, 1]),
        (
            "query and gallery: none of the 2 queries has a match: the gallery shows the identity of 2 only from the "
            "query's own camera and that of 0 not at all. A query is the picture to look for, the gallery is where to "
            "look, pid names the person, camid the camera. A match is a gallery image of the same pid with another "
            "camid, so data of a single camera cannot be scored"
        ),
    ),
    "no common identity": (
        dict(gallery_pids=[1, 5, 0], gallery_camids=[1, 2, 2]),
        (
            "none of the 2 queries has a match: the gallery shows the identity of 1 only from the query's own camera "
            "and that of 1 not at all. "
        ),
    ),
}


@pytest.mark.parametrize("change, message", REFUSED.values(), ids=REFUSED)
def test_refusals(change, message):
    assert by_parts(evaluate, **GOOD).num_valid == 2
    with pytest.raises(MetricError) as caught:
        by_parts(evaluate, **{**GOOD, **change})
    assert message in str(caught.value)
    assert caught.value.where and caught.value.cure and "\n" not in str(caught.value)


LISTS = dict(query_features=np.ones((2, 3)), gallery_features=np.ones((3, 3)), good=[[0], [1]], junk=[[], [2]])
LISTS_REFUSED = {
    "too few lists": (dict(good=[[0]]), "good: 1 lists for 2 queries. Give 2 lists of gallery indices, one per query"),
    "too many lists": (dict(junk=[[], [], []]), "junk: 3 lists for 2 queries. Give 2 lists"),
    "no lists": (dict(good=7), "good: no lists of integers ("),
    "ragged list": (dict(good=[[0], [[1], [1, 2]]]), "good: no lists of integers ("),
    "floats": (dict(good=[[0.0], [1.0]]), "good: float64 of shape (1,) for query 0. Give 2 lists of gallery indices"),
    "a number": (dict(junk=[[], 2]), "junk: int64 of shape () for query 1. Give 2 lists"),
    "a mask of wrong kind": (dict(good=[[0], [True]]), "good: bool of shape (1,) for query 1"),
    "beyond the gallery": (
        dict(good=[[0], [3]]),
        "good and junk: index 3 of query 1 is not one of the 3 gallery images. Count from 0",
    ),
    "negative": (dict(junk=[[-1], []]), "good and junk: index -1 of query 0 is not one of the 3 gallery images"),
    "twice": (dict(good=[[0], [1, 0, 1]]), "good and junk: query 1 lists gallery image 1 twice. An image is a match"),
    "good and junk": (dict(junk=[[], [1]]), "good and junk: query 1 lists gallery image 1 twice"),
    "no good image": (dict(good=[[], []]), "good: none of the 2 queries has a match: all lists of good images are"),
    "unknown metric": (dict(metric="manhattan"), "metric: unknown distance 'manhattan'"),
    "max_rank": (dict(max_rank=4), "max_rank: 4 is not a whole number from 1 to 3"),
}


@pytest.mark.parametrize("change, message", LISTS_REFUSED.values(), ids=LISTS_REFUSED)
def test_refused_lists(change, message):
    assert by_parts(evaluate_lists, **LISTS).num_valid == 2
    with pytest.raises(MetricError) as caught:
        by_parts(evaluate_lists, **{**LISTS, **change})
    assert message in str(caught.value) and caught.value.cure and "\n" not in str(caught.value)


DISTANCES_REFUSED = {
    "vector": ([1.0, 2.0], [1], "distances: float64 of shape (2,) is no matrix of real numbers. Give one row per"),
    "NaN": ([[1.0, 2.0], [1.0, np.nan]], [1, 1], "distances: row 1 holds a distance that is not finite. Look for NaN"),
    "infinity": ([[np.inf, 2.0]], [1], "distances: row 0 holds a distance that is not finite"),
    "other size": ([[1.0, 2.0, 3.0]], [1], "gallery pids: int64 of shape (2,) for 3 images. Give 3 integers"),
    "no queries": (np.ones((0, 2)), [], "query: no images. Check that the split holds images"),
    "no gallery": (np.ones((1, 0)), [1], "gallery: no images. Check that the split holds images"),
}


@pytest.mark.parametrize("dist, pids, message", DISTANCES_REFUSED.values(), ids=DISTANCES_REFUSED)
def test_refused_distances(dist, pids, message):
    with pytest.raises(MetricError) as caught:
        evaluate_distances((pids, pids), ([1, 1], [2, 2]), distances=dist, max_rank=1)
    assert message in str(caught.value) and caught.value.cure


def test_refused_distance_is_found_in_a_later_block():
    dist = np.ones((5, 2))
    dist[3, 1] = np.nan
    with mock.patch.object(distance, "BLOCK_BYTES", 1), pytest.raises(MetricError, match="row 3 holds"):
        evaluate_distances(([1] * 5, [1] * 5), ([1, 2], [2, 2]), distances=dist, max_rank=1)


@pytest.mark.parametrize("k", [0, -1])
def test_refused_ranks(k):
    score = by_parts(evaluate, **GOOD)
    for call in (score.hits, score.rank):
        with pytest.raises(MetricError, match=f"k: {k} is not a whole number of 1 or more. Ranks count from 1"):
            call(k)
    arguments = [GOOD[name] for name in list(GOOD)[:6]]
    with pytest.raises(MetricError, match=f"k: {k} is not a whole number of 1 or more"):
        by_parts(ranked_list, *arguments, k=k)


def test_ranked_list_refuses_what_evaluate_refuses():
    arguments = {name: GOOD[name] for name in list(GOOD)[:6]}
    with pytest.raises(MetricError, match="unknown distance"):
        by_parts(ranked_list, **arguments, metric="manhattan")
    with pytest.raises(MetricError, match="query pids: int64 of shape"):
        by_parts(ranked_list, **{**arguments, "query_pids": [1]})


@pytest.mark.parametrize("call", [lambda q, g: distances(q, g), lambda q, g: distances(q, g, metric="cosine")])
def test_distances_refuses_other_widths(call):
    with pytest.raises(MetricError, match="query features have 2 values each, gallery features 3"):
        call(np.ones((1, 2)), np.ones((1, 3)))


# ------------------------------------------------------------------------------------------------ the benchmark
def run_benchmark(*options):
    command = [sys.executable, ROOT / "benchmarks" / "metrics.py", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=500)


@pytest.mark.parametrize("metric", METRICS)
def test_benchmark_compares_and_measures(tmp_path, metric):
    run = run_benchmark(
        "--queries",
        "90",
        "--gallery",
        "1600",
        "--width",
        "32",
        "--rounds",
        "2",
        "--metric",
        metric,
        "--json",
        str(tmp_path / "bench.json"),
    )
    assert run.returncode == 0, run.stderr
    assert "times as long as evaluate" in run.stdout and "same figures" in run.stdout
    measured = json.loads((tmp_path / "bench.json").read_text())
    ours, loop = (measured["seconds"][name] for name in ("evaluate", "argsort loop"))
    assert measured["same"] and measured["difference"]["valid_queries"] == 0 and 0 < measured["figures"]["mAP"] < 1
    assert len(ours["rounds"]) == 2 and measured["ratio"] == pytest.approx(loop["median"] / ours["median"])


def test_benchmark_refuses_sizes_without_sense():
    run = run_benchmark("--rounds", "0")
    assert run.returncode == 2 and "--rounds counts from 1" in run.stderr
