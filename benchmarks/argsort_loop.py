"""The Market-1501 protocol the plain way: sort every row, then go through the queries one by one.

The yardstick of ``benchmarks/metrics.py`` and the reference of ``tests/metrics/test_evaluation.py``, written from the
definition and sharing no code with `osnet_lib`.
"""

from __future__ import annotations

import numpy as np


def distance_matrix(query: np.ndarray, gallery: np.ndarray, metric: str) -> np.ndarray:
    """All distances at once: squared Euclidean by expanding the square, or 1 - cosine."""
    if metric == "cosine":
        query = query / np.linalg.norm(query, axis=1, keepdims=True)
        gallery = gallery / np.linalg.norm(gallery, axis=1, keepdims=True)
        return 1 - query @ gallery.T
    lengths = np.square(query).sum(axis=1, keepdims=True) + np.square(gallery).sum(axis=1)
    return lengths - 2 * (query @ gallery.T)


def argsort_loop(
    dist: np.ndarray,
    query_pids: np.ndarray,
    query_camids: np.ndarray,
    gallery_pids: np.ndarray,
    gallery_camids: np.ndarray,
    wrong_first: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """AP (NaN without a match) and number of images before the first match (-1 without) of each query.

    `wrong_first` puts wrong images before matches at equal distance; otherwise ties fall as argsort leaves them. Junk
    (pid -1) is dropped like images of the query's identity and camera.
    """
    ap = np.full(len(dist), np.nan)
    first = np.full(len(dist), -1)
    if not wrong_first:
        indices = np.argsort(dist, axis=1)
    for i in range(len(dist)):
        if wrong_first:
            order = np.lexsort((gallery_pids == query_pids[i], dist[i]))
        else:
            order = indices[i]
        dropped = (gallery_pids[order] == query_pids[i]) & (gallery_camids[order] == query_camids[i])
        dropped |= gallery_pids[order] == -1
        right = gallery_pids[order[~dropped]] == query_pids[i]
        if not right.any():
            continue
        precision = np.cumsum(right) / np.arange(1, len(right) + 1)
        ap[i] = (precision * right).sum() / right.sum()
        first[i] = np.argmax(right)
    return ap, first


def summary(ap: np.ndarray, first: np.ndarray, max_rank: int) -> tuple[np.ndarray, float]:
    """CMC curve and mAP over the queries that have a match."""
    valid = first >= 0
    ranks = np.arange(1, max_rank + 1)
    return (first[valid] < ranks[:, None]).mean(axis=1), float(ap[valid].mean())


def list_loop(
    dist: np.ndarray,
    query_pids: np.ndarray,
    query_camids: np.ndarray,
    gallery_pids: np.ndarray,
    gallery_camids: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """The same figures by the steps of torchreid's Python path: a list of precisions, image by image, for each query.

    That path is what torchreid runs where its Cython extension is not built. It sorts all rows, looks up all matches,
    and makes the precisions of a query with a comprehension over its gallery; so does this, in our own words.
    """
    ap = np.full(len(dist), np.nan)
    first = np.full(len(dist), -1)
    indices = np.argsort(dist, axis=1)
    right = (gallery_pids[indices] == query_pids[:, None]).astype(np.int32)
    for i, order in enumerate(indices):
        dropped = (gallery_pids[order] == query_pids[i]) & (gallery_camids[order] == query_camids[i])
        hits = right[i][~(dropped | (gallery_pids[order] == -1))]
        if not hits.any():
            continue
        found = hits.cumsum()
        first[i] = np.argmax(np.minimum(found, 1))  # where the curve of this query rises to 1
        precisions = [value / (place + 1.0) for place, value in enumerate(found)]
        ap[i] = (np.asarray(precisions) * hits).sum() / hits.sum()
    return ap, first
