"""The Market-1501 single-query protocol: CMC, Rank-k and mAP, counted instead of sorted.

For every query, gallery images of the same identity (pid) taken by the same camera (camid) are dropped, and so is junk
(pid -1, which torchreid drops when it reads the files); distractors (pid 0) stay as negatives. What remains is ranked
by distance, and a *match* is an image of the query's identity. Queries without a match are left out and counted. With n
matches at ranks r_1 < ... < r_n (from 1)

    AP = 1/n * sum_i  i / r_i,      CMC(k) = share of valid queries with r_1 <= k,      mAP = mean AP

which is what torchreid's ``evaluate_rank`` computes (Zheng et al., ICCV 2015, use the trapezoid of the precision-recall
curve for AP; that differs in the third digit).

Ties: a match ranks behind every wrong image at the same distance. The score is the worst one that the distances allow,
so it depends on no file order, and features that are all equal get no credit for it. Where no wrong image is exactly as
far as a match, the figures are torchreid's.

Since r_i = i + (wrong images at most as far as the i-th match), no ranking is needed: only the images up to the last
match are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import numpy as np
from numpy.typing import ArrayLike
from tqdm import tqdm

from .distance import Gallery, real_matrix, rows_that_fit
from ..errors import MetricError
from .labels import Labels

FAR_MATCHES = 3  # per query; counted one by one, because the farthest matches have most of the gallery before them


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one query set against one gallery.

    Attributes
    ----------
    cmc : float64 array (max_rank,)
        ``cmc[k - 1]`` is Rank-k as a fraction of the valid queries.
    mAP : float
        Mean of `ap` over the valid queries.
    ap : float64 array (queries,)
        Average precision of each query; NaN where the query has no match.
    first_hit : int64 array (queries,)
        How many images rank before the query's first match, so 0 is a Rank-1 hit; -1 where it has no match.
    num_queries, num_valid : int
        All queries, and those with at least one match.
    num_gallery, num_junk : int
        Gallery images ranked, and gallery images ignored because their pid is -1.
    metric : str
        The distance: a figure without it cannot be compared.
    """

    cmc: np.ndarray
    mAP: float
    ap: np.ndarray
    first_hit: np.ndarray
    num_queries: int
    num_valid: int
    num_gallery: int
    num_junk: int
    metric: str

    def hits(self, k: int) -> int:
        """Number of valid queries with a match among their first `k` images; any k from 1."""
        if k < 1:
            raise MetricError(f"there is no rank {k}", where="k", cure="Ranks count from 1")
        return int(np.count_nonzero((self.first_hit >= 0) & (self.first_hit < k)))

    def rank(self, k: int) -> float:
        """Rank-k, the fraction of valid queries with a match among their first `k` images."""
        return self.hits(k) / self.num_valid

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain Python values, ready for JSON; per-query arrays are left out."""
        ranks = (1, 5, 10, 20)
        return {"metric": self.metric, "num_queries": self.num_queries, "num_valid": self.num_valid,
                "num_gallery": self.num_gallery, "num_junk": self.num_junk, "mAP": self.mAP,
                "rank": {str(k): self.rank(k) for k in ranks}, "hits": {str(k): self.hits(k) for k in ranks},
                "cmc": self.cmc.tolist()}


def evaluate(query_features: ArrayLike, query_pids: ArrayLike, query_camids: ArrayLike, gallery_features: ArrayLike,
             gallery_pids: ArrayLike, gallery_camids: ArrayLike, metric: str = "euclidean", max_rank: int | None = None,
             progress: bool = False, block_rows: int | None = None) -> Evaluation:
    """Score features by the Market-1501 single-query protocol (see the module's head for formulas and ties).

    Parameters
    ----------
    query_features, gallery_features : array (queries, width), (gallery, width)
        Real numbers; computed in float32, or float64 if one of them is.
    query_pids, query_camids, gallery_pids, gallery_camids : integer array, one value per image
        Identity and camera. In the gallery pid -1 marks junk, which is ignored.
    metric : {"euclidean", "cosine"}
    max_rank : int, optional
        Length of the CMC curve; by default 50, or the whole gallery where that is smaller.
    progress : bool
        Show a tqdm bar over the queries.
    block_rows : int, optional
        Queries per block of distances; by default what fits in 64 MiB. It bounds memory and changes no score
        beyond the rounding of the matrix product.

    Raises
    ------
    MetricError
        Features or labels that do not fit together or cannot be scored; no query with a match.
    """
    gallery = Gallery(gallery_features, metric)
    rows, squared = gallery.query(query_features)
    labels = Labels.check(query_pids, query_camids, gallery_pids, gallery_camids, (len(rows), len(gallery)))
    dtype = np.result_type(rows, gallery.features)
    if block_rows is not None and block_rows < 1:
        raise MetricError(f"blocks of {block_rows} queries", where="block_rows", cure="Give 1 or more")
    step = block_rows or rows_that_fit(len(gallery) * dtype.itemsize + labels.bytes_per_query)
    buffer = np.empty((min(step, len(rows)), len(gallery)), dtype)

    def block(start: int, stop: int) -> np.ndarray:
        return gallery.distances(rows[start:stop], squared[start:stop], out=buffer[:stop - start])

    return _evaluate(block, labels, step, max_rank, metric, progress)


def evaluate_distances(dist: ArrayLike, query_pids: ArrayLike, query_camids: ArrayLike, gallery_pids: ArrayLike,
                       gallery_camids: ArrayLike, max_rank: int | None = None, metric: str = "given",
                       progress: bool = False) -> Evaluation:
    """Score a distance matrix (queries, gallery): `evaluate` for distances computed elsewhere.

    The matrix is not changed. `metric` is only a name for the result; the other parameters and errors are those of
    `evaluate`. A matrix that is not finite is refused.
    """
    dist = real_matrix(dist, "distances", "Give one row per query and one column per gallery image")
    labels = Labels.check(query_pids, query_camids, gallery_pids, gallery_camids, dist.shape)
    dtype = np.dtype(np.float32 if dist.dtype in (np.float16, np.float32) else np.float64)

    def block(start: int, stop: int) -> np.ndarray:
        rows = np.array(dist[start:stop], dtype=dtype)
        wrong = np.flatnonzero(~np.isfinite(rows).all(axis=1))
        if len(wrong):
            raise MetricError(f"row {start + wrong[0]} holds a distance that is not finite", where="distances",
                              cure="Look for NaN or infinity in the features behind it")
        return rows

    step = rows_that_fit(dist.shape[1] * dtype.itemsize + labels.bytes_per_query)
    return _evaluate(block, labels, step, max_rank, metric, progress)


def _evaluate(block: Callable[[int, int], np.ndarray], labels: Labels, step: int, max_rank: int | None, metric: str,
              progress: bool) -> Evaluation:
    """Score `block(start, stop)`, distances (stop - start, gallery) that this function may overwrite."""
    queries, gallery = len(labels.query_pids), len(labels.gallery_pids)
    max_rank = min(50, gallery) if max_rank is None else max_rank
    if not isinstance(max_rank, (int, np.integer)) or not 1 <= max_rank <= gallery:
        raise MetricError(f"a CMC curve of {max_rank!r} ranks over {gallery} gallery images", where="max_rank",
                          cure=f"Choose a max_rank from 1 to {gallery}")
    ap, first_hit = np.full(queries, np.nan), np.full(queries, -1, dtype=np.int64)
    with tqdm(total=queries, desc="ranking", unit="query", disable=not progress) as bar:
        for start in range(0, queries, step):
            stop = min(start + step, queries)
            ap[start:stop], first_hit[start:stop] = _score(block(start, stop), *labels.same_identity(start, stop),
                                                           labels.junk)
            bar.update(stop - start)
    valid = first_hit >= 0
    num_valid = int(np.count_nonzero(valid))
    if not num_valid:
        raise labels.no_match()
    cmc = np.bincount(first_hit[valid], minlength=max_rank)[:max_rank].cumsum() / num_valid
    for array in (cmc, ap, first_hit):
        array.flags.writeable = False
    return Evaluation(cmc, float(ap[valid].mean()), ap, first_hit, queries, num_valid, gallery - len(labels.junk),
                      len(labels.junk), metric)


def _score(block: np.ndarray, rows: np.ndarray, columns: np.ndarray, same_camera: np.ndarray,
           junk: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """AP and first hit of each row; `rows` and `columns` are the pairs of the same identity."""
    matches = ~same_camera
    match_rows, match_distances = rows[matches], block[rows[matches], columns[matches]]
    by_distance = np.lexsort((match_distances, match_rows))
    match_distances = match_distances[by_distance]
    number = np.bincount(match_rows, minlength=len(block))
    ends = np.cumsum(number)
    begins = ends - number
    block[rows, columns] = np.inf  # only wrong images are left to count
    block[:, junk] = np.inf
    wrong = np.empty(len(match_rows), dtype=np.int64)  # at most as far as each match
    for row, begin, end in zip(block, begins.tolist(), ends.tolist()):
        split = max(begin, end - FAR_MATCHES)
        if begin < split:
            reach = match_distances[begin:split]
            near = row.take(np.flatnonzero(row <= reach[-1]))
            near.sort()
            wrong[begin:split] = near.searchsorted(reach, side="right")
        for i in range(split, end):
            wrong[i] = np.count_nonzero(row <= match_distances[i])
    place = np.arange(1, len(match_rows) + 1) - begins[match_rows]  # 1 for the nearest match of its row
    valid = number > 0
    ap, first_hit = np.full(len(block), np.nan), np.full(len(block), -1, dtype=np.int64)
    precisions = np.bincount(match_rows, weights=place / (place + wrong), minlength=len(block))
    ap[valid] = precisions[valid] / number[valid]
    first_hit[valid] = wrong[begins[valid]]
    return ap, first_hit
