"""Figures that show images: what is in the data, what the network sees, and where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from PIL import Image

from ..checks import whole_number
from ..datasets.preprocess import HEIGHT, WIDTH, to_uint8
from ..errors import DatasetError, MetricError
from .descriptions import describe, sentence
from .sheet import PITCH, Sheet, who
from .style import LIGHTNESS, PAGE_WIDTH, new_chart, styled

if TYPE_CHECKING:
    from ..datasets.market1501 import Market1501, Sample


@styled
def plot_samples(dataset: Market1501, samples: Sequence[Sample], columns: int = 8, title: str | None = None) -> Figure:
    """Contact sheet: each image with its identity and camera.

    Raises
    ------
    DatasetError
        No samples or no columns; an image that cannot be decoded.
    """
    whole_number(columns, "columns", error=DatasetError, where="samples")
    if not samples:
        raise DatasetError("no image to show", where="samples", cure="Give at least one")
    columns = min(columns, len(samples))
    sheet = Sheet(-(-len(samples) // columns), (columns - 1) * PITCH + 1, title, lines=2)
    for i, sample in enumerate(samples):
        x, y = i % columns * PITCH, sheet.top(i // columns)
        sheet.show(dataset.image(sample), x, y)
        sheet.caption(x, y, f"{who(sample)}\ncamera {sample.camid}")
    people, cameras = len({sample.pid for sample in samples}), len({sample.camid for sample in samples})
    return describe(sheet.figure, sentence("samples", images=len(samples), people=people, cameras=cameras))


@styled
def plot_network_input(image: Image.Image, tensor: np.ndarray, title: str | None = None) -> Figure:
    """What the network sees of an image: the crop, the crop resized, and the three normalised channels.

    Parameters
    ----------
    image : PIL.Image.Image
        As it is in the data set.
    tensor : float array, [3, 256, 128]
        `osnet_lib.datasets.preprocess.preprocess` of it.

    Raises
    ------
    DatasetError
        A tensor of another shape.
    """
    if np.shape(tensor) != (3, HEIGHT, WIDTH):
        raise DatasetError(
            f"shape {np.shape(tensor)}, not (3, {HEIGHT}, {WIDTH})",
            where="tensor",
            cure="Give one image as preprocess returns it, without a batch axis",
        )
    figure = new_chart(3.0, PAGE_WIDTH, title, photographs=True)
    crop, resized, *channels = figure.subplots(1, 5)
    crop.imshow(image)
    crop.set(title=f"original\n{image.width} × {image.height}", xlabel="x / pixels", ylabel="y / pixels")
    resized.imshow(to_uint8(image))
    resized.set(title=f"resized\n{WIDTH} × {HEIGHT}", xlabel="x / pixels")
    low, high = float(tensor.min()), float(tensor.max())
    for axes, channel, name in zip(channels, tensor, ("red", "green", "blue")):
        shown = axes.imshow(channel, cmap="gray", vmin=low, vmax=high)
        axes.set(title=f"{name}\n{channel.min():.2f} to {channel.max():.2f}".replace("-", "−"), xlabel="x / pixels")
    for axes in (crop, resized, *channels):
        axes.grid(False)
        axes.spines[["top", "right"]].set_visible(True)
    figure.colorbar(shown, ax=channels, label="(value / 255 − mean) / std", aspect=30)
    sizes = {"width": image.width, "height": image.height, "to_width": WIDTH, "to_height": HEIGHT}
    return describe(figure, sentence("input", **sizes, low=low, high=high))


@styled
def plot_activation(
    dataset: Market1501, samples: Sequence[Sample], maps: ArrayLike, title: str | None = None
) -> Figure:
    """Where the network looks: images, their activation maps, and both laid over each other.

    Each map is shown relative to its own largest value, on a scale whose lightness rises with it. Below, the map is
    laid over the grey image the more, the stronger it is, and a line surrounds what is above half of its largest value.

    Parameters
    ----------
    samples : sequence of Sample
    maps : array (N, h, w)
        `osnet_lib.network.activation.activation_map` of these images, in this order.

    Raises
    ------
    DatasetError
        No samples; an image that cannot be decoded.
    MetricError
        Not one map per image; values that are negative or not finite.
    """
    maps = np.asarray(maps)
    if not samples:
        raise DatasetError("no image to show", where="samples", cure="Give at least one")
    if maps.dtype.kind != "f" or maps.ndim != 3 or len(maps) != len(samples) or not maps.size:
        raise MetricError(
            f"{maps.dtype} of shape {maps.shape} for {len(samples)} images",
            where="maps",
            cure="Give activation_map of the same images, in the same order",
        )
    if not (np.isfinite(maps) & (maps >= 0)).all():
        raise MetricError("values that are negative or not finite", where="maps", cure="Give what activation_map gives")
    rows = {"image": 0.0, "map": 2.14, "both": 4.28}
    sheet = Sheet(1, (len(samples) - 1) * PITCH + 1, title, lines=2, high=rows["both"] + 2)
    for name, y in rows.items():
        sheet.axes.text(-0.12, y + 1, name, ha="right", va="center", rotation=90, fontsize=8)
    for i, (sample, activation) in enumerate(zip(samples, maps)):
        x, image = i * PITCH, dataset.image(sample)
        relative = (activation / max(activation.max(), np.finfo(np.float32).tiny)).astype(np.float32)
        smooth = np.asarray(Image.fromarray(relative).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR))
        sheet.show(image, x, rows["image"])
        shown = sheet.show(relative, x, rows["map"], cmap=LIGHTNESS, vmin=0, vmax=1)
        sheet.show(
            np.asarray(image.resize((WIDTH, HEIGHT)).convert("L")), x, rows["both"], cmap="gray", vmin=0, vmax=255
        )
        sheet.show(smooth, x, rows["both"], cmap=LIGHTNESS, vmin=0, vmax=1, alpha=0.8 * smooth)
        sheet.outline(smooth, x, rows["both"], 0.5)
        sheet.caption(x, rows["both"], f"{who(sample)}\ncamera {sample.camid}")
    sheet.figure.colorbar(
        shown, ax=sheet.axes, label="share of the map's largest value", aspect=40, shrink=0.6, pad=0.01
    )
    strong = 100 * (maps > maps.max(axis=(1, 2), keepdims=True) / 2).mean(axis=(1, 2))
    shares = {"share": strong.mean(), "least": strong.min(), "most": strong.max()}
    return describe(sheet.figure, sentence("activation", images=len(samples), **shares))
