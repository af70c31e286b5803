"""The table of what to take: chip, budget of time, batch."""

from __future__ import annotations

from ..core.table import Table
from ..published.recommendation import BUDGETS_MS, recommend


def recommendation_table() -> Table:
    """A row a published column, a column a budget: the batch, its images a second and the time of its call."""
    records: dict[str, dict[str, str | None]] = {}
    for choice in recommend():
        cell = None
        if choice.batch_size is not None:
            cell = f"{choice.batch_size}: {choice.throughput:.10g}/s, {choice.call_ms:.1f} ms"
        row = records.setdefault(choice.device, {"chip (published)": choice.device})
        row[f"a call within {choice.budget_ms:g} ms"] = cell
    return Table.from_records(
        records.values(),
        ["chip (published)", *(f"a call within {budget:g} ms" for budget in BUDGETS_MS)],
        caption="Batch, images a second, mean time of a call; from published speeds of computing alone",
    )
