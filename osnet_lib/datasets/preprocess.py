"""From an image of a person to the numbers that OSNet reads, one by one or streamed in batches.

The arithmetic is that of torchreid, which is torchvision's on Pillow images: ``Resize((256, 128))``, ``ToTensor()``,
``Normalize(MEAN, STD)``. Mean and deviation are applied here and nowhere else: the network does not normalise again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

import numpy as np
from PIL import Image

from ..checks import MOST_IMAGES, MOST_THREADS, whole_number
from ..core.host import usable_cores
from ..errors import DatasetError
from .market1501 import Sample

HEIGHT, WIDTH = 256, 128  # pixels; people are tall
MEAN = (0.485, 0.456, 0.406)  # of ImageNet, RGB, where 1.0 is white
STD = (0.229, 0.224, 0.225)

_MEAN = np.array(MEAN, np.float32)[:, None, None]
_STD = np.array(STD, np.float32)[:, None, None]


class Images(Protocol):
    """What the loader needs of a data set; `osnet_lib.datasets.market1501.Market1501` is one."""

    def image(self, sample: Sample) -> Image.Image:
        """Decode one image; called from several threads."""


def _resize(image: Image.Image) -> Image.Image:
    if image.mode != "RGB":
        image = image.convert("RGB")
    # Pillow widens the triangle when it shrinks an image (antialiasing); OpenCV and torch do not by default.
    return image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)


def to_uint8(image: Image.Image) -> np.ndarray:
    """Resize only, for a model that normalises on the device.

    Returns
    -------
    ndarray of uint8, [256, 128, 3]
        Height, width, RGB; 0 to 255.
    """
    return np.array(_resize(image))


def preprocess(image: Image.Image, out: np.ndarray | None = None) -> np.ndarray:
    """Resize and normalise an image.

    Parameters
    ----------
    image : PIL.Image.Image
        Any size; converted to RGB if it is in another mode.
    out : ndarray of float32, [3, 256, 128], optional
        Where to write the result, such as a row of a batch.

    Returns
    -------
    ndarray of float32, [3, 256, 128]
        ``(value / 255 - MEAN) / STD``, bit-identical to torchvision: three float32 operations in this order, not one
        multiplication and one addition, which would round differently.
    """
    if out is None:
        out = np.empty((3, HEIGHT, WIDTH), np.float32)
    if 2 * image.width == WIDTH and 2 * image.height == HEIGHT:
        out[...] = _doubled(image if image.mode == "RGB" else image.convert("RGB"))
    else:
        out[...] = _lines(_resize(image)).transpose(1, 0, 2)
    np.divide(out, np.float32(255), out=out)
    np.subtract(out, _MEAN, out=out)
    np.divide(out, _STD, out=out)
    return out


def _lines(image: Image.Image) -> np.ndarray:
    """The pixels of an RGB image, ``[height, 3, width]``: Pillow sorts colours within a line faster than numpy can."""
    return np.frombuffer(image.tobytes("raw", "RGB;L"), np.uint8).reshape(image.height, 3, image.width)


def _doubled(image: Image.Image) -> np.ndarray:
    """What `_resize` makes of an image of half the size, as all of Market-1501 are: to the bit, in a third of the time.

    A new pixel lies a quarter of the way from the centre of an old one to the next, and weighs them 3 to 1. As Pillow
    does, lines come first and are rounded to whole numbers before columns are made of them.

    Returns
    -------
    ndarray of uint16, [3, 256, 128]
    """
    lines = _lines(image)
    height, _, width = lines.shape
    padded = np.empty((height, 3, width + 2), np.uint16)  # beyond the edge lies the edge once more
    padded[..., 1:-1], padded[..., 0], padded[..., -1] = lines, lines[..., 0], lines[..., -1]
    wide = np.empty((height + 2, 3, width, 2), np.uint16)
    _between(padded[..., :-2], padded[..., 1:-1], padded[..., 2:], wide[1:-1, ..., 0], wide[1:-1, ..., 1])
    wide[0], wide[-1] = wide[1], wide[-2]
    wide = wide.reshape(height + 2, 3, 2 * width)
    tall = np.empty((height, 2, 3, 2 * width), np.uint16)
    _between(wide[:-2], wide[1:-1], wide[2:], tall[:, 0], tall[:, 1])
    return tall.reshape(2 * height, 3, 2 * width).transpose(1, 0, 2)


def _between(before: np.ndarray, here: np.ndarray, after: np.ndarray, first: np.ndarray, second: np.ndarray) -> None:
    """Two new pixels for each `here`: three parts of it and one of its neighbour, rounded half up."""
    near = here * 3
    near += 2
    for far, new in ((before, first), (after, second)):
        np.add(near, far, out=new)
        new >>= 2


def iter_batches(
    dataset: Images,
    samples: Iterable[Sample],
    batch_size: int,
    threads: int | None = None,
    dtype: np.dtype | type = np.float32,
) -> Iterator[tuple[tuple[Sample, ...], np.ndarray]]:
    """Stream preprocessed batches; threads decode ahead while the caller computes.

    Parameters
    ----------
    dataset : Images
        Where the images are; it must allow reading from several threads.
    samples : iterable of Sample
        In the order in which they come out.
    batch_size : int
        Images per batch; the last batch may be shorter.
    threads : int, optional
        Decoding threads; by default one per usable core, at most 4.
    dtype : numpy dtype
        A session's `input_dtype`: float32, float16, or uint8 for a model that normalises on the device.

    Yields
    ------
    samples : tuple of Sample
        Those of the batch.
    images : ndarray of `dtype`, [n, 3, 256, 128]; of uint8, [n, 256, 128, 3]
        A fresh array, the caller's to keep. Two batches are prepared ahead (more where a batch has fewer images than
        there are threads), 393,216 bytes an image, so memory does not grow with the number of samples.

    Raises
    ------
    DatasetError
        At the call: a batch size or thread count below 1. At the batch concerned: an image that cannot be decoded,
        by name. The threads are gone when iteration ends, whether by the last batch, an error or an early stop.
    """
    threads = min(4, usable_cores()) if threads is None else threads
    batch_size = whole_number(batch_size, "batch_size", at_most=MOST_IMAGES, error=DatasetError)
    threads = whole_number(threads, "threads", at_most=MOST_THREADS, error=DatasetError)
    return _stream(dataset, tuple(samples), batch_size, threads, np.dtype(dtype))


def _stream(dataset: Images, samples: tuple[Sample, ...], batch_size: int, threads: int, dtype: np.dtype):
    shape = (HEIGHT, WIDTH, 3) if dtype == np.uint8 else (3, HEIGHT, WIDTH)
    batches = (samples[start : start + batch_size] for start in range(0, len(samples), batch_size))
    pending: deque[tuple[tuple[Sample, ...], np.ndarray, list[Future]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def prepare_next() -> None:
        batch = next(batches, None)
        if batch is not None:
            images = np.empty((len(batch), *shape), dtype)
            # Every thread takes each n-th row: one task per thread and batch costs less than one per image.
            jobs = [
                pool.submit(_fill, dataset, batch[i::threads], images[i::threads])
                for i in range(min(threads, len(batch)))
            ]
            pending.append((batch, images, jobs))

    try:
        for _ in range(max(2, -(-2 * threads // batch_size))):
            prepare_next()
        while pending:
            batch, images, jobs = pending.popleft()
            for job in jobs:
                job.result()
            prepare_next()
            yield batch, images
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _fill(dataset: Images, samples: tuple[Sample, ...], rows: np.ndarray) -> None:
    for sample, row in zip(samples, rows):
        if row.dtype == np.float32:
            preprocess(dataset.image(sample), out=row)
        else:  # float16 is the float32 result, rounded once
            row[...] = (to_uint8 if row.dtype == np.uint8 else preprocess)(dataset.image(sample))


def mirrored(images: np.ndarray) -> np.ndarray:
    """A batch with every image mirrored left to right: ``[n, 3, 256, 128]``, or uint8 ``[n, 256, 128, 3]``."""
    return np.ascontiguousarray(images[:, :, ::-1] if images.dtype == np.uint8 else images[..., ::-1])
