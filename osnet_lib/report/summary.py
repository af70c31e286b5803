"""The summary: every result file with what it says, and what is still to be run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..core.results import Result
from ..core.table import Table
from .accuracy import how_good
from .engines import recommendation_sentence
from .openings import scoring_opening
from .parity import same_network
from .performance import fastest_batch, verdict_of
from .provenance import written
from .result_tables import by_distance, of_results
from .stages import where_lost
from .words import Said, Sentence, joined

CHAPTERS = {  # the notebook that writes results of a kind, in the order of the study
    "parity": "01_export",
    "accuracy": "05_accuracy",
    "variants": "05_accuracy",
    "stages": "06_stages",
    "performance": "08_performance",
    "evaluation": "09_evaluation_speed",
    "engines": "12_engines",
}


def summary_opening(results: Mapping[str, Sequence[Result]]) -> Said:
    """How many results there are of each kind, and which chapters are still to be run; none at all: which is first."""
    missing = dict.fromkeys(chapter for kind, chapter in CHAPTERS.items() if not results.get(kind))
    links = joined(Sentence("chapter link", chapter=chapter) for chapter in missing)
    counted = {kind: len(results[kind]) for kind in CHAPTERS if results.get(kind)}
    if not counted:
        return Said(Sentence("summary empty", chapter=Sentence("chapter link", chapter=next(iter(missing)))))
    kinds = joined(Sentence("kind counted", kind=kind, count=count) for kind, count in counted.items())
    scores = sorted(results.get("accuracy", ()), key=by_distance)
    return Said(
        *([how_good(scores[0])[0]] if scores else []),
        Sentence("summary", files=sum(counted.values()), kinds=kinds),
        Sentence("kinds missing", chapters=links) if missing else None,
    )


def all_results(results: Mapping[str, Sequence[Result]]) -> list[Result]:
    """Those of every kind, in the order of the study."""
    return [result for kind in CHAPTERS for result in sorted(results.get(kind, ()), key=by_distance)]


@of_results
def findings_table(results: Sequence[Result]) -> Table:
    """A row a result file: what was found, whether it was disturbed, and when."""
    records = [
        {
            "result file": result.file_name,
            "what was found": finding(result),
            "verdict": _verdict(result),
            "date": written(result),
        }
        for result in results
    ]
    return Table.from_records(records, columns=("result file", "what was found", "verdict", "date"))


def finding(result: Result) -> Sentence:
    """What a result says, in one sentence."""
    if result.kind == "parity":
        return same_network(result)[0]
    if result.kind == "accuracy":
        return how_good(result)[0]
    if result.kind == "stages":
        return where_lost(result)[0]
    if result.kind == "engines":
        return recommendation_sentence(result)
    if result.kind == "performance":
        return fastest_batch([result])[0]
    if result.kind == "evaluation":
        return scoring_opening([result])[0]
    return Sentence("variants counted", count=len(result.values["variants"]) - 1)


def _verdict(result: Result) -> str | None:
    """Whether the times of a result were disturbed; None where it holds no times."""
    if result.kind == "engines":
        return result.values["recommendation"].get("verdict")
    return verdict_of(result) if result.kind in ("performance", "evaluation") else None
