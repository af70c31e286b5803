"""The status of the last run: how long each chapter took, what was disturbed, what changed since the run before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.disturbance import DISTURBED
from ..core.machine import machine_facts
from ..core.table import Table
from .provenance import written
from .words import DEFAULT, Said, Sentence, fill

if TYPE_CHECKING:
    from ..core.results import Result


def run_times_table(runs: Iterable[tuple[str, float | None, str | None, int]]) -> Table:
    """A row a chapter: seconds that it ran, when it ended, and how many result files it wrote."""
    records = [
        {"chapter": chapter, "seconds": seconds, "ended, UTC": date and date[:16].replace("T", " "), "results": results}
        for chapter, seconds, date, results in runs
    ]
    formats = {"seconds": ".1f"} if records else None
    return Table.from_records(records, ("chapter", "seconds", "ended, UTC", "results"), formats=formats)


def disturbed_table(results: Sequence[Result]) -> Table:
    """The result files whose times, or that of the recommended engine, were disturbed, and by what; else empty."""
    records = [
        {
            "result file": result.file_name,
            "because": "; ".join(timed.get("reasons", ())) or None,
            "date": written(result),
        }
        for result in results
        for timed in (result.values, result.values.get("recommendation") or {})
        if timed.get("verdict") == DISTURBED
    ]
    return Table.from_records(records, ("result file", "because", "date"))


def changes_table(held: Mapping[str, Mapping[str, Any]], language: str = DEFAULT) -> Table:
    """The headline figures of the last run beside those of the run before that had others."""
    before, now = (held[name].get("figures", {}) for name in ("before", "now"))
    records = [
        {
            "figure": fill(f"question {name}", language),
            "before": before.get(name),
            "now": now.get(name),
            "changed": before.get(name) != now.get(name) if name in before else None,
        }
        for name in dict.fromkeys([*now, *before])
    ]
    return Table.from_records(records, ("figure", "before", "now", "changed"))


def changes_sentence(held: Mapping[str, Mapping[str, Any]]) -> Said:
    """When the two runs were, or that there is only one."""
    before, now = held["before"], held["now"]
    if not now:
        return Said(Sentence("no run"))
    if not before:
        return Said(Sentence("first run", date=now["date"]))
    return Said(Sentence("two runs", before=before["date"], now=now["date"]))


def machine_table(machine: Mapping[str, Any], environment: Mapping[str, Any]) -> Table:
    """The machine and the versions of what computes."""
    facts = machine_facts(dict(machine))
    versions = {name: version for name, version in environment["versions"].items() if version}
    return Table.from_mapping({**facts, "Python": environment["python"], **versions})
