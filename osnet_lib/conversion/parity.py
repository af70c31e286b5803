"""The gate behind every conversion: the converted model must give the reference's features, in any batch.

Two things go wrong in practice: a conversion that computes something else, and rows of a batch that influence
each other, or come out differently in a batch that is not full (deep-person-reid#585). Both are measured here,
on the batches that a run over a data set would make.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import NamedTuple, Protocol

import numpy as np

from ..errors import ParityError, SessionError


class Runs(Protocol):
    """A session, as far as the gate is concerned."""

    @property
    def batch_size(self) -> int | None: ...

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Images to features."""


Network = Runs | Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Tolerance:
    """How far features may be apart; the defaults are for float32 against float32."""

    max_abs: float = 1e-4
    min_cosine: float = 0.99999


class Difference(NamedTuple):
    """Largest and mean absolute difference of two feature matrices, and the smallest cosine of a row pair."""

    max_abs: float
    mean_abs: float
    min_cosine: float


@dataclass(frozen=True)
class Parity:
    """What was measured at one stage and batch size.

    Attributes
    ----------
    stage : str
        What was compared, such as ``"onnx"`` or ``"simplified"``.
    batch_size, images : int
        Batch size of the candidate; images compared, each counted once.
    max_abs, mean_abs, min_cosine : float
        Candidate in batches, against the reference.
    row_max_abs : float
        Candidate in batches, against the candidate given the same images one by one.
    allowed_max_abs, allowed_cosine : float
        The tolerance of the gate.
    """

    stage: str
    batch_size: int
    images: int
    max_abs: float
    mean_abs: float
    min_cosine: float
    row_max_abs: float
    allowed_max_abs: float = Tolerance.max_abs
    allowed_cosine: float = Tolerance.min_cosine

    def __repr__(self) -> str:
        decision = "passed" if self.passed else "failed"
        return (
            f"{self.stage} at batch {self.batch_size}: {decision} on {self.images} images, features differ by up to "
            f"{self.max_abs:.1e} (mean {self.mean_abs:.1e}), smallest cosine {self.min_cosine:.7f}, from the image "
            f"alone {self.row_max_abs:.1e}"
        )

    @property
    def passed(self) -> bool:
        """True when every figure is within the tolerance of the gate; NaN is not."""
        return (
            self.max_abs <= self.allowed_max_abs
            and self.row_max_abs <= self.allowed_max_abs
            and self.min_cosine >= self.allowed_cosine
        )

    def as_dict(self) -> dict:
        """For a result file."""
        return asdict(self)


def feature_difference(reference: np.ndarray, candidate: np.ndarray) -> Difference:
    """Measure how far two feature matrices are apart, in float64.

    Parameters
    ----------
    reference, candidate : float array, shape (N, D)
        Row i of both belongs to the same image.

    Raises
    ------
    ParityError
        Shapes that differ, no rows, or values that are not finite.
    """
    a, b = (np.asarray(m, np.float64) for m in (reference, candidate))
    if a.shape != b.shape or a.ndim != 2 or not a.size:
        raise ParityError(
            f"features of shape {list(a.shape)} and {list(b.shape)} cannot be compared",
            cure="Give two matrices [N, D] of the same images.",
        )
    for name, matrix in (("reference", a), ("candidate", b)):
        broken = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
        if broken.size:
            raise ParityError(
                f"the {name} holds NaN or infinity in {broken.size} of {len(matrix)} rows, the first of "
                f"them row {broken[0]}",
                cure="Look for an overflow: half precision ends at 65504.",
            )
    absolute = np.abs(a - b)
    return Difference(float(absolute.max()), float(absolute.mean()), float(row_cosines(a, b).min()))


def row_cosines(reference: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """Cosine of each pair of rows, float64 (N,), at most 1; of two zero rows 1, of a zero row and another one 0."""
    a, b = (np.asarray(m, np.float64) for m in (reference, candidate))
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosines = np.asarray(~a.any(axis=1) & ~b.any(axis=1), np.float64)
    return np.minimum(np.divide((a * b).sum(axis=1), lengths, out=cosines, where=lengths > 0), 1)


def check_parity(
    reference: Network | np.ndarray,
    candidate: Network,
    images: np.ndarray,
    stage: str,
    tolerance: Tolerance = Tolerance(),
    batch_size: int | None = None,
    alone: int = 8,
) -> Parity:
    """Compare a converted model with its reference; raise when they differ.

    The candidate sees the images in full batches and in one batch that is not full. The reference sees them one
    by one, which is what a feature means. Up to `alone` images, spread over the batches and always with the last
    row of the last one, also go through the candidate one by one (padded, where its batch size is fixed).

    Parameters
    ----------
    reference : session, callable or ndarray
        The original, or its features ``[N, D]`` of the same images in the same order.
    candidate : session or callable
        The converted model.
    images : ndarray, shape (N, ...)
        Fewer than the batch size are repeated to fill a batch. Real images: noise hides differences, since it excites
        few channels.
    batch_size : int, optional
        For a candidate that takes any; by default all images at once.

    Raises
    ------
    ParityError
        A figure over the tolerance, features that are not finite, or a model that failed to run; the message
        starts with stage and batch size.
    """
    fixed = getattr(candidate, "batch_size", None)
    size = fixed or batch_size or len(images)
    where = f"{stage}, batch size {size}"
    if size < 1 or batch_size not in (None, size):
        raise ParityError(
            f"batch size {batch_size} was asked for", where=where, cure="Leave it out where the model has its own."
        )
    if not len(images):
        raise ParityError("no images to compare", where=where, cure="Give at least one.")
    batches = _batches(len(images), size)
    order = np.concatenate(batches)
    some = np.unique(np.linspace(len(order) - 1, 0, max(alone, 1)).astype(int))
    try:
        expected = reference if isinstance(reference, np.ndarray) else _one_by_one(reference, images)
        if len(expected) != len(images):
            raise ParityError(f"{len(expected)} reference features for {len(images)} images", cure="Give one for each.")
        batched = np.concatenate([_features(candidate, images[rows]) for rows in batches])
        difference = feature_difference(expected[order], batched)
        row_max_abs = feature_difference(_one_by_one(candidate, images[order[some]]), batched[some]).max_abs
    except (ParityError, SessionError) as error:
        raise ParityError(error.what, where=where, cure=error.cure) from error
    parity = Parity(stage, size, len(images), *difference, row_max_abs, tolerance.max_abs, tolerance.min_cosine)
    if not parity.passed:
        raise ParityError(
            f"features differ from the reference by up to {parity.max_abs:.3g} (mean {parity.mean_abs:.3g}, smallest "
            f"cosine {parity.min_cosine:.7f}), and a row of a batch from that image alone by up to "
            f"{parity.row_max_abs:.3g}; allowed are {tolerance.max_abs:g} and cosine {tolerance.min_cosine:g}",
            where=where,
            cure="Do not use this model; convert again, or with another opset.",
        )
    return parity


def _batches(count: int, size: int) -> list[np.ndarray]:
    """Row numbers of each batch in turn; the last one is never full, unless batches hold one image."""
    if count < size:
        return [np.arange(size) % count, np.arange(count)]
    batches = [np.arange(start, min(start + size, count)) for start in range(0, count, size)]
    if size > 1 and count % size == 0:
        batches.append(np.arange(count - size // 2, count))
    return batches


def _one_by_one(network: Network, images: np.ndarray) -> np.ndarray:
    return np.concatenate([_features(network, images[i : i + 1]) for i in range(len(images))])


def _features(network: Network, batch: np.ndarray) -> np.ndarray:
    features = np.asarray(network.run(batch) if hasattr(network, "run") else network(batch))
    if features.ndim != 2 or len(features) != len(batch):
        raise ParityError(
            f"{len(batch)} images gave an array of shape {list(features.shape)}", cure="Expected one row an image."
        )
    return features
