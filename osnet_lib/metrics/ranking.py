"""What a query ranks first: lists for figures, under the protocol of `osnet_lib.metrics`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..checks import whole_number
from ..errors import MetricError
from .side import SideLike, parts_of, prepare_sides


@dataclass(frozen=True, eq=False)
class RankedList:
    """The nearest images of each query, arrays (queries, k), or (queries, k + dropped).

    Attributes
    ----------
    indices : int64 array
        Into the gallery, nearest first; -1 where fewer images remain.
    distances : float64 array
        NaN where there is no image.
    correct : bool array
        Whether the image is a match: the query's identity from another camera.
    ranks : int64 array
        1 for the nearest image that the protocol ranks; 0 for one that it drops, and where there is no image.
    """

    indices: np.ndarray
    distances: np.ndarray
    correct: np.ndarray
    ranks: np.ndarray

    def __repr__(self) -> str:
        right = np.count_nonzero((self.correct & (self.ranks == 1)).any(axis=1))
        return f"the {self.ranks.max()} nearest images of {len(self.ranks)} queries, {right} of them right at rank 1"


def ranked_list(
    query: SideLike,
    gallery: SideLike,
    *,
    k: int = 10,
    dropped: int = 0,
    metric: str = "euclidean",
    normalize: bool = False,
) -> RankedList:
    """The `k` nearest gallery images of each query, as the Market-1501 protocol ranks them.

    Images that the protocol drops for a query (its own identity and camera; junk) have no rank and are not listed,
    unless `dropped` asks for them. At equal distance wrong images come before matches, as in the scores, and both
    before dropped ones, then the lower index first.

    Parameters
    ----------
    query
        As that of `osnet_lib.metrics.evaluate`, which explains all parameters not named here; or a single query, a
        feature (width,) with one pid and one camid.
    k : int
        Ranked images per query, from 1.
    dropped : int
        How many of the nearest dropped images to list as well, each where it would stand; only those before the
        k-th ranked image. The ranks of the others do not count them.

    Returns
    -------
    RankedList
        A query needs no match to have a list.

    Raises
    ------
    MetricError
        As `osnet_lib.metrics.evaluate`; also k below 1 or dropped below 0.
    """
    whole_number(k, "k", error=MetricError)
    whole_number(dropped, "dropped", at_least=0, error=MetricError)
    asked = parts_of(query, "query")
    if np.ndim(asked[1]) == 0:
        asked = tuple(np.asarray(part)[None] for part in asked)  # type: ignore[assignment]  # still three
    prepared, (rows, squared), labels = prepare_sides(asked, gallery, metric, normalize)
    indices = np.full((len(rows), k + dropped), -1, dtype=np.int64)
    found, ranks = np.full(indices.shape, np.nan), np.zeros_like(indices)
    for start, block in prepared.blocks(rows, squared, labels.bytes_per_query):
        pair_rows, pair_columns, same_camera = labels.pairs(start, start + len(block))
        own = pair_columns[same_camera]
        bounds = np.searchsorted(pair_rows[same_camera], np.arange(len(block) + 1))
        for i, (row, begin, end) in enumerate(zip(block, bounds, bounds[1:]), start):
            aside = np.append(own[begin:end], labels.junk)
            aside_at = row[aside]
            row[aside] = np.inf
            listed = _nearest(row, labels.gallery_pids == labels.query_pids[i], k)
            at, rank = row[listed], np.arange(1, len(listed) + 1)
            if dropped:
                order = np.lexsort((aside, aside_at))[:dropped]
                order = order[aside_at[order] < (at[-1] if len(listed) == k else np.inf)]
                at, rank = np.append(at, aside_at[order]), np.append(rank, np.zeros_like(order))
                together = np.argsort(at, kind="stable")
                listed, at, rank = np.append(listed, aside[order])[together], at[together], rank[together]
            indices[i, : len(listed)], found[i, : len(listed)], ranks[i, : len(listed)] = listed, at, rank
    correct = (ranks > 0) & (labels.gallery_pids[indices] == labels.query_pids[:, None])
    return RankedList(indices, found, correct, ranks)


def _nearest(row: np.ndarray, same_identity: np.ndarray, k: int) -> np.ndarray:
    """Indices of the `k` smallest finite distances, in order; wrong images first where they tie."""
    reach = np.partition(row, k - 1)[k - 1] if k < len(row) else np.inf
    near = np.flatnonzero((row <= reach) & (row < np.inf))
    return near[np.lexsort((same_identity[near], row[near]))[:k]]
