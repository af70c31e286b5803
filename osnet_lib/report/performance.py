"""Tables of the chapter on performance: speeds measured, each with its verdict, beside the published ones."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.conditions import SessionFacts, short
from ..core.disturbance import DISTURBED, QUIET
from ..core.machine import machine_facts
from ..core.results import NOT_MEASURED, Result
from ..core.table import Table
from ..published.quoted import bibliography_key, published_throughput
from .result_tables import of_results
from .words import Said, Sentence, joined, named_facts


def speed_cell(value: object, values: dict) -> object:
    """A cell with a time or a rate; where it was not measured, why not."""
    return values.get("not_measured", NOT_MEASURED) if value is None else value


def session_table(facts: dict) -> Table:
    """What computed: the description of a session as names and values."""
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return named_facts({**facts, "versions": versions})


def conditions_table(result: Result) -> Table:
    """What was timed, by what and on which machine: what the rows of `speeds_table` share."""
    machine = result.conditions["machine"]
    return Table.from_mapping(
        {
            "network": f"{result.model.architecture}, weights {short(result.model.sha256, 12)}…",
            "computed by": _computed_by(result),
            **machine_facts(machine),
            "versions": ", ".join(f"{name} {version}" for name, version in result.session.versions.items()),
        }
    )


def speeds_table(results: Sequence[Result]) -> Table:
    """Speeds of one condition, a row a batch size; their names are those of Huawei's tool where it has one."""
    records = []
    for result in results:
        values = result.values
        latency = values["latency_ms"]
        speeds = {
            "images/s": values["throughput"],
            "ave_throughputRate, samples/s": values.get("ave_throughputRate"),
            "ave_latency, ms per image": values["ave_latency"],
            "batch median, ms": latency["median"],
            "p90, ms": latency.get("p90"),
            "p99, ms": latency["p99"],
            "spread": values["relative_spread"],
        }
        records.append(
            {
                "batch": result.conditions["batch_size"],
                **_speeds(speeds, values),
                "rounds after warm-up": f"{values['rounds']} after {result.conditions.get('warmed_up', 'some')}",
                "verdict": _verdict_word(result),
            }
        )
    formats = dict.fromkeys(("images/s", "ave_throughputRate, samples/s"), ".2f") | {
        "ave_latency, ms per image": ".3f",
        **dict.fromkeys(("batch median, ms", "p90, ms", "p99, ms"), ".2f"),
        "spread": ".1%",
    }
    return Table.from_records(records, formats=formats if records else None)


def verdicts_table(results: Sequence[Result]) -> Table:
    """The verdict on each speed with its reasons, the other try where it was timed twice, and when it was measured."""
    records = []
    for result in results:
        other = result.values.get("other")
        records.append(
            {
                "batch": result.conditions["batch_size"],
                "verdict": _verdict_word(result),
                "because": "; ".join(result.values.get("reasons", [])) or None,
                "timed once more": f"the other: {other['throughput']:.2f} images/s, {other['verdict']}"
                if other
                else None,
                "date": result.conditions.get("machine", {}).get("date"),
            }
        )
    return Table.from_records(records)


def rounds_series(results: Sequence[Result]) -> list[tuple[int, list[float], str]]:
    """Batch size, milliseconds of every round, and the verdict, for `plots.plot_rounds`; without simulated devices."""
    return [
        (result.conditions["batch_size"], result.values["times_ms"], _verdict_word(result))
        for result in results
        if result.values.get("times_ms")
    ]


def verdict_of(result: Result) -> str | None:
    """Quiet, disturbed or unknown, as the result file says; None where it says nothing, as of a speed of elsewhere."""
    return result.values.get("verdict")


@of_results
def speeds_sentence(results: Sequence[Result]) -> Sentence:
    """Whether the speeds measured here are to be trusted: the sentence at the head of a book."""
    here = measured_here(results)
    if not here:
        return Sentence("no speed")
    disturbed = [result for result in here if verdict_of(result) == DISTURBED]
    quiet = sum(verdict_of(result) == QUIET for result in here)
    if disturbed:
        first = disturbed[0]
        return Sentence(
            "speeds disturbed",
            disturbed=len(disturbed),
            all=len(here),
            batch=first.conditions["batch_size"],
            reasons="; ".join(first.values["reasons"]),
        )
    return Sentence("speeds quiet" if quiet == len(here) else "speeds unknown", quiet=quiet, all=len(here))


def measured_here(results: Sequence[Result]) -> list[Result]:
    """Those that hold a speed, and one of this workspace: not imported, not of a simulated device."""
    return [r for r in results if "imported" not in r.conditions and r.values["throughput"] is not None]


@of_results
def fastest_batch(results: Sequence[Result]) -> Said:
    """The fastest batch size of one condition beside the smallest, and whether the speeds are to be trusted."""
    here = sorted(measured_here(results), key=lambda result: result.conditions["batch_size"])
    if not here:
        reasons = [result.values["not_measured"] for result in results if result.values.get("not_measured")]
        return Said(Sentence("no speed measured", reason=reasons[0]) if reasons else Sentence("no speed"))
    best = max(here, key=lambda result: result.values["throughput"])
    session, rate = best.session, best.values["throughput"]
    facts = {"backend": session.backend, "precision": session.precision, "device": session.device}
    batch = {"batch": best.conditions["batch_size"], "rate": rate}
    other = next((result for result in here if result is not best), None)
    if other is None:
        return Said(Sentence("one batch", **batch, **facts), speeds_sentence(results))
    beside = {"other": other.conditions["batch_size"], "ratio": rate / other.values["throughput"]}
    return Said(Sentence("fastest batch", **batch, **beside, **facts), speeds_sentence(results))


@of_results
def performance_table(results: list[Result]) -> Table:
    """Measured speeds of every condition, by network, backend and batch."""
    records = []
    for result in sorted(results, key=_performance_order):
        values = result.values
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
                "computed by": _computed_by(result),
                "batch": result.conditions["batch_size"],
                **_speeds(speeds, values),
                "rounds": values["rounds"],
                "verdict": _verdict_word(result),
            }
        )
    formats = {"images/s": ".1f", "ms/image": ".2f", "batch median, ms": ".2f", "p99, ms": ".2f", "spread": ".1%"}
    return Table.from_records(records, formats=formats if records else None)


def _speeds(speeds: dict[str, object], values: dict) -> dict[str, object]:
    """Cells of times and rates; of a simulated device each says that it was not measured."""
    return {name: speed_cell(speed, values) if values.get("not_measured") else speed for name, speed in speeds.items()}


def _verdict_word(result: Result) -> str:
    return verdict_of(result) or result.values.get("not_measured") or "not judged"


def _computed_by(result: Result) -> str:
    session = result.session
    return ", ".join([*_backend(result), str(session.precision), str(session.device), *_threads(session)])


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
    """The published speeds in images per second, one row a device and setting, one column a batch, and the source."""
    entries = published_throughput("osnet_x1_0")
    batches = sorted({entry.batch_size for entry in entries})
    records = []
    for label in dict.fromkeys(entry.label for entry in entries):
        some = {entry.batch_size: entry for entry in entries if entry.label == label}
        rates = {f"batch {batch} (published)": some[batch].throughput if batch in some else None for batch in batches}
        records.append({"published for": label, **rates, "source": next(iter(some.values())).source})
    return Table.from_records(
        records,
        caption="Images per second, as published",
        formats={f"batch {batch} (published)": ".10g" for batch in batches},
    )


def published_sources() -> Said:
    """Whence the published speeds are quoted, with their entries of the bibliography."""
    sources = dict.fromkeys(entry.source for entry in published_throughput("osnet_x1_0"))
    keys = dict.fromkeys(filter(None, map(bibliography_key, sources)))
    return Said(Sentence("sources", sources=joined(f"{{cite:t}}`{key}`" for key in keys)))


@of_results
def throughput_series(results: list[Result]) -> tuple[list[tuple], list[tuple], list[tuple]]:
    """Measured, published and imported points for `plots.plot_speeds` and `speed_chart`.

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
