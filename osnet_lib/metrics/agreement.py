"""How far two networks rank the same images alike, whether or not what they rank is right."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .distance import BLOCK_BYTES
from .ranking import ranked_list
from .side import FeaturesLike, SideLike, features_of, parts_of

NEAREST = 50  # images of a ranking that Kendall's tau looks at


@dataclass(frozen=True, eq=False)
class Agreement:
    """Per query, how a candidate's ranking agrees with the reference's.

    Attributes
    ----------
    top1_changed : bool array (queries,)
        Another image is nearest. Where several are equally near, one that is nearest for both suffices: ties change
        nothing.
    tau : float64 array (queries,)
        Kendall's tau-b of the reference's nearest images as the candidate orders them; see `kendall_tau`.
    """

    top1_changed: np.ndarray
    tau: np.ndarray

    def __repr__(self) -> str:
        changed = np.count_nonzero(self.top1_changed)
        return f"nearest image changed for {changed} of {len(self.tau)} queries, mean tau {self.tau.mean():.4f}"


def rank_agreement(
    query: SideLike,
    gallery: SideLike,
    *,
    candidate: tuple[FeaturesLike, FeaturesLike],
    metric: str = "euclidean",
    k: int = NEAREST,
) -> Agreement:
    """Compare the rankings that two sets of features give under the Market-1501 protocol.

    Parameters
    ----------
    query, gallery
        The reference's, as those of `osnet_lib.metrics.evaluate`.
    candidate : pair of sides, or of features
        Query and gallery as the candidate sees them. Row i belongs to the same image as the reference's row i, whose
        labels hold for both; the widths may differ.
    k : int
        How many of the reference's nearest images tau looks at, as far as there are so many.

    Raises
    ------
    MetricError
        As `osnet_lib.metrics.ranked_list`.
    """
    asked, shown = parts_of(query, "query"), parts_of(gallery, "gallery")
    seen = asked[0], shown[0]
    other = features_of(candidate[0], "candidate's query"), features_of(candidate[1], "candidate's gallery")
    lists = [
        ranked_list((of_query, *asked[1:]), (of_gallery, *shown[1:]), k=k, metric=metric)
        for of_query, of_gallery in (seen, other)
    ]
    first = [np.where(found.distances == found.distances[:, :1], found.indices, -1) for found in lists]
    shared = (first[0][:, :, None] == first[1][:, None, :]) & (first[0] >= 0)[:, :, None]
    ranked = lists[0].indices[:, 0] >= 0
    tau = np.empty(len(ranked))
    step = max(1, BLOCK_BYTES // (8 * k * (k + np.shape(seen[0])[1] + np.shape(other[0])[1])))
    for start in range(0, len(ranked), step):
        part, near = slice(start, start + step), lists[0].indices[start : start + step]
        tau[part] = kendall_tau(
            *(
                _distances(np.asarray(of_query)[part], np.asarray(of_gallery), near, metric)
                for of_query, of_gallery in (seen, other)
            )
        )
    return Agreement(~shared.any(axis=(1, 2)) & ranked, tau)


def kendall_tau(a: ArrayLike, b: ArrayLike) -> np.ndarray:
    """Kendall's tau-b of each row, (concordant - discordant pairs) / sqrt(pairs untied in a * pairs untied in b).

    The measure is M. G. Kendall's (*Biometrika* 30, 1938), with his correction for ties (*Biometrika* 33, 1945). All
    pairs are looked at, so this is for short rows.

    Parameters
    ----------
    a, b : array (rows, n)
        NaN in either leaves the position out.

    Returns
    -------
    float64 array (rows,)
        1 the same order, -1 the reverse. Where there is no order to compare (all tied, fewer than two values) it is 1
        when that is so in both and 0 when it is so in one.
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    present = ~(np.isnan(a) | np.isnan(b))
    pairs = present[:, :, None] & present[:, None, :]
    first, second = (_signs(values) * pairs for values in (a, b))
    untied_a, untied_b = (np.count_nonzero(signs, axis=(1, 2)) for signs in (first, second))
    balance = (first * second).sum(axis=(1, 2), dtype=np.int64)
    scale = np.sqrt(untied_a * untied_b.astype(np.float64))
    tau: np.ndarray = (untied_a == untied_b).astype(np.float64)
    np.divide(balance, scale, out=tau, where=scale > 0)
    return tau


def _signs(values: np.ndarray) -> np.ndarray:
    """For all pairs of a row, which is the larger: int8 (rows, n, n)."""
    left, right = values[:, :, None], values[:, None, :]
    return (left > right).astype(np.int8) - (left < right)


def _distances(query: np.ndarray, gallery: np.ndarray, near: np.ndarray, metric: str) -> np.ndarray:
    """Of each query to its own images `near` (queries, k), in float64: NaN where there is none (-1).

    Each pair is computed by itself, so that equal features give equal distances in whatever company.
    """
    rows, images = query.astype(np.float64)[:, None], gallery[near].astype(np.float64)
    if metric == "cosine":
        rows, images = (values / np.linalg.norm(values, axis=2, keepdims=True) for values in (rows, images))
        found = 1 - (rows * images).sum(axis=2)
    else:
        found = np.square(rows - images).sum(axis=2)
    return np.where(near >= 0, found, np.nan)
