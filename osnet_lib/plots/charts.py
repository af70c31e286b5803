"""Figures of measurements: images per camera, CMC, parity, latency and throughput.

Every function returns a figure and changes nothing else. `osnet_lib.plots.images` has the figures that show images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from numpy.typing import ArrayLike

from ..checks import whole_number
from ..conversion.parity import Parity, Tolerance
from ..core.disturbance import DISTURBED
from ..core.results import NOT_MEASURED
from ..errors import MetricError, ParityError, ResultError
from .descriptions import describe, sentence
from .style import (
    BLACK,
    BLUE,
    COLOURS,
    FINE_PRINT,
    GREEN,
    HATCHES,
    legend_below,
    line_styles,
    new_chart,
    plain_decades,
    styled,
)

if TYPE_CHECKING:
    from ..datasets.market1501 import Market1501
    from ..metrics.evaluation import Evaluation

#: label, batch size, images/s, relative spread (None: not stated), and of a measured one whether it was disturbed
Rate = tuple[str, int, float, float | None] | tuple[str, int, float, float | None, bool]

#: batch size, milliseconds of each round, and the verdict on them
Rounds = tuple[int, Sequence[float], str]


@styled
def plot_cmc(
    evaluations: Mapping[str, Evaluation],
    ranks: int = 20,
    published: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Cumulative matching characteristic: the share of queries with a match among their first k images.

    Parameters
    ----------
    evaluations : dict of str to Evaluation
        One curve each, by label.
    ranks : int
        Last rank on the axis.
    published : dict of str to float, optional
        Rank-1 as a fraction, from elsewhere; hollow markers.

    Raises
    ------
    MetricError
        No curve; no rank; a published Rank-1 that is not a fraction.
    """
    published = published or {}
    whole_number(ranks, "ranks", error=MetricError, where="CMC")
    if not evaluations:
        raise MetricError("no curve to draw", where="CMC", cure="Give at least one evaluation")
    for label, rank1 in published.items():
        if not 0 <= rank1 <= 1:
            raise MetricError(f"a published Rank-1 of {rank1}", where=label, cure="Give a fraction: 0.942 for 94.2 %")
    figure = new_chart(3.2, title=title)
    axes = figure.add_subplot()
    k = np.arange(1, ranks + 1)
    styles = line_styles(len(evaluations) + len(published))
    for look, (label, evaluation) in zip(styles, evaluations.items()):
        axes.plot(
            k,
            [100 * evaluation.rank(i) for i in k.tolist()],
            **look,
            markevery=max(1, ranks // 20),
            label=f"{label}: Rank-1 {100 * evaluation.rank(1):.1f} %, mAP {100 * evaluation.mAP:.1f} %",
        )
    for look, (label, rank1) in zip(styles[len(evaluations) :], published.items()):
        axes.plot(
            [1],
            [100 * rank1],
            **{**look, "linestyle": "none"},
            markersize=10,
            markerfacecolor="none",
            markeredgewidth=1.6,
            clip_on=False,
            zorder=4,
            label=f"published, {label}: Rank-1 {100 * rank1:.1f} %",
        )
    axes.set(xlabel="rank k", ylabel="queries with a match among the first k / %", xlim=(1 - 0.02 * ranks, ranks + 0.3))
    axes.set_ylim(top=min(100.5, axes.get_ylim()[1]))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    axes.set_xticks(sorted({1, *(int(t) for t in axes.get_xticks() if 1 < t <= ranks)}))
    legend_below(figure)
    curves = [
        sentence("cmc of", label=label, first=100 * found.rank(1), last=100 * found.rank(ranks), rank=ranks)
        for label, found in evaluations.items()
    ]
    return describe(figure, sentence("cmc"), *curves)


@styled
def plot_cameras(dataset: Market1501, title: str | None = None) -> Figure:
    """Images per camera: queries, gallery images of known people, distractors, junk and, where present, training."""
    groups = {
        "query": dataset.query,
        "gallery without distractors": [sample for sample in dataset.gallery if sample.pid > 0],
        "distractors (pid 0)": [sample for sample in dataset.gallery if sample.pid == 0],
        "junk (pid −1, ignored)": dataset.junk,
        "train": dataset.train,
    }
    groups = {label: samples for label, samples in groups.items() if samples or label != "train"}
    cameras = sorted({sample.camid for samples in groups.values() for sample in samples})
    figure = new_chart(3.6, title=title)
    axes = figure.add_subplot()
    width = 0.84 / len(groups)
    for i, ((label, samples), colour, hatch) in enumerate(zip(groups.items(), COLOURS, HATCHES)):
        camids = [sample.camid for sample in samples]
        bars = axes.bar(
            np.arange(len(cameras)) + (i + 0.5) * width - 0.42,
            [camids.count(c) for c in cameras],
            width,
            label=f"{label}: {len(samples):,}",
            facecolor=colour + "80",
            edgecolor=BLACK,
            hatch=hatch,
            linewidth=0.7,
        )
        axes.bar_label(bars, fmt="{:,.0f}", rotation=90, fontsize=FINE_PRINT, padding=2)
    axes.set(xlabel="camera", ylabel="images")
    axes.set_xticks(range(len(cameras)), [str(camera) for camera in cameras])
    axes.grid(axis="x", visible=False)
    axes.margins(y=0.16)
    legend_below(figure)
    taken = Counter(sample.camid for samples in groups.values() for sample in samples)
    (most, most_images), *_, (least, least_images) = [*taken.most_common(), *taken.most_common()[-1:]]
    return describe(
        figure,
        sentence(
            "cameras",
            images=taken.total(),
            cameras=len(cameras),
            most=most,
            most_images=most_images,
            least=least,
            least_images=least_images,
        ),
    )


@styled
def plot_parity(parities: Sequence[Parity], tolerance: Tolerance = Tolerance(), title: str | None = None) -> Figure:
    """How far the features of each conversion are from the reference, on a log axis with the tolerance.

    A difference of exactly 0 has no place on that axis: it stands on the left edge, labelled 0.
    """
    if not parities:
        raise ParityError("nothing was compared", where="parities", cure="Run check_parity for a conversion first")
    series = {
        "largest difference": [p.max_abs for p in parities],
        "mean difference": [p.mean_abs for p in parities],
        "largest difference between a row and its image alone": [p.row_max_abs for p in parities],
    }
    positive = [value for values in series.values() for value in values if value > 0]
    floor, top = min([*positive, tolerance.max_abs]) / 10, 3 * max([*positive, tolerance.max_abs])
    figure = new_chart(max(2.0, 1.3 + 0.36 * len(parities)), title=title)
    axes = figure.add_subplot(xscale="log", xlim=(floor, top), ylim=(len(parities) - 0.5, -0.5))
    plain_decades(axes.xaxis)
    axes.axvline(tolerance.max_abs, color=BLACK, linestyle="--", label=f"tolerance {tolerance.max_abs:g}")
    for i, ((label, values), look) in enumerate(zip(series.items(), line_styles(len(series)))):
        y = np.arange(len(parities)) + 0.2 * (i - 1)
        axes.plot(
            np.maximum(values, floor), y, **{**look, "linestyle": "none"}, markersize=6, label=label, clip_on=False
        )
        for place in y[np.equal(values, 0)]:
            axes.annotate("0", (floor, place), (6, 0), textcoords="offset points", va="center", fontsize=FINE_PRINT)
    axes.set(xlabel="absolute difference of feature values from the reference", ylabel="stage, batch size")
    axes.set_yticks(range(len(parities)), [f"{p.stage}, {p.batch_size}" for p in parities])
    axes.grid(axis="y", visible=False)
    legend_below(figure)
    worst = max(parities, key=lambda parity: parity.max_abs)
    what = {"stage": worst.stage, "batch": worst.batch_size}
    return describe(figure, sentence("parity", worst=worst.max_abs, tolerance=tolerance.max_abs, **what))


@styled
def plot_rounds(measured: Iterable[Rounds], title: str | None = None) -> Figure:
    """Latency round by round, a strip for each batch size, with median and p99; rounds that were disturbed are hollow.

    Parameters
    ----------
    measured : iterable of `Rounds`
        Without any, as of a simulated device, the figure says so.

    Raises
    ------
    ResultError
        No times, or one that is not positive.
    """
    strips = [(batch, _positive(times, batch), word) for batch, times, word in measured]
    if not strips:
        return _not_measured(title)
    figure = new_chart(0.7 + 1.25 * len(strips), title=title)
    rows = figure.subplots(len(strips), 1, sharex=True, squeeze=False)[:, 0]
    said = [sentence("rounds")]
    for axes, (batch, times, word) in zip(rows, strips):
        axes.plot(
            np.arange(1, len(times) + 1),
            times,
            color=BLUE,
            marker="o",
            markersize=3,
            markerfacecolor="white" if word == DISTURBED else BLUE,
            linewidth=0.8,
        )
        median, p99 = (float(value) for value in np.percentile(times, (50, 99)))
        for label, value, line, colour in (("median", median, "-", BLACK), ("p99", p99, ":", GREEN)):
            axes.axhline(value, color=colour, linestyle=line, linewidth=1.4, label=label)
        said.append(sentence("rounds of", batch=batch, verdict=word, rounds=len(times), median=median, p99=p99))
        axes.set_title(f"batch {batch}: {word}", loc="left", fontsize=9)
        axes.margins(y=0.15)
        axes.yaxis.set_major_locator(MaxNLocator(3))
    most = max(len(times) for _, times, _ in strips)
    rows[-1].set(xlabel="round", xlim=(0.4, 1.02 * most + 0.6))
    rows[-1].xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    figure.supylabel("latency of a batch / ms", fontsize=9)
    legend_below(figure, rows[0].get_legend_handles_labels()[0])
    return describe(figure, *said)


def _not_measured(title: str | None) -> Figure:
    figure = new_chart(1.0, title=title)
    figure.text(0.5, 0.4, NOT_MEASURED, ha="center", va="center", fontsize=11)
    return describe(figure, sentence("not measured"))


def _positive(times_ms: ArrayLike, batch: int) -> np.ndarray:
    times = np.asarray(times_ms, np.float64)
    if times.ndim != 1 or not times.size or not (np.isfinite(times) & (times > 0)).all():
        raise ResultError(
            f"no list of positive times, but shape {times.shape}",
            where=f"times_ms of batch {batch}",
            cure="Give the milliseconds of every round",
        )
    return times


@styled
def plot_speeds(measured: Iterable[Rate], title: str | None = None) -> Figure:
    """Throughput over batch size, a line a label: quietly measured points filled, disturbed ones hollow.

    Parameters
    ----------
    measured : iterable of `Rate`
        The spread is a standard deviation over the mean (``relative_spread`` of a result), drawn as error bar; None
        where it is not known. Without any point, as of a simulated device, the figure says so.

    Raises
    ------
    ResultError
        A batch size or rate that is not positive.
    """
    lines = _by_label(measured)
    if not lines:
        return _not_measured(title)
    figure = new_chart(3.4, title=title)
    axes = figure.add_subplot()
    handles: list[Any] = []
    any_disturbed = False
    for (label, line), look in zip(lines.items(), line_styles(len(lines))):
        x, y, spread, disturbed = (np.array(column, np.float64) for column in zip(*line))
        bars = None if np.isnan(spread).all() else np.nan_to_num(spread) * y
        handles.append(axes.errorbar(x, y, yerr=bars, capsize=3, label=label, **look))
        if disturbed.any():
            hollow = disturbed.astype(bool)
            marks = {**look, "linestyle": "none", "markerfacecolor": "white"}
            axes.plot(x[hollow], y[hollow], **marks, zorder=handles[-1].lines[0].get_zorder() + 0.1)
            any_disturbed = True
    if any_disturbed:
        mark = Line2D([], [], color=BLACK, linestyle="none", marker="o", markerfacecolor="white")
        mark.set_label("hollow: disturbed")
        handles.append(mark)
    points = [(rate, batch, label) for label, line in lines.items() for batch, rate, *_ in line]
    rates, batches = [rate for rate, *_ in points], sorted({batch for _, batch, _ in points})
    axes.set_xscale("log", base=2)
    if max(rates) > 20 * min(rates):
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    else:
        axes.set_ylim(bottom=0)
    axes.set(xlabel="batch size / images", ylabel="throughput / images per second")
    axes.set_xticks(batches, [str(batch) for batch in batches])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    legend_below(figure, handles)
    rate, batch, label = max(points)
    return describe(figure, sentence("throughput"), sentence("throughput of", label=label, batch=batch, rate=rate))


def _by_label(rates: Iterable[Rate]) -> dict[str, list[tuple[int, float, float, bool]]]:
    """Points (batch, images/s, spread or NaN, disturbed) of each label, by batch size."""
    lines: dict[str, list[tuple[int, float, float, bool]]] = {}
    for label, batch, rate, spread, *disturbed in rates:
        if not (batch >= 1 and np.isfinite(rate) and rate > 0):
            raise ResultError(f"{rate} images/s at batch size {batch}", where=label, cure="Both must be positive")
        lines.setdefault(label, []).append((batch, rate, np.nan if spread is None else spread, any(disturbed)))
    return {label: sorted(line) for label, line in lines.items()}
