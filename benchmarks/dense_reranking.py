"""k-reciprocal re-ranking the plain way: dense matrices of images x images, one image after the other.

The yardstick of ``benchmarks/reranking.py`` and the reference of ``tests/metrics/test_reranking.py``: the steps of the
authors' published numpy program (Zhong et al., CVPR 2017; torchreid and others carry it) in our own words, with its
data structures - whole matrices of distances, ranks, weights and expanded weights, in the memory order that it gives
them - and its loops. It shares no code with `osnet_lib`. Images at equal distance are taken as the sort leaves them.
"""

from __future__ import annotations

import numpy as np


def mutual(ranks: np.ndarray, image: int, k: int) -> np.ndarray:
    """The images among the first k + 1 of `image`'s row that have `image` among the first k + 1 of theirs."""
    forward = ranks[image, : k + 1]
    backward = ranks[forward, : k + 1]
    return forward[np.where(backward == image)[0]]


def dense_rerank(
    query: np.ndarray, gallery: np.ndarray, k1: int = 20, k2: int = 6, lambda_value: float = 0.3
) -> np.ndarray:
    """Re-ranked distances (queries, gallery) of features, squared Euclidean."""
    queries, images = len(query), np.concatenate([query, gallery])
    # Callers of the published function give it three matrices, which it puts together.
    between, in_query, in_gallery = squared(query, gallery), squared(query, query), squared(gallery, gallery)
    dist = np.concatenate(
        [np.concatenate([in_query, between], axis=1), np.concatenate([between.T, in_gallery], axis=1)]
    )
    del between, in_query, in_gallery
    np.fill_diagonal(dist, 0)  # rounding can leave more than the distance to a near twin
    np.maximum(dist, 0, out=dist)
    dist = np.transpose(dist / dist.max(axis=0))  # columns lie together in memory from here on, those of weights too
    weights = np.zeros_like(dist)
    ranks = np.argsort(dist).astype(np.int32)

    for i in range(len(images)):
        neighbours = mutual(ranks, i, k1)
        expanded = neighbours
        for candidate in neighbours:
            others = mutual(ranks, candidate, int(np.around(k1 / 2)))
            if 3 * len(np.intersect1d(others, neighbours)) > 2 * len(others):
                expanded = np.append(expanded, others)
        expanded = np.unique(expanded)
        near = np.exp(-dist[i, expanded])
        weights[i, expanded] = near / np.sum(near)
    dist = dist[:queries]
    if k2 > 1:
        means = np.zeros_like(weights)
        for i in range(len(images)):
            means[i] = np.mean(weights[ranks[i, :k2]], axis=0)
        weights = means
    del ranks

    having = [np.where(weights[:, m] != 0)[0] for m in range(len(images))]
    jaccard = np.zeros_like(dist)
    for i in range(queries):
        shared = np.zeros(len(images), dist.dtype)
        for m in np.where(weights[i] != 0)[0]:
            shared[having[m]] += np.minimum(weights[i, m], weights[having[m], m])
        jaccard[i] = 1 - shared / (2 - shared)
    return (jaccard * (1 - lambda_value) + dist * lambda_value)[:, queries:]


def squared(rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Squared Euclidean distances by expanding the square."""
    lengths = np.square(rows).sum(axis=1, keepdims=True) + np.square(columns).sum(axis=1)
    return lengths - 2 * (rows @ columns.T)
