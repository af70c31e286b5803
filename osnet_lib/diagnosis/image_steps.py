"""The steps from a picture to what a network reads, done right and in every wrong way that users reported.

A picture is resized (to uint8 RGB ``[height, width, 3]``), its channels are put in an order, its values are scaled
(float32, from 0 to 255), and its axes are laid out. Each function here is exact enough to be recomputed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from ..datasets.preprocess import HEIGHT, MEAN, STD, WIDTH

Size = tuple[int, int]  # width and height, as Pillow has it
Resize = Callable[[Image.Image, Size], np.ndarray]
Scale = Callable[[np.ndarray], np.ndarray]
View = Callable[[Image.Image], np.ndarray]
_WHITE = np.float32(255)
_MEAN, _STD = np.array(MEAN, np.float32), np.array(STD, np.float32)
_BILINEAR = Image.Resampling.BILINEAR


def resized(image: Image.Image, size: Size, resample: Image.Resampling = _BILINEAR) -> np.ndarray:
    """Pillow's resize, which widens its filter where it shrinks."""
    return np.asarray(image.resize(size, resample))


def without_antialias(image: Image.Image, size: Size) -> np.ndarray:
    """Bilinear between the four nearest pixels, as cv2.resize and torch's interpolate: differs where it shrinks."""
    pixels = np.asarray(image, np.float32)
    for axis, length in enumerate(size[::-1]):
        last = pixels.shape[axis] - 1
        at = np.clip((np.arange(length, dtype=np.float32) + 0.5) * ((last + 1) / length) - 0.5, 0, last)
        low = at.astype(int)
        weight = (at - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1)).astype(np.float32)
        pixels = pixels.take(low, axis) * (1 - weight) + pixels.take(np.minimum(low + 1, last), axis) * weight
    return np.rint(pixels).astype(np.uint8)


def letterboxed(image: Image.Image, size: Size) -> np.ndarray:
    """The whole picture, black bars where its aspect is another."""
    return np.asarray(ImageOps.pad(image, size, _BILINEAR))


def cropped(image: Image.Image, size: Size) -> np.ndarray:
    """The largest middle part of the right aspect."""
    return np.asarray(ImageOps.fit(image, size, _BILINEAR))


def enlarged(image: Image.Image, size: Size) -> np.ndarray:
    """An eighth larger, then the centre: what the ImageNet recipe (256, then 224) becomes here."""
    return _centre(image.resize((size[0] * 9 // 8, size[1] * 9 // 8), _BILINEAR), size)


def by_shorter_side(image: Image.Image, size: Size) -> np.ndarray:
    """The shorter side to 256 pixels, then the centre: torchvision's Resize(256) and CenterCrop."""
    short, side = min(image.size), max(size)
    return _centre(image.resize((side * image.width // short, side * image.height // short), _BILINEAR), size)


def _centre(image: Image.Image, size: Size) -> np.ndarray:
    left, top = round((image.width - size[0]) / 2), round((image.height - size[1]) / 2)
    return np.asarray(image.crop((left, top, left + size[0], top + size[1])))


def rgb(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """The right order."""
    return scale(pixels)


def bgr(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """BGR, scaled as if it were RGB."""
    return scale(pixels[..., ::-1])


def bgr_throughout(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """BGR, scaled as BGR."""
    return scale(pixels)[..., ::-1]


def bgr_mean(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """RGB, scaled as if it were BGR."""
    return scale(pixels[..., ::-1])[..., ::-1]


def grey(pixels: np.ndarray, scale: Scale) -> np.ndarray:
    """Luminance three times, as Pillow has it."""
    luminance = Image.fromarray(pixels.astype(np.uint8)).convert("L").convert("RGB")
    return scale(np.asarray(luminance, np.float32))


def same(pixels: np.ndarray) -> np.ndarray:
    """No scaling: 0 to 255."""
    return pixels


def imagenet(pixels: np.ndarray) -> np.ndarray:
    """The right normalisation, bit-identical to `osnet_lib.datasets.preprocess.preprocess`."""
    return (pixels / _WHITE - _MEAN) / _STD


def to_unit(pixels: np.ndarray) -> np.ndarray:
    """0 to 1, no mean, no deviation."""
    return pixels / _WHITE


def imagenet_twice(pixels: np.ndarray) -> np.ndarray:
    """Mean and deviation again, after the right normalisation."""
    return (imagenet(pixels) - _MEAN) / _STD


def without_deviation(pixels: np.ndarray) -> np.ndarray:
    """Minus the mean, of 0 to 1."""
    return pixels / _WHITE - _MEAN


def without_mean(pixels: np.ndarray) -> np.ndarray:
    """Divided by the deviation, of 0 to 1."""
    return pixels / _WHITE / _STD


def caffe(pixels: np.ndarray) -> np.ndarray:
    """Minus the mean, of 0 to 255, as Caffe's models want it."""
    return pixels - _MEAN * _WHITE


def half(pixels: np.ndarray) -> np.ndarray:
    """-1 to 1."""
    return (pixels / _WHITE - np.float32(0.5)) / np.float32(0.5)


def without_255(pixels: np.ndarray) -> np.ndarray:
    """Mean and deviation of 0 to 1, applied to 0 to 255."""
    return (pixels - _MEAN) / _STD


def with_255_twice(pixels: np.ndarray) -> np.ndarray:
    """Divided by 255 twice, then mean and deviation."""
    return (pixels / _WHITE / _WHITE - _MEAN) / _STD


def exchanged(pixels: np.ndarray) -> np.ndarray:
    """Minus the deviation, divided by the mean."""
    return (pixels / _WHITE - _STD) / _MEAN


def laid_out(
    image: Image.Image, resize: Resize, values: Callable[[np.ndarray], np.ndarray], size: Size, axes: tuple[int, ...]
) -> np.ndarray:
    """Resized to a size, with the axes (height, width, channel) in an order, read as ``[3, 256, 128]``."""
    pixels = values(resize(image, size).astype(np.float32)).transpose(axes)
    return pixels.reshape(3, HEIGHT, WIDTH)  # wrong layouts have as many numbers, in another order


def as_they_are(image: Image.Image, seen: View) -> np.ndarray:
    """One view."""
    return seen(image)[None]


def mirrored_only(image: Image.Image, seen: View) -> np.ndarray:
    """One view, of the mirrored picture."""
    return seen(ImageOps.mirror(image))[None]


def with_mirrored(image: Image.Image, seen: View) -> np.ndarray:
    """Two views, the second with each of its rows turned round."""
    view = seen(image)
    return np.stack([view, view[..., ::-1]])
