"""What each result file was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.table import Table

if TYPE_CHECKING:
    from ..core.results import Result


def provenance_table(results: list[Result]) -> Table:
    """Which model, data and versions each result file was made with."""
    records = []
    for result in results:
        c, e = result.conditions, result.conditions["environment"]
        records.append(
            {
                "result": result.file_name,
                "weights sha256": c["model"]["sha256"][:12],
                "data sha256": c["dataset"]["sha256"][:12] if "dataset" in c else None,
                "Python": e["python"],
                **{name: e["versions"][name] for name in ("torch", "onnx", "onnxruntime", "numpy")},
            }
        )
    return Table.from_records(records)
