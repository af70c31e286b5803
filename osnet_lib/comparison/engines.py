"""What an engine costs in accuracy beside another on the same images, and which of many are worth their price."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..conversion.parity import Difference
from ..errors import MetricError
from ..features.store import Features
from ..metrics.resampling import Interval
from ..metrics.uncertainty import PairedTest
from .pair import compare_sides, measured_side


@dataclass(frozen=True)
class Price:
    """Scores of an engine and their change against the reference.

    Attributes
    ----------
    rank1, mAP : Interval
        Over identities.
    paired : PairedTest
        Against the reference, over identities.
    difference : Difference
        Of the features.
    images, queries : int
        Images compared, and queries with a match.
    """

    rank1: Interval
    mAP: Interval
    paired: PairedTest
    difference: Difference
    images: int
    queries: int

    @property
    def loss(self) -> tuple[float, float, float]:
        """Points of mAP lost: the value, the least and the most by the paired interval."""
        change = self.paired.mAP
        return -100 * change.value + 0.0, -100 * change.high + 0.0, -100 * change.low + 0.0

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "rank1": [self.rank1.value, self.rank1.low, self.rank1.high],
            "mAP": [self.mAP.value, self.mAP.low, self.mAP.high],
            "paired": self.paired.as_dict(),
            "images": self.images,
            "queries": self.queries,
        }


def price(
    reference: tuple[Features, Features], candidate: tuple[Features, Features], metric: str = "euclidean"
) -> Price:
    """Score the features of an engine beside those of the reference; images are paired by name.

    Raises
    ------
    FeatureError, MetricError
        Features of other images, of another width, or of one identity only.
    """
    a, b = (measured_side(label, *pair, metric) for label, pair in (("reference", reference), ("engine", candidate)))
    comparison = compare_sides(a, b)
    score = b.score
    if comparison.paired is None or score.intervals is None or comparison.difference is None or score.queries is None:
        raise MetricError("nothing to compare, or queries of one identity only", where="engine", cure="Take more")
    images = len(candidate[0]) + len(candidate[1])
    intervals = score.intervals
    return Price(intervals.rank1, intervals.mAP, comparison.paired, comparison.difference, images, score.queries)


def on_front(marks: Sequence[tuple[float, float] | None]) -> list[bool]:
    """Which of (speed, loss) no other beats in one without being worse in the other; None is on no front."""
    known = [mark for mark in marks if mark]

    def beaten(speed: float, loss: float) -> bool:
        return any(s >= speed and c <= loss and (s, c) != (speed, loss) for s, c in known)

    return [mark is not None and not beaten(*mark) for mark in marks]
