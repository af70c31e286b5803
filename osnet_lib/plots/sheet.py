"""A grid of images with captions: the paper on which the figures of images are drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.image import AxesImage
from matplotlib.patches import Rectangle
from PIL import Image

from .style import PAGE_WIDTH, new_chart

if TYPE_CHECKING:
    from ..datasets.market1501 import Sample

PITCH = 1.16  # from an image, 1 wide and 2 high, to its neighbour on the right


class Sheet:
    """Images in one axes, which draws ten times faster than an axes per image.

    Parameters
    ----------
    rows : int
    width : float
        Of the widest row, in images without gaps; a row of n images is ``(n - 1) * PITCH + 1`` wide.
    lines : int
        Of text below an image.
    headings : bool
        Whether a line of text goes above each image.
    high : float
        Of a row; more than 2 where images stand above each other in it.
    """

    def __init__(
        self, rows: int, width: float, title: str | None, lines: int, headings: bool = False, high: float = 2.0
    ):
        unit = min(0.9, max(0.62, PAGE_WIDTH / width))  # inches; captions need 0.62
        self.head = 0.17 / unit * headings  # text is as high whatever the images are
        self.step = high + self.head + (0.14 + 0.115 * lines) / unit  # from a row to the one below
        height = rows * self.step
        self.figure = new_chart(height * unit + 0.15, max(4.0, width * unit + 0.2), title, photographs=True)
        self.axes = self.figure.add_subplot(aspect="equal", xlim=(-0.08, width + 0.08), ylim=(height, -0.08))
        self.axes.axis("off")

    def top(self, row: int) -> float:
        return row * self.step + self.head

    def show(self, image: Image.Image | np.ndarray, x: float, y: float, size: float = 1.0, **look) -> AxesImage:
        """Place an image in the box `size` wide and twice as high, as large as it fits."""
        high, wide = (image.height, image.width) if isinstance(image, Image.Image) else image.shape[:2]
        scale = size * min(1 / wide, 2 / high)
        left, top = x + (size - wide * scale) / 2, y + (2 * size - high * scale) / 2
        return self.axes.imshow(image, extent=(left, left + wide * scale, top + high * scale, top), **look)

    def outline(self, values: np.ndarray, x: float, y: float, level: float) -> None:
        """The line at which `values`, shown as large as an image, cross a level: white with a black edge."""
        high, wide = values.shape
        across, down = (np.arange(wide) + 0.5) / wide, 2 * (np.arange(high) + 0.5) / high
        if values.max() > level:
            for colour, width in (("black", 2.2), ("white", 1.0)):
                self.axes.contour(x + across, y + down, values, levels=[level], colors=colour, linewidths=width)

    def heading(self, x: float, y: float, text: str) -> None:
        self.axes.text(x + 0.5, y - 0.06, text, ha="center", va="bottom", fontsize=8)

    def caption(self, x: float, y: float, text: str) -> None:
        self.axes.text(x + 0.5, y + 2.06, text, ha="center", va="top", fontsize=7, linespacing=1.15)

    def mark(self, x: float, y: float, symbol: str, colour: str, line: str, size: float = 1.0) -> None:
        """A border, and a symbol in its upper right corner."""
        self.axes.add_patch(
            Rectangle(
                (x, y),
                size,
                2 * size,
                fill=False,
                edgecolor=colour,
                linestyle=line,
                linewidth=2.4 if size == 1 else 1.6,
            )
        )
        self.axes.text(
            x + size - 0.03,
            y + 0.03,
            symbol,
            ha="right",
            va="top",
            fontsize=9 if size == 1 else 6.5,
            fontweight="bold",
            bbox={"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": colour},
        )


def who(sample: Sample) -> str:
    """Identity of an image, in a word or two."""
    return {-1: "junk", 0: "distractor"}.get(sample.pid, f"pid {sample.pid:04d}")
