"""The acceptance gate after section 6.3 of the guide: Rank-1 not below the reference, mAP at most 1 % lower.

How the guide is read here:

* The guide accepts because Rank-1 came out a little higher and mAP fell by less than 1 %. It states no rule for Rank-1:
  that it must not be below the reference at all is our reading.
* The drop of mAP is relative to the reference's mAP. That is stricter than 1 point, for mAP is below 1.
* A figure that was printed, such as 94.2 %, is known to half a unit of its last digit only. Rank-1 is compared after
  both sides are rounded to the digits that the coarser one prints; measured figures are compared as they are.
* Rank-1 moves in steps of one query, so every difference is also told in queries. The guide's 94.299 % against 94.2 %
  are about three of 3,368.
* The gate is literal: what chance explains does not pass it. Whether chance does explain it is said beside it.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from ..core.line import one_line
from ..errors import ResultError
from ..metrics.resampling import Interval
from ..metrics.uncertainty import PairedTest, exact_interval
from .score import Score, check_comparable

GUIDE_MAP_DROP = 0.01  # of the reference's mAP


@dataclass(frozen=True)
class Criterion:
    """One line of the gate.

    Attributes
    ----------
    name : {"Rank-1", "mAP"}
    reference, candidate : float
        Fractions.
    difference : float
        Candidate minus reference.
    allowed : float
        The smallest difference that passes; 0 or negative.
    queries : int, optional
        The difference in queries, where it is known how many there are and it is Rank-1.
    passed : bool
    sentence : str
    chance : str, optional
        Whether other queries could turn the decision.
    """

    name: str
    reference: float
    candidate: float
    difference: float
    allowed: float
    queries: int | None
    passed: bool
    sentence: str
    chance: str | None


@dataclass(frozen=True)
class Acceptance:
    """The decision: every criterion must pass."""

    reference: Score
    candidate: Score
    criteria: tuple[Criterion, Criterion]

    def __repr__(self) -> str:
        changes = ", ".join(f"{c.name} {100 * c.difference:+.2f} points" for c in self.criteria)
        decision = "passed" if self.passed else "failed"
        return one_line(f"{decision}: {changes} ({self.candidate.label} against {self.reference.label})")

    @property
    def passed(self) -> bool:
        return all(criterion.passed for criterion in self.criteria)

    def text(self) -> str:
        """The gate in sentences, the decision last."""
        lines = [line for c in self.criteria for line in (c.sentence, c.chance) if line]
        return "\n".join([*lines, f"The gate {'is passed' if self.passed else 'fails'}."])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {**asdict(self), "passed": self.passed}


def accept(
    reference: Score,
    candidate: Score,
    mAP_drop: float = GUIDE_MAP_DROP,
    paired: PairedTest | None = None,
    level: float = 0.95,
) -> Acceptance:
    """Apply the gate (see the module's head for how it is read).

    Parameters
    ----------
    reference, candidate : Score
    mAP_drop : float
        How much of the reference's mAP may be lost, as a fraction.
    paired : PairedTest, optional
        Of the same two, for the sentences about chance. Without it the candidate's own intervals are taken, which say
        less: they treat the reference as exact.
    level : float
        Of the interval of a Rank-1 that comes with nothing but its number of queries.

    Raises
    ------
    ResultError
        Scores that must not be compared (see `osnet_lib.comparison.score.check_comparable`); a reference without a
        score; a drop that is none.
    """
    check_comparable(reference, candidate)
    if not 0 <= mAP_drop < 1:
        raise ResultError(f"an allowed drop of {mAP_drop}", where="mAP drop", cure="Give a fraction: 0.01 for 1 %")
    if not reference.mAP > 0:
        raise ResultError(
            "its mAP is 0, of which nothing can be lost",
            where=reference.label,
            cure="Give a reference that finds something",
        )
    return Acceptance(
        reference,
        candidate,
        (_rank1(reference, candidate, paired, level), _mAP(reference, candidate, mAP_drop, paired, level)),
    )


def _rank1(reference: Score, candidate: Score, paired: PairedTest | None, level: float) -> Criterion:
    printed = [score.decimals for score in (reference, candidate) if score.decimals is not None]
    below = candidate.rank1 < reference.rank1
    allowed = 0.0
    if printed:
        below = round(100 * candidate.rank1, min(printed)) < round(100 * reference.rank1, min(printed))
        allowed = -0.5 * 10.0 ** -(min(printed) + 2)
    queries = reference.queries or candidate.queries
    difference = candidate.rank1 - reference.rank1
    parts = [f"{100 * difference:+.2f} points"]
    lost = None
    if queries:
        lost = round(difference * queries)
        about = "about " if -allowed * queries > 0.1 else ""  # the print leaves room for other numbers
        parts.append(f"{about}{lost:+,} of {queries:,} queries" if lost else f"no query of {queries:,}")
    parts += [
        _in_print(score, score.decimals, queries)
        for score in (reference, candidate)
        if queries and score.decimals in (0, 1)
    ]
    relation = "below" if below else "not below"
    sentence = (
        f"Rank-1 {candidate.rank1_text} is {relation} {reference.rank1_text} ({'; '.join(parts)}): "
        f"{'failed' if below else 'passed'}."
    )
    interval = _difference(reference, candidate, "rank1", paired, level)
    return Criterion(
        "Rank-1",
        reference.rank1,
        candidate.rank1,
        difference,
        allowed,
        lost,
        not below,
        sentence,
        _chance("Rank-1", interval, allowed, not below, paired),
    )


def _in_print(score: Score, decimals: int, queries: int) -> str:
    """Which numbers of right queries a printed figure can stand for."""
    half = 0.5 * 10.0 ** -(decimals + 2)
    low = max(0, math.ceil((score.rank1 - half) * queries - 1e-6))
    high = min(queries, math.floor((score.rank1 + half) * queries + 1e-6))
    return f"{score.rank1_text} in print stands for {low:,} to {high:,} right"


def _mAP(reference: Score, candidate: Score, mAP_drop: float, paired: PairedTest | None, level: float) -> Criterion:
    difference, allowed = candidate.mAP - reference.mAP, -mAP_drop * reference.mAP
    passed = difference >= allowed - 1e-12  # a drop of exactly what is allowed passes, however it is rounded
    drop = f", a drop of {-100 * difference / reference.mAP:.2f} %" if difference < 0 else ""
    sentence = (
        f"mAP {100 * candidate.mAP:.2f} % against {100 * reference.mAP:.2f} % ({100 * difference:+.2f} points"
        f"{drop}; {100 * mAP_drop:g} % is allowed): {'passed' if passed else 'failed'}."
    )
    interval = _difference(reference, candidate, "mAP", paired, level)
    return Criterion(
        "mAP",
        reference.mAP,
        candidate.mAP,
        difference,
        allowed,
        None,
        passed,
        sentence,
        _chance("mAP", interval, allowed, passed, paired),
    )


def _difference(
    reference: Score, candidate: Score, name: str, paired: PairedTest | None, level: float
) -> tuple[Interval, float] | None:
    """The interval of the difference with its level: paired where possible, else of the candidate alone; or None."""
    if paired:
        return getattr(paired, name), paired.level
    if candidate.intervals:
        interval, level = getattr(candidate.intervals, name), candidate.intervals.level
        if name == "rank1":  # a bootstrap of none or all right has no width; the exact interval has
            exact = candidate.intervals.rank1_exact
            interval = Interval(interval.value, min(interval.low, exact.low), max(interval.high, exact.high))
    elif name == "rank1" and candidate.queries:
        interval = exact_interval(round(candidate.rank1 * candidate.queries), candidate.queries, level)
    else:
        return None
    value = getattr(reference, name)
    return Interval(interval.value - value, interval.low - value, interval.high - value), level


def _chance(
    name: str, difference: tuple[Interval, float] | None, allowed: float, passed: bool, paired: PairedTest | None
) -> str | None:
    """Whether the whole interval of the difference is on the side of the decision."""
    if difference is None:
        return None
    interval, level = difference
    words = (
        f"the {100 * level:g} % interval of the difference is {interval.points()[1]} points"
        f"{'' if paired else ', the reference taken as exact'}"
    )
    # An interval of few queries that differ is too narrow, so the test of the difference must agree.
    shown = paired is None or (paired.rank1_shown if name == "Rank-1" else paired.mAP_shown)
    sure = name == "mAP" or shown or (paired is not None and paired.alike)
    if passed and sure and interval.low >= allowed - 1e-12:
        return f"Chance: {name} passes for other queries like these too; {words}."
    if passed:
        moved = f" ({paired.lost:,} queries lost, {paired.won:,} won)" if paired and name == "Rank-1" else ""
        return f"Chance: {name} passes, but other queries like these could make it fail{moved}; {words}."
    if shown and interval.high < allowed:
        return f"Chance does not explain that {name} fails; {words}."
    return f"Chance explains that {name} fails, which the gate, being literal, does not excuse; {words}."
