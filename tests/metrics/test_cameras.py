"""osnet_lib.metrics.cameras: Rank-1 by camera pair is evaluate's, on that pair alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from helpers.scenes import by_parts
from osnet_lib.errors import MetricError
from osnet_lib.metrics import evaluate
from osnet_lib.metrics.cameras import camera_pairs


def scene(seed: int, queries: int, gallery: int, values: int | None = None):
    rng = np.random.default_rng(seed)

    def features(rows: int) -> np.ndarray:
        return rng.integers(0, values, (rows, 2)) if values else rng.standard_normal((rows, 4))

    return (
        features(queries),
        rng.integers(0, 5, queries),
        rng.integers(1, 4, queries),
        features(gallery),
        rng.integers(-1, 5, gallery),
        rng.integers(2, 6, gallery),
    )


def by_cutting(query, query_pids, query_camids, gallery, gallery_pids, gallery_camids, one, other, **options):
    """Hits and queries of a pair of cameras: both sides cut to it, and evaluated."""
    asked, shown = query_camids == one, gallery_camids == other
    try:
        score = evaluate(
            (query[asked], query_pids[asked], query_camids[asked]),
            (gallery[shown], gallery_pids[shown], gallery_camids[shown]),
            **options,
        )
    except MetricError as error:
        assert "has a match" in str(error)
        return 0, 0
    return score.hits(1), score.num_valid


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 25), st.sampled_from([None, 2, 3]))
def test_camera_pairs_agree_with_evaluating_each_pair(seed, queries, gallery, values):
    arguments = scene(seed, queries, gallery, values)
    camids, seen = arguments[2], arguments[5][arguments[4] >= 0]
    expected = np.array(
        [[by_cutting(*arguments, one, other) for other in np.unique(seen)] for one in np.unique(camids)]
    )
    if not expected.any():
        with pytest.raises(MetricError, match="none of the .* queries has a match"):
            by_parts(camera_pairs, *arguments)
        return
    pairs = by_parts(camera_pairs, *arguments)
    assert pairs.query_cameras.tolist() == sorted(set(camids))
    assert pairs.gallery_cameras.tolist() == sorted(set(seen))
    np.testing.assert_array_equal(pairs.queries, expected[..., 1])
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(pairs.rank1, expected[..., 0] / expected[..., 1])  # 0 / 0 is NaN


@pytest.mark.parametrize("options", [{}, {"metric": "cosine"}, {"normalize": True}])
def test_camera_pairs_do_not_depend_on_order(options):
    arguments = scene(1, 40, 200)
    expected = by_parts(camera_pairs, *arguments, **options)
    rng = np.random.default_rng(2)
    ask, show = rng.permutation(40), rng.permutation(200)
    found = camera_pairs(tuple(a[ask] for a in arguments[:3]), tuple(a[show] for a in arguments[3:]), **options)
    np.testing.assert_array_equal(found.rank1, expected.rank1)
    np.testing.assert_array_equal(found.queries, expected.queries)
    assert found.metric == options.get("metric", "euclidean") and found.normalized == options.get("normalize", False)
    some = {hits for one in (1, 2, 3) for hits, _ in [by_cutting(*arguments, one, 4, **options)]}
    assert some == set(np.round(expected.rank1[:, 2] * expected.queries[:, 2]).astype(int))
    for diagonal in (2, 3):  # matches in the query's own camera do not count
        assert np.isnan(expected.rank1[diagonal - 1, diagonal - 2]) and not expected.queries[diagonal - 1, diagonal - 2]


def test_junk_and_ties_count_as_they_do_in_evaluate():
    # Cameras: 2 has the match behind junk, 3 ties with a wrong image, 4 has junk only and is no camera of the gallery.
    pairs = camera_pairs(([[0.0]], [1], [1]), ([[0.0], [1.0], [2.0], [2.0], [0.0]], [-1, 1, 1, 2, -1], [2, 2, 3, 3, 4]))
    assert pairs.gallery_cameras.tolist() == [2, 3]
    assert pairs.rank1.tolist() == [[1.0, 0.0]] and pairs.queries.tolist() == [[1, 1]]
    with pytest.raises(ValueError, match="read-only"):
        pairs.rank1[0, 0] = 0


@pytest.mark.parametrize(
    "change, message",
    [
        ({2: [1]}, "query camids: int64 of shape (1,) for 2 images"),
        ({0: [[1.0], [np.nan]]}, "query features: 1 of 2 rows are not finite"),
        ({4: [7, 8, 9]}, "query and gallery: none of the 2 queries has a match"),
        ({4: [-1, -1, -1]}, "query and gallery: none of the 2 queries has a match"),
    ],
)
def test_camera_pairs_refuse(change, message):
    good = [[[1.0], [2.0]], [1, 2], [1, 1], [[1.0], [2.0], [3.0]], [1, 2, 0], [2, 2, 3]]
    assert by_parts(camera_pairs, *good).rank1[0, 0] == 1
    with pytest.raises(MetricError) as caught:
        by_parts(camera_pairs, *(change.get(i, value) for i, value in enumerate(good)))
    assert str(caught.value).startswith(message)
