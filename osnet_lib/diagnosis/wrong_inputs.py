"""Known wrong ways to prepare an image, each exact enough to be recomputed: what users of ReID networks got wrong.

A set-up is four steps: `resize` (picture to uint8 RGB ``[256, 128, 3]``), `channels` (their order), `normalise` (on
float32, 0 to 255) and `layout` (to ``[3, 256, 128]``). The defaults are those of `osnet_lib.datasets.preprocess`;
a wrong set-up differs in one step, or in channels and normalisation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from PIL import Image, ImageOps

from ..datasets.preprocess import HEIGHT, MEAN, STD, WIDTH, to_uint8

_Step = Callable[[np.ndarray], np.ndarray]
_MEAN, _STD, _WHITE = np.array(MEAN, np.float32), np.array(STD, np.float32), np.float32(255)


def same(pixels: np.ndarray) -> np.ndarray:
    """RGB stays RGB; of a normalisation: none, 0 to 255."""
    return pixels


def reverse_channels(pixels: np.ndarray) -> np.ndarray:
    """RGB becomes BGR."""
    return pixels[..., ::-1]


def imagenet(pixels: np.ndarray) -> np.ndarray:
    """The right normalisation, bit-identical to `osnet_lib.datasets.preprocess.preprocess`."""
    return (pixels / _WHITE - _MEAN) / _STD


def planes(pixels: np.ndarray) -> np.ndarray:
    """Height, width, channel to channel, height, width: the right layout."""
    return pixels.transpose(2, 0, 1)


def _unit(pixels: np.ndarray) -> np.ndarray:
    return pixels / _WHITE


def _twice(pixels: np.ndarray) -> np.ndarray:
    return (imagenet(pixels) - _MEAN) / _STD


def _without_deviation(pixels: np.ndarray) -> np.ndarray:
    return pixels / _WHITE - _MEAN


def _half(pixels: np.ndarray) -> np.ndarray:
    return (pixels / _WHITE - np.float32(0.5)) / np.float32(0.5)


def _without_255(pixels: np.ndarray) -> np.ndarray:
    return (pixels - _MEAN) / _STD


def _resized(image: Image.Image, resample: Image.Resampling) -> np.ndarray:
    return np.asarray(image.resize((WIDTH, HEIGHT), resample))


def _without_antialias(image: Image.Image) -> np.ndarray:
    """Bilinear between the four nearest pixels, as cv2.resize and torch's interpolate: differs where it shrinks."""
    pixels = np.asarray(image, np.float32)
    for axis, size in enumerate((HEIGHT, WIDTH)):
        last = pixels.shape[axis] - 1
        at = np.clip((np.arange(size, dtype=np.float32) + 0.5) * ((last + 1) / size) - 0.5, 0, last)
        low = at.astype(int)
        weight = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1)).astype(np.float32)
        pixels = pixels.take(low, axis) * (1 - weight) + pixels.take(np.minimum(low + 1, last), axis) * weight
    return np.rint(pixels).astype(np.uint8)


def _letterboxed(image: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.pad(image, (WIDTH, HEIGHT), Image.Resampling.BILINEAR))


def _cropped(image: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (WIDTH, HEIGHT), Image.Resampling.BILINEAR))


def _enlarged(image: Image.Image) -> np.ndarray:
    """288 x 144, then the centre: what the ImageNet recipe (256, then 224) becomes here."""
    larger = image.resize((WIDTH * 9 // 8, HEIGHT * 9 // 8), Image.Resampling.BILINEAR)
    left, top = WIDTH // 16, HEIGHT // 16
    return np.asarray(larger.crop((left, top, left + WIDTH, top + HEIGHT)))


def _mirrored(image: Image.Image) -> np.ndarray:
    return to_uint8(image)[:, ::-1]


def _grey(image: Image.Image) -> np.ndarray:
    return to_uint8(image.convert("L"))


def _wide(image: Image.Image) -> np.ndarray:
    """128 high and 256 wide: the two numbers the wrong way round."""
    return np.asarray(image.resize((HEIGHT, WIDTH), Image.Resampling.BILINEAR))


def _planes_reversed(pixels: np.ndarray) -> np.ndarray:
    return planes(pixels)[::-1]


def _transposed(pixels: np.ndarray) -> np.ndarray:
    return pixels.T


@dataclass(frozen=True)
class Setup:
    """One way to prepare an image.

    Attributes
    ----------
    name : str
    what : str
        Completes "these features are those of ...".
    cure : str
        What to do, a sentence.
    harmless : bool
        A matter of choice and no mistake.
    mirror : bool
        The feature is the sum of those of the image and of its mirror image.
    """

    name: str
    what: str
    cure: str
    harmless: bool = False
    resize: Callable[[Image.Image], np.ndarray] = to_uint8
    channels: _Step = same
    normalise: _Step = imagenet
    layout: _Step = planes
    mirror: bool = False

    def inputs(self, image: Image.Image) -> np.ndarray:
        """What the network sees of an RGB image: float32 ``[views, 3, 256, 128]``, two views with `mirror`."""
        pixels = self.normalise(self.channels(self.resize(image)).astype(np.float32))
        view = self.layout(pixels).reshape(3, HEIGHT, WIDTH)  # wrong layouts have as many numbers, in another order
        return np.stack([view, view[..., ::-1]] if self.mirror else [view])


_MEANS = f"subtract {MEAN} and divide by {STD}, in RGB, where white is 1.0"
_ONCE = f"Normalise once: {_MEANS}."
_RESIZE = "Resize with Pillow: image.resize((128, 256), Image.Resampling.BILINEAR)."
_RGB = "Give the network RGB: image.convert('RGB') of Pillow, or pixels[..., ::-1] after cv2.imread."
_SHAPE = "Give [N, 3, 256, 128], channel, height, width: pixels.transpose(2, 0, 1) of a picture 128 wide, 256 high."

RIGHT = Setup("right", "images prepared as this study does", "")

_NORMALISATIONS = (
    Setup("not normalised", "images that were not normalised (0 to 1)", _ONCE, normalise=_unit),
    Setup("raw pixels", "images that were not normalised (0 to 255)", f"Divide by 255. {_ONCE}", normalise=same),
    Setup(
        "normalised twice",
        "images that were normalised twice",
        f"{_ONCE} Some exported models and every OM with AIPP do it inside: then leave it out before.",
        normalise=_twice,
    ),
    Setup(
        "no deviation",
        "images from which the mean was subtracted, without the division by the deviation",
        _ONCE,
        normalise=_without_deviation,
    ),
    Setup(
        "other mean", "images normalised by mean 0.5 and deviation 0.5", f"Use ImageNet's: {_MEANS}.", normalise=_half
    ),
    Setup(
        "not divided by 255",
        "images of 0 to 255, normalised by a mean and deviation made for 0 to 1",
        f"Divide by 255 first, then {_MEANS}.",
        normalise=_without_255,
    ),
)

WRONG = (
    *_NORMALISATIONS,
    Setup("BGR", "BGR input, normalised by mean and deviation in RGB order", _RGB, channels=reverse_channels),
    Setup("BGR throughout", "BGR input, its mean and deviation in BGR order too", _RGB, layout=_planes_reversed),
    *(
        replace(
            s, name=f"BGR, {s.name}", what=f"BGR input: {s.what}", cure=f"{_RGB} {s.cure}", channels=reverse_channels
        )
        for s in _NORMALISATIONS
    ),
    Setup(
        "nearest",
        "images resized to the nearest pixel",
        _RESIZE,
        resize=partial(_resized, resample=Image.Resampling.NEAREST),
    ),
    Setup(
        "bicubic",
        "images resized by bicubic interpolation",
        _RESIZE,
        resize=partial(_resized, resample=Image.Resampling.BICUBIC),
    ),
    Setup(
        "Lanczos",
        "images resized by Lanczos interpolation",
        _RESIZE,
        resize=partial(_resized, resample=Image.Resampling.LANCZOS),
    ),
    Setup(
        "no antialiasing",
        "images shrunk without antialiasing, as cv2.resize and torch's interpolate do",
        _RESIZE,
        resize=_without_antialias,
    ),
    Setup("letterbox", "images that kept their aspect, with black bars", _RESIZE, resize=_letterboxed),
    Setup("crop", "images that kept their aspect, cropped to the middle", _RESIZE, resize=_cropped),
    Setup(
        "centre crop",
        "images resized to 288 x 144, of which the middle was taken",
        f"{_RESIZE} Crop nothing.",
        resize=_enlarged,
    ),
    Setup("mirrored", "mirrored images", "Flip images in training only.", resize=_mirrored),
    Setup("grey", "grey images", "Read images in colour, without convert('L') or cv2.IMREAD_GRAYSCALE.", resize=_grey),
    Setup(
        "height and width swapped",
        "images 256 wide and 128 high, read as if they were 128 wide and 256 high",
        _SHAPE,
        resize=_wide,
    ),
    Setup("lying", "transposed images: people lie on their side", _SHAPE, resize=_wide, layout=_transposed),
    Setup("NHWC", "images in the order height, width, channel, read as channel, height, width", _SHAPE, layout=same),
    Setup(
        "flip-test",
        "a flip-test: image and mirror image together",
        "Compare their score with those of other flip-tests.",
        harmless=True,
        mirror=True,
    ),
)
