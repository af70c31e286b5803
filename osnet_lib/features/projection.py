"""A map of features: some identities, and the plane in which their features differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..checks import whole_number
from ..errors import MetricError
from ..metrics.distance import check_metric, prepare
from ..metrics.evaluation import Evaluation
from .store import Features

ORDERS = ("images", "worst", "best")


@dataclass(frozen=True, eq=False)
class Projection:
    """Features seen on the plane of their two principal components.

    Attributes
    ----------
    points : float64 array (N, 2)
        In the order of the features, centred on their mean.
    explained : float64 array (2,)
        Share of the features' variance along each axis, the first never below the second.
    """

    points: np.ndarray
    explained: np.ndarray

    def __repr__(self) -> str:
        first, second = (f"{100 * share:.1f} %" for share in self.explained)
        return f"{len(self.points)} features on a plane, with {first} and {second} of their variance"


@dataclass(frozen=True, eq=False)
class IdentityMap:
    """A projection with what each point is; queries first, then the gallery.

    Attributes
    ----------
    projection : Projection
    pids, camids : int64 array (N,)
    is_query : bool array (N,)
    metric : str
        The distance whose features were projected.
    """

    projection: Projection
    pids: np.ndarray
    camids: np.ndarray
    is_query: np.ndarray
    metric: str

    def __repr__(self) -> str:
        people = len(np.unique(self.pids))
        return f"{int(self.is_query.sum())} queries, {people} identities ({self.metric}): {self.projection!r}"


def project(features: ArrayLike, metric: str = "euclidean") -> Projection:
    """Principal component analysis onto two axes, by singular value decomposition.

    The axes are those of largest variance (Pearson, 1901; Jolliffe, "Principal Component Analysis", 2002, chapter 3).
    The direction of an axis is free; here its largest coefficient is positive (of several, the first). The order of
    the features changes nothing but roundings in float64.

    Parameters
    ----------
    features : array (N, width)
        Any real numbers; two rows at least.
    metric : {"euclidean", "cosine"}
        Under cosine the rows are first brought to unit length, since only their direction counts.

    Raises
    ------
    MetricError
        Unknown metric; what `osnet_lib.metrics.normalize` refuses (under euclidean rows of zeros are taken); fewer
        than two rows; features that are all equal.
    """
    check_metric(metric)
    rows = prepare(features, "", unit=metric == "cosine")[0].astype(np.float64)
    if len(rows) < 2:
        raise MetricError("one image makes no map", where="features", cure="Give at least two")
    if np.ptp(rows, axis=0).max() <= 1e-6 * np.abs(rows).max():  # float32 roundings of one row
        raise MetricError(
            "all features are equal, so there is nothing to map",
            where="features",
            cure="Check the model's weights and its input",
        )
    centred = rows - rows.mean(axis=0)
    _, strength, axes = np.linalg.svd(centred, full_matrices=False)
    axes, power = axes[:2], (strength / strength[0]) ** 2
    axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]
    points, explained = np.zeros((len(rows), 2)), np.zeros(2)  # features of a single value have one axis
    points[:, : len(axes)] = centred @ axes.T
    explained[: len(axes)] = power[:2] / power.sum()
    for array in (points, explained):
        array.flags.writeable = False
    return Projection(points, explained)


def map_identities(
    query: Features, gallery: Features, count: int = 8, order: str = "images", evaluation: Evaluation | None = None
) -> np.ndarray:
    """Identities worth a map: of those in both query and gallery, the first `count` in an order.

    Parameters
    ----------
    order : {"images", "worst", "best"}
        By number of images, most first; or by the mean average precision of their queries.
    evaluation : Evaluation, optional
        Of these queries; needed for "worst" and "best".

    Returns
    -------
    int64 array
        The pids; equal ones by number.

    Raises
    ------
    MetricError
        A count below 1; an unknown order; no evaluation, or one of other queries; no identity in both.
    """
    whole_number(count, "count", error=MetricError, where="identities")
    if order not in ORDERS:
        raise MetricError(f"there is no order {order!r}", where="identities", cure=f"Give one of {', '.join(ORDERS)}")
    pids = np.intersect1d(query.pids, gallery.pids)
    pids = pids[pids > 0]
    if order == "images":
        images = np.concatenate([query.pids, gallery.pids])
        keys: np.ndarray = np.array([-np.count_nonzero(images == pid) for pid in pids])
    else:
        if evaluation is None or len(evaluation.ap) != len(query):
            raise MetricError(
                f"no evaluation of these {len(query)} queries",
                where="identities",
                cure="Give the evaluation of the same query features",
            )
        scored = evaluation.valid
        pids = pids[np.isin(pids, query.pids[scored])]
        keys = np.array([evaluation.ap[scored & (query.pids == pid)].mean() for pid in pids])
        keys = np.negative(keys) if order == "best" else keys
    if not len(pids):
        raise MetricError(
            "no identity has images in both",
            where="query and gallery",
            cure="Give the features of a query set and of its gallery",
        )
    return pids[np.lexsort((pids, keys))][:count].astype(np.int64)


def project_identities(query: Features, gallery: Features, pids: ArrayLike, metric: str = "euclidean") -> IdentityMap:
    """Project all images of some identities; the axes are those of these images alone.

    Parameters
    ----------
    pids : integer array
        Such as `map_identities` chooses.

    Raises
    ------
    MetricError
        As `project`; an identity without an image.
    """
    pids = np.asarray(pids)
    for pid in pids:
        if pid not in query.pids and pid not in gallery.pids:
            raise MetricError(f"no image of identity {pid}", where="identities", cure="Choose with map_identities")
    here, there = np.isin(query.pids, pids), np.isin(gallery.pids, pids)
    projection = project(np.concatenate([query.features[here], gallery.features[there]]), metric)
    labels = np.concatenate([query.pids[here], gallery.pids[there]])
    cameras = np.concatenate([query.camids[here], gallery.camids[there]])
    return IdentityMap(projection, labels, cameras, np.arange(len(labels)) < np.count_nonzero(here), metric)
