"""Tables of the stages on the way to a device: what each changes in features, ranking and score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.table import Table
from ..metrics.agreement import NEAREST
from ..metrics.resampling import Interval
from .result_tables import of_result
from .words import Said, Sentence, joined

COSINES = ("smallest cosine", "cosine, 1st percentile", "cosine, median")

if TYPE_CHECKING:
    from ..comparison.stages import Stage
    from ..core.results import Result


@of_result
def where_lost(result: Result) -> Said:
    """The first stage that breaks, or that none does and which changes the ranking most."""
    stages = [stage for stage in result.values["stages"] if stage["batch_size"] is not None]
    names = joined(dict.fromkeys(stage["name"] for stage in stages))
    queries = result.conditions["queries"]
    broken = [stage for stage in stages if stage["broken"]]  # in the order of the way
    most = min(stages, key=lambda stage: stage["kendall_tau"])
    change = most["paired"]
    return Said(
        _breaks(broken[0]) if broken else Sentence("no stage breaks", stages=names, queries=queries),
        None if result.conditions.get("whole_split", True) else Sentence("share of queries"),
        Sentence("stages break too", others=joined(map(_where, broken[1:]))) if broken[1:] else None,
        Sentence(
            "most changed",
            stage=_where(most),
            changed=most["top1_changed"],
            queries=most["queries"],
            lost=change["lost"],
            won=change["won"],
            mAP=_points(change["mAP"]),
        ),
    )


def _breaks(first: Mapping[str, Any]) -> Sentence:
    return Sentence(
        "stage breaks",
        stage=first["name"],
        batch=first["batch_size"],
        mAP=_points(first["paired"]["mAP"]),
        rank1=_points(first["paired"]["rank1"]),
        worst=first["max_abs"],
    )


def _where(stage: Mapping[str, Any]) -> Sentence:
    return Sentence("stage at batch", stage=stage["name"], batch=stage["batch_size"])


def _points(interval: Mapping[str, float]) -> Sentence:
    value, ends = Interval(**interval).points()
    return Sentence("points with interval", value=value, interval=ends)


def stages_table(stages: Sequence[Stage]) -> Table:
    """Features and rankings beside torch's, one row a stage and batch size."""
    records = [
        {
            "stage": s.name,
            "batch": s.batch_size,
            "max error": s.max_abs,
            "mean error": s.mean_abs,
            "smallest cosine": s.cosine_min,
            "cosine, 1st percentile": s.cosine_1,
            "cosine, median": s.cosine_50,
            "queries with another first image": s.top1_changed,
            "tau": s.kendall_tau,
        }
        for s in stages
    ]
    caption = stages and (
        f"Features and rankings beside torch's, {stages[0].metric} distance, {stages[0].queries:,} "
        f"queries; tau is Kendall's over torch's {NEAREST} nearest"
    )
    formats = dict.fromkeys(("max error", "mean error"), ".2g") | dict.fromkeys(COSINES, ".6f")
    return Table.from_records(records, caption=caption or None, formats={**formats, "tau": ".4f"} if records else None)


def stage_scores_table(stages: Sequence[Stage]) -> Table:
    """Scores with their intervals, one row a stage and batch size; the change of mAP is against torch."""
    records = [
        {
            "stage": s.name,
            "batch": s.batch_size,
            "Rank-1": s.rank1.text(),
            "mAP": s.mAP.text(),
            "change of mAP, points": s.paired.mAP.points()[0],
            "first image right before, wrong now": s.paired.lost,
            "wrong before, right now": s.paired.won,
            "Rank-1 not below": s.criteria[0].passed,
            "holds": s.broken is None,
        }
        for s in stages
    ]
    level = {f"{100 * s.paired.level:g} %" for s in stages}
    caption = stages and (
        f"Scores, {stages[0].metric} distance, {stages[0].queries:,} queries; in brackets "
        f"{', '.join(level)} intervals over identities"
    )
    return Table.from_records(records, caption=caption or None)
