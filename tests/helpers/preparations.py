"""Images prepared in every wrong way, one step at a time and several at once, by code of the tests alone."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image
from torch.nn import functional as F

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
_READ = Image.Resampling


def resized(image, resample=_READ.BILINEAR, size=(128, 256)):
    return np.asarray(image.resize(size, resample)).astype(np.float64)


def scaled(pixels):
    return (pixels / 255 - MEAN) / STD


def normalised(pixels):
    return scaled(pixels).transpose(2, 0, 1)


def torch_bilinear(image):
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float()
    return F.interpolate(pixels, (256, 128), mode="bilinear")[0].round().permute(1, 2, 0).double().numpy()


def with_bars(image):
    scale = min(128 / image.width, 256 / image.height)
    size = round(image.width * scale), round(image.height * scale)
    page = Image.new("RGB", (128, 256))
    page.paste(image.resize(size, _READ.BILINEAR), ((128 - size[0]) // 2, (256 - size[1]) // 2))
    return np.asarray(page)


def middle(image):
    width = image.height / 2
    left = (image.width - width) / 2
    return np.asarray(image.resize((128, 256), _READ.BILINEAR, (left, 0, left + width, image.height)))


def shorter_side(image):
    """torchvision's Resize(256) and CenterCrop((256, 128)) of an image that is no wider than high."""
    height = 256 * image.height // image.width
    top = (height - 256) // 2
    return resized(image, size=(256, height))[top : top + 256, 64:192]


def wide(image):
    return resized(image, size=(256, 128))


def read(pixels, *axes):
    """The numbers in another order, as a file of them is read."""
    return np.ascontiguousarray(pixels.transpose(axes)).reshape(3, 256, 128)


SCALINGS = {
    "not normalised": lambda x: x / 255,
    "raw pixels": lambda x: x,
    "normalised twice": lambda x: (scaled(x) - MEAN) / STD,
    "no deviation": lambda x: x / 255 - MEAN,
    "no mean": lambda x: x / 255 / STD,
    "other mean": lambda x: x / 127.5 - 1,
    "not divided by 255": lambda x: (x - MEAN) / STD,
    "divided by 255 twice": lambda x: (x / 255 / 255 - MEAN) / STD,
    "Caffe's mean": lambda x: x - [123.675, 116.28, 103.53],
    "mean and deviation exchanged": lambda x: (x / 255 - STD) / MEAN,
}
_ORDERS = {"NCWH": (2, 1, 0), "NHWC": (0, 1, 2), "NWHC": (1, 0, 2), "NHCW": (0, 2, 1), "NWCH": (1, 2, 0)}
ONE_STEP = {
    **{name: lambda image, f=f: f(resized(image)).transpose(2, 0, 1) for name, f in SCALINGS.items()},
    "BGR": lambda image: normalised(resized(image)[..., ::-1]),
    "BGR throughout": lambda image: normalised(resized(image))[::-1],
    "BGR mean": lambda image: ((resized(image) / 255 - MEAN[::-1]) / STD[::-1]).transpose(2, 0, 1),
    "grey": lambda image: normalised(resized(image.convert("L").convert("RGB"))),
    "nearest": lambda image: normalised(resized(image, _READ.NEAREST)),
    "bicubic": lambda image: normalised(resized(image, _READ.BICUBIC)),
    "Lanczos": lambda image: normalised(resized(image, _READ.LANCZOS)),
    "box": lambda image: normalised(resized(image, _READ.BOX)),
    "no antialiasing": lambda image: normalised(torch_bilinear(image)),
    "letterbox": lambda image: normalised(with_bars(image)),
    "crop": lambda image: normalised(middle(image)),
    "centre crop": lambda image: normalised(resized(image, size=(144, 288))[16:272, 8:136]),
    "shorter side": lambda image: normalised(shorter_side(image)),
    **{name: lambda image, axes=axes: read(scaled(resized(image)), *axes) for name, axes in _ORDERS.items()},
    **{
        f"wide {name}": lambda image, axes=axes: read(scaled(wide(image)), *axes)
        for name, axes in _ORDERS.items()
        if name != "NCWH"
    },
    "height and width swapped": lambda image: normalised(wide(image)).reshape(3, 256, 128),
    "lying": lambda image: normalised(wide(image)).transpose(0, 2, 1),
    "mirrored": lambda image: normalised(resized(image))[..., ::-1],
}
# The first three are a public report: cv2.imread, cv2.resize(image, (256, 128)), transpose(2, 1, 0).
SEVERAL_STEPS = {
    "BGR, raw pixels, lying": lambda image: wide(image)[..., ::-1].transpose(2, 1, 0),
    "BGR, lying": lambda image: scaled(wide(image)[..., ::-1]).transpose(2, 1, 0),
    "raw pixels, lying": lambda image: wide(image).transpose(2, 1, 0),
    "BGR, not normalised": lambda image: resized(image)[..., ::-1].transpose(2, 0, 1) / 255,
    "BGR, raw pixels": lambda image: resized(image)[..., ::-1].transpose(2, 0, 1),
    "BGR, normalised twice": lambda image: SCALINGS["normalised twice"](resized(image)[..., ::-1]).transpose(2, 0, 1),
    "BGR throughout, Caffe's mean": lambda image: SCALINGS["Caffe's mean"](resized(image)).transpose(2, 0, 1)[::-1],
    "BGR, not normalised, no antialiasing": lambda image: torch_bilinear(image)[..., ::-1].transpose(2, 0, 1) / 255,
    "BGR, no antialiasing": lambda image: normalised(torch_bilinear(image)[..., ::-1]),
    "raw pixels, NHWC": lambda image: resized(image).reshape(3, 256, 128),
    "BGR, raw pixels, NHWC": lambda image: resized(image)[..., ::-1].reshape(3, 256, 128),
    "raw pixels, height and width swapped": lambda image: wide(image).transpose(2, 0, 1).reshape(3, 256, 128),
    "other mean, letterbox": lambda image: SCALINGS["other mean"](with_bars(image)).transpose(2, 0, 1),
    "not normalised, shorter side": lambda image: shorter_side(image).transpose(2, 0, 1) / 255,
    "grey, not normalised, bicubic": lambda image: (
        np.asarray(image.resize((128, 256), _READ.BICUBIC).convert("L").convert("RGB")).transpose(2, 0, 1) / 255
    ),
    "centre crop, mirrored": lambda image: normalised(resized(image, size=(144, 288))[16:272, 8:136])[..., ::-1],
    "BGR, normalised twice, lying": lambda image: SCALINGS["normalised twice"](wide(image)[..., ::-1]).T,
}
