"""Small retrieval problems with everything that makes scoring hard: ties, junk, distractors, missing matches."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from osnet_lib.errors import MetricError


def make_scene(rng: np.random.Generator, integers: bool = True) -> tuple[np.ndarray, ...]:
    """Features, pids and camids of the query, then of the gallery.

    Small integers make every float32 operation of the Euclidean distance exact, so ties are ties.
    """
    queries, gallery = rng.integers(1, 9), rng.integers(1, 41)
    identities, cameras, width, spread = rng.integers(1, (7, 5, 5, 4))

    def features(number):
        if integers:
            return rng.integers(-spread, spread + 1, (number, width)).astype(np.float32)
        return rng.standard_normal((number, width + 6)).astype(np.float32)

    return (
        features(queries),
        rng.integers(1, identities + 1, queries),
        rng.integers(1, cameras + 1, queries),
        features(gallery),
        rng.integers(-1, identities + 1, gallery),
        rng.integers(1, cameras + 1, gallery),
    )


def scenes(integers: bool = True) -> st.SearchStrategy[tuple[np.ndarray, ...]]:
    """Scenes, by seed."""
    return st.integers(0, 2**32 - 1).map(lambda seed: make_scene(np.random.default_rng(seed), integers))


def squares(query: np.ndarray, gallery: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances by their definition."""
    return np.square(query[:, None] - gallery).sum(axis=2)


_PARTS = [f"{side}_{part}" for side in ("query", "gallery", "extra") for part in ("features", "pids", "camids")]


def by_parts(function, *arrays, **named):
    """Call a scoring function with the arrays of both sides one by one, in their order or by name.

    Six are features, pids and camids of each side, four the labels of each, two the features.
    """
    arrays = [*arrays, *(named.pop(part) for part in _PARTS if part in named)]
    half = len(arrays) // 2
    sides = arrays if half == 1 else (tuple(arrays[:half]), tuple(arrays[half:]))
    return function(*sides, **named)


def scored(function, *arrays, **named):
    """What `by_parts` returns, or None where no query has a match."""
    try:
        return by_parts(function, *arrays, **named)
    except MetricError as error:
        assert "has a match" in str(error)
        return None


def kept_and_right(labels) -> tuple[np.ndarray, np.ndarray]:
    """Bool matrices (queries, gallery): whether the protocol ranks a pair, and whether it is a match."""
    query_pids, query_camids, gallery_pids, gallery_camids = labels
    same = query_pids[:, None] == gallery_pids
    kept = (gallery_pids != -1) & ~(same & (query_camids[:, None] == gallery_camids))
    return kept, same & kept
