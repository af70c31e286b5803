"""Scores of the study on a workspace, each with its uncertainty, and what is wrong with the features where they are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ..comparison.assessment import Assessment, Variant
from ..core.results import Result, read_results, result_name, write_result
from ..datasets.ground_truth import GroundTruth, read_ground_truth
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
from .dataset import images_of
from .features import measure_features, split_features
from .models import checkpoint_of, model_label, simplify_model
from .runnable import open_runnable
from .study import Study


def diagnose_features(study: Study, query: Features, gallery: Features, metric: str = "euclidean") -> list[Finding]:
    """What is wrong with weights or features, and that nothing is, each with its evidence; what is wrong first."""
    findings = check_weights(checkpoint_of(study))
    session = open_runnable(study)
    if session.input_dtype == np.uint8:  # it normalises on the device, so that no wrong normalisation could be tried
        session.close()
        session = open_session(simplify_model(study).path, "onnxruntime")
    with session, images_of(study) as dataset:
        for split, features in (("query", query), ("gallery", gallery)):
            findings += [
                replace(finding, name=f"{split}: {finding.name}")
                for finding in diagnose(features, dataset, session, progress=False)
            ]
    if not any(finding.severity == "wrong" for finding in findings):  # else the score says no more
        findings += check_features(query, gallery, metric, rows=False)
    return in_order(findings)


def measure_accuracy(study: Study, query: Features, gallery: Features) -> dict[str, Assessment]:
    """Score features by the Market-1501 protocol, with every distance, and write one result each.

    Where the data set has its own lists of good and junk images (``gt_query``), features are scored by these as well.

    Returns
    -------
    dict of str to Assessment
        By distance, ``"euclidean"`` and ``"cosine"``.
    """
    _check_conditions(query)
    assessments = {}
    with images_of(study) as dataset:
        is_market1501, truth = dataset.is_market1501, read_ground_truth(dataset)
    for metric in METRICS:
        evaluation = evaluate(query, gallery, metric=metric)
        assessments[metric] = Assessment(
            evaluation,
            bootstrap(evaluation),
            bootstrap(evaluation, clusters=query.pids),
            verify(query, gallery, metric=metric),
            _by_lists(truth, query, gallery, metric),
        )
        _write(study, "accuracy", query, metric, is_market1501, assessments[metric].as_dict())
    return assessments


def _by_lists(truth: GroundTruth, query: Features, gallery: Features, metric: str) -> Evaluation | None:
    if not truth:
        return None
    good, junk = truth.indices(query.names, gallery.names)
    return evaluate_lists(query, gallery, good=good, junk=junk, metric=metric)


def _check_conditions(features: Features) -> None:
    """Refuse features of which a result could not say what they were made from."""
    if None in (features.dataset.file, features.session.backend, features.conditions.get("batch_size")):
        raise FeatureError(
            "features that do not say what they were made from",
            where="accuracy",
            cure="Extract them with osnet extract; osnet compare scores features made elsewhere.",
        )


def _write(study: Study, kind: str, query: Features, metric: str, is_market1501: bool, values: dict) -> None:
    facts, checkpoint = query.conditions, checkpoint_of(study)
    name = result_name(
        Path(query.dataset.file or "").stem,
        model_label(checkpoint),
        query.session.backend,
        f"bs{facts['batch_size']}",
        metric,
    )
    conditions = {"model": checkpoint.describe(), "is_market1501": is_market1501, "metric": metric, **facts}
    write_result(study.place.results, Result(kind, name, conditions, values))


def accuracy_results(study: Study) -> list[Result]:
    """Accuracy results of these very weights, on whatever data set and backend."""
    sha256 = checkpoint_of(study).sha256
    return [r for r in read_results(study.place.results, "accuracy") if r.model.sha256 == sha256]


def measure_variants(study: Study, query: Features, gallery: Features, metric: str = "euclidean") -> list[Variant]:
    """The features as they are, then what is usually done to them, each tested against that; write one result.

    These are: unit length; flip test; multi-query, with the images of ``gt_bbox`` or, where they are absent, those of
    the gallery that the protocol drops; average query expansion; k-reciprocal re-ranking; and where the data set has
    ``gt_query``, its own lists of good and junk images.
    """
    _check_conditions(query)
    plain = evaluate(query, gallery, metric=metric)
    variants: list[Variant] = []

    def add(name: str, evaluation: Evaluation, scored: Verification | None = None) -> None:
        test = paired_test(plain, evaluation, clusters=query.pids) if variants else None
        variants.append(Variant(name, evaluation, test, scored))

    def add_features(name: str, query_features, gallery_features, normalize: bool = False) -> None:
        sides = (query_features, query.pids, query.camids), (gallery_features, gallery.pids, gallery.camids)
        add(
            name,
            evaluate(*sides, metric=metric, normalize=normalize),
            verify(*sides, metric=metric, normalize=normalize),
        )

    add_features("as extracted", query.features, gallery.features)
    add_features("unit length", query.features, gallery.features, normalize=True)
    mirrored = measure_features(study, flip=True)
    one, other = (average_mirrored(straight, flipped) for straight, flipped in zip((query, gallery), mirrored))
    add_features("flip test", one.features, other.features)
    extras, source = gallery, "the gallery's own"
    with images_of(study) as dataset:
        truth, is_market1501 = read_ground_truth(dataset), dataset.is_market1501
        drawn = bool(dataset.multi_query)
    if drawn:
        extras, source = split_features(study, "multi_query"), "gt_bbox"
    add_features(f"multi-query, mean ({source})", pool_queries(query, extras), gallery.features)
    k, images = min(5, len(gallery)), len(query) + len(gallery)
    k1, k2 = min(20, images - 1), min(6, images)  # the usual numbers, except where there are fewer images
    add_features(
        "query expansion" + f" (k {k})" * (k < 5),
        expand_queries(query, gallery, k=k),
        gallery.features,
        normalize=True,
    )
    distances = rerank(query, gallery, k1=k1, k2=k2, metric=metric, progress=study.progress)
    add(
        "re-ranking" + f" (k1 {k1}, k2 {k2})" * (k1 < 20),
        evaluate_distances(query, gallery, distances=distances, metric=f"re-ranked {metric}"),
    )
    if lists := _by_lists(truth, query, gallery, metric):
        add("gt_query's own lists", lists)
    found = {"variants": [variant.as_dict() for variant in variants]}
    _write(study, "variants", query, metric, is_market1501, found)
    return variants
