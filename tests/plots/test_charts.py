"""osnet_lib.plots: figures say what the numbers say, in words, marks and axes."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer

from helpers.figures import assert_legible, legend, texts
from osnet_lib.conversion.parity import Parity, Tolerance
from osnet_lib.core.results import NOT_MEASURED
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.errors import MetricError, ParityError, ResultError
from osnet_lib.metrics import evaluate
from osnet_lib.plots import plot_cameras, plot_cmc, plot_parity, plot_rounds, plot_speeds


@pytest.fixture(scope="module")
def evaluation():
    rng = np.random.default_rng(0)
    pids = np.repeat(np.arange(1, 31), 4)
    camids = np.tile([1, 2, 3, 4], 30)
    features = rng.standard_normal((31, 16))[pids] + 1.2 * rng.standard_normal((120, 16))
    query = camids == 1
    return evaluate(*((features[side], pids[side], camids[side]) for side in (query, ~query)))


@pytest.mark.parametrize("ranks", [1, 2, 5, 20, 50])
def test_cmc_shows_every_rank_in_percent(evaluation, ranks):
    figure = plot_cmc({"mini": evaluation}, ranks=ranks)
    (axes,) = figure.axes
    (line,) = axes.lines
    np.testing.assert_array_equal(line.get_xdata(), np.arange(1, ranks + 1))
    np.testing.assert_allclose(line.get_ydata(), 100 * evaluation.cmc[:ranks])
    assert axes.get_xlabel() == "rank k" and axes.get_ylabel().endswith("/ %")
    assert axes.get_xticks()[0] == 1 and axes.get_xticks()[-1] <= ranks
    assert legend(figure) == [f"mini: Rank-1 {100 * evaluation.rank(1):.1f} %, mAP {100 * evaluation.mAP:.1f} %"]
    assert_legible(figure)


def test_cmc_marks_published_figures_as_such(evaluation):
    figure = plot_cmc({"a": evaluation, "b": evaluation}, published={"zoo": 0.942, "guide": 0.94299}, title="Accuracy")
    *curves, zoo, guide = figure.axes[0].lines
    assert len(curves) == 2 and figure.get_suptitle() == "Accuracy"
    assert [entry.startswith("published") for entry in legend(figure)] == [False, False, True, True]
    for mark, value in ((zoo, 94.2), (guide, 94.299)):
        assert mark.get_xydata().tolist() == [[1, pytest.approx(value)]]
        assert mark.get_markerfacecolor() == "none" and mark.get_linestyle() == "None"
    assert len({line.get_marker() for line in figure.axes[0].lines}) == 4
    assert figure.axes[0].get_ylim()[1] <= 100.5
    assert_legible(figure)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"evaluations": {}}, "CMC: no curve to draw. Give at least one"),
        ({"ranks": 0}, "CMC: ranks 0 is not a whole number of 1 or more"),
        ({"published": {"zoo": 94.2}}, "zoo: a published Rank-1 of 94.2. Give a fraction: 0.942"),
    ],
)
def test_cmc_refuses(evaluation, arguments, message):
    with pytest.raises(MetricError) as caught:
        plot_cmc(**{"evaluations": {"a": evaluation}, **arguments})
    assert str(caught.value).startswith(message)


def test_cameras_counts_every_split(tiny_market):
    with open_market1501(tiny_market()) as dataset:
        figure = plot_cameras(dataset)
        expected = {
            "query": dataset.query,
            "gallery without distractors": [s for s in dataset.gallery if s.pid],
            "distractors (pid 0)": [s for s in dataset.gallery if not s.pid],
            "junk (pid −1, ignored)": dataset.junk,
            "train": dataset.train,
        }
    (axes,) = figure.axes
    bars = {c.get_label().rpartition(":")[0]: c for c in axes.containers if isinstance(c, BarContainer)}
    assert list(bars) == list(expected)
    for label, samples in expected.items():
        counts = Counter(sample.camid for sample in samples)
        assert [bar.get_height() for bar in bars[label]] == [counts[camid] for camid in range(1, 7)]
    assert len({bar.patches[0].get_hatch() for bar in bars.values()}) == 5
    assert legend(figure) == [f"{label}: {len(samples)}" for label, samples in expected.items()]
    assert axes.get_xlabel() == "camera" and axes.get_ylabel() == "images"
    assert [label.get_text() for label in axes.get_xticklabels()] == list("123456")
    assert_legible(figure)


def test_cameras_leaves_out_a_train_split_that_is_not_there(tiny_market):
    with open_market1501(tiny_market(bounding_box_train=[])) as dataset:
        assert [entry.split(":")[0] for entry in legend(plot_cameras(dataset))][-1] == "junk (pid −1, ignored)"


PARITIES = [
    Parity("onnx", 31, 31, 5.9e-8, 8e-9, 1.0, 4e-8),
    Parity("simplified", 1, 1, 6e-8, 9e-9, 1.0, 0.0),
    Parity("simplified", 8, 15, 2e-3, 9e-5, 0.9998, 3e-8),
]


@pytest.mark.parametrize("parities", [PARITIES, PARITIES[1:2], PARITIES * 4], ids=["3", "1", "12"])
def test_parity_shows_stages_against_the_tolerance(parities):
    figure = plot_parity(parities, Tolerance(max_abs=1e-5))
    (axes,) = figure.axes
    tolerance, largest, mean, rows = axes.lines
    assert set(tolerance.get_xdata()) == {1e-5} and axes.get_xscale() == "log"
    assert largest.get_xdata().tolist() == [p.max_abs for p in parities]
    assert mean.get_xdata().tolist() == [p.mean_abs for p in parities]
    floor, top = axes.get_xlim()
    assert rows.get_xdata().tolist() == [p.row_max_abs or floor for p in parities]
    assert 0 < floor < min(p.mean_abs for p in parities) and top > max(1e-5, *(p.max_abs for p in parities))
    assert [text.get_text() for text in axes.texts] == ["0"] * sum(p.row_max_abs == 0 for p in parities)
    assert [label.get_text() for label in axes.get_yticklabels()] == [f"{p.stage}, {p.batch_size}" for p in parities]
    assert axes.yaxis_inverted() and axes.get_xlabel().startswith("absolute difference")  # the first stage is on top
    assert legend(figure)[0] == "tolerance 1e-05" and len(legend(figure)) == 4
    assert len({line.get_marker() for line in (largest, mean, rows)}) == 3
    assert_legible(figure)


def test_parity_of_identical_features():
    figure = plot_parity([Parity("simplified", 1, 1, 0.0, 0.0, 1.0, 0.0)])
    assert [text.get_text() for text in figure.axes[0].texts] == ["0", "0", "0"]
    assert_legible(figure)
    with pytest.raises(ParityError, match="^parities: nothing was compared. Run"):
        plot_parity([])


TIMES = np.random.default_rng(1).gamma(30, 0.4, 50) + 80


@pytest.mark.parametrize(
    "times, sizes",
    [
        (TIMES, (1, 4, 8, 16, 32, 64)),
        (TIMES[:1], (8,)),
        (np.full(9, 5.0), (8,)),
        (np.append(TIMES, 9000.0), (1, 8)),
    ],
    ids=["six sizes", "one round", "equal rounds", "outlier"],
)
def test_rounds_are_a_strip_for_each_batch_size(times, sizes):
    figure = plot_rounds([(size, times * size, "quiet") for size in sizes], title="osnet_x1_0, CPU")
    for size, axes in zip(sizes, figure.axes, strict=True):
        rounds, median, p99 = axes.lines
        np.testing.assert_array_equal(rounds.get_ydata(), times * size)
        np.testing.assert_array_equal(rounds.get_xdata(), np.arange(1, len(times) + 1))
        assert [line.get_ydata()[0] for line in (median, p99)] == pytest.approx(np.percentile(times * size, [50, 99]))
        assert median.get_linestyle() != p99.get_linestyle() and f"batch {size}: quiet" in texts(figure)
    assert figure.axes[-1].get_xlabel() == "round" and "latency of a batch / ms" in texts(figure)
    assert legend(figure) == ["median", "p99"]
    assert_legible(figure)


@pytest.mark.parametrize("times", [[], [[1.0]], [1.0, 0.0], [1.0, float("nan")]])
def test_rounds_refuse_what_is_no_time(times):
    with pytest.raises(ResultError, match="^times_ms of batch 8: no list of positive times.*Give the milliseconds"):
        plot_rounds([(8, times, "quiet")])


@pytest.mark.parametrize("draw", [plot_rounds, plot_speeds])
def test_without_a_speed_a_figure_says_so(draw):
    assert texts(draw(iter([]))) == [NOT_MEASURED]


MEASURED = [("CPU, 2 threads", 8, 23.0, 0.1), ("CPU, 2 threads", 1, 14.0, 0.05), ("CPU, 1 thread", 1, 9.0, None)]


def _series(figure) -> dict[str, ErrorbarContainer]:
    return {c.get_label(): c for c in figure.axes[0].containers if isinstance(c, ErrorbarContainer)}


def test_speeds_are_a_line_a_label_with_their_spread():
    figure = plot_speeds([*MEASURED, ("NPU", 4, 4075, None)])
    (axes,) = figure.axes
    assert legend(figure) == ["CPU, 2 threads", "CPU, 1 thread", "NPU"]
    series = _series(figure)
    assert all(line.get_markerfacecolor() == line.get_color() for line, _, _ in series.values())
    assert len({line.get_marker() for line, _, _ in series.values()}) == 3
    assert series["CPU, 2 threads"][0].get_xydata().tolist() == [[1, 14], [8, 23]]  # by batch size
    (bars,) = series["CPU, 2 threads"][2]
    ends = [segment[:, 1].tolist() for segment in bars.get_segments()]
    assert ends == [pytest.approx([13.3, 14.7]), pytest.approx([20.7, 25.3])]
    assert not series["CPU, 1 thread"].has_yerr and not series["NPU"].has_yerr
    assert axes.get_xscale() == "log" and axes.xaxis.get_transform().base == 2
    assert axes.get_yscale() == "log"  # 9 to 4075
    assert axes.get_xlabel() == "batch size / images" and axes.get_ylabel() == "throughput / images per second"
    assert {"1", "4", "8", "20", "1,000"} <= set(texts(figure))
    assert_legible(figure)


def test_speeds_of_one_range_starts_at_zero():
    figure = plot_speeds(iter(MEASURED))
    assert figure.axes[0].get_yscale() == "linear" and figure.axes[0].get_ylim()[0] == 0
    assert_legible(figure)


@pytest.mark.parametrize(
    "measured, message",
    [
        ([("CPU", 0, 10.0, None)], "CPU: 10.0 images/s at batch size 0. Both must be positive"),
        ([("CPU", 1, 0.0, None)], "CPU: 0.0 images/s at batch size 1"),
        ([("CPU", 1, float("nan"), None)], "CPU: nan images/s at batch size 1"),
    ],
)
def test_speeds_refuse(measured, message):
    with pytest.raises(ResultError) as caught:
        plot_speeds(measured)
    assert str(caught.value).startswith(message)


def test_rounds_that_were_disturbed_are_hollow():
    words = {1: "quiet", 4: "unknown", 8: "disturbed", 16: "not judged"}
    figure = plot_rounds([(size, TIMES, word) for size, word in words.items()])
    hollow = [axes.lines[0].get_markerfacecolor() == "white" for axes in figure.axes]
    assert hollow == [False, False, True, False]
    assert_legible(figure)


def test_disturbed_speeds_are_hollow_on_their_own_line():
    measured = [("CPU", 1, 10.0, 0.1, False), ("CPU", 8, 23.0, 0.1, True), ("CPU", 16, 24.0, None, False)]
    figure = plot_speeds(measured)
    line = _series(figure)["CPU"][0]
    (marks,) = (one for one in figure.axes[0].lines if one.get_markerfacecolor() == "white")
    assert marks.get_xydata().tolist() == [[8, 23]] and marks.get_marker() == line.get_marker()
    assert line.get_linestyle() == "-" and line.get_markerfacecolor() == line.get_color()
    assert legend(figure)[-1] == "hollow: disturbed" and "hollow: disturbed" not in legend(plot_speeds(MEASURED))
    assert_legible(figure)
