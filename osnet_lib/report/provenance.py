"""What each result file was made with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..core.conditions import short
from ..core.table import Table
from .result_tables import of_results

if TYPE_CHECKING:
    from ..core.results import Result


@of_results
def provenance_table(results: list[Result]) -> Table:
    """Which model, data and versions each result file was made with."""
    records = []
    for result in results:
        environment = result.environment
        records.append(
            {
                "result": result.file_name,
                "weights sha256": short(result.model.sha256, 12),
                "data sha256": short(result.dataset.sha256, 12),
                "Python": environment.python,
                **{name: environment.versions.get(name) for name in ("torch", "onnx", "onnxruntime", "numpy")},
            }
        )
    return Table.from_records(records)
