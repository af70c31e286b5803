"""What stands under the title of each chapter: two or three sentences from what its notebook has just computed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.disturbance import DISTURBED
from .result_tables import of_results
from .words import Said, Sentence

if TYPE_CHECKING:
    from ..ascend.aipp import AippError
    from ..ascend.atc import AtcCommand
    from ..comparison.assessment import Variant
    from ..conversion.onnx_file import OnnxFile
    from ..core.results import Result
    from ..features.store import Features
    from ..metrics import CameraPairs, Evaluation


def query_opening(name: str, score: Evaluation, row: int) -> Said:
    """What became of one query, and of all."""
    first = int(score.first_hit[row])  # from 0; -1 where nothing is found
    one = (
        Sentence("one query found", name=name, rank=first + 1, ap=100 * score.ap[row])
        if first >= 0
        else Sentence("one query lost", name=name)
    )
    overall = {"queries": score.num_valid, "rank1": 100 * score.rank(1), "mAP": 100 * score.mAP}
    return Said(one, Sentence("all queries", **overall))


def simplified_sentence(source: OnnxFile, models: Sequence[OnnxFile]) -> Sentence:
    """What simplifying removed, and why nothing where it removed nothing."""
    nodes = max(model.nodes for model in models)
    name = "simplified the same" if nodes == source.nodes else "simplified fewer"
    return Sentence(name, nodes=nodes, before=source.nodes)


def conversion_opening(
    commands: Sequence[AtcCommand], converted: Sequence[tuple[AtcCommand, Path]], error: AippError
) -> Said:
    """Whether OMs were made here, for which chip, and what normalising on the device would cost."""
    chip = commands[0].soc_version
    made = (
        Sentence("converted", models=len(converted), chip=chip)
        if converted
        else Sentence("no compiler", commands=len(commands), chip=chip)
    )
    return Said(made, Sentence("aipp", error=error.split_float16, naive=error.naive_float16))


def data_opening(name: str, splits: Iterable[Mapping[str, Any]]) -> Said:
    """How many images of how many people, and what of the gallery nobody looks for."""
    of = {split["split"]: split for split in splits}
    query, gallery = of["query"], of["gallery"]
    return Said(
        Sentence(
            "data",
            dataset=name,
            query=query["kept"],
            gallery=gallery["kept"],
            people=query["identities"],
            cameras=max(query["cameras"], gallery["cameras"]),
        ),
        Sentence("distractors", distractors=gallery["distractors"], junk=gallery["junk"]),
    )


def features_opening(query: Features, gallery: Features) -> Said:
    """What was computed by what, and how long it took."""
    images, session = len(query) + len(gallery), query.session
    facts = {"backend": session.backend, "precision": session.precision, "device": session.device}
    times = [time for split in (query, gallery) if (time := split.seconds) is not None]
    if len(times) < 2:
        took = Sentence("features untimed", reason=query.conditions.get("not_measured", "") or "—")
    else:
        took = Sentence("features took", seconds=sum(times), rate=images / sum(times))
    return Said(Sentence("features", images=images, width=query.features.shape[1], **facts), took)


def variants_sentence(variants: Sequence[Variant]) -> Sentence:
    """Which other use of the same features gains most, of those that are shown to be better."""
    better = [variant for variant in variants if variant.test and variant.test.outcome == "better"]
    if not better:
        return Sentence("no variant")
    best = max(better, key=lambda variant: variant.test.mAP.value if variant.test else 0.0)
    assert best.test is not None
    return Sentence("best variant", variant=best.name, points=100 * best.test.mAP.value)


def ranking_opening(score: Evaluation, pairs: CameraPairs) -> Said:
    """How many queries find a right image first, and which change of view costs most."""
    first = Sentence(
        "first right",
        right=score.hits(1),
        queries=score.num_valid,
        median=100 * float(np.median(score.ap[score.valid])),
    )
    worst, best = (np.unravel_index(find(pairs.rank1), pairs.rank1.shape) for find in (np.nanargmin, np.nanargmax))
    return Said(
        first,
        Sentence(
            "worst view",
            worst_from=pairs.query_cameras[worst[0]],
            worst_to=pairs.gallery_cameras[worst[1]],
            worst=100 * pairs.rank1[worst],
            worst_queries=pairs.queries[worst],
            best_from=pairs.query_cameras[best[0]],
            best_to=pairs.gallery_cameras[best[1]],
            best=100 * pairs.rank1[best],
        ),
    )


@of_results
def scoring_opening(results: Sequence[Result]) -> Said:
    """How fast the evaluation is beside plain programs, and with a large gallery."""
    by_kind = {result.conditions["benchmark"]: result for result in results}
    sentences: list[Sentence] = []
    if metrics := by_kind.get("metrics"):
        times, sizes = metrics.values["seconds"], metrics.conditions
        seconds = times["evaluate"]["median"]
        ratio = times["argsort loop"]["median"] / seconds
        size = {"queries": sizes["queries"], "gallery": sizes["gallery"]}
        sentences.append(Sentence("scoring", seconds=seconds, ratio=ratio, **size))
    if reranking := by_kind.get("reranking"):
        times = reranking.values["seconds"]
        sentences.append(Sentence("reranking", ratio=times["dense"]["median"] / times["rerank"]["median"]))
    if distractors := by_kind.get("distractors"):
        most = distractors.values["sizes"][-1]
        sentences.append(
            Sentence(
                "gallery grows",
                distractors=most["distractors"],
                seconds=most["seconds"]["median"],
                gigabytes=most["peak_rss_bytes"] / 1e9,
            )
        )
    disturbed = any(result.values.get("verdict") == DISTURBED for result in results)
    return Said(*sentences, Sentence("scoring disturbed") if disturbed else None)
