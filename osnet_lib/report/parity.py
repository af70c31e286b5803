"""Whether the converted models are still the network of the checkpoint, in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .result_tables import of_result
from .words import Said, Sentence, joined

if TYPE_CHECKING:
    from ..core.results import Result


@of_result
def worst_parity(result: Result) -> Mapping[str, Any]:
    """The stage that uses most of its tolerance."""
    return max(result.values["stages"], key=lambda stage: stage["max_abs"] / stage["allowed_max_abs"])


@of_result
def is_same(result: Result) -> bool:
    """Whether every stage is within its tolerance."""
    return all(
        max(stage["max_abs"], stage["row_max_abs"]) <= stage["allowed_max_abs"]
        and stage["min_cosine"] >= stage["allowed_cosine"]
        for stage in result.values["stages"]
    )


@of_result
def same_network(result: Result) -> Said:
    """Whether the converted models are still the network of the checkpoint."""
    stages, worst = result.values["stages"], worst_parity(result)
    found = {"worst": worst["max_abs"], "allowed": worst["allowed_max_abs"]}
    where = {"stage": worst["stage"], "batch": worst["batch_size"]}
    sizes = joined(str(size) for size in sorted({stage["batch_size"] for stage in stages}))
    return Said(
        Sentence("same network", models=len(stages), sizes=sizes, **found)
        if is_same(result)
        else Sentence("another network", **where, **found),
        Sentence("furthest stage", row=max(stage["row_max_abs"] for stage in stages), **where),
    )
