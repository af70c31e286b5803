"""The Market-1501 protocol, single-query or by lists of good and junk images: CMC, Rank-k, mAP and mINP.

For every query, gallery images of the same identity (pid) taken by the same camera (camid) are dropped, and so is junk
(pid -1, which torchreid drops when it reads the files); distractors (pid 0) stay as negatives. What remains is ranked
by distance, and a *match* is an image of the query's identity. Queries without a match are left out and counted. With n
matches at ranks r_1 < ... < r_n (from 1) ::

    AP = 1/n * sum_i  i / r_i,      CMC(k) = share of valid queries with r_1 <= k,      mAP = mean AP

which is what torchreid's ``evaluate_rank`` computes. Zheng et al., ICCV 2015, take the trapezoid of the
precision-recall curve for AP, which is lower by up to a point; it is reported beside it. mINP is the mean of n / r_n
(Ye et al., TPAMI 2021). `osnet_lib.metrics.scoring` holds the formulas.

Ties: a match ranks behind every wrong image at the same distance. The score is the worst one that the distances allow,
so it depends on no file order, and features that are all equal get no credit for it. Where no wrong image is exactly as
far as a match, the figures are torchreid's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import whole_number
from ..errors import MetricError
from .distance import Gallery, real_matrix, rows_that_fit
from .labels import Labels
from .scoring import Scores, score
from .side import FeaturesLike, LabelsLike, SideLike, features_of, labels_of, prepare_sides
from .truth import Lists, Truth


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Scores of one query set against one gallery.

    Attributes
    ----------
    cmc : float64 array (max_rank,)
        ``cmc[k - 1]`` is Rank-k as a fraction of the valid queries.
    mAP, mAP_trapezoid, mINP : float
        Mean of `ap`, `ap_trapezoid` and `inp` over the valid queries.
    ap : float64 array (queries,)
        Average precision of each query; NaN where the query has no match.
    ap_trapezoid : float64 array (queries,)
        The same by Zheng et al.'s trapezoid.
    inp : float64 array (queries,)
        Inverse negative penalty, n / r_n: the precision when the query's hardest match is found.
    first_hit : int64 array (queries,)
        How many images rank before the query's first match, so 0 is a Rank-1 hit; -1 where it has no match.
    num_queries, num_valid : int
        All queries, and those with at least one match.
    num_gallery, num_junk : int
        Gallery images ranked for some query, and gallery images that every query ignores: those of pid -1.
    metric : str
        The distance: a figure without it cannot be compared.
    normalized : bool
        Whether the features were brought to unit length first.
    """

    cmc: np.ndarray
    mAP: float
    mAP_trapezoid: float
    mINP: float
    ap: np.ndarray
    ap_trapezoid: np.ndarray
    inp: np.ndarray
    first_hit: np.ndarray
    num_queries: int
    num_valid: int
    num_gallery: int
    num_junk: int
    metric: str
    normalized: bool = False

    def __repr__(self) -> str:
        distance = f"{self.metric}, unit features" if self.normalized else self.metric
        queries = f"{self.num_queries} queries" + f", {self.num_valid} with a match" * (
            self.num_valid < self.num_queries
        )
        return (
            f"Rank-1 {self.hits(1)}/{self.num_valid} = {self.rank(1):.2%}, mAP {self.mAP:.2%}, mINP {self.mINP:.2%} "
            f"({distance}, {queries})"
        ).replace("%", " %")

    @property
    def valid(self) -> np.ndarray:
        """Which queries have a match, bool (queries,)."""
        return self.first_hit >= 0

    def hits(self, k: int) -> int:
        """Number of valid queries with a match among their first `k` images; any k from 1."""
        whole_number(k, "k", error=MetricError, cure="Ranks count from 1")
        return int(np.count_nonzero(self.valid & (self.first_hit < k)))

    def rank(self, k: int) -> float:
        """Rank-k, the fraction of valid queries with a match among their first `k` images."""
        return self.hits(k) / self.num_valid

    def as_dict(self) -> dict[str, Any]:
        """The figures as plain Python values, ready for JSON; per-query arrays are left out."""
        ranks = (1, 5, 10, 20)
        return {
            "metric": self.metric,
            "normalized": self.normalized,
            "num_queries": self.num_queries,
            "num_valid": self.num_valid,
            "num_gallery": self.num_gallery,
            "num_junk": self.num_junk,
            "mAP": self.mAP,
            "mAP_trapezoid": self.mAP_trapezoid,
            "mINP": self.mINP,
            "rank": {str(k): self.rank(k) for k in ranks},
            "hits": {str(k): self.hits(k) for k in ranks},
            "cmc": self.cmc.tolist(),
        }


def evaluate(
    query: SideLike,
    gallery: SideLike,
    *,
    metric: str = "euclidean",
    normalize: bool = False,
    max_rank: int | None = None,
    block_rows: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score features by the Market-1501 single-query protocol (see the module's head for formulas and ties).

    Parameters
    ----------
    query, gallery : anything with `features`, `pids` and `camids`, or a tuple of these three
        Features are real numbers (images, width), computed in float32, or float64 if one side is; labels are integers
        (images,), identity and camera. In the gallery pid -1 marks junk, which is ignored.
    metric : {"euclidean", "cosine"}
    normalize : bool
        Bring all features to unit length first, as torchreid's ``normalize_feature``; "euclidean" then ranks as
        "cosine" does.
    max_rank : int, optional
        Length of the CMC curve; by default 50, or the whole gallery where that is smaller.
    block_rows : int, optional
        Queries per block of distances; by default what fits in 64 MiB. It bounds memory and changes no score
        beyond the rounding of the matrix product.
    progress : bool
        Show a tqdm bar over the queries.

    Raises
    ------
    MetricError
        Features or labels that do not fit together or cannot be scored; no query with a match.
    """
    prepared, rows, labels = prepare_sides(query, gallery, metric, normalize)
    blocks = prepared.blocks(*rows, labels.bytes_per_query, block_rows)
    return _evaluate(blocks, labels, max_rank, metric, progress, normalize)


def evaluate_lists(
    query: FeaturesLike,
    gallery: FeaturesLike,
    *,
    good: Sequence[ArrayLike],
    junk: Sequence[ArrayLike],
    metric: str = "euclidean",
    normalize: bool = False,
    max_rank: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score features by lists of good and junk images, the form of Market-1501's own ``gt_query``.

    Parameters
    ----------
    query, gallery
        As those of `evaluate`, or features alone: labels are not looked at.
    good, junk : sequence of integer sequences, one per query
        Gallery indices from 0. Good images are the query's matches, junk is ignored, all others are wrong.
        `osnet_lib.datasets.ground_truth` reads the published lists. The other parameters are those of `evaluate`.

    Returns
    -------
    Evaluation
        `mAP_trapezoid` is the mAP of the published MATLAB code.

    Raises
    ------
    MetricError
        As `evaluate`; also lists that are not one per query, an index beyond the gallery or listed twice.
    """
    prepared = Gallery(features_of(gallery, "gallery"), metric, normalize)
    rows, squared = prepared.query(features_of(query, "query"))
    lists = Lists.check(good, junk, (len(rows), len(prepared)))
    blocks = prepared.blocks(rows, squared, lists.bytes_per_query)
    return _evaluate(blocks, lists, max_rank, metric, progress, normalize)


def evaluate_distances(
    query: LabelsLike,
    gallery: LabelsLike,
    *,
    distances: ArrayLike,
    metric: str = "given",
    max_rank: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """Score a distance matrix (queries, gallery): `evaluate` for distances computed elsewhere.

    The matrix is not changed. `metric` is only a name for the result; the other parameters and errors are those of
    `evaluate`, but no feature is looked at: pairs (pids, camids) will do as sides. A matrix that is not finite is
    refused.
    """
    dist = real_matrix(distances, "distances", "Give one row per query and one column per gallery image")
    labels = Labels.check(*labels_of(query, "query"), *labels_of(gallery, "gallery"), dist.shape)
    dtype = np.dtype(np.float32 if dist.dtype in (np.float16, np.float32) else np.float64)

    step = rows_that_fit(dist.shape[1] * dtype.itemsize + labels.bytes_per_query)

    def blocks() -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(dist), step):
            block = np.array(dist[start : start + step], dtype=dtype)
            wrong = np.flatnonzero(~np.isfinite(block).all(axis=1))
            if len(wrong):
                raise MetricError(
                    f"row {start + wrong[0]} holds a distance that is not finite",
                    where="distances",
                    cure="Look for NaN or infinity in the features behind it",
                )
            yield start, block

    return _evaluate(blocks(), labels, max_rank, metric, progress)


def _evaluate(
    blocks: Iterable[tuple[int, np.ndarray]],
    truth: Truth,
    max_rank: int | None,
    metric: str,
    progress: bool,
    normalized: bool = False,
) -> Evaluation:
    """Score distances block by block and sum up."""
    max_rank = check_max_rank(max_rank, truth.shape[1])
    return summed(score(blocks, truth, progress), truth.shape, len(truth.junk), max_rank, metric, normalized)


def check_max_rank(max_rank: int | None, gallery: int) -> int:
    """The length of the CMC curve; MetricError for one that this gallery cannot have."""
    max_rank = min(50, gallery) if max_rank is None else max_rank
    cure = "No rank is behind the gallery's last"
    return whole_number(max_rank, "max_rank", at_most=gallery, error=MetricError, cure=cure)


def summed(
    scores: Scores, shape: tuple[int, int], junk: int, max_rank: int, metric: str, normalized: bool
) -> Evaluation:
    """What the scores of all queries come to, against a gallery of which `junk` images are ignored by all."""
    queries, gallery = shape
    valid = scores.first_hit >= 0
    num_valid = int(np.count_nonzero(valid))
    cmc = np.bincount(scores.first_hit[valid], minlength=max_rank)[:max_rank].cumsum() / num_valid
    per_query = scores.ap, scores.ap_trapezoid, scores.inp
    for array in (cmc, *per_query, scores.first_hit):
        array.flags.writeable = False
    mAP, mAP_trapezoid, mINP = (float(array[valid].mean()) for array in per_query)
    return Evaluation(
        cmc,
        mAP,
        mAP_trapezoid,
        mINP,
        *per_query,
        scores.first_hit,
        queries,
        num_valid,
        gallery - junk,
        junk,
        metric,
        normalized,
    )
