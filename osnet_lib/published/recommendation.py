"""Which batch to take on which chip, when a call may last so long: read off published speeds, nothing measured here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .chips import chips
from .quoted import PublishedThroughput, published_throughput
from .roofline import NETWORK, TAKEN_AS

BUDGETS_MS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)


@dataclass(frozen=True)
class Choice:
    """The batch of a published column that computes most within a budget; None where none was published.

    Attributes
    ----------
    device : str
        As published, with the setting that tells its columns apart.
    budget_ms : float
        What a call of the network may last.
    batch_size : int or None
    throughput : float or None
        Images per second.
    call_ms : float or None
        ``1000 * batch_size / throughput``: the mean time of a call, computing only.
    """

    device: str
    budget_ms: float
    batch_size: int | None = None
    throughput: float | None = None
    call_ms: float | None = None


def recommend(
    budgets_ms: Sequence[float] = BUDGETS_MS, published: Sequence[PublishedThroughput] | None = None
) -> list[Choice]:
    """For each published column of a single Ascend chip, and each chip on file without one, a choice for each budget.

    The smaller batch is taken where two are as fast.
    """
    entries = published_throughput(NETWORK) if published is None else published
    columns: dict[str, list[PublishedThroughput]] = {}
    for entry in entries:
        if entry.chips == 1 and entry.device.startswith("Ascend"):
            columns.setdefault(entry.label, []).append(entry)
    told = {TAKEN_AS.get(entry.device, entry.device) for column in columns.values() for entry in column}
    columns.update({chip.name: [] for chip in chips() if chip.name not in told})
    return [_choose(label, column, budget) for label, column in columns.items() for budget in budgets_ms]


def _choose(label: str, column: Sequence[PublishedThroughput], budget: float) -> Choice:
    within = [entry for entry in column if 1000 * entry.batch_size / entry.throughput <= budget]
    if not within:
        return Choice(label, budget)
    best = max(within, key=lambda entry: (entry.throughput, -entry.batch_size))
    return Choice(label, budget, best.batch_size, best.throughput, 1000 * best.batch_size / best.throughput)
