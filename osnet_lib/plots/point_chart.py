"""Points with values that a page tells where the pointer is: a device can be picked, an axis be linear or logarithmic.

Every state is drawn here, as SVG whose places across are shares of the width, so that it fits any screen and shows
without a script; the script only exchanges drawings and says values.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any

import numpy as np

from ..core.table import Table
from ..errors import ResultError
from .style import BLACK, line_styles
from .ticks import Axis, FittedScale, fit_scale
from .widget import widget

_HEIGHT = 320  # pixels of the plot, without the labels of its axes
_NARROW = 250  # pixels of its width on the smallest screen
_SHAPES = {  # of the markers that `style` names, around 0
    "o": "M-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z",
    "s": "M-4.5 -4.5h9v9h-9z",
    "^": "M0 -5.5L5.5 4.5h-11z",
    "D": "M0 -6L6 0L0 6L-6 0z",
    "v": "M0 5.5L5.5 -4.5h-11z",
    "P": "M-2 -5.5h4v3.5h3.5v4h-3.5v3.5h-4v-3.5h-3.5v-4h3.5z",
    "X": "M-5.5 -3L-3 -5.5L0 -2.5L3 -5.5L5.5 -3L2.5 0L5.5 3L3 5.5L0 2.5L-3 5.5L-5.5 3L-2.5 0z",
}
_DASHES = {"-": "", "--": "7 4", "-.": "7 3 2 3", ":": "2 3"}
_EVERY = ""  # the state of the filter in which nothing is left out


@dataclass(frozen=True)
class ChartPoint:
    """One value: where it stands, how far it may be off, and what the page says of it.

    Attributes
    ----------
    x, y : float
    error : float, optional
        Half the length of its bar along y; None where it is not known.
    note : str
        What is said of it behind its values, such as a verdict.
    hollow : bool
        Drawn without filling: disturbed, or published.
    """

    x: float
    y: float
    error: float | None = None
    note: str = ""
    hollow: bool = False


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes
    ----------
    label : str
    points : tuple of ChartPoint
    heading : str
        Under which it stands in the legend: measured here, imported, published.
    device : str
        What the reader picks it by.
    joined, dashed : bool
        Whether a line joins the points, and whether that is dashed whatever its number.
    """

    label: str
    points: tuple[ChartPoint, ...]
    heading: str = ""
    device: str = ""
    joined: bool = True
    dashed: bool = False


@dataclass(frozen=True, repr=False)
class PointChart:
    """Series on two axes; a notebook shows them to be pointed at, `str` is the conclusion."""

    series: tuple[Series, ...]
    x: Axis
    y: Axis
    conclusion: str

    def __repr__(self) -> str:
        return self.conclusion

    @property
    def devices(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.device for one in self.series))

    @property
    def scales(self) -> tuple[str, ...]:
        """What the reader may choose among, the first one first."""
        return next((axis.scales for axis in (self.y, self.x) if len(axis.scales) > 1), ())

    def table(self) -> Table:
        """Every point: what is left of the chart where no drawing is allowed."""
        records = [
            {
                "series": ", ".join(filter(None, [one.heading, one.label])),
                self.x.label: self.x.words(point.x),
                self.y.label: _value(self.y, point),
                "note": point.note,
            }
            for one in self.series
            for point in one.points
        ]
        return Table.from_records(records)

    def payload(self) -> dict[str, Any]:
        """The drawings by device and scale, and the choices, as plain JSON values."""
        choices = [_EVERY, *(self.devices if len(self.devices) > 1 else ())]
        return {
            "devices": choices,
            "scales": list(self.scales),
            "drawings": [[self.drawing(device, scale) for scale in self.scales or (_EVERY,)] for device in choices],
        }

    def drawing(self, device: str = _EVERY, scale: str = _EVERY) -> str:
        """The chart of one device, or of all, with its legend; `scale` is that of the axes that have a choice."""
        shown = [(one, look) for one, look in zip(self.series, self._looks()) if device in (_EVERY, one.device)]
        points = [point for one, _ in shown for point in one.points]
        across, up = (
            fit_scale(axis, scale if scale in axis.scales else axis.scales[0], reach, pixels, upright)
            for axis, reach, pixels, upright in (
                (self.x, [point.x for point in points], _NARROW, False),
                (self.y, [value for point in points for value in _reach(self.y, scale, point)], _HEIGHT, True),
            )
        )
        parts = [*_frame(self.x, self.y, across, up)]
        for one, look in shown:
            places = [(100 * across.share(p.x), _HEIGHT * (1 - up.share(p.y))) for p in one.points]
            if one.joined:
                parts += [_segment(a, b, look) for a, b in pairwise(places)]
            for point, place in zip(one.points, places):
                parts.append(self._mark(one, point, place, up, look))
        return (
            f'<svg class="plot" role="group" aria-label="{escape(self.conclusion)}" width="100%" height="{_HEIGHT}">'
            f"{''.join(parts)}</svg>{_legend(shown)}"
        )

    def _looks(self) -> list[dict[str, str]]:
        looks = line_styles(len(self.series))
        return [
            {
                "colour": "currentColor" if look["color"] == BLACK else look["color"],
                "shape": _SHAPES[look["marker"]],
                "dash": _DASHES["--" if one.dashed else look["linestyle"]],
            }
            for one, look in zip(self.series, looks)
        ]

    def _mark(
        self, one: Series, point: ChartPoint, place: tuple[float, float], up: FittedScale, look: dict[str, str]
    ) -> str:
        name = f"{one.label} ({one.heading})" if one.heading else one.label
        words = f"{name}: {self.x.label} {self.x.words(point.x)}, {self.y.label} {_value(self.y, point)}"
        words += f"; {point.note}" * (point.note not in ("", one.heading))
        bar = ""
        if point.error:
            ends = [_HEIGHT * (1 - up.share(point.y + way * point.error)) - place[1] for way in (1, -1)]
            bar = f'<path class="bar" d="M0 {ends[0]:.1f}V{ends[1]:.1f}{"".join(f"M-4 {e:.1f}h8" for e in ends)}"/>'
        return (
            f'<svg class="mark" x="{place[0]:.2f}%" y="{place[1]:.1f}" style="color: {look["colour"]}" tabindex="-1" '
            f'role="img" aria-label="{escape(words)}">{bar}{_shape(look, point.hollow)}</svg>'
        )

    def _repr_html_(self) -> str:
        first = self.drawing(_EVERY, (self.scales or (_EVERY,))[0])
        body = (
            f'<figure><div class="drawing">{first}</div><figcaption>{escape(self.conclusion)}</figcaption></figure>'
            f"<details><summary>Values as a table</summary>{self.table()._repr_html_()}</details>"
        )
        return widget("point_chart.js", self.conclusion, body, self.payload())


def point_chart(series: Sequence[Series], x: Axis, y: Axis, conclusion: str) -> PointChart:
    """A chart of points that answer to the pointer; `conclusion` is its caption and its alternative text.

    Raises
    ------
    ResultError
        No point; one that is not finite; one that is not positive on an axis that may be logarithmic.
    """
    points = [(one.label, point) for one in series for point in one.points]
    if not points:
        raise ResultError("no point to show", where="chart", cure="Run what measures one first")
    for label, point in points:
        for axis, value in ((x, point.x), (y, point.y)):
            if not np.isfinite(value) or (value <= 0 and "log" in axis.scales):
                raise ResultError(
                    f"{axis.label} of {value}", where=label, cure="It must be finite, and positive on a log axis"
                )
    filled = tuple(one for one in series if one.points)
    return PointChart(filled, x, y, conclusion)


def _value(axis: Axis, point: ChartPoint) -> str:
    return axis.words(point.y) + ("" if point.error is None else f" ± {axis.words(float(f'{point.error:.2g}'))}")


def _reach(axis: Axis, scale: str, point: ChartPoint) -> Iterator[float]:
    """A point and the ends of its bar, without what a log axis cannot show."""
    log = (scale if scale in axis.scales else axis.scales[0]) == "log"
    yield point.y
    for way in (-1, 1):
        end = point.y + way * (point.error or 0)
        if end > 0.2 * point.y or not log:
            yield end


def _frame(x: Axis, y: Axis, across: FittedScale, up: FittedScale) -> Iterator[str]:
    """Rules, ticks with their words, and the labels of both axes."""
    for tick in up.ticks:
        at = _HEIGHT * (1 - up.share(tick))
        yield f'<line class="rule" x1="0" x2="100%" y1="{at:.1f}" y2="{at:.1f}"/>'
        yield f'<text class="tick" x="-8" y="{at + 4:.1f}" text-anchor="end">{escape(y.words(tick))}</text>'
    for tick in across.ticks:
        at = 100 * across.share(tick)
        yield f'<line class="tick" x1="{at:.2f}%" x2="{at:.2f}%" y1="{_HEIGHT}" y2="{_HEIGHT + 5}"/>'
        yield (
            f'<text class="tick" x="{at:.2f}%" y="{_HEIGHT + 20}" text-anchor="middle">{escape(x.words(tick))}</text>'
        )
    yield f'<line class="axis" x1="0" x2="100%" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
    yield f'<text class="name" x="50%" y="{_HEIGHT + 42}" text-anchor="middle">{escape(x.label)}</text>'
    yield f'<text class="name" x="-56" y="-14">{escape(y.label)}</text>'


def _segment(a: tuple[float, float], b: tuple[float, float], look: dict[str, str]) -> str:
    return (
        f'<line class="join" x1="{a[0]:.2f}%" y1="{a[1]:.1f}" x2="{b[0]:.2f}%" y2="{b[1]:.1f}" '
        f'style="color: {look["colour"]}" stroke-dasharray="{look["dash"]}"/>'
    )


def _shape(look: dict[str, str], hollow: bool) -> str:
    return f'<path class="shape{" hollow" * hollow}" d="{look["shape"]}"/>'


def _legend(shown: Sequence[tuple[Series, dict[str, str]]]) -> str:
    """The series under their headings, as HTML, so that long labels are wrapped."""
    parts = []
    for heading in dict.fromkeys(one.heading for one, _ in shown):
        parts.append(f'<li class="heading">{escape(heading)}</li>' if heading else "")
        for one, look in shown:
            if one.heading == heading:
                line = _segment((0.0, 8.0), (100.0, 8.0), look) if one.joined else ""
                hollow = all(point.hollow for point in one.points)
                parts.append(
                    f'<li><svg width="34" height="16" aria-hidden="true">{line}<svg x="17" y="8" class="mark" '
                    f'style="color: {look["colour"]}">{_shape(look, hollow)}</svg></svg>{escape(one.label)}</li>'
                )
    notes = dict.fromkeys(point.note for one, _ in shown for point in one.points if point.hollow and point.note)
    if notes:
        parts.append(f'<li class="heading">hollow: {escape(" or ".join(notes))}</li>')
    return f'<ul class="legend">{"".join(parts)}</ul>'
