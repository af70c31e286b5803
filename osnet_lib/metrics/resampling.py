"""The percentile bootstrap of mean scores, over queries or over whole identities: the arithmetic of `uncertainty`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..checks import whole_number
from ..errors import MetricError

_BLOCK = 1 << 18  # draws at a time: they stay in the processor's cache


@dataclass(frozen=True)
class Interval:
    """A score, or a difference of scores, with the ends of its confidence interval; all as fractions."""

    value: float
    low: float
    high: float

    def __neg__(self) -> Interval:
        return Interval(-self.value, -self.high, -self.low)

    def text(self) -> str:
        """In per cent: ``91.18 % (90.2 to 92.1)``."""
        return f"{100 * self.value:.2f} % ({100 * self.low:.1f} to {100 * self.high:.1f})"

    def points(self, sign: str = "+") -> tuple[str, str]:
        """A difference in points and its interval, ``("-0.02", "-0.09 to +0.05")``; tiny ones keep two digits."""
        parts = [100 * part for part in (self.value, self.low, self.high)]
        tiny = max(map(abs, parts)) < 0.05
        value, low, high = (format(part + 0.0, f"{sign}.{'2g' if tiny and part else '2f'}") for part in parts)
        return value, f"{low} to {high}"

    def holds(self, value: float) -> bool:
        """Whether a value lies in the interval, ends included; rounding of sums does not put it outside."""
        return self.low - 1e-12 <= value <= self.high + 1e-12


def check_clusters(clusters: ArrayLike | None, valid: np.ndarray) -> np.ndarray | None:
    """The identities of the valid queries."""
    if clusters is None:
        return None
    clusters = np.asarray(clusters)
    if clusters.shape != valid.shape or clusters.dtype.kind not in "iuU":
        raise MetricError(
            f"{clusters.dtype} of shape {clusters.shape} for {len(valid)} queries",
            where="clusters",
            cure="Give the pid of every query, in the order of the queries",
        )
    identities: np.ndarray = clusters[valid]
    return identities


def units_of(scores: np.ndarray, clusters: np.ndarray | None, level: float, rounds: int) -> np.ndarray:
    """What is drawn, one row a unit: sums of the scores and the number of queries; sorted, so order is no input."""
    whole_number(rounds, "rounds", error=MetricError, where="bootstrap")
    if not 0 < level < 1 or rounds * (1 - level) < 2:
        raise MetricError(
            f"level {level} with {rounds} rounds",
            where="bootstrap",
            cure="Give a level such as 0.95, and at least 2 / (1 - level) rounds",
        )
    table = np.column_stack([scores, np.ones(len(scores))])
    if clusters is not None:
        order = np.lexsort((*scores.T, clusters))
        table = np.add.reduceat(table[order], np.unique(clusters[order], return_index=True)[1])
    if len(table) < 2:
        raise MetricError(
            f"only {len(table)} {'query' if clusters is None else 'identity'} to draw from",
            where="bootstrap",
            cure="An interval needs several; give more data",
        )
    return table[np.lexsort(table.T)]


def intervals_of(values: np.ndarray, table: np.ndarray, level: float, rounds: int, seed: int) -> list[Interval]:
    """Every value with its percentile interval: `table` is that of `units_of`, whose last column counts queries."""
    from scipy.stats import bootstrap  # takes a second to import

    def means(*drawn: np.ndarray, axis: int) -> np.ndarray:
        *sums, queries = (column.sum(axis) for column in drawn)
        found: np.ndarray = np.stack(sums) / queries
        return found

    seed = whole_number(seed, "seed", at_least=0, error=MetricError, where="bootstrap")
    ends = bootstrap(
        tuple(table.T),
        means,
        paired=True,
        vectorized=True,
        n_resamples=rounds,
        method="percentile",
        confidence_level=level,
        batch=max(1, _BLOCK // len(table)),
        rng=np.random.default_rng(seed),
    )
    return [Interval(*map(float, parts)) for parts in zip(values, *ends.confidence_interval)]


def sign_flip(table: np.ndarray, rounds: int, seed: int) -> np.ndarray:
    """How probable sums as far from 0 as those of `table` are when the sign of every unit is a fair coin.

    Fisher's randomisation test, two-sided, p of each score (Smucker, Allan and Carterette, CIKM 2007). Where few units
    differ it cannot be small, 1/8 at best for four, while the interval of a bootstrap leaves out 0 as soon as all of
    them agree.
    """
    scores = table[:, :-1]
    scores = scores[scores.any(axis=1)]
    observed, draw = np.abs(scores.sum(axis=0)) - 1e-12, np.random.default_rng(seed)
    step, reached = max(1, _BLOCK // max(1, len(scores))), np.zeros(scores.shape[1])
    for start in range(0, rounds, step):
        signs = 2.0 * draw.integers(0, 2, (min(step, rounds - start), len(scores))) - 1
        reached += (np.abs(signs @ scores) >= observed).sum(axis=0)
    return (1 + reached) / (1 + rounds)
