"""What a query ranks first: lists for figures, under the protocol of `osnet_lib.metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .distance import Gallery, rows_that_fit
from ..errors import MetricError
from .labels import Labels


@dataclass(frozen=True, eq=False)
class RankedList:
    """The nearest images of each query, three arrays (queries, k).

    Attributes
    ----------
    indices : int64 array
        Into the gallery, nearest first; -1 where fewer than k images remain.
    distances : float64 array
        NaN where there is no image.
    correct : bool array
        Whether the image is a match: the query's identity from another camera.
    """

    indices: np.ndarray
    distances: np.ndarray
    correct: np.ndarray


def ranked_list(query_features: ArrayLike, query_pids: ArrayLike, query_camids: ArrayLike, gallery_features: ArrayLike,
                gallery_pids: ArrayLike, gallery_camids: ArrayLike, k: int = 10,
                metric: str = "euclidean") -> RankedList:
    """The `k` nearest gallery images of each query, as the Market-1501 protocol ranks them.

    Images that the protocol drops for a query (its own identity and camera; junk) are not listed. At equal distance
    wrong images come before matches, as in the scores, then the lower index first.

    Parameters
    ----------
    query_features : array (queries, width), or (width,) with a single pid and camid
    k : int
        Images per query, from 1. All other parameters are those of `osnet_lib.metrics.evaluate`.

    Returns
    -------
    RankedList
        A query needs no match to have a list.

    Raises
    ------
    MetricError
        As `osnet_lib.metrics.evaluate`; also k below 1.
    """
    if not isinstance(k, (int, np.integer)) or k < 1:
        raise MetricError(f"a ranked list of {k!r} images", where="k", cure="Ask for at least 1")
    if np.ndim(query_pids) == 0:
        query_features, query_pids, query_camids = [query_features], [query_pids], [query_camids]
    gallery = Gallery(gallery_features, metric)
    rows, squared = gallery.query(query_features)
    labels = Labels.check(query_pids, query_camids, gallery_pids, gallery_camids, (len(rows), len(gallery)))
    step = rows_that_fit(len(gallery) * gallery.features.itemsize + labels.bytes_per_query)
    indices = np.full((len(rows), k), -1, dtype=np.int64)
    found = np.full((len(rows), k), np.nan)
    for start in range(0, len(rows), step):
        block = gallery.distances(rows[start:start + step], squared[start:start + step])
        pair_rows, pair_columns, same_camera = labels.same_identity(start, start + len(block))
        block[pair_rows[same_camera], pair_columns[same_camera]] = np.inf
        block[:, labels.junk] = np.inf
        for i, row in enumerate(block, start):
            reach = np.partition(row, k - 1)[k - 1] if k < len(row) else np.inf
            near = np.flatnonzero((row <= reach) & (row < np.inf))
            near = near[np.lexsort((labels.gallery_pids[near] == labels.query_pids[i], row[near]))[:k]]
            indices[i, :len(near)], found[i, :len(near)] = near, row[near]
    correct = (indices >= 0) & (labels.gallery_pids[indices] == labels.query_pids[:, None])
    return RankedList(indices, found, correct)
