"""How every figure looks: readable in black and white, by colour-blind eyes, on light and dark pages.

A colour never stands alone: series also differ in marker and line style, bars in hatching. Figures are made without
pyplot, so no global state is touched, nothing is left open, and a notebook shows the returned figure once.
"""

from __future__ import annotations

import functools
import io
import textwrap
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any, ParamSpec, TypeVar

from matplotlib import style
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter, StrMethodFormatter

# Okabe and Ito's palette ("Color Universal Design", 2008) without its yellow, which is too pale on white.
BLUE, VERMILLION, GREEN, PURPLE, SKY, ORANGE, BLACK = COLOURS = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#56B4E9",
    "#E69F00",
    "#000000",
)
GREY = "#767676"
LIGHTNESS = "cividis"  # a colour map that grey print and colour-blind eyes read alike (Nuñez et al., PLoS ONE, 2018)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
HATCHES = ("", "////", "....", "xxxx", "\\\\\\\\")

PAGE_WIDTH = 8.0  # inches, the text column of the book
_RULES = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 10,
    "figure.titlesize": 11,
    "legend.fontsize": 8,
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 120,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.5,
    "lines.markersize": 5,
    "hatch.linewidth": 0.7,
    "legend.frameon": False,
    "text.parse_math": False,  # a name of a chip or file is never maths
}


def _rules():
    """The style as a context; it starts from matplotlib's defaults, whatever the caller has set."""
    return style.context(["default", _RULES])


class Chart(Figure):
    """A figure that keeps its style when it is drawn later, and that a notebook shows without pyplot.

    `alt` is its alternative text (`osnet_lib.plots.descriptions`) and `values` what that was filled with; they go with
    the picture into a notebook, the text under the key that nbconvert reads too.
    """

    alt = ""
    values: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed

    def draw(self, renderer):
        with _rules():  # ticks are made when they are first drawn
            super().draw(renderer)

    def _repr_png_(self) -> tuple[bytes, dict[str, Any]]:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=self.dpi, bbox_inches="tight")
        return buffer.getvalue(), {"alt": self.alt, "values": self.values} if self.alt else {}


P = ParamSpec("P")
F = TypeVar("F", bound=Figure)


def styled(plot: Callable[P, F]) -> Callable[P, F]:
    """Decorator of a plot function: what it creates follows the style, the caller's settings stay as they are."""

    @functools.wraps(plot)
    def run(*args: P.args, **kwargs: P.kwargs) -> F:
        with _rules():
            return plot(*args, **kwargs)

    return run


def new_chart(height: float, width: float = PAGE_WIDTH, title: str | None = None) -> Chart:
    """An empty figure of `width` x `height` inches; a long title is wrapped and makes it higher."""
    lines = textwrap.wrap(title or "", int(width * 11))  # about 11 letters an inch
    chart = Chart(figsize=(width, height + 0.22 * len(lines)), layout="constrained")
    if lines:
        chart.suptitle("\n".join(lines))
    return chart


def plain_decades(axis: Axis) -> None:
    """Label the ticks of a log axis as text, ``1e-06``; matplotlib's own labels are maths."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def line_styles(count: int) -> list[dict]:
    """Keyword arguments of `Axes.plot` for `count` series; 28 differ, and neighbours differ in everything."""
    looks = zip(cycle(COLOURS), cycle(MARKERS), cycle(LINES))
    return [{"color": colour, "marker": marker, "linestyle": line} for colour, marker, line in islice(looks, count)]
