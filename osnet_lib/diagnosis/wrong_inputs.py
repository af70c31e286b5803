"""Known ways to prepare an image, right and wrong: what users of ReID networks got wrong, and its combinations.

There are five steps: the order of the channels, the scaling of the values, the resizing, the layout of the axes, and
the view, mirrored or not. Each has the right option first, that of `osnet_lib.datasets.preprocess`, and wrong ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from functools import partial
from math import prod
from typing import Any

import numpy as np
from PIL import Image

from ..datasets.preprocess import HEIGHT, MEAN, STD, WIDTH
from . import image_steps as steps

_MEANS = f"subtract {MEAN} and divide by {STD}, in RGB, where white is 1.0"
_ONCE = f"Normalise once: {_MEANS}."
_RESIZE = "Resize with Pillow: image.resize((128, 256), Image.Resampling.BILINEAR)."
_RGB = "Give the network RGB: image.convert('RGB') of Pillow, or pixels[..., ::-1] after cv2.imread."
_SHAPE = "Give [N, 3, 256, 128], channel, height, width: pixels.transpose(2, 0, 1) of a picture 128 wide, 256 high."


@dataclass(frozen=True)
class Option:
    """One way to do a step.

    Attributes
    ----------
    name : str
        Short and fixed, such as ``"BGR"``; empty where it is the right way.
    what : str
        Completes "these features are those of images ...".
    cure : str
        What to do, whole sentences.
    do : callable
        The step itself, of `osnet_lib.diagnosis.image_steps`.
    harmless : bool
        A matter of choice and no mistake.
    """

    name: str
    what: str
    cure: str
    do: Callable[..., Any] = field(repr=False)
    harmless: bool = False


CHANNELS = (
    Option("", "", "", steps.rgb),
    Option("BGR", "in BGR order", _RGB, steps.bgr),
    Option("BGR throughout", "in BGR order, as are mean and deviation", _RGB, steps.bgr_throughout),
    Option("BGR mean", "in RGB order, normalised by mean and deviation in BGR order", _ONCE, steps.bgr_mean),
    Option("grey", "in grey", "Read images in colour, without convert('L') or cv2.IMREAD_GRAYSCALE.", steps.grey),
)
SCALING = (
    Option("", "", "", steps.imagenet),
    Option("not normalised", "that were not normalised (0 to 1)", _ONCE, steps.to_unit),
    Option("raw pixels", "that were not normalised (0 to 255)", f"Divide by 255. {_ONCE}", steps.same),
    Option(
        "normalised twice",
        "that were normalised twice",
        f"{_ONCE} Some exported models and every OM with AIPP do it inside: then leave it out before.",
        steps.imagenet_twice,
    ),
    Option(
        "no deviation",
        "from which the mean was subtracted, without the division by the deviation",
        _ONCE,
        steps.without_deviation,
    ),
    Option("no mean", "that were divided by the deviation, without subtracting the mean", _ONCE, steps.without_mean),
    Option("other mean", "normalised by mean 0.5 and deviation 0.5", f"Use ImageNet's: {_MEANS}.", steps.half),
    Option(
        "not divided by 255",
        "of 0 to 255, normalised by a mean and deviation made for 0 to 1",
        f"Divide by 255 first, then {_MEANS}.",
        steps.without_255,
    ),
    Option(
        "divided by 255 twice", "divided by 255 twice, then normalised", f"Divide once. {_ONCE}", steps.with_255_twice
    ),
    Option(
        "Caffe's mean",
        "of 0 to 255, from which only a mean was subtracted, as for Caffe's models",
        f"Divide by 255 first, then {_MEANS}.",
        steps.caffe,
    ),
    Option(
        "mean and deviation exchanged",
        "normalised with the deviation for the mean and the mean for the deviation",
        _ONCE,
        steps.exchanged,
    ),
)


def _resampled(filter: Image.Resampling) -> Callable[..., np.ndarray]:
    return partial(steps.resized, resample=filter)


RESIZING = (
    Option("", "", "", steps.resized),
    Option("nearest", "resized to the nearest pixel", _RESIZE, _resampled(Image.Resampling.NEAREST)),
    Option("bicubic", "resized by bicubic interpolation", _RESIZE, _resampled(Image.Resampling.BICUBIC)),
    Option("Lanczos", "resized by Lanczos interpolation", _RESIZE, _resampled(Image.Resampling.LANCZOS)),
    Option("box", "resized by averages over boxes, as INTER_AREA does", _RESIZE, _resampled(Image.Resampling.BOX)),
    Option(
        "no antialiasing",
        "shrunk without antialiasing, as cv2.resize and torch's interpolate do",
        _RESIZE,
        steps.without_antialias,
    ),
    Option("letterbox", "that kept their aspect, with black bars", _RESIZE, steps.letterboxed),
    Option("crop", "that kept their aspect, cropped to the middle", _RESIZE, steps.cropped),
    Option(
        "centre crop",
        "resized to 288 x 144, of which the middle was taken",
        f"{_RESIZE} Crop nothing.",
        steps.enlarged,
    ),
    Option(
        "shorter side",
        "resized to 256 pixels on the shorter side, of which the middle was taken",
        f"{_RESIZE} Crop nothing.",
        steps.by_shorter_side,
    ),
)


def _layout(name: str, what: str, size: steps.Size, *axes: int) -> Option:
    return Option(name, what, _SHAPE if what else "", partial(steps.laid_out, size=size, axes=axes))


def _read_as(order: str) -> str:
    return f"in the order {order}, read as channel, height, width"


_TALL, _WIDE = (WIDTH, HEIGHT), (HEIGHT, WIDTH)
_ORDERS = {
    "NCWH": ("channel, width, height", (2, 1, 0)),
    "NHWC": ("height, width, channel", (0, 1, 2)),
    "NWHC": ("width, height, channel", (1, 0, 2)),
    "NHCW": ("height, channel, width", (0, 2, 1)),
    "NWCH": ("width, channel, height", (1, 2, 0)),
}
LAYOUTS = (
    _layout("", "", _TALL, 2, 0, 1),
    *(_layout(name, _read_as(order), _TALL, *axes) for name, (order, axes) in _ORDERS.items()),
    _layout(
        "height and width swapped",
        "256 wide and 128 high, read as if they were 128 wide and 256 high",
        _WIDE,
        2,
        0,
        1,
    ),
    _layout("lying", "256 wide and 128 high, then transposed: people lie on their side", _WIDE, 2, 1, 0),
    *(
        _layout(f"wide {name}", f"256 wide and 128 high, {_read_as(order)}", _WIDE, *axes)
        for name, (order, axes) in _ORDERS.items()
        if name != "NCWH"
    ),
)
_VIEWS = (
    Option("", "", "", steps.as_they_are),
    Option("mirrored", "that were mirrored", "Flip images in training only.", steps.mirrored_only),
    Option(
        "flip-test",
        "and of their mirror images together, a flip-test",
        "Compare their score with those of other flip-tests.",
        steps.with_mirrored,
        harmless=True,
    ),
)


@dataclass(frozen=True)
class Setup:
    """One way to prepare an image: an option for each step, the right one by default."""

    channels: Option = CHANNELS[0]
    scaling: Option = SCALING[0]
    resizing: Option = RESIZING[0]
    layout: Option = LAYOUTS[0]
    view: Option = _VIEWS[0]

    @property
    def deviations(self) -> dict[str, Option]:
        """The options that are not the right ones, by step."""
        options = {step: getattr(self, step) for step in STEPS}
        return {step: option for step, option in options.items() if option.name}

    @property
    def name(self) -> str:
        """The names of the deviations, such as ``"BGR, raw pixels"``; else ``"right"``."""
        return ", ".join(option.name for option in self.deviations.values()) or "right"

    @property
    def what(self) -> str:
        """Completes "these features are those of ..."."""
        parts = [option.what for option in self.deviations.values()]
        return f"images {'; '.join(parts)}" if parts else "images prepared as this study does"

    @property
    def cure(self) -> str:
        """What to do, whole sentences, none twice."""
        return " ".join(dict.fromkeys(option.cure for option in self.deviations.values()))

    @property
    def harmless(self) -> bool:
        """A matter of choice and no mistake."""
        return all(option.harmless for option in self.deviations.values())

    @property
    def summed(self) -> bool:
        """The features of two views are added, so that their lengths are of no feature."""
        return self.view is _VIEWS[2]

    def neighbours(self) -> Iterator[Setup]:
        """Every set-up that differs in one step."""
        for step, options in STEPS.items():
            for option in options:
                if option is not getattr(self, step):
                    yield replace(self, **{step: option})

    def inputs(self, image: Image.Image) -> np.ndarray:
        """What the network sees of an RGB image: float32 ``[views, 3, 256, 128]``, two views of a flip-test."""
        return self.view.do(image, self._seen)

    def _seen(self, image: Image.Image) -> np.ndarray:
        return self.layout.do(image, self.resizing.do, lambda pixels: self.channels.do(pixels, self.scaling.do))


STEPS = dict(zip((step.name for step in fields(Setup)), (CHANNELS, SCALING, RESIZING, LAYOUTS, _VIEWS)))
COMBINATIONS = prod(map(len, STEPS.values()))
RIGHT = Setup()
FREQUENT = tuple(
    Setup(channels, scaling, layout=layout)
    for channels in CHANNELS[:3]
    for scaling in SCALING
    for layout in LAYOUTS
    if layout.name in ("", "NHWC", "NCWH", "height and width swapped", "lying")
)
