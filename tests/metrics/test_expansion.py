"""Average query expansion, against the formula written out image by image."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.scenes import by_parts
from osnet_lib.errors import MetricError
from osnet_lib.metrics import evaluate, expand_queries


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def plain_expansion(queries, gallery, k, alpha, times):
    """The formula in float64; images within rounding of the k-th count as ties."""
    queries, gallery = unit(queries), unit(gallery)
    for _ in range(times):
        expanded = []
        for query in queries:
            others = [(query @ image, image) for image in gallery]
            reach = sorted((similarity for similarity, _ in others), reverse=True)[k - 1]
            total = query.copy()
            for similarity, image in others:
                if similarity >= reach - 1e-9 and similarity > 1e-9:
                    total += similarity**alpha * image
            expanded.append(total)
        queries = unit(np.array(expanded))
    return queries


def features(rng, number, width):
    """Small integers without zero rows: full of ties in direction."""
    rows = rng.integers(-2, 3, (number, width)).astype(np.float64)
    return np.where(np.any(rows, axis=1, keepdims=True), rows, 1)


def test_by_hand():
    query, gallery = [[2.0, 0.0]], [[1.0, 0.0], [3.0, 3.0], [0.0, 5.0], [-1.0, 0.0]]
    half = np.sqrt(0.5)
    for k, alpha, total in (
        (1, 3, [2, 0]),
        (2, 2, [2 + half / 2, half / 2]),
        (2, 0, [2 + half, half]),
        (4, 0, [2 + half, half]),
    ):  # what is not similar has no weight
        np.testing.assert_allclose(expand_queries(query, gallery, k=k, alpha=alpha), unit(np.array([total])), atol=1e-7)


def test_one_thousand_random_cases():
    rng = np.random.default_rng(11)
    for case in range(1000):
        width = rng.integers(1, 4)
        queries, gallery = features(rng, rng.integers(1, 4), width), features(rng, rng.integers(2, 9), width)
        k, alpha = rng.integers(1, len(gallery)), (0, 1, 3.0, 0.5)[case % 4]
        np.testing.assert_allclose(
            expand_queries(queries, gallery, k=k, alpha=alpha),
            plain_expansion(queries, gallery, k, alpha, 1),
            atol=1e-12,
        )


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 5), st.sampled_from([0, 1.5, 3]), st.integers(1, 3))
def test_without_ties(seed, k, alpha, times):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.standard_normal((3, 6)), rng.standard_normal((9, 6))
    found = expand_queries(queries, gallery, k=k, alpha=alpha, times=times)
    np.testing.assert_allclose(found, plain_expansion(queries, gallery, k, alpha, times), atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.randoms(use_true_random=False), st.integers(1, 8))
def test_order_does_not_matter_even_among_copies(seed, random, k):
    """Rows that occur several times tie with each other: either all of them count or none."""
    rng = np.random.default_rng(seed)
    queries = rng.standard_normal((4, 5)).astype(np.float32)
    gallery = rng.standard_normal((5, 5)).astype(np.float32)[rng.integers(0, 5, 9)]
    q, g = (random.sample(range(len(part)), len(part)) for part in (queries, gallery))
    expanded = expand_queries(queries, gallery, k=k)
    assert expanded.dtype == np.float32
    np.testing.assert_allclose(expand_queries(queries[q], gallery[g], k=k), expanded[q], atol=1e-6)


def test_inputs_stay_and_lengths_do_not_matter():
    rng = np.random.default_rng(2)
    queries, gallery = rng.standard_normal((3, 6)), rng.standard_normal((9, 6))
    before = queries.copy(), gallery.copy()
    expanded = expand_queries(queries, gallery)
    np.testing.assert_array_equal(queries, before[0])
    np.testing.assert_array_equal(gallery, before[1])
    np.testing.assert_allclose(expand_queries(queries * 7, gallery * 0.5), expanded, atol=1e-12)


def test_it_helps_where_neighbours_are_right():
    """A person seen from the side looks like others; the images in between lead there."""
    angles = np.radians([0, 20, 40, 60])  # the query, then its person turning away
    of_person = np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1)
    others = np.array([[np.cos(np.radians(50)), 0, np.sin(np.radians(50))]] * 3)
    gallery = np.vstack([of_person[1:], others])
    labels = [1], [1], [1, 1, 1, 2, 3, 4], [2] * 6
    scores = [
        evaluate((query, *labels[:2]), (gallery, *labels[2:]), metric="cosine").mAP
        for query in (of_person[:1], expand_queries(of_person[:1], gallery, k=2))
    ]
    assert scores[0] < 1 and scores[1] == 1


@pytest.mark.parametrize(
    "options, message",
    [
        (dict(k=0), "k: 0 is not a whole number from 1 to 4. No more"),
        (dict(k=5), "k: 5 is not a whole number from 1 to 4"),
        (dict(k=1.5), "k: 1.5 is not a whole number"),
        (dict(alpha=-1), "alpha: an exponent of -1. Give a number from 0, such as 3"),
        (dict(alpha=np.inf), "alpha: an exponent of inf"),
        (dict(alpha=np.nan), "alpha: an exponent of nan"),
        (dict(alpha="3"), "alpha: an exponent of '3'"),
        (dict(times=0), "times: 0 is not a whole number of 1 or more"),
        (dict(times=1.0), "times: 1.0 is not a whole"),
        (dict(gallery_features=[[0, 0]] * 4), "gallery features: 4 of 4 rows are all zero"),
    ],
)
def test_refusals(options, message):
    arguments = {"gallery_features": np.eye(4)[:, :2] + 1, "k": 3, **options}
    queries = {"query_features": np.ones((2, 2))}
    with pytest.raises(MetricError) as caught:
        by_parts(expand_queries, **queries, **arguments)
    assert str(caught.value).startswith(message) and caught.value.cure


def test_other_widths_are_refused():
    with pytest.raises(MetricError, match="query features have 2 values each, gallery features 3"):
        expand_queries(np.ones((1, 2)), np.ones((3, 3)), k=1)
