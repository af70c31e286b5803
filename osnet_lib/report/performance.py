"""Tables of the chapter on performance: speeds measured, each with its verdict, beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..core.conditions import SessionFacts, short
from ..core.disturbance import DISTURBED, QUIET
from ..core.machine import machine_facts
from ..core.results import NOT_MEASURED, Result
from ..core.table import Table
from ..published.quoted import published_throughput
from .result_tables import of_results

if TYPE_CHECKING:
    from ..inference.benchmark import Benchmark


def speed_cell(value: object, values: dict, text: str | None = None) -> object:
    """A cell with a time or a rate; where it was not measured, why not."""
    return values.get("not_measured", NOT_MEASURED) if value is None else value if text is None else format(value, text)


def session_table(facts: dict) -> Table:
    """What computed: the description of a session as names and values."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return Table.from_mapping({**facts, "versions": versions})


def benchmark_table(measured: Benchmark) -> Table:
    """One measurement as names and values."""
    values, session = measured.values(), measured.session
    latency, spread = values["latency_ms"], values["relative_spread"]
    return Table.from_mapping(
        {
            "batch": measured.batch_size,
            "throughput, images/s": speed_cell(values["throughput"], values, ".2f"),
            "ave_throughputRate, samples/s": speed_cell(values["ave_throughputRate"], values, ".3f"),
            "ave_latency, ms per image": speed_cell(values["ave_latency"], values, ".5f"),
            **{
                f"batch latency {name}, ms": speed_cell(latency[name], values, ".3f")
                for name in ("mean", "median", "p90", "p99", "min", "max")
            },
            "spread (standard deviation / mean)": speed_cell(spread, values)
            if spread is None
            else f"{100 * spread:.1f} %",
            "verdict": NOT_MEASURED if measured.verdict is None else str(measured.verdict),
            **_timed_again(measured),
            "rounds after warm-up": f"{values['rounds']} after {measured.warmup}",
            "backend": f"{session.backend} ({session.provider})",
            "device": session.device,
            "threads": session.threads,
            "precision": session.precision,
            "model": f"{session.model}, sha256 {short(session.model_sha256, 12)}…",
        }
    )


def _timed_again(measured: Benchmark) -> dict[str, str]:
    if measured.other is None:
        return {}
    return {
        "timed twice, the better kept": f"the other: {measured.other.throughput:.2f} images/s, {measured.other.verdict}"
    }


def machine_table(machine: dict) -> Table:
    """`describe_machine` as names and values."""
    return Table.from_mapping(machine_facts(machine))


def verdict_of(result: Result) -> str | None:
    """Quiet, disturbed or unknown, as the result file says; None where it says nothing, as of a speed of elsewhere."""
    return result.values.get("verdict")


@of_results
def speeds_sentence(results: Sequence[Result]) -> str:
    """Whether the speeds measured here are to be trusted: the sentence at the head of a book."""
    here = [r for r in results if "imported" not in r.conditions and r.values["throughput"] is not None]
    if not here:
        return "No speed was measured for this edition."
    disturbed = [result for result in here if verdict_of(result) == DISTURBED]
    quiet = sum(verdict_of(result) == QUIET for result in here)
    counted = f"of {len(here)} speeds measured for this edition"
    if disturbed:
        first = disturbed[0]
        return (
            f"The speeds of this edition are disturbed: other work, or what stopped this one, changed {len(disturbed)} "
            f"{counted}, such as that at batch {first.conditions['batch_size']} ({'; '.join(first.values['reasons'])})."
        )
    if quiet == len(here):
        return f"Nothing disturbed the speeds of this edition: {quiet} {counted} were quiet."
    return f"Whether the speeds of this edition were disturbed is unknown: {quiet} {counted} are known to be quiet."


@of_results
def performance_table(results: list[Result]) -> Table:
    """Measured speeds of every condition, by network, backend and batch."""
    records = []
    for result in sorted(results, key=_performance_order):
        session, values = result.session, result.values
        latency = values["latency_ms"]
        speeds = {
            "images/s": values["throughput"],
            "ms/image": values["ave_latency"],
            "batch median, ms": latency["median"],
            "p99, ms": latency["p99"],
            "spread": values["relative_spread"],
        }
        records.append(
            {
                "network": result.model.architecture,
                "computed by": ", ".join(
                    [*_backend(result), str(session.precision), str(session.device), *_threads(session)]
                ),
                "batch": result.conditions["batch_size"],
                **{
                    name: speed_cell(speed, values) if values.get("not_measured") else speed
                    for name, speed in speeds.items()
                },
                "rounds": values["rounds"],
                "verdict": verdict_of(result) or values.get("not_measured") or "not judged",
            }
        )
    formats = {"images/s": ".1f", "ms/image": ".2f", "batch median, ms": ".2f", "p99, ms": ".2f", "spread": ".1%"}
    return Table.from_records(records, formats=formats if records else None)


def _performance_order(result: Result) -> tuple:
    session = result.session
    return (
        str(result.model.architecture),
        str(session.backend),
        str(session.device),
        session.threads or 0,
        result.conditions["batch_size"],
    )


def _backend(result: Result) -> tuple[str, ...]:
    """What computed; of a figure that another tool measured elsewhere, that tool, and that it was imported."""
    return (str(result.session.backend), *(["imported"] if "imported" in result.conditions else []))


def _threads(session: SessionFacts) -> list[str]:
    return [] if session.threads is None else [f"{session.threads} threads"]


def published_throughput_table() -> Table:
    """The published speeds, one row a batch, one column a device; images per second."""
    entries = published_throughput("osnet_x1_0")
    labels = list(dict.fromkeys(e.label for e in entries))
    records = []
    for batch in sorted({e.batch_size for e in entries}):
        cells = {e.label: e.throughput for e in entries if e.batch_size == batch}
        records.append({"batch": batch, **{f"{label} (published)": cells.get(label) for label in labels}})
    return Table.from_records(records, formats={f"{label} (published)": ".10g" for label in labels})


@of_results
def throughput_series(results: list[Result]) -> tuple[list[tuple], list[tuple], list[tuple]]:
    """Measured, published and imported points for `plots.plot_throughput`.

    A point is (label, batch, images/s, spread or None, whether it was disturbed); a published one says nothing of that.
    A label names network, backend and threads, and what else differs where two lines would share it. Results without a
    speed, of simulated devices, are left out, and so are published cards, whose speed is one chip's times four.
    """
    results = [result for result in results if result.values["throughput"] is not None]

    def label(result: Result) -> str:
        return ", ".join([str(result.model.architecture), str(result.session.backend), *_threads(result.session)])

    def details(result: Result) -> tuple[str, ...]:
        return str(result.session.precision), str(result.session.device), f"weights {short(result.model.sha256)}"

    lines: dict[str, set[tuple[str, ...]]] = {}
    for result in results:
        lines.setdefault(label(result), set()).add(details(result))
    measured: list[tuple] = []
    imported: list[tuple] = []
    for result in sorted(results, key=_performance_order):
        points = imported if "imported" in result.conditions else measured
        name = label(result) if len(lines[label(result)]) == 1 else ", ".join([label(result), *details(result)])
        values = result.values
        points.append(
            (
                name,
                result.conditions["batch_size"],
                values["throughput"],
                values["relative_spread"],
                verdict_of(result) == DISTURBED,
            )
        )
    published = [
        (e.label, e.batch_size, e.throughput, None) for e in published_throughput("osnet_x1_0") if e.chips == 1
    ]
    return measured, published, imported
