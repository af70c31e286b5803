"""How far a score can be believed: intervals for Rank-1 and mAP, and a paired test of two rankings.

The percentile bootstrap (Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993, chapter 13) draws as many
queries as there are, with replacement, many times over, and looks at how the score scatters. Who is hard to find is so
in all queries, so whole identities may be drawn (Davison and Hinkley, *Bootstrap Methods and their Application*, 1997,
section 3.8); those intervals are as a rule wider and more honest. Gallery and weights are taken as they are.

Two models scored on the same queries are compared query by query, which is far sharper than two intervals side by side:
McNemar's exact test (*Psychometrika* 12, 1947) counts the queries that only one of them gets right at Rank-1, the
bootstrap of the differences gives intervals for both scores, and a randomisation test guards that of mAP.

Nothing here depends on the order of the queries or on how identities are numbered: units are sorted by their values
before they are drawn. The same seed gives the same numbers; exchanging the models mirrors them, to resampling noise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..errors import MetricError
from .evaluation import Evaluation
from .resampling import Interval, check_clusters, intervals_of, sign_flip, units_of


@dataclass(frozen=True)
class Intervals:
    """Bootstrap intervals of one evaluation.

    Attributes
    ----------
    rank1, mAP : Interval
        Percentile bootstrap.
    rank1_exact : Interval
        Clopper and Pearson's interval of Rank-1, which takes queries as independent: a cross-check without resampling.
    level : float
        Confidence, such as 0.95.
    rounds, seed : int
    resampled : {"queries", "identities"}
    units, queries : int
        Queries or identities drawn from; valid queries.
    """

    rank1: Interval
    mAP: Interval
    rank1_exact: Interval
    level: float
    rounds: int
    seed: int
    resampled: str
    units: int
    queries: int

    def __repr__(self) -> str:
        return self.text()

    def text(self) -> str:
        """One line for a reader."""
        return (
            f"Rank-1 {self.rank1.text()}, mAP {self.mAP.text()}: {100 * self.level:g} % intervals, resampling "
            f"{self.units:,} {self.resampled}"
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class PairedTest:
    """Candidate B against reference A on the same queries; differences are B - A.

    Attributes
    ----------
    rank1, mAP : Interval
        Differences as fractions, with paired bootstrap intervals.
    lost, won, both, neither : int
        Queries whose first image is right only in A, only in B, in both, in neither.
    changed : int
        Queries with another average precision.
    alike : bool
        No query differs in average precision or in the rank of its first match.
    p : float
        McNemar's exact test, two-sided: how probable so uneven a split of ``lost + won`` is when both models are
        equally good; 1 where no query is lost or won. It takes queries as independent.
    p_worse : float
        The same one-sided, for who asked beforehand only whether B is worse.
    p_mAP : float
        Randomisation test of the difference of mAP, two-sided, over what was resampled.
    level, rounds, seed, resampled, units, queries
        As `Intervals`.
    """

    rank1: Interval
    mAP: Interval
    lost: int
    won: int
    both: int
    neither: int
    changed: int
    alike: bool
    p: float
    p_worse: float
    p_mAP: float
    level: float
    rounds: int
    seed: int
    resampled: str
    units: int
    queries: int

    def __repr__(self) -> str:
        return self.verdict()

    @property
    def rank1_shown(self) -> bool:
        """Whether a change of Rank-1 is shown: McNemar's test and the interval must agree, as identities may be few."""
        return self.p < 1 - self.level and not self.rank1.holds(0)

    @property
    def mAP_shown(self) -> bool:
        """Whether a change of mAP is shown: test and interval must agree, as few queries or identities may differ."""
        return self.p_mAP < 1 - self.level and not self.mAP.holds(0)

    @property
    def outcome(self) -> str:
        """``"identical"``, ``"worse"``, ``"better"``, ``"mixed"`` (one score each way) or ``"no difference"``.

        Two scores are looked at, so where nothing differs one of them seems to in up to twice ``1 - level`` of cases.
        """
        signs = {
            np.sign(change.value)
            for change, shown in ((self.rank1, self.rank1_shown), (self.mAP, self.mAP_shown))
            if shown
        }
        if self.alike:
            return "identical"
        return {0: "no difference", 1: "worse" if -1 in signs else "better", 2: "mixed"}[len(signs)]

    def verdict(self, reference: str = "A", candidate: str = "B") -> str:
        """The outcome in words, with the numbers behind it."""
        if self.alike:
            return (
                f"{candidate} and {reference} rank alike: the same average precision and the same rank of the "
                f"first match in all {self.queries:,} queries."
            )
        head = {
            "worse": f"{candidate} is worse than {reference}",
            "better": f"{candidate} is better than {reference}",
            "mixed": f"{candidate} is better than {reference} in one score and worse in the other",
            "no difference": f"No difference can be shown between {reference} and {candidate}",
        }[self.outcome]
        p = "p < 0.001" if self.p < 0.001 else f"p = {self.p:.3f}" if self.p < 0.1 else f"p = {self.p:.2f}"
        return (
            f"{head}: {self._mAP_text()}; Rank-1 loses {self.lost:,} and wins {self.won:,} of {self.queries:,} "
            f"queries (McNemar {p}, {'shown' if self.rank1_shown else 'not shown'}); average precision differs in "
            f"{self.changed:,}."
        )

    def _mAP_text(self) -> str:
        level = f"{100 * self.level:g} % interval over {self.units:,} {self.resampled}"
        if not self.mAP_shown:
            value, ends = self.mAP.points()
            few = "" if self.mAP.holds(0) else f", but a randomisation test gives p = {self.p_mAP:.2f}"
            return f"mAP changes by {value} points ({level} {ends}{few}), not shown"
        change, verb = self.mAP, "rises"
        if change.value < 0:
            change, verb = -change, "falls"
        value, ends = change.points(sign="")
        return f"mAP {verb} by {value} points ({level} {ends})"

    def as_dict(self) -> dict[str, Any]:
        """Plain values with outcome and verdict, ready for JSON."""
        return {**asdict(self), "outcome": self.outcome, "verdict": self.verdict()}


def bootstrap(
    evaluation: Evaluation,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> Intervals:
    """Percentile bootstrap intervals of Rank-1 and mAP; queries without a match are left out, as in the scores.

    Parameters
    ----------
    evaluation : Evaluation
    clusters : array (queries,), optional
        The identity (pid) of every query; whole identities are then drawn. Without it queries are.
    level : float
        Confidence, between 0 and 1.
    rounds : int
        Resamples. 10,000 leave a standard error of some hundredth of the interval's width in its ends.
    seed : int
        From 0.

    Raises
    ------
    MetricError
        A level, number of rounds or seed that is none; labels that are not one per query; fewer than two units.
    """
    valid = evaluation.valid
    scores = np.column_stack([evaluation.first_hit[valid] == 0, evaluation.ap[valid]]).astype(np.float64)
    table = units_of(scores, check_clusters(clusters, valid), level, rounds)
    rank1, mAP = intervals_of(scores.mean(axis=0), table, level, rounds, seed)
    return Intervals(
        rank1,
        mAP,
        exact_interval(int(scores[:, 0].sum()), len(scores), level),
        level,
        rounds,
        seed,
        *_sizes(clusters, table, scores),
    )


def exact_interval(hits: int, queries: int, level: float = 0.95) -> Interval:
    """Clopper and Pearson's interval (*Biometrika* 26, 1934) for a share of independent queries: never too narrow.

    Raises
    ------
    MetricError
        More hits than queries, no query, or a level that is none.
    """
    if not 0 <= hits <= queries or not queries or not 0 < level < 1:
        raise MetricError(
            f"{hits} of {queries} queries at level {level}",
            where="interval",
            cure="Give 0 to all of at least one query, and a level such as 0.95",
        )
    from scipy.stats import binomtest  # takes a second to import

    return Interval(hits / queries, *map(float, binomtest(hits, queries).proportion_ci(level, method="exact")))


def paired_test(
    reference: Evaluation,
    candidate: Evaluation,
    *,
    clusters: ArrayLike | None = None,
    level: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> PairedTest:
    """Whether two rankings of the same queries really differ.

    Parameters
    ----------
    reference, candidate : Evaluation
        A and B; query i of both is the same image. An evaluation holds no names: pair by name before scoring.
    clusters, level, rounds, seed
        As `bootstrap`.

    Raises
    ------
    MetricError
        Other queries (another number, or another one of them without a match); as `bootstrap`.
    """
    valid = reference.valid
    if len(valid) != len(candidate.valid):
        raise MetricError(
            f"{len(valid):,} and {len(candidate.valid):,} queries",
            where="paired test",
            cure="Score both models on the same images, in the same order",
        )
    differ = np.flatnonzero(valid != candidate.valid)
    if len(differ):
        raise MetricError(
            f"query {differ[0]} has a match in only one of the two",
            where="paired test",
            cure="Score both models on the same images, in the same order",
        )
    from scipy.stats import binomtest  # takes a second to import

    (first_a, ap_a), (first_b, ap_b) = ((e.first_hit[valid], e.ap[valid]) for e in (reference, candidate))
    right_a, right_b = first_a == 0, first_b == 0
    lost, won = (int(np.count_nonzero(only)) for only in (right_a & ~right_b, right_b & ~right_a))
    differences = np.column_stack([right_b.astype(np.float64) - right_a, ap_b - ap_a])
    up, down = (side[np.lexsort(side.T)].tolist() for side in (differences, -differences))
    sign = -1.0 if up < down else 1.0  # A against B and B against A draw from the same table
    table = units_of(sign * differences, check_clusters(clusters, valid), level, rounds)
    rank1, mAP = intervals_of(sign * differences.mean(axis=0), table, level, rounds, seed)
    if sign < 0:
        rank1, mAP = -rank1, -mAP
    changed = ap_a != ap_b
    p, p_worse = (
        float(binomtest(lost, lost + won, alternative=side).pvalue) if lost + won else 1.0
        for side in ("two-sided", "greater")
    )
    return PairedTest(
        rank1,
        mAP,
        lost,
        won,
        int(np.count_nonzero(right_a & right_b)),
        int(np.count_nonzero(~right_a & ~right_b)),
        int(np.count_nonzero(changed)),
        not (changed | (first_a != first_b)).any(),
        p,
        p_worse,
        float(sign_flip(table, rounds, seed)[1]),
        level,
        rounds,
        seed,
        *_sizes(clusters, table, differences),
    )


def _sizes(clusters: ArrayLike | None, table: np.ndarray, scores: np.ndarray) -> tuple[str, int, int]:
    return "queries" if clusters is None else "identities", len(table), len(scores)
