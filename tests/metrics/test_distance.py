"""Unit rows, and distances that come block by block."""

from __future__ import annotations

from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osnet_lib.errors import MetricError
from osnet_lib.metrics import METRICS, distance, distances, normalize
from osnet_lib.metrics.distance import Gallery


@pytest.mark.parametrize(
    "dtype, result",
    [(np.float16, np.float32), (np.float32, np.float32), (np.int64, np.float32), (np.float64, np.float64)],
)
def test_normalize_by_hand(dtype, result):
    rows = np.array([[3, 4], [0, -2], [1, 0]], dtype)
    found = normalize(rows)
    assert found.dtype == result and rows.tolist() == [[3, 4], [0, -2], [1, 0]]
    np.testing.assert_allclose(found, [[0.6, 0.8], [0, -1], [1, 0]], rtol=1e-7)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-12, 12))
def test_normalize_forgets_the_length_only(seed, exponent):
    rows = np.random.default_rng(seed).standard_normal((7, 5)) * 10**exponent
    found = normalize(rows)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-14)
    np.testing.assert_allclose(found * np.linalg.norm(rows, axis=1, keepdims=True), rows, rtol=1e-13)
    np.testing.assert_allclose(normalize(found), found, rtol=1e-14)


@pytest.mark.parametrize(
    "features, message",
    [
        (
            [[1, 2], [0, 0], [0, 0]],
            (
                "features: 2 of 3 rows are all zero, first row 1: they have no direction, so no cosine "
                "and no unit length. Check the model's output, or use the euclidean distance without normalising"
            ),
        ),
        ([[1, np.nan]], "features: 1 of 1 rows are not finite or too large to square, first row 0. Look for NaN"),
        ([1, 2], "features: int64 of shape (2,) is no matrix of real numbers. Give one row per image"),
        (np.ones((0, 2)), "features: no features (shape (0, 2)). Check that the split"),
    ],
)
def test_normalize_refuses(features, message):
    with pytest.raises(MetricError) as caught:
        normalize(features)
    assert str(caught.value).startswith(message)


def test_normalised_distances_are_those_of_unit_rows():
    rng = np.random.default_rng(0)
    query, gallery = rng.standard_normal((5, 8)), 9 * rng.standard_normal((7, 8))
    euclidean, cosine = (distances(query, gallery, metric=metric, normalize=True) for metric in METRICS)
    np.testing.assert_allclose(euclidean, 2 * cosine, atol=1e-14)
    np.testing.assert_allclose(cosine, distances(query, gallery, metric="cosine"), atol=1e-15)
    with pytest.raises(MetricError, match="gallery features: 1 of 7 rows are all zero, first row 3"):
        distances(query, gallery * (np.arange(7) != 3)[:, None], normalize=True)


@pytest.mark.parametrize(
    "dtype, scale", [(np.float32, 1e-20), (np.float32, 1e-25), (np.float32, 1e-36), (np.float64, 1e-200)]
)
def test_a_direction_does_not_depend_on_the_length(dtype, scale):
    """Squares of such numbers lose their digits, or are 0, before a row does."""
    rows = np.random.default_rng(2).standard_normal((6, 64)).astype(dtype)
    short = rows * dtype(scale)
    short[3] = rows[3]  # among them one of usual length
    np.testing.assert_allclose(
        distances(short, rows, metric="cosine"), distances(rows, rows, metric="cosine"), atol=2e-6
    )
    assert np.array_equal(short[3], rows[3])  # the caller's features stay as they are


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 8])
def test_blocks_are_the_rows_of_the_matrix(metric, rows):
    rng = np.random.default_rng(1)
    query, features = rng.integers(1, 4, (7, 2)).astype(float), rng.integers(1, 4, (9, 2)).astype(float)
    gallery = Gallery(features, metric)
    with mock.patch.object(distance, "BLOCK_BYTES", rows * (9 * 8 + 100)):
        for options in ({"block_rows": rows}, {"bytes_per_query": 100}):
            starts = []
            for start, block in gallery.blocks(*gallery.query(query), **options):
                assert len(block) == min(rows, 7 - start)
                whole = distances(query, features, metric=metric)
                np.testing.assert_allclose(block, whole[start : start + rows], atol=1e-15)
                block[:] = np.nan  # the caller may
                starts.append(start)
            assert starts == list(range(0, 7, rows))


def test_blocks_without_rows_are_refused_at_once():
    gallery = Gallery(np.ones((2, 2)), "euclidean")
    with pytest.raises(MetricError, match="block_rows: 0 is not a whole number of 1 or more"):
        gallery.blocks(*gallery.query(np.ones((1, 2))), block_rows=0)


def test_a_part_of_a_gallery_has_the_distances_of_the_whole_however_small_it_is():
    random = np.random.default_rng(0)
    rows, images = (random.standard_normal((count, 512)).astype(np.float32) for count in (300, 1000))
    whole = distances(rows, images)
    if not np.array_equal(distances(rows[7:], images[13:]), whole[7:, 13:]):
        pytest.skip("this BLAS rounds by the place of a column")
    for queries in (1, 2, 3, 17, 300):
        for count in (1, 2, 3, 4, 5, 15, 100, 500):
            part = distances(rows[:queries], images[-count:])
            assert np.array_equal(part, whole[:queries, -count:]), (queries, count)


@pytest.mark.parametrize("kinds", [(np.float32, np.float64), (np.float64, np.float32)])
def test_small_products_keep_the_larger_precision(kinds):
    random = np.random.default_rng(0)
    rows, images = (random.standard_normal((count, 8)).astype(kind) for count, kind in zip((2, 3), kinds))
    made = distances(rows, images)
    assert made.dtype == np.float64 and made.shape == (2, 3)
    np.testing.assert_allclose(made, ((rows[:, None] - images) ** 2).sum(axis=2), rtol=1e-5)
