"""What is wrong with features or weights, and how one knows: the part that needs no image and no network."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..conversion.interface import FEATURE_SHAPE
from ..core.line import one_line
from ..errors import MetricError
from ..features.store import Features
from ..metrics import evaluate
from ..metrics.chance import chance_map
from ..metrics.distance import check_metric

if TYPE_CHECKING:  # torch takes a second to import
    from ..network.checkpoint import Checkpoint

COLLAPSED = 1e-5  # of 1 for unit features in all directions; OSNet has 0.6, with random weights 0.03
CHANCE = 0.05  # of the way from guessing to perfect; ImageNet weights give an mAP of 0.5 to 3.9 %
SEVERITIES = ("wrong", "harmless", "right")


@dataclass(frozen=True)
class Finding:
    """One observation.

    Attributes
    ----------
    name : str
        Short and fixed, such as ``"BGR"``.
    severity : {"wrong", "harmless", "right"}
    what, evidence : str
        What is the case and how one knows; sentences without full stop.
    cure : str
        What to do about it, whole sentences; empty where there is nothing to do.
    """

    name: str
    severity: str
    what: str
    evidence: str
    cure: str = ""

    def __repr__(self) -> str:
        return one_line(f"{self.severity}, {self.name}: {self.evidence}")

    def text(self) -> str:
        """One paragraph."""
        return f"{self.what}: {self.evidence}.{f' {self.cure}' if self.cure else ''}"


def in_order(findings: Sequence[Finding]) -> list[Finding]:
    """What is wrong first."""
    return sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity))


def check_weights(checkpoint: Checkpoint) -> list[Finding]:
    """Weights that were never trained for re-identification; empty where nothing speaks against them.

    A width of the classifier of 1000 is that of ImageNet, and batch norms that still hold the statistics they are
    made with have seen no image. Weights without classifier tell nothing of the data they were trained on.
    """
    if checkpoint.untrained:
        return [
            Finding(
                "untrained weights",
                "wrong",
                "These weights were never trained",
                checkpoint.untrained,
                "Load the trained checkpoint, then extract again.",
            )
        ]
    if checkpoint.imagenet:
        return [
            Finding(
                "ImageNet weights",
                "wrong",
                "These weights were trained on ImageNet only, not for re-identification",
                "the classifier in the file has 1000 rows, ImageNet's classes",
                "Take weights trained for person re-identification; users who evaluated ImageNet weights saw "
                "an mAP of 0.5 to 3.9 % on Market-1501.",
            )
        ]
    return []


def check_rows(features: Features, same_picture: Callable[[int, int], bool] | None = None) -> list[Finding]:
    """Rows that no working network gives for different images.

    Finds other widths, values that are not finite, features that are all equal or nearly so, rows of zeros, rows equal
    to that of another image (unless `same_picture` says of the two rows that they should be), and values that are zero
    everywhere.
    """
    matrix, names = features.features, features.names
    if matrix.ndim != 2 or matrix.shape[1:] != FEATURE_SHAPE or not len(matrix):
        classes = "; 751 or 1000 would be the classes of a classifier" if matrix.shape[1:] in ((751,), (1000,)) else ""
        return [
            Finding(
                "width",
                "wrong",
                "These are no OSNet features",
                f"the array is {list(matrix.shape)} instead of [N, {FEATURE_SHAPE[0]}]{classes}",
                "Take the model's output in eval mode, without classifier.",
            )
        ]
    broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(broken):
        return [
            Finding(
                "not finite",
                "wrong",
                "Features are not finite",
                f"{_of(broken, matrix)} hold NaN or infinity, the first is of {names[broken[0]]}",
                "Look for an overflow in half precision "
                "(65504 is its largest number), for damaged weights, and for input that was not normalised.",
            )
        ]
    spread = spread_of(directions(matrix))
    if spread < COLLAPSED:
        return (
            [
                Finding(
                    "all equal",
                    "wrong",
                    "The features are all equal, or nearly so",
                    f"their spread over {len(matrix)} images is {spread:.1e} of 1, where OSNet has about 0.6",
                    "The network does not see the images: check that the input is not constant, that weights were "
                    "loaded, and that the output is read for every image.",
                )
            ]
            if len(matrix) > 1
            else []
        )
    found = []
    zero = np.flatnonzero(~matrix.any(axis=1))
    if len(zero):
        found.append(
            Finding(
                "rows of zeros",
                "wrong",
                "Images without a feature",
                f"{_of(zero, matrix)} are all zero, the first is of {names[zero[0]]}",
                "Their output is missing: run the inference of these images again.",
            )
        )
    copies = [pair for pair in repeated_rows(matrix) if not (same_picture and same_picture(*pair))]
    if copies:
        first, second = copies[0]
        found.append(
            Finding(
                "repeated rows",
                "wrong",
                "Different images have the same feature",
                f"{_of(copies, matrix)} repeat another one bit by bit, the first is {names[second]} like "
                f"{names[first]}",
                "Look for an output buffer that was read twice, padding that was kept, "
                "or the same picture under two names.",
            )
        )
    dead = int((~matrix.any(axis=0)).sum())
    if 2 * dead > matrix.shape[1]:
        found.append(
            Finding(
                "dead values",
                "harmless",
                "Most values say nothing",
                f"{dead} of {matrix.shape[1]} are zero for all {len(matrix)} images",
                "A trained OSNet has hardly any over many images; "
                "so many speak for weights that were never trained, or for an output cut short.",
            )
        )
    return found


def check_features(query: Features, gallery: Features, metric: str = "euclidean", rows: bool = True) -> list[Finding]:
    """Features of query and gallery as far as they speak for themselves, without images or network.

    Parameters
    ----------
    metric : {"euclidean", "cosine"}
        Of the score.
    rows : bool
        Look at the rows of each; False where `recompute.diagnose`, which knows the pictures, found nothing
        wrong with them.

    Returns
    -------
    list of Finding
        `check_rows` of both; the same images in both; a single camera, or no match at all; a score as by chance.
        What is right comes last, with the score.

    Raises
    ------
    MetricError
        An unknown metric.
    """
    check_metric(metric)
    found = [
        Finding(f"{split}: {f.name}", f.severity, f.what, f"in {split}, {f.evidence}", f.cure)
        for split, features in (("query", query), ("gallery", gallery))
        if rows
        for f in check_rows(features)
    ]
    shared = np.intersect1d(query.names, gallery.names)
    if len(shared):
        found.append(
            Finding(
                "shared images",
                "wrong",
                "Query and gallery hold the same images",
                f"{len(shared)} of {len(query)} queries are in the gallery, the first is {shared[0]}",
                "Give query.npz and gallery.npz of one extraction; an image cannot look for itself.",
            )
        )
    if any(finding.severity == "wrong" for finding in found):
        return in_order(found)  # a score of such features says nothing
    try:
        score = evaluate(query, gallery, metric=metric)
    except MetricError as error:
        cameras = np.union1d(query.camids, gallery.camids)
        if len(cameras) == 1:
            found.append(
                Finding(
                    "single camera",
                    "wrong",
                    "All images come from a single camera, and a match in the query's own camera does not count",
                    f"the camid of all {len(query)} queries and {len(gallery)} gallery images is {cameras[0]}",
                    f"{error.cure}.",
                )
            )
        else:
            found.append(Finding("no score", "wrong", "There is nothing to score", error.what, f"{error.cure}."))
        return in_order(found)
    chance = chance_map(query, gallery)
    evidence = (
        f"Rank-1 {score.rank(1):.3f} and mAP {score.mAP:.3f} ({metric}), where guessing gives an mAP of {chance:.3f}"
    )
    if score.mAP < chance + CHANCE * (1 - chance):
        found.append(
            Finding(
                "chance",
                "wrong",
                "The features hardly tell people apart",
                evidence,
                "Check what the weights were trained on, and let osnet diagnose recompute some features: "
                "it finds wrong names, other models and wrong preprocessing.",
            )
        )
    else:
        found.append(Finding("score", "right", "The features tell people apart", evidence))
    return in_order(found)


def directions(matrix: np.ndarray) -> np.ndarray:
    """Rows of length 1, float64; rows of zeros stay."""
    matrix = np.asarray(matrix, np.float64)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.divide(matrix, lengths, out=np.zeros_like(matrix), where=lengths > 0)


def spread_of(rows: np.ndarray) -> float:
    """Mean squared distance of unit rows from their mean: 0 where all are equal."""
    return float(np.square(rows - rows.mean(axis=0)).sum(axis=1).mean())


def repeated_rows(matrix: np.ndarray) -> np.ndarray:
    """Pairs (first, later) of indices of equal rows that are not zero, int64 ``[n, 2]``."""
    _, first, inverse = np.unique(matrix, axis=0, return_index=True, return_inverse=True)
    original = first[inverse.reshape(-1)]
    later = np.flatnonzero((original != np.arange(len(matrix))) & matrix.any(axis=1))
    return np.stack([original[later], later], axis=1)


def _of(rows: Sized, matrix: np.ndarray) -> str:
    return f"{len(rows):,} of {len(matrix):,} rows"
