"""Verification: the same person or not, decided pair by pair by one threshold on the distance.

The pairs are those that the Market-1501 protocol ranks (junk and images of the query's identity and camera left out),
of all queries pooled, as in fast-reid's ``TEST.ROC``. A pair is accepted where its distance is *below* the threshold::

    TPR = accepted pairs of one identity / all of them,      FPR = accepted pairs of two identities / all of them

For a wanted FPR the threshold is the largest with that FPR or less. No interpolation takes place, and at equal distance
a pair of one identity gains nothing over one of two.

fast-reid's figures of the same name are others. It calls pairs of *different* people positive, so that its TPR is the
share of strangers that are told apart and its FPR the share of right pairs that are turned away; and it takes the point
of the curve whose FPR is nearest to the wanted one, which may be above it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..checks import whole_number
from ..errors import MetricError
from .side import SideLike, prepare_sides


@dataclass(frozen=True, eq=False)
class Verification:
    """Points of the ROC curve.

    Attributes
    ----------
    fprs : float64 array (points,)
        The wanted false positive rates.
    tprs : float64 array (points,)
        The largest true positive rate at that false positive rate or less.
    thresholds : float64 array (points,)
        Pairs with a distance below it are accepted; infinity where all are.
    num_positive, num_negative : int
        Pairs of one identity and of two.
    metric : str
    normalized : bool
        Whether the features were brought to unit length first.
    """

    fprs: np.ndarray
    tprs: np.ndarray
    thresholds: np.ndarray
    num_positive: int
    num_negative: int
    metric: str
    normalized: bool = False

    def __repr__(self) -> str:
        points = ", ".join(f"TPR {100 * tpr:.2f} % at FPR {fpr:g}" for fpr, tpr in zip(self.fprs, self.tprs))
        return f"{points} ({self.metric}, {self.num_positive:,} pairs of one identity, {self.num_negative:,} of two)"

    def as_dict(self) -> dict[str, Any]:
        """Plain Python values, ready for JSON; an infinite threshold is None."""
        thresholds = [t if np.isfinite(t) else None for t in self.thresholds.tolist()]
        return {
            "metric": self.metric,
            "normalized": self.normalized,
            "num_positive": self.num_positive,
            "num_negative": self.num_negative,
            "fpr": self.fprs.tolist(),
            "tpr": self.tprs.tolist(),
            "threshold": thresholds,
        }


@dataclass(frozen=True, eq=False)
class PairHistogram:
    """How far apart images of one person and of two people are.

    Attributes
    ----------
    edges : float64 array (bins + 1,)
        Bounds of the bins, from the smallest to the largest distance; the last bin holds both its bounds.
    same, different : int64 array (bins,)
        Number of pairs of one identity and of two.
    metric : str
    normalized : bool
    """

    edges: np.ndarray
    same: np.ndarray
    different: np.ndarray
    metric: str
    normalized: bool = False

    def __repr__(self) -> str:
        return (
            f"{self.same.sum():,} pairs of one identity and {self.different.sum():,} of two in {len(self.same)} bins "
            f"from {self.edges[0]:.4g} to {self.edges[-1]:.4g} ({self.metric})"
        )


def verify(
    query: SideLike,
    gallery: SideLike,
    *,
    metric: str = "euclidean",
    normalize: bool = False,
    fprs: Sequence[float] = (1e-4, 1e-3, 1e-2),
) -> Verification:
    """True positive rates at given false positive rates.

    Parameters
    ----------
    fprs : sequence of float
        Each from 0 to 1. The largest is about the share of all distances that is held in memory, up to twice that. All
        other parameters are those of `osnet_lib.metrics.evaluate`.

    Raises
    ------
    MetricError
        As `evaluate`; also rates out of range, no pair of two identities.
    """
    rates = _rates(fprs)
    pairs = _Pairs(query, gallery, metric, normalize)
    allowed = [_allowed(rate, pairs.num_different) for rate in rates.tolist()]
    smallest = _Smallest(min(max(allowed) + 1, pairs.num_different))
    parts = []
    for of_one, block in pairs.blocks():
        parts.append(of_one)
        smallest.add(block)
    same = np.sort(np.concatenate(parts))
    # The limit of each point is the nearest pair of two identities that would be one too many.
    thresholds = np.append(smallest.sorted(), np.inf).astype(np.float64)[allowed]
    tprs = np.searchsorted(same, thresholds, side="left") / len(same)
    for array in (rates, tprs, thresholds):
        array.flags.writeable = False
    return Verification(rates, tprs, thresholds, len(same), pairs.num_different, metric, normalize)


def pair_histogram(
    query: SideLike,
    gallery: SideLike,
    *,
    metric: str = "euclidean",
    normalize: bool = False,
    bins: int = 100,
) -> PairHistogram:
    """Distances of one identity and of two, counted in `bins` bins of equal width from the smallest to the largest.

    They are computed twice, a block at a time: once for the range, once to be counted. The other parameters and the
    errors are those of `verify`.
    """
    whole_number(bins, "bins", error=MetricError)
    pairs = _Pairs(query, gallery, metric, normalize)
    bounds = [_bounds(values) for of_one, block in pairs.blocks() for values in (of_one, block)]
    limits = float(min(low for low, _ in bounds)), float(max(high for _, high in bounds))
    edges = np.histogram_bin_edges(np.empty(0), bins, limits)
    same, different = np.zeros((2, bins), np.int64)
    for of_one, block in pairs.blocks():
        for counts, values in ((same, of_one), (different, block[block < np.inf])):
            # Clipped, because a second product may round differently, and no pair may fall out of the range.
            counts += np.histogram(values.astype(np.float64).clip(*limits), bins, limits)[0]
    for array in (edges, same, different):
        array.flags.writeable = False
    return PairHistogram(edges, same, different, metric, normalize)


class _Pairs:
    """The pairs that the protocol keeps: their number, and their distances a block of queries at a time."""

    def __init__(self, query: SideLike, gallery: SideLike, metric: str, normalize: bool):
        self.gallery, self.query, labels = prepare_sides(query, gallery, metric, normalize)
        self.labels, shape = labels, labels.shape
        self.num_different = shape[0] * (shape[1] - len(labels.junk)) - int((labels.last - labels.first).sum())
        if all(labels.pairs(i, i + 1)[2].all() for i in range(shape[0])):
            raise labels.no_match()
        if not self.num_different:
            raise MetricError(
                "no pair of two identities",
                where="query and gallery",
                cure="Add gallery images of other people, or distractors",
            )

    def blocks(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Distances of pairs of one identity, and a block whose finite values are those of two."""
        copies = 3 * len(self.gallery) * np.dtype(np.float64).itemsize  # what is done with a block takes more than it
        for start, block in self.gallery.blocks(*self.query, self.labels.bytes_per_query + copies):
            rows, columns, same_camera = self.labels.pairs(start, start + len(block))
            of_one = block[rows[~same_camera], columns[~same_camera]]
            block[rows, columns] = np.inf
            block[:, self.labels.junk] = np.inf
            yield of_one, block


class _Smallest:
    """The `count` smallest of all finite numbers added."""

    def __init__(self, count: int):
        self.count, self.held, self.bound = count, 0, np.inf
        self.parts: list[np.ndarray] = []

    def add(self, values: np.ndarray) -> None:
        self.parts.append(values[values < self.bound])
        self.held += len(self.parts[-1])
        if self.held > 2 * self.count:  # rarely, since it costs as much as all that is held
            kept = np.partition(np.concatenate(self.parts), self.count - 1)[: self.count]
            self.parts, self.held, self.bound = [kept], self.count, kept[-1]

    def sorted(self) -> np.ndarray:
        return np.sort(np.concatenate(self.parts))[: self.count]


def _bounds(values: np.ndarray) -> tuple[float, float]:
    """Smallest and largest finite number; infinity and its negative where there is none."""
    low = values.min(initial=np.inf)
    return low, np.where(values < np.inf, values, low).max(initial=low) if low < np.inf else -np.inf


def _rates(fprs: Sequence[float]) -> np.ndarray:
    """False positive rates as float64, checked."""
    cure = "Give one or more rates from 0 to 1, such as 1e-4"
    try:
        rates = np.array(fprs, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise MetricError(f"no list of rates ({error})", where="fprs", cure=cure) from error
    if rates.ndim != 1 or not len(rates) or not ((rates >= 0) & (rates <= 1)).all():
        raise MetricError(f"{fprs!r} is no list of rates", where="fprs", cure=cure)
    return rates


def _allowed(rate: float, number: int) -> int:
    """The largest count whose share of `number`, as computed, is `rate` at most."""
    count = int(rate * number)
    count += (count + 1) / number <= rate  # the product may round to the wrong side
    return count - (count / number > rate)
