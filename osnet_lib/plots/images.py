"""Figures that show images: what is in the data, what the network sees, and what it ranks first."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from ..errors import DatasetError, MetricError
from ..market1501 import Market1501, Sample
from .style import GREEN, VERMILLION, WIDTH, new_chart, styled
from ..preprocess import HEIGHT, WIDTH as INPUT_WIDTH, to_uint8
from ..metrics.ranking import RankedList

TICK, CROSS = "✓", "✗"


class _Sheet:
    """A grid of images with captions in one axes, which draws ten times faster than an axes per image.

    An image is 1 wide and 2 high; `pitch` is the distance to its neighbour on the right, `step` to the one below.
    `gap` sets the first column apart.
    """

    pitch = 1.16

    def __init__(self, rows: int, columns: int, title: str | None, lines: int, gap: float = 0.0):
        unit = min(0.9, max(0.62, WIDTH / (columns * self.pitch + gap)))  # inches; captions need 0.62
        self.gap, self.step = gap, 2 + (0.14 + 0.115 * lines) / unit  # a caption is as high whatever the images are
        width, height = (columns - 1) * self.pitch + 1 + gap, rows * self.step
        self.figure = new_chart(height * unit + 0.15, max(4.0, width * unit + 0.2), title)
        self.axes = self.figure.add_subplot(aspect="equal", xlim=(-0.08, width + 0.08), ylim=(height, -0.08))
        self.axes.axis("off")

    def corner(self, row: int, column: int) -> tuple[float, float]:
        return column * self.pitch + self.gap * (column > 0), row * self.step

    def show(self, image: Image.Image, row: int, column: int) -> None:
        """Place an image as large as its cell allows."""
        x, y = self.corner(row, column)
        scale = min(1 / image.width, 2 / image.height)
        width, height = image.width * scale, image.height * scale
        left, top = x + (1 - width) / 2, y + (2 - height) / 2
        self.axes.imshow(image, extent=(left, left + width, top + height, top))

    def caption(self, row: int, column: int, text: str) -> None:
        x, y = self.corner(row, column)
        self.axes.text(x + 0.5, y + 2.06, text, ha="center", va="top", fontsize=7, linespacing=1.15)

    def mark(self, row: int, column: int, right: bool) -> None:
        """Border and symbol of a match or a wrong image."""
        x, y = self.corner(row, column)
        colour, line, symbol = (GREEN, "-", TICK) if right else (VERMILLION, "--", CROSS)
        self.axes.add_patch(Rectangle((x, y), 1, 2, fill=False, edgecolor=colour, linestyle=line, linewidth=2.4))
        self.axes.text(x + 0.86, y + 0.16, symbol, ha="center", va="center", fontsize=9, fontweight="bold",
                       bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": colour})


@dataclass(frozen=True)
class RankedRow:
    """One query and what it ranks first, by file name, nearest first."""

    query: str
    gallery: tuple[str, ...]
    correct: tuple[bool, ...]
    distances: tuple[float, ...]


def ranked_rows(ranked: RankedList, query_names: Sequence[str], gallery_names: Sequence[str]) -> list[RankedRow]:
    """A ranked list with file names in place of gallery indices.

    Parameters
    ----------
    ranked : RankedList
        Of the queries to show.
    query_names, gallery_names : sequence of str
        In the order of the features that were ranked.

    Raises
    ------
    MetricError
        Not one name per query, or fewer gallery names than the list points to.
    """
    if len(query_names) != len(ranked.indices) or ranked.indices.max(initial=-1) >= len(gallery_names):
        raise MetricError(f"{len(query_names)} query and {len(gallery_names)} gallery names for "
                          f"{len(ranked.indices)} lists", where="names",
                          cure="Give the names in the order of the features that were ranked")
    rows = []
    for name, indices, correct, found in zip(query_names, ranked.indices, ranked.correct, ranked.distances):
        there = indices >= 0
        rows.append(RankedRow(str(name), tuple(str(gallery_names[i]) for i in indices[there]),
                              tuple(map(bool, correct[there])), tuple(map(float, found[there]))))
    return rows


@styled
def plot_samples(dataset: Market1501, samples: Sequence[Sample], columns: int = 8, title: str | None = None) -> Figure:
    """Contact sheet: each image with its identity and camera.

    Raises
    ------
    DatasetError
        No samples or no columns; an image that cannot be decoded.
    """
    if not samples or columns < 1:
        raise DatasetError(f"{len(samples)} images in {columns} columns", where="samples",
                           cure="Give at least one of both")
    columns = min(columns, len(samples))
    sheet = _Sheet(-(-len(samples) // columns), columns, title, lines=2)
    for i, sample in enumerate(samples):
        sheet.show(dataset.image(sample), *divmod(i, columns))
        sheet.caption(*divmod(i, columns), f"{_who(sample)}\ncamera {sample.camid}")
    return sheet.figure


@styled
def plot_network_input(image: Image.Image, tensor: np.ndarray, title: str | None = None) -> Figure:
    """What the network sees of an image: the crop, the crop resized, and the three normalised channels.

    Parameters
    ----------
    image : PIL.Image.Image
        As it is in the data set.
    tensor : float array, [3, 256, 128]
        `osnet_lib.preprocess.preprocess` of it.

    Raises
    ------
    DatasetError
        A tensor of another shape.
    """
    if np.shape(tensor) != (3, HEIGHT, INPUT_WIDTH):
        raise DatasetError(f"shape {np.shape(tensor)}, not (3, {HEIGHT}, {INPUT_WIDTH})", where="tensor",
                           cure="Give one image as preprocess returns it, without a batch axis")
    figure = new_chart(3.0, title=title)
    crop, resized, *channels = figure.subplots(1, 5)
    crop.imshow(image)
    crop.set(title=f"original\n{image.width} × {image.height}", xlabel="x / pixels", ylabel="y / pixels")
    resized.imshow(to_uint8(image))
    resized.set(title=f"resized\n{INPUT_WIDTH} × {HEIGHT}", xlabel="x / pixels")
    low, high = float(tensor.min()), float(tensor.max())
    for axes, channel, name in zip(channels, tensor, ("red", "green", "blue")):
        shown = axes.imshow(channel, cmap="gray", vmin=low, vmax=high)
        axes.set(title=f"{name}\n{channel.min():.2f} to {channel.max():.2f}".replace("-", "−"), xlabel="x / pixels")
    for axes in (crop, resized, *channels):
        axes.grid(False)
        axes.spines[["top", "right"]].set_visible(True)
    figure.colorbar(shown, ax=channels, label="(value / 255 − mean) / std", aspect=30)
    return figure


@styled
def plot_ranked_lists(dataset: Market1501, rows: Sequence[RankedRow], title: str | None = None) -> Figure:
    """Queries and the gallery images nearest to them; right and wrong differ in border, line style and symbol.

    Raises
    ------
    DatasetError
        A name that is not in the data set; an image that cannot be decoded.
    MetricError
        No rows; an image marked right whose name says otherwise, or the reverse (features paired with wrong names).
    """
    if not rows:
        raise MetricError("no query to show", where="rows", cure="Give at least one row of ranked_rows")
    queries = {sample.name: sample for sample in dataset.query}
    gallery = {sample.name: sample for sample in dataset.gallery}
    length = max(len(row.gallery) for row in rows)
    sheet = _Sheet(len(rows), 1 + length, title, lines=3, gap=0.3)
    for r, row in enumerate(rows):
        query = _find(queries, row.query, dataset)
        removed = sum(sample.pid == query.pid and sample.camid == query.camid for sample in dataset.gallery)
        sheet.show(dataset.image(query), r, 0)
        sheet.caption(r, 0, f"{_who(query)}\ncamera {query.camid}\n{removed} removed")
        for c, (name, right, distance) in enumerate(zip(row.gallery, row.correct, row.distances), 1):
            sample = _find(gallery, name, dataset)
            if right != (sample.pid == query.pid and sample.camid != query.camid):
                raise MetricError(f"marked {'right' if right else 'wrong'} for {query.name}, but its name says "
                                  "otherwise", where=name,
                                  cure="Give the names in the order of the features that were ranked")
            sheet.show(dataset.image(sample), r, c)
            sheet.mark(r, c, right)
            sheet.caption(r, c, f"{_who(sample)}\ncamera {sample.camid}\n{distance:.4g}")
    for c in range(length + 1):
        x, y = sheet.corner(0, c)
        sheet.axes.text(x + 0.5, y - 0.1, f"rank {c}" if c else "query", ha="center", va="bottom", fontsize=8)
    notes = (f"{TICK} solid border: right, the query's identity in another camera. {CROSS} dashed border: wrong.",
             "Third line: distance to the query. Removed before ranking: gallery images of the query in its own "
             "camera.")
    width, height = sheet.figure.get_size_inches()
    lines = [line for note in notes for line in textwrap.wrap(note, int(width * 14))]  # about 14 letters an inch
    sheet.figure.set_size_inches(width, height + 0.25 + 0.14 * len(lines))
    sheet.figure.supxlabel("\n".join(lines), fontsize=8)
    return sheet.figure


def _who(sample: Sample) -> str:
    return {-1: "junk", 0: "distractor"}.get(sample.pid, f"pid {sample.pid:04d}")


def _find(samples: dict[str, Sample], name: str, dataset: Market1501) -> Sample:
    if name not in samples:
        raise DatasetError(f"no image {name} among those that are ranked", where=dataset.path,
                           cure="Show the lists on the data set that the features were extracted from")
    return samples[name]
