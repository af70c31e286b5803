"""Scores of the study on a workspace, each with its uncertainty, and what is wrong with the features where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..comparison.assessment import Assessment, Variant
from ..core.results import Result, read_results, result_name, write_result
from ..datasets.ground_truth import GroundTruth, read_ground_truth
from ..datasets.market1501 import Market1501
from ..diagnosis.findings import Finding, check_features, check_weights, in_order
from ..diagnosis.recompute import diagnose
from ..errors import FeatureError
from ..features.store import Features, average_mirrored
from ..inference.session import open_session
from ..metrics import (
    METRICS,
    Evaluation,
    Verification,
    bootstrap,
    evaluate,
    evaluate_distances,
    evaluate_lists,
    expand_queries,
    paired_test,
    pool_queries,
    rerank,
    verify,
)
from ..network.checkpoint import Checkpoint
from .features import measure_features, split_features
from .models import model_label, runnable_model, simplify_model
from .workspace import Workspace


def diagnose_features(
    workspace: Workspace,
    dataset: Market1501,
    query: Features,
    gallery: Features,
    checkpoint: Checkpoint,
    metric: str = "euclidean",
    batch_size: int = 16,
    backend: str = "auto",
    device: int = 0,
) -> list[Finding]:
    """What is wrong with weights or features, and that nothing is, each with its evidence; what is wrong first."""
    findings = check_weights(checkpoint)
    session = open_session(runnable_model(workspace, checkpoint, batch_size, backend), backend, device)
    if session.input_dtype == np.uint8:  # it normalises on the device, so that no wrong normalisation could be tried
        session.close()
        session = open_session(simplify_model(workspace, checkpoint, batch_size).path, "onnxruntime")
    with session:
        for split, features in (("query", query), ("gallery", gallery)):
            findings += [
                replace(finding, name=f"{split}: {finding.name}")
                for finding in diagnose(features, dataset, session, progress=False)
            ]
    if not any(finding.severity == "wrong" for finding in findings):  # else the score says no more
        findings += check_features(query, gallery, metric, rows=False)
    return in_order(findings)


def measure_accuracy(
    workspace: Workspace,
    query: Features,
    gallery: Features,
    checkpoint: Checkpoint,
    is_market1501: bool = False,
    truth: GroundTruth | None = None,
) -> dict[str, Assessment]:
    """Score features by the Market-1501 protocol, with every distance, and write one result each.

    Parameters
    ----------
    truth : GroundTruth, optional
        The data set's own lists of good and junk images (`read_ground_truth`), by which features are scored as well.

    Returns
    -------
    dict of str to Assessment
        By distance, ``"euclidean"`` and ``"cosine"``.
    """
    _check_conditions(query)
    assessments = {}
    lists = truth.indices(query.names, gallery.names) if truth else None
    for metric in METRICS:
        by_lists = None
        if lists:
            good, junk = lists
            by_lists = evaluate_lists(query.features, gallery.features, good=good, junk=junk, metric=metric)
        evaluation = evaluate(*query.labelled, *gallery.labelled, metric=metric)
        assessments[metric] = Assessment(
            evaluation,
            bootstrap(evaluation),
            bootstrap(evaluation, query.pids),
            verify(*query.labelled, *gallery.labelled, metric=metric),
            by_lists,
        )
        _write(workspace, "accuracy", query, checkpoint, metric, is_market1501, assessments[metric].as_dict())
    return assessments


def _check_conditions(features: Features) -> None:
    """Refuse features of which a result could not say what they were made from."""
    parts = [features.conditions.get(part) for part in ("dataset", "session")]
    if not all(isinstance(part, dict) for part in parts) or "batch_size" not in features.conditions:
        raise FeatureError(
            "features that do not say what they were made from",
            where="accuracy",
            cure="Extract them with osnet extract; osnet compare scores features made elsewhere.",
        )


def _write(
    workspace: Workspace,
    kind: str,
    query: Features,
    checkpoint: Checkpoint,
    metric: str,
    is_market1501: bool,
    values: dict,
) -> None:
    facts = query.conditions
    name = result_name(
        Path(facts["dataset"]["file"]).stem,
        model_label(checkpoint),
        facts["session"]["backend"],
        f"bs{facts['batch_size']}",
        metric,
    )
    conditions = {"model": checkpoint.describe(), "is_market1501": is_market1501, "metric": metric, **facts}
    write_result(workspace.results, Result(kind, name, conditions, values))


def accuracy_results(workspace: Workspace, checkpoint: Checkpoint) -> list[Result]:
    """Accuracy results of these very weights, on whatever data set and backend."""
    return [
        r for r in read_results(workspace.results, "accuracy") if r.conditions["model"]["sha256"] == checkpoint.sha256
    ]


def measure_variants(
    workspace: Workspace,
    dataset: Market1501,
    query: Features,
    gallery: Features,
    checkpoint: Checkpoint,
    metric: str = "euclidean",
    batch_size: int = 16,
    backend: str = "auto",
    device: int = 0,
    progress: bool = True,
) -> list[Variant]:
    """The features as they are, then what is usually done to them, each tested against that; write one result.

    These are: unit length; flip test; multi-query, with the images of ``gt_bbox`` or, where they are absent, those of
    the gallery that the protocol drops; average query expansion; k-reciprocal re-ranking; and where the data set has
    ``gt_query``, its own lists of good and junk images.
    """
    _check_conditions(query)
    options = batch_size, backend, device, progress
    plain = evaluate(*query.labelled, *gallery.labelled, metric=metric)
    variants: list[Variant] = []

    def add(name: str, evaluation: Evaluation, scored: Verification | None = None) -> None:
        test = paired_test(plain, evaluation, query.pids) if variants else None
        variants.append(Variant(name, evaluation, test, scored))

    def add_features(name: str, query_features, gallery_features, normalize: bool = False) -> None:
        pairs = (query_features, query.pids, query.camids, gallery_features, gallery.pids, gallery.camids)
        add(
            name,
            evaluate(*pairs, metric=metric, normalize=normalize),
            verify(*pairs, metric=metric, normalize=normalize),
        )

    add_features("as extracted", query.features, gallery.features)
    add_features("unit length", query.features, gallery.features, normalize=True)
    mirrored = measure_features(workspace, dataset, checkpoint, *options, flip=True)
    one, other = (average_mirrored(straight, flipped) for straight, flipped in zip((query, gallery), mirrored))
    add_features("flip test", one.features, other.features)
    extras, source = gallery, "the gallery's own"
    if dataset.multi_query:
        extras, source = split_features(workspace, dataset, checkpoint, "multi_query", *options), "gt_bbox"
    add_features(f"multi-query, mean ({source})", pool_queries(*query.labelled, *extras.labelled), gallery.features)
    k, images = min(5, len(gallery)), len(query) + len(gallery)
    k1, k2 = min(20, images - 1), min(6, images)  # the usual numbers, except where there are fewer images
    add_features(
        "query expansion" + f" (k {k})" * (k < 5),
        expand_queries(query.features, gallery.features, k),
        gallery.features,
        normalize=True,
    )
    labels = query.pids, query.camids, gallery.pids, gallery.camids
    distances = rerank(query.features, gallery.features, k1, k2, metric=metric, progress=progress)
    add(
        "re-ranking" + f" (k1 {k1}, k2 {k2})" * (k1 < 20),
        evaluate_distances(distances, *labels, metric=f"re-ranked {metric}"),
    )
    truth = read_ground_truth(dataset)
    if truth:
        lists = truth.indices(query.names, gallery.names)
        add("gt_query's own lists", evaluate_lists(query.features, gallery.features, *lists, metric=metric))
    _write(
        workspace,
        "variants",
        query,
        checkpoint,
        metric,
        dataset.is_market1501,
        {"variants": [variant.as_dict() for variant in variants]},
    )
    return variants
