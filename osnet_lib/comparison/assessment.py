"""What a set of features is worth, and how sure that is; and what other uses of the same features are worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.line import one_line
from ..metrics import Evaluation, Intervals, PairedTest, Verification


@dataclass(frozen=True, eq=False)
class Assessment:
    """What features are worth by one distance, and how sure that is.

    Attributes
    ----------
    evaluation : Evaluation
    by_query, by_identity : Intervals
        What other queries, or other people, could have given.
    verification : Verification
        True positive rates at low false positive rates.
    by_lists : Evaluation, optional
        By the data set's own lists of good and junk images, where it has some; its `mAP_trapezoid` is the mAP of
        Market-1501's own code.
    """

    evaluation: Evaluation
    by_query: Intervals
    by_identity: Intervals
    verification: Verification
    by_lists: Evaluation | None = None

    def __repr__(self) -> str:
        return f"{self.by_identity.text()} ({self.evaluation.metric}, {self.evaluation.num_valid} queries)"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            **self.evaluation.as_dict(),
            "verification": self.verification.as_dict(),
            "intervals": {"queries": self.by_query.as_dict(), "identities": self.by_identity.as_dict()},
            "gt_query": self.by_lists and self.by_lists.as_dict(),
        }


@dataclass(frozen=True, eq=False)
class Variant:
    """Another way to use a network's features.

    Attributes
    ----------
    name : str
    evaluation : Evaluation
    test : PairedTest, optional
        Against the features as they are; None for these themselves.
    verification : Verification, optional
        None where distances are not those of single pairs of features.
    """

    name: str
    evaluation: Evaluation
    test: PairedTest | None
    verification: Verification | None

    def __repr__(self) -> str:
        tested = f"; {self.test.outcome}, {self.test.lost} lost and {self.test.won} won" if self.test else ""
        return one_line(f"{self.name}: {self.evaluation!r}{tested}")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return {
            "name": self.name,
            **self.evaluation.as_dict(),
            "test": self.test and self.test.as_dict(),
            "verification": self.verification and self.verification.as_dict(),
        }
