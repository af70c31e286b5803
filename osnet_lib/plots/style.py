"""How every figure looks: readable in black and white, by colour-blind eyes, on light and dark pages.

A colour never stands alone: series also differ in marker and line style, bars in hatching. Figures are made without
pyplot, so no global state is touched, nothing is left open, and a notebook shows the returned figure once.
"""

from __future__ import annotations

import base64
import functools
import io
import re
import textwrap
from collections.abc import Callable, Iterable
from itertools import cycle, islice
from typing import Any, ParamSpec, TypeVar

from matplotlib import style
from matplotlib.artist import Artist
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
RULE = "#D9D9D9"
ON_MAP = ("#FFFFFE", "#000001")  # white and black text on a colour map, which stays in dark pages as it is
LIGHTNESS = "cividis"  # a colour map that grey print and colour-blind eyes read alike (Nuñez et al., PLoS ONE, 2018)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
HATCHES = ("", "////", "----", "xxxx", "\\\\\\\\")  # lines: an SVG holds each dot as a circle

# Inches. A chart is as wide as the screen of a phone, where its smallest text is then 9 pixels high; a computer shows
# it larger. Photographs take the text column of a page.
CHART_WIDTH, PAGE_WIDTH = 4.6, 8.0
_PHOTOGRAPH_DPI = 100
FINE_PRINT = 8.5  # points, the smallest text of a chart
_RULES = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.titlesize": 9.5,
    "figure.titlesize": 10,
    "xtick.labelsize": FINE_PRINT,
    "ytick.labelsize": FINE_PRINT,
    "legend.fontsize": FINE_PRINT,
    "legend.handlelength": 1.8,
    "legend.columnspacing": 1.2,
    "svg.fonttype": "none",  # text stays text: small, sharp, and found by a search
    "svg.hashsalt": "osnet",  # the same figure gives the same file
    "figure.facecolor": "white",
    "axes.facecolor": "white",
    "savefig.facecolor": "white",
    "figure.dpi": 120,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": RULE,
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


# What a page may exchange in a dark theme: names of CSS variables (``_static/study.css``). Colour maps, photographs and
# what is written on them keep their colours.
_THEMED = {
    BLUE: "blue",
    VERMILLION: "vermillion",
    GREEN: "green",
    PURPLE: "purple",
    SKY: "sky",
    ORANGE: "orange",
    BLACK: "ink",
    GREY: "grey",
    RULE: "rule",
    "#FFFFFF": "paper",
}


class Chart(Figure):
    """A figure that keeps its style when it is drawn later, and that a notebook shows without pyplot.

    It shows SVG, or JPEG where it holds photographs. `alt` is its alternative text (`osnet_lib.plots.descriptions`) and
    `values` what that was filled with; they go with the picture into a notebook, the text under the key that nbconvert
    reads too.
    """

    alt = ""
    values: dict[str, Any] = {}  # noqa: RUF012  replaced, never changed
    photographs = False

    def draw(self, renderer):
        with _rules():  # ticks are made when they are first drawn
            super().draw(renderer)

    def _repr_mimebundle_(self, **_wanted: object) -> tuple[dict[str, str], dict[str, dict[str, Any]]]:
        kind, picture = ("image/jpeg", self._jpeg()) if self.photographs else ("image/svg+xml", self.svg())
        return {kind: picture}, {kind: {"alt": self.alt, "values": self.values}} if self.alt else {}

    def _jpeg(self) -> str:
        buffer = io.BytesIO()
        quality = {"quality": 70, "optimize": True, "progressive": True}
        self.savefig(buffer, format="jpeg", dpi=_PHOTOGRAPH_DPI, bbox_inches="tight", pil_kwargs=quality)
        return base64.b64encode(buffer.getvalue()).decode("ascii")

    def svg(self) -> str:
        """The figure as SVG whose colours are CSS variables, each with the colour that it has without a page."""
        buffer = io.StringIO()
        with _rules():
            self.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
        drawn = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>\s*", "", buffer.getvalue(), flags=re.DOTALL)
        used = set(re.findall(r"#([\w-]+)[\")]", drawn))  # by clip paths, markers and hatches
        drawn = re.sub(r"<[^>]+>", lambda tag: _tag(tag[0], used), drawn)  # what is written between tags stays
        # matplotlib leaves black text without a colour, which it then takes from here
        return drawn.replace("<svg ", f'<svg style="fill: var(--chart-ink, {BLACK})" ', 1)


def _tag(tag: str, used: set[str]) -> str:
    """A tag of matplotlib's SVG in fewer letters: without names that nothing uses, in hundredths of a point."""
    tag = re.sub(r' id="([\w.-]+)"', lambda name: name[0] if name[1] in used else "", tag)
    tag = re.sub(r"(\d+\.\d\d)\d+", r"\1", tag)
    tag = re.sub(r'(?<= d=")[^"]+', lambda path: re.sub(r"\s*([MLCQz])\s*", r"\1", path[0]), tag)
    for colour, name in _THEMED.items():
        tag = re.sub(rf"(?<=: ){colour}\b", f"var(--chart-{name}, {colour.lower()})", tag, flags=re.IGNORECASE)
    return tag.replace("'DejaVu Sans'", "'DejaVu Sans', Verdana, sans-serif")  # the first two are equally wide


P = ParamSpec("P")
F = TypeVar("F", bound=Figure)


def styled(plot: Callable[P, F]) -> Callable[P, F]:
    """Decorator of a plot function: what it creates follows the style, the caller's settings stay as they are."""

    @functools.wraps(plot)
    def run(*args: P.args, **kwargs: P.kwargs) -> F:
        with _rules():
            return plot(*args, **kwargs)

    return run


def new_chart(height: float, width: float = CHART_WIDTH, title: str | None = None, photographs: bool = False) -> Chart:
    """An empty figure of `width` x `height` inches; a long title is wrapped and makes it higher."""
    lines = textwrap.wrap(title or "", int(width * 11))  # about 11 letters an inch
    chart = Chart(figsize=(width, height + 0.22 * len(lines)), layout="constrained")
    chart.photographs = photographs
    if lines:
        chart.suptitle("\n".join(lines))
    return chart


def legend_below(figure: Figure, handles: Iterable[Artist] | None = None, labels: Iterable[str] | None = None) -> None:
    """The legend of a chart below it, in as many columns as its labels leave room for; the chart grows by its rows.

    `handles` are all that have a label, and `labels` theirs, unless given.
    """
    if handles is None:
        entries = [entry for axes in figure.axes for entry in zip(*axes.get_legend_handles_labels())]
    else:
        marks = list(handles)
        entries = list(zip(marks, labels or [str(mark.get_label()) for mark in marks]))
    width, height = figure.get_size_inches()
    letters = 14 * width  # about 14 letters an inch; the mark takes 8
    texts = [textwrap.fill(label, int(letters - 8)) for _, label in entries]
    columns = max(1, min(3, len(texts), int(letters / (8 + max(map(len, texts))))))
    rows = -(-len(texts) // columns) + sum(text.count("\n") for text in texts)
    figure.set_size_inches(width, height + 0.19 * rows)
    figure.legend([mark for mark, _ in entries], texts, loc="outside lower center", ncols=columns)


def plain_decades(axis: Axis) -> None:
    """Label the ticks of a log axis as text, ``1e-06``; matplotlib's own labels are maths."""
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_formatter(NullFormatter())


def line_styles(count: int) -> list[dict]:
    """Keyword arguments of `Axes.plot` for `count` series; 28 differ, and neighbours differ in everything."""
    looks = zip(cycle(COLOURS), cycle(MARKERS), cycle(LINES))
    return [{"color": colour, "marker": marker, "linestyle": line} for colour, marker, line in islice(looks, count)]
