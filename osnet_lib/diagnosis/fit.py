"""How well a way to prepare images reproduces features in hand, measured by recomputing some of them.

How far features are apart is the squared distance of their directions, divided by the spread of the features in hand:
0 for the same image, about 2 for unrelated ones, whatever the network. Unlike a bare cosine it also tells images apart
for a network whose features all point in nearly one direction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ..inference.session import Session
from .findings import directions, spread_of
from .wrong_inputs import Setup

SAME = 1e-3  # another processor gives 1e-9, float16 1e-5, another JPEG decoder or rounding 2e-4
# Bicubic for bilinear gives 0.02, the nearest other of 15,913 gallery images 0.1. Int8 of x0.25 on Market-1501 gives
# 0.012 in the median, but more than 0.03 for 5 % of the queries and 9 % of the gallery: see `Fit.lost`.
NEAR = 0.03
_BATCH = 16


@dataclass(frozen=True, eq=False)
class Fit:
    """How well a set-up reproduces features, image by image.

    Attributes
    ----------
    rows, found : int array, shape (n,)
        Row of the image's name, and row of the feature nearest to the recomputed one; of the name where the nearest
        is that of another image, too.
    own, nearest : float64 array, shape (n,)
        Cosines of the recomputed feature with these two.
    lengths : float64 array, shape (n,)
        Of the recomputed features.
    spread : float
        Of the features in hand, see `osnet_lib.diagnosis.findings.spread_of`.
    rectified : bool
        The features in hand fit once their negative values are zero.
    """

    setup: Setup
    rows: np.ndarray
    found: np.ndarray
    own: np.ndarray
    nearest: np.ndarray
    lengths: np.ndarray
    spread: float
    rectified: bool = False

    def __repr__(self) -> str:
        return f"{self.setup.name}: distance {self.distance:.2g} over {len(self.rows)} images"

    @property
    def distances(self) -> np.ndarray:
        """Of each image to the nearest feature, wherever in the file that is."""
        return 2 * (1 - self.nearest) / self.spread

    @property
    def distance(self) -> float:
        """Median over the images."""
        return float(np.median(self.distances))

    @property
    def rounding(self) -> float:
        """How far, of 1, a direction is off in the median; rounding changes lengths by as much."""
        return float(np.sqrt(max(self.distance, 0) * self.spread))

    @property
    def elsewhere(self) -> np.ndarray:
        """Which images have their feature under another name, bool."""
        return (2 * (1 - self.own) >= NEAR * self.spread) & ~self.nowhere

    @property
    def nowhere(self) -> np.ndarray:
        """Which images have no feature near enough in the file, bool."""
        return self.distances >= NEAR

    @property
    def lost(self) -> np.ndarray:
        """Which images have no feature in the file, bool.

        Where the model is rough as a whole, as int8 is, some images are far off: nowhere, and yet nearest to their own
        row. These are not lost.
        """
        rough = SAME <= self.distance < NEAR
        return self.nowhere & ~((self.found == self.rows) & rough)


class Recomputation:
    """Features in hand, and some of their pictures, from which a network computes them again.

    Parameters
    ----------
    matrix : float array, shape (N, 512)
        The features in hand, not all equal.
    rows : int array, shape (n,)
        Under which row each picture should be.
    pictures : sequence of n RGB images
    """

    def __init__(self, matrix: np.ndarray, rows: np.ndarray, pictures: Sequence[Image.Image], session: Session):
        self.rows, self._pictures, self._session = rows, pictures, session
        given = directions(matrix)
        self._given, self._spread = given, spread_of(given)
        self._rectified = directions(np.maximum(matrix, 0)) if (matrix < 0).any() else None

    def inputs(self, setup: Setup, some: np.ndarray) -> np.ndarray:
        """Some of the pictures, by their index, as a set-up prepares them: ``[n, views, 3, 256, 128]``."""
        return np.stack([setup.inputs(self._pictures[i]) for i in some])

    def fits(self, setups: Sequence[Setup], some: np.ndarray, inputs: Sequence[np.ndarray] = ()) -> list[Fit]:
        """How well set-ups reproduce some of the pictures' features; `inputs` where they are there already."""
        views = inputs or [self.inputs(setup, some) for setup in setups]
        made = self._run(np.concatenate([view.reshape(-1, *view.shape[2:]) for view in views]))
        ends = np.cumsum([len(view) * view.shape[1] for view in views])[:-1]
        features = [part.reshape(*view.shape[:2], -1).sum(axis=1) for part, view in zip(np.split(made, ends), views)]
        return [self._fit(setup, some, matrix) for setup, matrix in zip(setups, features)]

    def _fit(self, setup: Setup, some: np.ndarray, made: np.ndarray) -> Fit:
        def compare(given: np.ndarray, spread: float, rectified: bool) -> Fit:
            cosines = directions(made) @ given.T
            every, found = np.arange(len(some)), cosines.argmax(axis=1)
            shared = np.bincount(found)[found] > 1  # one row cannot be two images': a constant is near some row, too
            found = np.where(shared, self.rows[some], found)
            own, nearest = cosines[every, self.rows[some]], cosines[every, found]
            lengths = np.linalg.norm(made, axis=1)
            return Fit(setup, self.rows[some], found, own, nearest, lengths, spread, rectified)

        fit = compare(self._given, self._spread, False)
        if fit.distance >= SAME and self._rectified is not None:
            other = compare(self._rectified, spread_of(self._rectified), True)
            if other.distance < SAME:  # nearer alone says nothing: noise is nearer without its negative half, too
                return other
        return fit

    def _run(self, inputs: np.ndarray) -> np.ndarray:
        """Features of ``[n, 3, 256, 128]``."""
        inputs = np.ascontiguousarray(inputs, dtype=self._session.input_dtype)
        step = self._session.batch_size or _BATCH
        return np.concatenate([self._session.run(inputs[i : i + step]) for i in range(0, len(inputs), step)])
