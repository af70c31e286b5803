"""Tables and sentences of the engines side by side: how fast each is, and what it costs in accuracy."""

from __future__ import annotations

from typing import Any

from ..core.disturbance import DISTURBED, QUIET
from ..core.results import Result
from ..core.table import Table
from ..plots.pareto import Mark
from .result_tables import of_result
from .words import Said, Sentence, joined

REFERENCE = "ONNX Runtime in float32"
_TIMINGS = {QUIET: "timing quiet", DISTURBED: "timing disturbed"}


@of_result
def recommendation_sentence(result: Result) -> Sentence:
    """What to take, how much faster it is, and its price."""
    found, facts = result.values["recommendation"], result.conditions
    ratio, against = found["ratio"], {"reference": REFERENCE, "batch": facts["batch_size"]}
    if ratio["median"] == 1:
        return Sentence("stay", budget=facts["budget"], **against)
    low, high = ratio["interval"]
    many = found["threads"] > 1
    return Sentence(
        "take",
        engine=_name(found),
        threads=Sentence("threads", count=found["threads"]) if many else Sentence("one thread"),
        ratio=ratio["median"],
        interval=Sentence("nothing") if low is None else Sentence("interval of ratio", low=low, high=high),
        price=_price(found),
        timing=Sentence(_TIMINGS.get(found["verdict"], "timing unknown")),
        **against,
    )


@of_result
def which_engine(result: Result) -> Said:
    """Which engine to take here, how fast it is, at which price, and on which images that was found."""
    return Said(recommendation_sentence(result), used_sentence(result))


@of_result
def engines_table(result: Result) -> Table:
    """Every engine and precision on the faster of its graphs: speed, scores, and what it takes."""
    records = []
    for row in result.values["candidates"]:
        price, startup = row["price"], row["startup"]
        paired = price["paired"] if price else None
        taken = {}
        if any(one["startup"] for one in result.values["candidates"]):
            memory = startup and startup["memory_bytes"]
            taken = {"start, s": startup and startup["seconds"], "memory, MB": memory and memory / 1e6}
        records.append(
            {
                "engine": _name(row),
                "images/s": row["throughput"],
                "ratio": _ratio(row["ratio"]),
                "verdict": row["verdict"],
                "mAP, points": _points(row["loss"]),
                "mAP": _share(price and price["mAP"]),
                "Rank-1": _share(price and price["rank1"]),
                "lost, won": f"{paired['lost']}, {paired['won']}" if paired else None,
                "McNemar p": paired["p"] if paired else None,
                "max error": row["features"]["max_abs"] if row["features"] else None,
                "MB": row["size_bytes"] / 1e6,
                **taken,
                "front": row["front"],
            }
        )
    facts = result.conditions
    caption = (
        f"{result.model.architecture} at batch {facts['batch_size']}, {facts['threads']} threads, {facts['rounds']} "
        f"rounds in turn; {facts['queries']:,} queries and {facts['gallery']:,} gallery images of "
        f"{result.dataset.file}, {facts['metric']} distance, 95 % intervals over identities"
    )
    formats = {"images/s": ".1f", "McNemar p": ".2g", "max error": ".1e", "MB": ".1f"}
    if records and "start, s" in records[0]:
        formats |= {"start, s": ".1f", "memory, MB": ".0f"}
    return Table.from_records(records, caption=caption, formats=formats)


@of_result
def finalists_table(result: Result) -> Table:
    """The fastest within the budget, timed again with fewer threads as well."""
    records = [
        {
            "engine": _name(row),
            "threads": row["threads"],
            "images/s": row["throughput"],
            "ratio": _ratio(row["ratio"]),
            "verdict": row["verdict"],
        }
        for row in result.values["finalists"]
    ]
    caption = f"Within {result.conditions['budget']:g} points of mAP, and the reference, timed again in turn"
    return Table.from_records(records, caption=caption, formats={"images/s": ".1f"} if records else None)


@of_result
def left_out_text(result: Result) -> str:
    """What could not be tried on this machine, and why, in a line each; by reason."""
    reasons: dict[str, list[str]] = {}
    for name, reason in result.values["left_out"].items():
        reasons.setdefault(reason, []).append(name)
    return "\n".join(Sentence("left out", names=joined(names), reason=reason) for reason, names in reasons.items())


@of_result
def used_sentence(result: Result) -> Sentence:
    """On which images the prices were found."""
    facts = result.conditions
    return Sentence(
        "prices of all" if facts["whole_split"] else "prices of a share",
        dataset=result.dataset.file,
        queries=facts["queries"],
        gallery=facts["gallery"],
    )


@of_result
def engine_marks(result: Result) -> list[Mark]:
    """One mark an engine and precision for `plots.plot_engines`."""
    return [
        (
            _name(row),
            row["backend"],
            row["precision"],
            row["throughput"],
            tuple(row["loss"]),
            row["front"],
            row["verdict"] == DISTURBED,
        )
        for row in result.values["candidates"]
        if row["loss"]
    ]


@of_result
def roofs_table(result: Result) -> Table:
    """What each engine reaches of the roof that its library has on this machine."""
    operations = 2 * result.model.multiply_adds / 1e9 if result.model.multiply_adds else None
    speeds = {(row["backend"], row["precision"]): row["throughput"] for row in result.values["candidates"]}
    records = []
    for roof in result.values["roofs"]:
        speed = speeds.get((roof["backend"], roof["precision"]))
        reached = speed * operations if speed and operations else None
        records.append(
            {
                "engine": f"{roof['backend']} {roof['precision']}",
                "roof, GFLOP/s": roof["gflops"],
                "network, GFLOP/s": reached,
                "of the roof": reached / roof["gflops"] if reached and roof["gflops"] else None,
                "no roof, because": roof["reason"],
            }
        )
    caption = (
        f"Matrices of {result.values['roof_size']:,} rows and columns multiplied, the fastest of some calls; of the "
        f"network 2 operations a multiply-add, {operations or 0:.2f} GFLOP an image"
    )
    formats = {"roof, GFLOP/s": ".0f", "network, GFLOP/s": ".1f", "of the roof": ".0%"}
    return Table.from_records(records, caption=caption, formats=formats if records else None)


def _name(row: dict[str, Any]) -> str:
    return f"{row['backend']} {row['precision']}{', ' + row['graph'] if row['graph'] != 'plain' else ''}"


def _ratio(ratio: dict[str, Any]) -> str:
    low, high = ratio["interval"]
    return (
        f"{ratio['median']:.2f}" if low is None or low == high else f"{ratio['median']:.2f} ({low:.2f} to {high:.2f})"
    )


def _points(loss: tuple[float, float, float] | None) -> str | None:
    """The change of mAP, which is the loss with its sign turned."""
    if loss is None:
        return None
    value, least, most = (0.0 - points for points in loss)
    return "0" if not any(loss) else f"{value:+.2g} ({most:+.2g} to {least:+.2g})"


def _share(interval: list[float] | None) -> str | None:
    return (
        None if interval is None else f"{100 * interval[0]:.2f} % ({100 * interval[1]:.1f} to {100 * interval[2]:.1f})"
    )


def _price(row: dict[str, Any]) -> Sentence:
    if row["price"] is None:
        found = row["features"]
        return Sentence("price same features", worst=found["max_abs"], images=found["images"])
    return Sentence("price of mAP", points=_points(row["loss"]), queries=row["price"]["queries"])
