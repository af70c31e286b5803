"""Axes of charts that a page draws: where a value stands, and ticks whose words do not touch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

_LETTER = 7.2  # pixels of a digit in the chart's font, rounded up
_APART = 8  # pixels between two labels
_LINE = 20  # pixels of a label's height, with some air
_STEPS = ((1, 2, 5), (1, 3), (1,))  # of a decade, the densest first


@dataclass(frozen=True)
class Axis:
    """What an axis shows and how.

    Attributes
    ----------
    label : str
        Quantity and unit.
    scales : tuple of {"linear", "log"}
        The first is shown at first; with a second the reader may change it.
    ticks : tuple of float, optional
        The only values that may be labelled, such as the batch sizes that exist.
    digits : int
        Significant ones of a value that is said.
    """

    label: str
    scales: tuple[str, ...] = ("linear",)
    ticks: tuple[float, ...] = ()
    digits: int = 4

    def words(self, value: float) -> str:
        return f"{float(f'{value:.{self.digits}g}'):,.10g}".replace("-", "−")


@dataclass(frozen=True)
class FittedScale:
    """An axis from `low` to `high`, with the labelled values."""

    low: float
    high: float
    log: bool
    ticks: tuple[float, ...]

    def share(self, value: float) -> float:
        """How far along the axis a value stands, 0 to 1; values off its ends stand on them."""
        value = min(max(value, self.low), self.high)
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)


def fit_scale(axis: Axis, kind: str, values: Sequence[float], pixels: float, upright: bool) -> FittedScale:
    """The scale that holds all values on `pixels` of a page; the labels of an `upright` one, y, stand above each other.

    A linear one begins at 0 unless a value is negative.
    """
    low, high = min(values), max(values)
    log = kind == "log"
    if log:
        air = (high / low) ** 0.04 if high > low else 2.0
        low, high = low / air, high * air
        candidates = [_decades(low, high, steps) for steps in _STEPS] + [_decades(low, high, (1,), 2)]
    else:
        low = min(low, 0.0)
        air = 0.05 * ((high - low) or abs(high) or 1.0)
        low, high = low - air * (low < 0), high + air
        candidates = [
            [float(tick) for tick in MaxNLocator(bins, steps=[1, 2, 5, 10]).tick_values(low, high)]
            for bins in range(8, 0, -1)
        ]
    scale = FittedScale(low, high, log, ())
    if axis.ticks:
        candidates = [list(axis.ticks)]
    for ticks in candidates:
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) > 1 and _fit(axis, scale, inside, pixels, upright) == inside:
            return FittedScale(low, high, log, tuple(inside))
    inside = [tick for tick in candidates[0] if low <= tick <= high] or [values[0]]
    return FittedScale(low, high, log, tuple(_fit(axis, scale, inside, pixels, upright)))


def _decades(low: float, high: float, steps: Sequence[int], every: int = 1) -> list[float]:
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [step * 10.0**exponent for exponent in exponents if exponent % every == 0 for step in steps]


def label_room(axis: Axis, tick: float, upright: bool) -> float:
    """Pixels along the axis that a label takes, and the gap to the next."""
    return _LINE if upright else _LETTER * len(axis.words(tick)) + _APART


def _fit(axis: Axis, scale: FittedScale, ticks: Sequence[float], pixels: float, upright: bool) -> list[float]:
    """The ticks, without those whose label would touch the one before."""
    kept: list[float] = []
    for tick in sorted(ticks):
        if kept:
            apart = pixels * (scale.share(tick) - scale.share(kept[-1]))
            if apart < (label_room(axis, tick, upright) + label_room(axis, kept[-1], upright)) / 2:
                continue
        kept.append(tick)
    return kept
