"""What each result file was made with: file, hash, date and machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.conditions import short
from ..core.table import Table
from .result_tables import of_results
from .words import Said, Sentence

if TYPE_CHECKING:
    from ..core.results import Result


@of_results
def provenance_table(results: list[Result]) -> Table:
    """Which model, data, machine and versions each result file was made with, and when."""
    records = []
    for result in results:
        environment = result.environment
        records.append(
            {
                "result": result.file_name,
                "weights sha256": short(result.model.sha256, 12),
                "data sha256": short(result.dataset.sha256, 12),
                "date": written(result),
                "machine": machine_of(result),
                "Python": environment.python,
                **{name: environment.versions.get(name) for name in ("torch", "onnx", "onnxruntime", "numpy")},
            }
        )
    return Table.from_records(records)


def written(result: Result) -> str | None:
    """When a result was measured, UTC; None where it does not say."""
    machine = result.conditions.get("machine")
    date = machine.get("date") if isinstance(machine, dict) else None
    return str(date)[:16].replace("T", " ") if date else None


def machine_of(result: Result) -> str | None:
    """The processor of the machine that measured, or what it computed on; None where neither is told."""
    machine = result.conditions.get("machine")
    named = machine.get("processor") if isinstance(machine, dict) else None
    return named or result.session.device


def file_origin(result: Result, digest: str) -> Sentence:
    """Hash, date and machine of a result file, `digest` being the hash of its bytes."""
    return Sentence(
        "origin",
        digest=digest[:12],
        date=written(result) or Sentence("unknown date"),
        machine=machine_of(result) or Sentence("unknown machine"),
    )


def provenance_sentence(result: Result, digest: str, more: int = 0) -> Said:
    """A result file with its origin, and how many more files there are."""
    said = Sentence("provenance", file=f"`{result.file_name}`", origin=file_origin(result, digest))
    return Said(said, Sentence("provenance more", count=more) if more else None)
