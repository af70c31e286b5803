"""A speed that a tool of Huawei's stated, and the check that each of its numbers is one that a clock can give."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import ResultError

COPY_AGAIN = "Copy the file again, unchanged."
MEASURE_AGAIN = "Measure again if the run failed, else copy the file again, unchanged."
_TIMES = {"min": 0, "median": 50, "p99": 99, "max": 100}  # percentiles
_ROUNDING = 1e-3  # what printing six digits and a mean of them may differ by


@dataclass(frozen=True)
class StatedSpeed:
    """What a tool stated; None where it stated nothing.

    Attributes
    ----------
    tool : str
    throughput : float, optional
        Images per second; None where only the time of a batch is known.
    latency : float, optional
        Milliseconds per image.
    times : dict
        Milliseconds of a call: `mean`, `min`, `median`, `p99`, `max`, as far as they are known.
    spread : float, optional
        Standard deviation of the calls by their mean.
    rounds, device, batch_size : int, optional
    model : str, optional
        Stem of the OM.
    more : dict
        Further values for the result.
    """

    tool: str
    throughput: float | None = None
    latency: float | None = None
    times: dict[str, float | None] = field(default_factory=dict)
    spread: float | None = None
    rounds: int | None = None
    model: str | None = None
    device: int | None = None
    batch_size: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


def stated_number(value: object, key: str, where: str | Path, *, zero: bool = False) -> float:
    """A time or rate as a float.

    Raises
    ------
    ResultError
        No number; negative, NaN or infinite, also by being too large; zero unless `zero` allows it. The key is named.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ResultError(f"{key} is {str(value)[:40]!r} and no number", where=where, cure=COPY_AGAIN)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not (math.isfinite(number) and (number > 0 or (zero and number == 0))):
        raise ResultError(f"{key} is {number:g}, which no measurement gives", where=where, cure=MEASURE_AGAIN)
    return number


def summarise(mean: float, stated: dict[str, float | None], calls: Iterable[float], where: str | Path) -> dict:
    """`times` and `spread` of `StatedSpeed`: what is stated, and what is not from the single calls, where these fit.

    Raises
    ------
    ResultError
        Times out of order, such as a minimum above the mean.
    """
    single = np.array(list(calls), np.float64)
    listed = len(single) > 0 and single.mean() > 0
    fits = listed and abs(single.mean() / mean - 1) <= 0.05  # else it is in another unit, or of other calls
    times = {"mean": mean, **stated}
    for name, percent in _TIMES.items():
        if times.get(name) is None:
            times[name] = float(np.percentile(single, percent)) if fits else None
    for chain in (("min", "mean", "max"), ("min", "median", "p99", "max")):
        known = [(name, value) for name in chain if (value := times[name]) is not None]
        for (low, a), (high, b) in itertools.pairwise(known):
            if a > b * (1 + _ROUNDING) + 1e-9:
                what = f"the {low} is {a:g} ms and the {high} {b:g} ms, which no measurement gives"
                raise ResultError(what, where=where, cure=MEASURE_AGAIN)
    spread = float(single.std(ddof=1) / single.mean()) if listed and len(single) > 1 else None
    return {"times": times, "spread": spread}
