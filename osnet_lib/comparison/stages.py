"""Where a network loses points on its way from PyTorch to a device: each stage beside torch, and the first to break.

What *breaks* means is settled here once:

* A float32 stage (ONNX, simplified, torch on an NPU) computes the same numbers in another order. It breaks where its
  features leave the tolerance of `osnet_lib.conversion.parity`; what that does to the ranking need not be asked.
* A stage of reduced precision (float16, int8, what CANN compiles) gives other features by design, so its ranking is
  what counts. It breaks where mAP is more than the guide's 1 % of torch's below torch's, or Rank-1 is below torch's by
  more than chance explains (McNemar's test, and the interval of the difference leaves out zero). The guide's literal
  line for Rank-1, not below at all, is one query in thousands; it is reported, and breaks nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..conversion.parity import Tolerance
from ..errors import MetricError
from ..features.store import Features
from ..metrics.resampling import Interval
from ..metrics.uncertainty import PairedTest
from .acceptance import Criterion
from .pair import compare_sides, measured_side

# in the order of the way
STAGES = ("torch", "onnx", "simplified", "fp16", "int8", "om", "cann", "torch_npu", "openvino")
FLOAT32 = ("torch", "onnx", "simplified", "torch_npu", "openvino")


@dataclass(frozen=True)
class Stage:
    """A stage at a batch size beside torch on the same images: one row of the table.

    Attributes
    ----------
    name : str
        One of `STAGES`.
    batch_size : int, optional
        None for the reference.
    precision : str
        What its session says it computes in; empty where the features do not tell.
    images, queries : int
        Images compared, and queries with a match.
    max_abs, mean_abs : float
        Absolute difference of the features.
    cosine_min, cosine_1, cosine_50 : float
        Cosine of an image's two features: the smallest, the 1st percentile, the median.
    top1_changed : int
        Queries with a match whose nearest image is another one, right or wrong.
    kendall_tau : float
        Mean over those queries of Kendall's tau-b of torch's 50 nearest images.
    rank1, mAP : Interval
        With bootstrap intervals over identities.
    metric : str
        The distance.
    paired : PairedTest
        Against torch, over identities.
    criteria : tuple of Criterion
        The guide's gate against torch, taken literally: Rank-1, then mAP.
    """

    name: str
    batch_size: int | None
    precision: str
    images: int
    queries: int
    max_abs: float
    mean_abs: float
    cosine_min: float
    cosine_1: float
    cosine_50: float
    top1_changed: int
    kendall_tau: float
    rank1: Interval
    mAP: Interval
    metric: str
    paired: PairedTest
    criteria: tuple[Criterion, Criterion]

    def __repr__(self) -> str:
        return (
            f"{self.where}: {'breaks' if self.broken else 'holds'}, Rank-1 {100 * self.rank1.value:.2f} %, mAP "
            f"{100 * self.mAP.value:.2f} % ({self.metric}), smallest cosine {self.cosine_min:.6f}, nearest image "
            f"changed for {self.top1_changed:,} of {self.queries:,} queries"
        )

    @property
    def where(self) -> str:
        return self.name if self.batch_size is None else f"{self.name} at batch size {self.batch_size}"

    @property
    def broken(self) -> str | None:
        """The criterion that fails (see the module's head) with its numbers; None where the stage holds."""
        if self.name in FLOAT32:
            allowed = Tolerance()
            if self.max_abs <= allowed.max_abs and self.cosine_min >= allowed.min_cosine:
                return None
            return (
                f"features differ from torch's by up to {self.max_abs:.3g}, and the smallest cosine is "
                f"{self.cosine_min:.7f}; allowed are {allowed.max_abs:g} and {allowed.min_cosine:g}"
            )
        change, mAP, failures = self.paired, self.criteria[1], []
        if not mAP.passed:
            failures.append(
                f"mAP falls by {-100 * mAP.difference:.2f} points to {100 * mAP.candidate:.2f} %, "
                f"{-100 * mAP.difference / mAP.reference:.2f} % of torch's, where "
                f"{-100 * mAP.allowed / mAP.reference:g} % is allowed"
            )
        if change.rank1_shown and change.rank1.value < 0:
            failures.append(
                f"Rank-1 falls by {-100 * change.rank1.value:.2f} points, {change.lost:,} queries lost and "
                f"{change.won:,} won of {change.queries:,}, which chance does not explain (McNemar "
                f"p = {change.p:.2g})"
            )
        return "; ".join(failures) or None

    def as_dict(self) -> dict[str, Any]:
        """Plain values with `broken`, ready for JSON."""
        return {**asdict(self), "paired": self.paired.as_dict(), "broken": self.broken}


def compare_stage(
    name: str,
    batch_size: int | None,
    reference: tuple[Features, Features],
    candidate: tuple[Features, Features],
    metric: str = "euclidean",
) -> Stage:
    """Set the features of a stage beside torch's; images are paired by name.

    Parameters
    ----------
    name : str
        One of `STAGES`.
    reference, candidate : pair of Features
        Query and gallery of torch and of the stage.
    metric : {"euclidean", "cosine"}

    Raises
    ------
    FeatureError
        Features of other images, or with other labels.
    MetricError
        An unknown stage; features of another width, or that cannot be scored.
    """
    if name not in STAGES:
        raise MetricError(f"unknown stage {name!r}", where="stage", cure=f"Use one of {', '.join(STAGES)}")
    torch, stage = (measured_side(label, *pair, metric) for label, pair in (("torch", reference), (name, candidate)))
    comparison = compare_sides(torch, stage)
    if comparison.paired is None:
        raise MetricError("queries with a match are of one identity only", where=name, cure="Take more queries")
    if comparison.difference is None or comparison.cosines is None:
        raise MetricError("features of another width than torch's", where=name, cure="Compare stages of one network")
    score, cosines = stage.score, comparison.cosines
    top1_changed, kendall_tau = comparison.top1_changed, comparison.kendall_tau
    # both sides are measured, on more than one identity
    assert score.queries is not None and score.intervals and top1_changed is not None and kendall_tau is not None
    cosine_1, cosine_50 = np.quantile(cosines, (0.01, 0.5)).tolist()
    return Stage(
        name,
        batch_size,
        candidate[0].session.precision or "",
        len(cosines),
        score.queries,
        *comparison.difference,
        cosine_1,
        cosine_50,
        top1_changed,
        kendall_tau,
        score.intervals.rank1,
        score.intervals.mAP,
        metric,
        comparison.paired,
        comparison.acceptance.criteria,
    )


def first_broken(stages: Sequence[Stage]) -> Stage | None:
    """The earliest stage on the way that breaks, at its smallest batch size that does; None where all hold."""
    broken = [stage for stage in stages if stage.broken]
    return min(broken, key=lambda stage: (STAGES.index(stage.name), stage.batch_size or 0), default=None)


def verdict(stages: Sequence[Stage]) -> str:
    """Which stage breaks first, by which criterion and with which numbers, or that all hold."""
    first = first_broken(stages)
    if first:
        more = [stage.where for stage in stages if stage.broken and stage is not first]
        return f"The first stage that breaks is {first.where}: {first.broken}." + (
            f" So do {', '.join(more)}." if more else ""
        )
    others = [stage for stage in stages if stage.batch_size is not None]
    if not others:
        return "There is no stage beside torch."
    most = min(others, key=lambda stage: stage.kendall_tau)
    return (
        f"No stage breaks. {most.where} changes the ranking most: another image is nearest for "
        f"{most.top1_changed:,} of {most.queries:,} queries (mean tau {most.kendall_tau:.4f}), and mAP changes by "
        f"{most.paired.mAP.points()[0]} points."
    )
