"""A side is whatever holds features, pids and camids; everything else is refused by name."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from osnet_lib.errors import MetricError
from osnet_lib.features.store import Features
from osnet_lib.metrics import (
    camera_pairs,
    evaluate,
    evaluate_distances,
    evaluate_lists,
    expand_queries,
    pair_histogram,
    pool_queries,
    ranked_list,
    rerank,
    verify,
)
from osnet_lib.metrics.agreement import rank_agreement
from osnet_lib.metrics.chance import chance_map

QUERY = np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([1, 2]), np.array([1, 1])
GALLERY = np.array([[0.1, 1.0], [1.0, 0.2], [3.0, 3.0], [0.5, 0.4]]), np.array([1, 2, 3, -1]), np.array([2, 2, 2, 2])
CALLS = {
    "evaluate": (evaluate, {}),
    "verify": (verify, {}),
    "pair_histogram": (pair_histogram, {"bins": 3}),
    "camera_pairs": (camera_pairs, {}),
    "ranked_list": (ranked_list, {"k": 2}),
    "pool_queries": (pool_queries, {}),
    "chance_map": (chance_map, {}),
    "evaluate_distances": (evaluate_distances, {"distances": np.arange(8.0).reshape(2, 4)}),
    "evaluate_lists": (evaluate_lists, {"good": [[0], [1]], "junk": [[3], [3]]}),
    "expand_queries": (expand_queries, {"k": 2}),
    "rerank": (rerank, {"k1": 2, "k2": 2}),
    "rank_agreement": (rank_agreement, {"candidate": (QUERY, GALLERY)}),
}
LABELS_ALONE, FEATURES_ALONE = {"chance_map", "evaluate_distances"}, {"evaluate_lists", "expand_queries", "rerank"}


def values(found):
    return [found] if isinstance(found, (float, np.ndarray)) else list(vars(found).values())


def stored(features, pids, camids) -> Features:
    return Features(np.array([str(i) for i in range(len(pids))]), pids, camids, features)


@pytest.mark.parametrize("name", CALLS)
def test_every_kind_of_side_gives_the_same(name):
    function, options = CALLS[name]
    expected = values(function(QUERY, GALLERY, **options))
    kinds = [stored, lambda *parts: SimpleNamespace(**dict(zip(("features", "pids", "camids"), parts)))]
    kinds += [lambda features, *labels: labels] if name in LABELS_ALONE else []
    kinds += [lambda features, *labels: features] if name in FEATURES_ALONE else []
    for kind in kinds:
        made = kind(*QUERY), kind(*GALLERY)
        found = function(*(tuple(side) if isinstance(side, list) else side for side in made), **options)
        for one, other in zip(values(found), expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", sorted(CALLS.keys() - LABELS_ALONE - FEATURES_ALONE))
@pytest.mark.parametrize(
    "query, message",
    [
        (QUERY[0], "query: ndarray without features and pids and camids. Give what osnet_lib"),
        (QUERY[:2], "query: a tuple of 2 is no side"),
        ((*QUERY, 7), "query: a tuple of 4 is no side"),
        (SimpleNamespace(features=1, pids=2), "query: SimpleNamespace without camids"),
        (None, "query: NoneType without"),
    ],
)
def test_what_is_no_side_is_refused(name, query, message):
    function, options = CALLS[name]
    with pytest.raises(MetricError) as caught:
        function(query, GALLERY, **options)
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", CALLS)
def test_all_behind_the_sides_goes_by_name(name):
    function, _ = CALLS[name]
    with pytest.raises(TypeError, match="positional"):
        function(QUERY, GALLERY, "euclidean")
