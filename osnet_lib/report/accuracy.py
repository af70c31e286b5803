"""Tables and texts of the chapter on accuracy: scores with their uncertainty, beside what was published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..comparison.acceptance import accept
from ..comparison.score import measured_score, published_score
from ..core.conditions import short
from ..core.table import Table
from ..errors import ResultError
from ..metrics.resampling import Interval
from ..published.quoted import PublishedAccuracy, cited, published_accuracy
from .result_tables import by_distance, of_result, of_results
from .words import Said, Sentence

if TYPE_CHECKING:
    from ..comparison.assessment import Assessment, Variant
    from ..core.results import Result
    from ..metrics import Evaluation

RANKS = (5, 10, 20)


@of_result
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


def score_table(assessments: Mapping[str, Assessment]) -> Table:
    """Every score of a set of features, one column a distance; intervals hold for the line above them."""
    return Table.from_records(
        [
            {"": name, **{metric: cells[name] for metric, cells in columns.items()}}
            for columns in [{metric: _scores(a) for metric, a in assessments.items()}]
            for name in dict.fromkeys(name for cells in columns.values() for name in cells)
        ]
    )


def _scores(assessment: Assessment) -> dict[str, str]:
    """The figures of one distance, by name."""
    e, query, identity = assessment.evaluation, assessment.by_query, assessment.by_identity
    level = f"{100 * query.level:g} % interval"

    def intervals(score: str) -> dict[str, str]:
        ends = {
            what: getattr(found, score.replace("Rank-1", "rank1"))
            for what, found in (("queries", query), ("identities", identity))
        }
        if score == "Rank-1":  # resamples of none or all right have no width
            ends = {what: found if found.low < found.high else query.rank1_exact for what, found in ends.items()}
        return {
            f"{score}, {level} over {what}": f"{100 * found.low:.2f} to {100 * found.high:.2f} %"
            for what, found in ends.items()
        }

    found, lists = assessment.verification, assessment.by_lists
    own = {"mAP, Market-1501's own (gt_query, trapezoid)": f"{100 * lists.mAP_trapezoid:.2f} %"} if lists else {}
    return {
        "Rank-1": _hits(e, 1),
        **intervals("Rank-1"),
        **{f"Rank-{k}": _hits(e, k) for k in RANKS},
        "mAP": f"{100 * e.mAP:.2f} %",
        **intervals("mAP"),
        **own,
        "mINP": f"{100 * e.mINP:.2f} %",
        **{f"TPR at FPR {fpr:g}": f"{100 * tpr:.2f} %" for fpr, tpr in zip(found.fprs, found.tprs)},
        "queries, with a match": f"{e.num_queries:,}, {e.num_valid:,}",
        "gallery images": f"{e.num_gallery:,}",
        "pairs of one identity, of two": f"{found.num_positive:,}, {found.num_negative:,}",
    }


def _hits(evaluation: Evaluation, k: int) -> str:
    return f"{evaluation.hits(k)}/{evaluation.num_valid} = {100 * evaluation.rank(k):.2f} %"


def variants_table(variants: Sequence[Variant]) -> Table:
    """What is gained and lost by using the same features otherwise, each tested against the features as they are."""
    records, first = [], variants[0].verification if variants else None
    for variant in variants:
        e, test, found = variant.evaluation, variant.test, variant.verification
        records.append(
            {
                "features": variant.name,
                "Rank-1": 100 * e.rank(1),
                "mAP": 100 * e.mAP,
                "mINP": 100 * e.mINP,
                **{
                    f"TPR at {fpr:g}": found and 100 * found.tprs[i]
                    for i, fpr in enumerate(first.fprs if first else ())
                },
                "mAP, points": test and 100 * test.mAP.value,
                "interval": test and "{} to {}".format(*(f"{100 * end:+.2f}" for end in (test.mAP.low, test.mAP.high))),
                "queries lost": test and test.lost,
                "won": test and test.won,
                "McNemar p": test and test.p,
                "verdict": test and test.outcome,
            }
        )
    shares = [name for name in records[0] if name.startswith(("Rank", "mAP", "mINP", "TPR"))]
    formats = dict.fromkeys(shares, "{:.2f} %") | {"mAP, points": "+.2f", "McNemar p": ".2g"}
    return Table.from_records(records, formats=formats)


@of_results
def accuracy_table(results: list[Result], network: str | None = None) -> Table:
    """Measured scores with their intervals first, then the published ones of the same network, with their conditions.

    The default distance comes before others.
    """
    records = []
    for result in sorted(results, key=by_distance):
        values, model, session = result.values, result.model, result.session
        ends = intervals(values)
        if network in (None, model.architecture):
            records.append(
                {
                    "": "measured here",
                    "network": model.architecture,
                    "data set": result.dataset.file,
                    "distance": result.conditions["metric"],
                    "computed by": f"{session.backend}, {session.precision}, {session.device}",
                    "Rank-1": ends["rank1"].text() if ends else f"{100 * values['rank']['1']:.2f} %",
                    "mAP": ends["mAP"].text() if ends else f"{100 * values['mAP']:.2f} %",
                    "queries": values["num_valid"],
                    "source": f"weights {short(model.sha256)}",
                }
            )
    for entry in published_accuracy(network):
        records.append(
            {
                "": "published",
                "network": entry.network,
                "data set": entry.dataset,
                "distance": entry.metric,
                "computed by": entry.marked("precision", "device"),
                "Rank-1": f"{100 * entry.rank1:.{min(entry.rank1_decimals, 2)}f} %",
                "mAP": f"{100 * entry.mAP:.{min(entry.mAP_decimals, 2)}f} %",
                "queries": entry.queries,
                "source": entry.source,
            }
        )
    caption = "In brackets 95 % intervals over identities; a published score has none"
    return Table.from_records(records, caption=caption)


def compare_published(assessment: Assessment, network: str, is_market1501: bool) -> Said:
    """The guide's gate against every published score of a network, in Markdown; where there is none, why."""
    if not is_market1501:
        return Said(Sentence("not Market-1501"))
    metric = assessment.evaluation.metric
    entries = [entry for entry in published_accuracy(network) if entry.metric == metric]
    if not entries:
        return Said(Sentence("no published figure", metric=metric, network=network))
    return Said(*(_gate(assessment, entry) for entry in entries), between="between lines")


def _gate(assessment: Assessment, entry: PublishedAccuracy) -> Sentence:
    measured = measured_score("measured here", assessment.evaluation, assessment.by_identity, is_market1501=True)
    try:
        decision = accept(published_score(entry), measured).text().replace("\n", " ")
    except ResultError as error:  # of a part of Market-1501, for example
        decision = str(error)
    return Sentence("gate", source=entry.source, device=entry.marked("device"), decision=decision)
