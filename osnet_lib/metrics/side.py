"""A side of a scoring, query or gallery: features, and which person and camera each belongs to.

Whatever has attributes `features`, `pids` and `camids` is one, and so is the tuple of these three. Functions that look
at no label take features alone as well, and those that look at no feature a pair of labels.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from ..errors import MetricError
from .distance import Gallery
from .labels import Labels


class LabelledFeatures(Protocol):
    """Features with their labels, row by row, such as `osnet_lib.features.store.Features`.

    Attributes
    ----------
    features : array (images, width)
    pids, camids : integer array (images,)
        Identity and camera; in a gallery pid -1 marks junk, which is ignored.
    """

    @property
    def features(self) -> ArrayLike: ...

    @property
    def pids(self) -> ArrayLike: ...

    @property
    def camids(self) -> ArrayLike: ...


SideLike: TypeAlias = LabelledFeatures | tuple[ArrayLike, ArrayLike, ArrayLike]
FeaturesLike: TypeAlias = SideLike | ArrayLike
LabelsLike: TypeAlias = SideLike | tuple[ArrayLike, ArrayLike]
_CURE = "Give what osnet_lib.features.store.load_features reads, or a tuple (features, pids, camids)"


def parts_of(side: SideLike, name: str) -> tuple[ArrayLike, ArrayLike, ArrayLike]:
    """Features, pids and camids of a side; `name` is what errors call it.

    Raises
    ------
    MetricError
        Neither a tuple of three nor something with these attributes.
    """
    if isinstance(side, tuple):
        if len(side) != 3:
            raise MetricError(f"a tuple of {len(side)} is no side", where=name, cure=_CURE)
        return side
    lacking = [part for part in ("features", "pids", "camids") if not hasattr(side, part)]
    if lacking:
        raise MetricError(f"{type(side).__name__} without {' and '.join(lacking)}", where=name, cure=_CURE)
    return side.features, side.pids, side.camids


def features_of(side: FeaturesLike, name: str) -> ArrayLike:
    """Features of a side, or the array that is given in its place."""
    return parts_of(side, name)[0] if isinstance(side, tuple) or hasattr(side, "features") else side  # type: ignore[arg-type]


def labels_of(side: LabelsLike, name: str) -> tuple[ArrayLike, ArrayLike]:
    """Pids and camids of a side, or the pair that is given in its place."""
    if isinstance(side, tuple) and len(side) == 2:
        return side
    return parts_of(side, name)[1:]


def prepare_sides(
    query: SideLike, gallery: SideLike, metric: str, normalize: bool
) -> tuple[Gallery, tuple[np.ndarray, np.ndarray], Labels]:
    """Both sides checked: the gallery, the query's rows with their squared lengths, and the labels of both."""
    features, query_pids, query_camids = parts_of(query, "query")
    others, gallery_pids, gallery_camids = parts_of(gallery, "gallery")
    prepared = Gallery(others, metric, normalize)
    rows = prepared.query(features)
    shape = len(rows[0]), len(prepared)
    return prepared, rows, Labels.check(query_pids, query_camids, gallery_pids, gallery_camids, shape)
