"""Which images fix the ranges of int8: training images, whatever is scored."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from osnet_lib.datasets.market1501 import parse_name
from osnet_lib.datasets.minimarket import World, plan, render
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.study.calibration import CALIBRATION_IMAGES, calibration_of, spread


class Photographs(SimpleNamespace):
    """A data set of so many images a split, each of one grey that tells which it is."""

    def __init__(self, train: int, test: int = 50):
        names = [f"0001_c1s1_{number:06}_00.jpg" for number in range(max(train, test))]
        splits = {"train": train, "query": test, "gallery": test}
        super().__init__(digest="d", seen=[])
        for split, count in splits.items():
            setattr(self, split, tuple(parse_name(name, split) for name in names[:count]))

    def image(self, sample):
        self.seen.append(sample)
        return Image.new("RGB", (8, 16), (sample.frame,) * 3)


def test_images_of_the_train_split_are_taken_and_no_other():
    dataset = Photographs(train=100)
    calibration = calibration_of(dataset)
    assert (calibration.split, calibration.digest) == ("train", "d")
    assert list(calibration.samples) == spread(dataset.train, CALIBRATION_IMAGES)
    batches = list(calibration.batches(10))
    assert [len(batch) for batch in batches] == [10, 10, 10, 2]
    greys = [preprocess(dataset.image(sample)) for sample in calibration.samples]
    assert np.array_equal(np.concatenate(batches), greys)
    assert {sample.split for sample in dataset.seen} == {"train"}


@pytest.mark.parametrize("train", [0, CALIBRATION_IMAGES - 1])
def test_without_a_train_split_they_are_those_of_mini_market(train):
    dataset, world = Photographs(train), World()
    calibration = calibration_of(dataset)
    assert calibration.split == "train of mini-market" and len(set(calibration.samples)) == CALIBRATION_IMAGES
    planned = {picture.name: picture for picture in plan(world) if picture.split == "train"}
    assert {sample.name for sample in calibration.samples} <= set(planned)
    assert len({sample.camid for sample in calibration.samples}) == 6
    first = next(iter(calibration.batches(1)))
    drawn = Image.open(io.BytesIO(render(planned[calibration.samples[0].name], world)))
    assert np.array_equal(first, preprocess(drawn)[None]) and dataset.seen == []


def test_what_is_made_depends_on_the_images():
    keys = [calibration_of(Photographs(train)).key for train in (0, 40, 80)]
    assert len({tuple(key) for key in keys}) == 3 and keys[0] == calibration_of(Photographs(0)).key
