"""What a reader asks first, answered in sentences from result files; the first page and the chapters say the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..core.results import Result
from ..metrics.resampling import Interval
from ..published.quoted import PublishedAccuracy, PublishedThroughput, cited, published_accuracy, published_throughput
from ..published.roofline import NETWORK
from .engines import recommendation_sentence, used_sentence
from .words import Said, Sentence, joined

NPU = "Ascend"  # how the names of published NPUs begin


def worst_parity(result: Result) -> Mapping[str, Any]:
    """The stage that uses most of its tolerance."""
    return max(result.values["stages"], key=lambda stage: stage["max_abs"] / stage["allowed_max_abs"])


def is_same(result: Result) -> bool:
    """Whether every stage is within its tolerance."""
    return all(
        max(stage["max_abs"], stage["row_max_abs"]) <= stage["allowed_max_abs"]
        and stage["min_cosine"] >= stage["allowed_cosine"]
        for stage in result.values["stages"]
    )


def same_network(result: Result) -> Said:
    """Whether the converted models are still the network of the checkpoint."""
    stages, worst = result.values["stages"], worst_parity(result)
    found = {"worst": worst["max_abs"], "allowed": worst["allowed_max_abs"]}
    where = {"stage": worst["stage"], "batch": worst["batch_size"]}
    sizes = joined(str(size) for size in sorted({stage["batch_size"] for stage in stages}))
    return Said(
        Sentence("same network", models=len(stages), sizes=sizes, **found)
        if is_same(result)
        else Sentence("another network", **where, **found),
        Sentence("furthest stage", row=max(stage["row_max_abs"] for stage in stages), **where),
    )


def how_good(result: Result) -> Said:
    """Rank-1 and mAP with their intervals, beside what was published for the network."""
    values, conditions = result.values, result.conditions
    facts = {
        "queries": values["num_valid"],
        "dataset": result.dataset.file,
        "metric": conditions["metric"],
    }
    found = intervals(values)
    if found:
        level = 100 * values["intervals"]["identities"]["level"]
        scores = Sentence("scores", **{name: _share(each) for name, each in found.items()}, level=level, **facts)
    else:
        scores = Sentence("scores alone", rank1=100 * values["rank"]["1"], mAP=100 * values["mAP"], **facts)
    return Said(scores, published_beside(result))


def intervals(values: Mapping[str, Any]) -> dict[str, Interval]:
    """Rank-1 and mAP of an accuracy result, with intervals over identities; empty where a result has none."""
    ends = values.get("intervals")
    if not ends:
        return {}
    found = {name: Interval(**ends["identities"][name]) for name in ("rank1", "mAP")}
    if found["rank1"].low == found["rank1"].high:  # resamples of none or all right have no width
        found["rank1"] = Interval(**ends["queries"]["rank1_exact"])
    return found


def _share(found: Interval) -> Sentence:
    return Sentence("share with interval", value=100 * found.value, low=100 * found.low, high=100 * found.high)


def published_beside(result: Result) -> Sentence:
    """What was published for the same network, and whether it may be compared."""
    network, metric = result.model.architecture, result.conditions["metric"]
    entry = next((entry for entry in published_accuracy(network) if entry.metric == metric), None)
    if entry is None:
        return Sentence("not published", network=network, metric=metric)
    name = "published beside" if result.conditions.get("is_market1501") else "published elsewhere"
    return Sentence(name, **_printed(entry), source=cited(entry.source))


def _printed(entry: PublishedAccuracy) -> dict[str, str]:
    return {
        "rank1": f"{100 * entry.rank1:.{min(entry.rank1_decimals, 2)}f}",
        "mAP": f"{100 * entry.mAP:.{min(entry.mAP_decimals, 2)}f}",
    }


def where_lost(result: Result) -> Said:
    """The first stage that breaks, or that none does and which changes the ranking most."""
    stages = [stage for stage in result.values["stages"] if stage["batch_size"] is not None]
    names = joined(dict.fromkeys(stage["name"] for stage in stages))
    queries = result.conditions["queries"]
    broken = [stage for stage in stages if stage["broken"]]  # in the order of the way
    most = min(stages, key=lambda stage: stage["kendall_tau"])
    change = most["paired"]
    return Said(
        _breaks(broken[0]) if broken else Sentence("no stage breaks", stages=names, queries=queries),
        None if result.conditions.get("whole_split", True) else Sentence("share of queries"),
        Sentence("stages break too", others=joined(map(_where, broken[1:]))) if broken[1:] else None,
        Sentence(
            "most changed",
            stage=_where(most),
            changed=most["top1_changed"],
            queries=most["queries"],
            lost=change["lost"],
            won=change["won"],
            mAP=_points(change["mAP"]),
        ),
    )


def _breaks(first: Mapping[str, Any]) -> Sentence:
    return Sentence(
        "stage breaks",
        stage=first["name"],
        batch=first["batch_size"],
        mAP=_points(first["paired"]["mAP"]),
        rank1=_points(first["paired"]["rank1"]),
        worst=first["max_abs"],
    )


def _where(stage: Mapping[str, Any]) -> Sentence:
    return Sentence("stage at batch", stage=stage["name"], batch=stage["batch_size"])


def _points(interval: Mapping[str, float]) -> Sentence:
    value, ends = Interval(**interval).points()
    return Sentence("points with interval", value=value, interval=ends)


def which_engine(result: Result) -> Said:
    """Which engine to take here, how fast it is, at which price, and on which images that was found."""
    return Said(recommendation_sentence(result), used_sentence(result))


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
