"""The chart of speeds that answers to the pointer: measured here, imported and published, by device and batch size."""

from __future__ import annotations

from ..core.results import Result
from ..errors import ResultError
from ..plots.charts import Rate
from ..plots.point_chart import ChartPoint, PointChart, Series, point_chart
from ..plots.ticks import Axis
from ..published.quoted import published_throughput
from .performance import throughput_series

_BATCH, _RATE = "batch size", "images per second"
_WIDE = 20  # times the slowest: on a linear axis that one would lie on its foot


def speed_chart(results: list[Result]) -> PointChart:
    """Speeds of result files beside the published ones of single chips; hollow are disturbed and published ones.

    Raises
    ------
    ResultError
        No speed at all.
    """
    by_device: dict[str, list[Result]] = {}
    for result in results:
        by_device.setdefault(str(result.session.device), []).append(result)
    series = []
    for device, some in by_device.items():
        measured, _, imported = throughput_series(some)
        series += _series(measured, "measured here", device) + _series(imported, "imported", device)
    series.sort(key=lambda one: one.heading, reverse=True)  # what was measured here comes first
    published = {entry.label: entry.device for entry in published_throughput("osnet_x1_0")}
    for one in _series(throughput_series([])[1], "published", ""):
        points = tuple(ChartPoint(p.x, p.y, p.error, "published", hollow=True) for p in one.points)
        series.append(Series(one.label, points, one.heading, published[one.label], dashed=True))
    rates = [point.y for one in series for point in one.points]
    batches = sorted({point.x for one in series for point in one.points})
    return point_chart(
        series,
        Axis(_BATCH, ("log",), tuple(batches), digits=10),
        Axis(_RATE, ("log", "linear") if max(rates) > _WIDE * min(rates) else ("linear", "log")),
        _conclusion(series),
    )


def _series(rates: list[Rate], heading: str, device: str) -> list[Series]:
    """One series a label, its points by batch size."""
    lines: dict[str, list[ChartPoint]] = {}
    for label, batch, rate, spread, *disturbed in rates:
        error = None if spread is None else spread * rate
        note = "disturbed" if any(disturbed) else ""
        lines.setdefault(label, []).append(ChartPoint(batch, rate, error, note, hollow=any(disturbed)))
    return [
        Series(label, tuple(sorted(points, key=lambda point: point.x)), heading, device)
        for label, points in lines.items()
    ]


def _conclusion(series: list[Series]) -> str:
    """The fastest speed measured here, if any, and the fastest published one."""
    sentences = []
    for heading, words in (("measured here", "The fastest measured here"), ("published", "the fastest published chip")):
        points = [(point.y, point, one) for one in series if one.heading == heading for point in one.points]
        if points:
            _, point, one = max(points, key=lambda found: found[0])
            note = ", disturbed" if point.note == "disturbed" else ""
            sentences.append(f"{words} is {one.label} at batch {point.x:g}: {point.y:,.4g} images/s{note}")
    if not sentences:
        raise ResultError("no speed to show", where="results", cure="Run the benchmark for a batch size first")
    text = "; ".join(sentences)
    return f"{text[0].upper()}{text[1:]}."
