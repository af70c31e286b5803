"""What published NPUs do, in sentences: the fastest batch of each, and who published it."""

from __future__ import annotations

from ..published.quoted import PublishedThroughput, cited, published_throughput
from ..published.roofline import NETWORK
from .words import Said, Sentence, joined

NPU = "Ascend"  # how the names of published NPUs begin


def published_columns() -> dict[str, list[PublishedThroughput]]:
    """The published speeds of single NPU chips, by chip and setting."""
    columns: dict[str, list[PublishedThroughput]] = {}
    for entry in published_throughput(NETWORK):
        if entry.chips == 1 and entry.device.startswith(NPU):
            columns.setdefault(entry.label, []).append(entry)
    return columns


def best_published() -> Sentence:
    """The fastest published batch of a single NPU chip, and who published it."""
    best = max((entry for some in published_columns().values() for entry in some), key=_rate)
    facts = {"batch": best.batch_size, "rate": best.throughput, "device": best.label}
    return Sentence("best published", **facts, source=cited(best.source))


def published_npus() -> Said:
    """The fastest published batch, and that of each published column."""
    columns = published_columns()
    bests = {label: max(some, key=_rate).batch_size for label, some in columns.items()}
    middle = all(
        min(entry.batch_size for entry in some) < bests[label] < max(entry.batch_size for entry in some)
        for label, some in columns.items()
    )
    of_each = joined(Sentence("best published of", device=label, batch=batch) for label, batch in bests.items())
    return Said(
        best_published(),
        Sentence("a middle batch" if middle else "fastest batches", bests=of_each),
        Sentence("nothing measured"),
    )


def _rate(entry: PublishedThroughput) -> float:
    return entry.throughput
