"""Figure of the evaluation over the size of the gallery."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from ..core.disturbance import DISTURBED
from ..errors import ResultError
from .descriptions import describe, sentence
from .style import line_styles, new_chart, styled

if TYPE_CHECKING:
    from ..core.results import Result


@styled
def plot_scaling(results: Sequence[Result], title: str | None = None) -> Figure:
    """Seconds and memory over the size of the gallery, one series a result of the benchmark of distractors.

    Marks are medians, hollow where the measurement was disturbed; bars reach from the fastest to the slowest round, the
    thin line is the nearest straight one.
    Results of other benchmarks are passed over.

    Raises
    ------
    ResultError
        No result of that benchmark.
    """
    results = [result for result in results if result.conditions.get("benchmark") == "distractors"]
    if not results:
        raise ResultError(
            "no result of the benchmark of distractors", where="scaling", cure="Give those of measure_evaluation_speed"
        )
    figure = new_chart(4.8, title=title)
    time, memory = figure.subplots(2, 1)
    said = [sentence("scaling")]
    for result, look in zip(results, line_styles(len(results))):
        sizes, line = result.values["sizes"], result.values["line"]
        gallery = np.array([size["gallery"] for size in sizes]) / 1e3
        median, low, high = (np.array([size["seconds"][key] for size in sizes]) for key in ("median", "min", "max"))
        hollow = {"markerfacecolor": "white"} if result.values.get("verdict") == DISTURBED else {}
        label = f"{result.conditions['queries']:,} queries, {result.conditions['metric']}"
        time.errorbar(
            gallery,
            median,
            (median - low, high - median),
            **{**look, **hollow, "linestyle": "none"},
            capsize=3,
            label=label,
        )
        ends = gallery[[0, -1]]
        time.plot(
            ends,
            line["seconds_without_images"] + line["seconds_per_image"] * 1e3 * ends,
            color=look["color"],
            linestyle=look["linestyle"],
            linewidth=1,
            label=f"{1e6 * line['seconds_per_image']:.1f} µs per gallery image",
        )
        memory.plot(gallery, [size["peak_rss_bytes"] / 1e9 for size in sizes], **look, label=f"whole process, {label}")
        memory.plot(
            gallery,
            [size["input_bytes"] / 1e9 for size in sizes],
            color=look["color"],
            linewidth=1,
            linestyle=":",
            marker=look["marker"],
            markerfacecolor="none",
            label="of which features",
        )
        largest = max(sizes, key=lambda size: size["gallery"])
        said.append(
            sentence(
                "scaling of",
                queries=result.conditions["queries"],
                gallery=largest["gallery"],
                seconds=largest["seconds"]["median"],
                gigabytes=largest["peak_rss_bytes"] / 1e9,
                microseconds=1e6 * line["seconds_per_image"],
            )
        )
    time.set(ylabel="seconds")
    memory.set(ylabel="memory / GB")
    for axes in (time, memory):
        axes.set(xlabel="gallery images / thousand")
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_formatter(FuncFormatter(_thousands))
        axes.legend(loc="upper left")
    return describe(figure, *said)


def _thousands(value: float, _: int) -> str:
    return f"{value:,.0f}"
