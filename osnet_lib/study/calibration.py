"""The images that fix the ranges of int8: of a train split, never of query or gallery."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
from PIL import Image

from ..datasets.market1501 import Market1501, Sample, parse_name
from ..datasets.minimarket import World, plan, render, world_digest
from ..datasets.preprocess import Images, iter_batches

CALIBRATION_IMAGES = 32

_T = TypeVar("_T")


def spread(items: Sequence[_T], count: int) -> list[_T]:
    """`count` of the items, evenly spread, in their order."""
    return [items[i * len(items) // count] for i in range(count)]


@dataclass(frozen=True)
class Calibration:
    """Training images that fix the ranges of int8, and where they are from.

    Attributes
    ----------
    split : str
        ``"train"``, the data set's, or ``"train of mini-market"``.
    samples : tuple of Sample
        Evenly spread over the split.
    digest : str
        Of the data set that they are from.
    """

    split: str
    samples: tuple[Sample, ...]
    digest: str
    _images: Images = field(repr=False, compare=False)

    @property
    def key(self) -> list[str]:
        """What an artefact made with these images depends on."""
        return [self.digest, *(sample.name for sample in self.samples)]

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """The images as the network sees them, float32 ``[1 to size, 3, 256, 128]``."""
        return (images for _, images in iter_batches(self._images, self.samples, size))


def calibration_of(dataset: Market1501) -> Calibration:
    """`CALIBRATION_IMAGES` of the data set's train split where it has as many, else of mini-market's."""
    if len(dataset.train) >= CALIBRATION_IMAGES:
        return Calibration("train", tuple(spread(dataset.train, CALIBRATION_IMAGES)), dataset.digest, dataset)
    rendered = _TrainOfMiniMarket(World())
    return Calibration("train of mini-market", rendered.samples, world_digest(rendered.world), rendered)


class _TrainOfMiniMarket:
    """As many pictures as are asked for, drawn when they are: the whole split would take minutes."""

    def __init__(self, world: World):
        pictures = spread([picture for picture in plan(world) if picture.split == "train"], CALIBRATION_IMAGES)
        self.world, self._pictures = world, {picture.name: picture for picture in pictures}
        self.samples = tuple(parse_name(name, "train") for name in self._pictures)

    def image(self, sample: Sample) -> Image.Image:
        return Image.open(io.BytesIO(render(self._pictures[sample.name], self.world)))
