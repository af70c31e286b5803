"""The roofline against numbers worked out by hand, and the explanation against the numbers it is about."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from helpers.figures import assert_legible, legend, texts
from osnet_lib.errors import CheckpointError, ResultError
from osnet_lib.network.blocks import ChannelGate
from osnet_lib.network.checkpoint import complexity
from osnet_lib.network.osnet import ARCHITECTURES, build_model
from osnet_lib.plots.roofline import plot_best_batch, plot_roofline
from osnet_lib.published.chips import chips, find_chip
from osnet_lib.published.operators import network_layers
from osnet_lib.published.quoted import PublishedThroughput, published_throughput
from osnet_lib.published.roofline import (
    attainable_throughput,
    greatest_throughput,
    marginal_times,
    memory_bytes,
    network_intensity,
    operations,
    roofline_points,
)
from osnet_lib.report import roofline as roofline_report


@pytest.mark.parametrize(
    "name, peak, bandwidth, ridge",
    [
        # cores x 4096 x 2 x clock, typed a second time
        ("Ascend 310", 2 * 8192 * 680e6 / 1e12, 51.2, 217.6),
        ("Ascend 310P3", 8 * 8192 * 1060e6 / 1e12, 204.8, 339.2),
        ("Ascend 310B1", 8192 * 1224e6 / 1e12, None, None),
        ("Ascend 310B4", 8192 * 500e6 / 1e12, 25.6, 160.0),
    ],
)
def test_chips(name, peak, bandwidth, ridge):
    chip = find_chip(name)
    assert chip.peak_tflops == pytest.approx(peak) and chip.bandwidth_gbs == bandwidth
    assert chip.ridge == (ridge and pytest.approx(ridge)) and chip.source
    assert find_chip(chip.soc_version) is chip


@pytest.mark.parametrize("name, sold", [("Ascend 310P3", 70), ("Ascend 310B4", 4)])
def test_the_computed_peak_is_what_the_chip_is_sold_as(name, sold):
    assert find_chip(name).peak_tflops == pytest.approx(sold, rel=0.03)


def test_four_chips_make_the_card():
    chip = find_chip("Ascend310")
    assert 4 * chip.peak_tflops == pytest.approx(44, rel=0.02) and 4 * chip.bandwidth_gbs == pytest.approx(204.8)
    assert 4 * 2 * chip.peak_tflops == pytest.approx(88, rel=0.02)  # int8 is twice as fast


def test_a_chip_that_is_not_on_file():
    with pytest.raises(ResultError, match="Ascend910: no such chip on file. Use one of Ascend 310, "):
        find_chip("Ascend910")


@pytest.mark.parametrize("network", ARCHITECTURES)
def test_the_layers_hold_all_the_work_and_all_the_weights(network):
    model, layers = build_model(network), network_layers(network)
    assert sum(layer.macs for layer in layers) == complexity(model)[1]
    norms = sum(p.numel() for m in model.modules() if "BatchNorm" in type(m).__name__ for p in m.parameters())
    gates = sum(p.numel() for m in model.modules() if isinstance(m, ChannelGate) for p in m.parameters())
    assert sum(layer.weight_bytes for layer in layers) == 2 * (complexity(model)[0] - norms + 3 * gates)  # read 4 times
    assert len({layer.name for layer in layers}) == len(layers)


def test_layers_worked_out_by_hand():
    layers = network_layers("osnet_x1_0")
    first, pool, *_, last = layers
    assert (first.kind, first.macs) == ("conv 7x7", 3 * 64 * 49 * 128 * 64)
    assert (first.input_bytes, first.output_bytes) == (2 * 3 * 256 * 128, 2 * 64 * 128 * 64)
    assert first.weight_bytes == 2 * 3 * 64 * 49 and first.kept_bytes == 0
    assert (pool.kind, pool.macs, pool.output_bytes) == ("pool", 0, 2 * 64 * 64 * 32)
    assert (last.kind, last.macs, last.output_bytes) == ("linear", 512 * 512, 1024)
    light = next(layer for layer in layers if layer.kind == "depthwise 3x3")
    assert light.macs == 64 * 9 * 64 * 32 and light.input_bytes == light.output_bytes == 2 * 64 * 64 * 32
    # While the first stream runs, its block's input waits for the shortcut, and what conv1 gave for three more streams.
    assert light.kept_bytes == 2 * (64 + 64) * 64 * 32
    assert light.working_set(8) == 8 * 2 * light.input_bytes + light.weight_bytes
    assert light.intensity(8) == pytest.approx(8 * 2 * light.macs / light.working_set(8))
    counts = {kind: sum(layer.kind == kind for layer in layers) for kind in ("depthwise 3x3", "gate", "add")}
    assert counts == {"depthwise 3x3": 60, "gate": 24, "add": 24}  # 6 blocks of 10, 4 and 3 + 1


def test_an_unknown_network():
    with pytest.raises(CheckpointError, match="unknown architecture"):
        network_layers("resnet50")


LABELS = ("Ascend 310", "Ascend 310P3", "Ascend 310, README of 2022", "Ascend 310P, CANN 5.1.RC1")


def test_published_points():
    points = roofline_points()
    by_label = {label: [p for p in points if p.label == label] for label in dict.fromkeys(p.label for p in points)}
    assert list(by_label) == [*LABELS, "Ascend 310P, CANN 5.1.RC1 with AOE"] and len(points) == 29
    assert [p.batch_size for p in by_label["Ascend 310"]] == [1, 4, 8, 16, 32]
    assert {p.chip.name for p in by_label["Ascend 310P, CANN 5.1.RC1"]} == {"Ascend 310P3"}  # inferred
    best = {label: max(mine, key=lambda p: p.throughput) for label, mine in by_label.items()}
    assert best["Ascend 310"].tflops == pytest.approx(1.40, abs=0.005)
    assert best["Ascend 310"].share_of_peak == pytest.approx(0.126, abs=0.0005)
    assert best["Ascend 310P3"].tflops == pytest.approx(8.0, abs=0.05)
    assert best["Ascend 310P3"].share_of_peak == pytest.approx(0.115, abs=0.0005)
    assert all(p.bound == "memory" and p.share_of_peak < 0.13 for p in points)


def test_the_assumption_that_published_speeds_refute():
    """All through memory is no bound: speeds above it were published, so chips keep activations. The bound holds."""
    points = roofline_points()
    above = {(p.label, p.batch_size) for p in points if p.throughput > p.all_through_memory}
    assert ("Ascend 310P3", 8) in above and ("Ascend 310", 8) in above and len(above) == 16
    assert all(p.batch_size > 1 for p in points if (p.label, p.batch_size) in above)
    (quoted,) = (p for p in points if (p.label, p.batch_size) == ("Ascend 310P3", 8))
    assert (quoted.throughput, round(quoted.all_through_memory)) == (4075, 2741)
    assert all(p.throughput < p.kept_if_it_fits <= p.at_most for p in points)


def test_the_bound_by_hand():
    """Either all operations at the peak, or the image and the feature through memory, whatever lies between."""
    chip = replace(find_chip("Ascend 310"), ai_cores=1, clock_mhz=1000 / 8.192, bandwidth_gbs=1.0)  # 1 TFLOPS, 1 GB/s
    first = replace(network_layers()[0], macs=10**6, input_bytes=3000, output_bytes=10**9, weight_bytes=10**9)
    last = replace(first, input_bytes=10**9, output_bytes=1000)
    assert greatest_throughput([first, last], chip) == pytest.approx(1 / 4e-6)
    assert greatest_throughput([first, replace(last, macs=10**9)], chip) == pytest.approx(1 / (2e-3 + 2e-6))
    with pytest.raises(ResultError, match="Ascend 310B1: bandwidth_gbs not on file"):
        greatest_throughput(network_layers(), find_chip("Ascend 310B1"))


def test_only_single_chips_on_file_are_points():
    entry = published_throughput("osnet_x1_0", "Ascend 310")[0]
    for other in (replace(entry, chips=4), replace(entry, device="NVIDIA T4"), replace(entry, device="Ascend 310B1")):
        assert roofline_points([other]) == []
    half = PublishedThroughput("osnet_x0_5", "Ascend 310", 1, 8, 1000.0, None, "nowhere")
    (point,) = roofline_points([half])
    assert point.tflops == pytest.approx(1000 * 2 * complexity(build_model("osnet_x0_5"))[1] / 1e12)


def test_bounds_by_hand():
    """One convolution that memory bounds and one that the peak bounds."""
    chip = replace(find_chip("Ascend 310"), ai_cores=1, clock_mhz=1000 / 8.192, bandwidth_gbs=1.0, l2_mib=1.0)
    assert chip.peak_tflops == pytest.approx(1.0)
    light = replace(network_layers()[0], macs=500, input_bytes=3000, output_bytes=1000, weight_bytes=0)
    heavy = replace(light, macs=10**9, input_bytes=1000)
    assert attainable_throughput([light], chip, 1) == pytest.approx(1 / 4e-6)  # 4000 bytes at 1 GB/s
    assert attainable_throughput([heavy], chip, 1) == pytest.approx(1 / 2e-3)  # 2e9 operations at 1 TFLOPS
    assert attainable_throughput([light, heavy], chip, 1) == pytest.approx(1 / (4e-6 + 2e-3))
    assert attainable_throughput([light], chip, 1, keep=True) == pytest.approx(1 / 1e-9)  # no byte moves: the peak
    assert attainable_throughput([light], chip, 300, keep=True) == pytest.approx(1 / 4e-6)  # 1.2 MB do not fit
    assert network_intensity([light], 1) == 0.25 and operations([light, heavy]) == 1000 + 2 * 10**9
    assert chip.attainable_tflops(0.25) == pytest.approx(0.00025) and chip.attainable_tflops(1e6) == chip.peak_tflops


def test_what_fits_stays_on_the_chip():
    chip = replace(find_chip("Ascend 310"), l2_mib=1.0)
    layer = replace(network_layers()[0], input_bytes=2**18, output_bytes=2**18, weight_bytes=0, kept_bytes=2**19)
    for batch, through, waiting in ((1, 0, 0), (2, 0, 2**20), (3, 3 * 2**19, 3 * 2**19)):
        assert memory_bytes([layer], chip, batch, keep=True) == through
        assert memory_bytes([layer], chip, batch, keep=True, kept_too=True) == waiting
        assert memory_bytes([layer], chip, batch, keep=False) == batch * 2**19


@pytest.mark.parametrize(
    "name, keep, words",
    [("Ascend 310B1", False, "bandwidth_gbs not on file"), ("Ascend 310B4", True, "l2_mib not on file")],
)
def test_no_bound_from_facts_that_are_missing(name, keep, words):
    with pytest.raises(ResultError, match=f"{name}: {words}"):
        attainable_throughput(network_layers(), find_chip(name), 8, keep)


def test_marginal_times_are_the_slope_of_the_time_of_a_batch():
    points = [replace(roofline_points()[0], batch_size=n, throughput=1000 * n / (3 + 2 * n)) for n in (4, 1, 16)]
    assert [(s.smaller, s.larger) for s in marginal_times(points)] == [(1, 4), (4, 16)]
    assert [s.ms_per_image for s in marginal_times(points)] == pytest.approx([2, 2])  # 3 ms a call, 2 ms an image


def test_the_numbers_that_the_explanation_rests_on():
    """Were any of this no longer so, the text would be wrong."""
    fastest = {}
    for label, points in roofline_report._by_label().items():
        best = max(points, key=lambda p: p.throughput)
        fastest[label] = best.batch_size
        moved = sum(layer.input_bytes + layer.output_bytes for layer in network_layers())
        memory = moved / best.chip.bandwidth_gbs / 1e6
        steps = marginal_times(points)
        before = [s.ms_per_image for s in steps if s.larger <= best.batch_size]
        after = [s.ms_per_image for s in steps if s.smaller >= best.batch_size]
        assert max(before) < memory and max(before) < min(after)  # cheaper than the memory allows, then dearer
        assert after[0] > 1000 / best.throughput > max(before)  # rising, then falling
        own, waiting = (roofline_report._spills(best.chip, kept_too) for kept_too in (False, True))
        assert waiting[0] <= best.batch_size <= own[0]  # "bracket the published peak"
    # On one chip the peak moves with the compiler: what depends on the chip alone cannot place it.
    assert list(fastest.values()) == [8, 8, 4, 8, 16]


def test_the_fastest_batch_and_its_causes_in_numbers():
    table = roofline_report.best_batch_table()
    assert table.caption.endswith("nothing here was measured") and "nan" not in str(table)
    assert {row[0]: row[1] for row in table.rows} == {
        **dict(zip(LABELS, (8, 8, 4, 8))),
        "Ascend 310P, CANN 5.1.RC1 with AOE": 16,
    }
    for label, numbers in (
        ("Ascend 310 ", ("8", "715.699", "1.40", "12.6%", "3.3", "8 to 16", "4 to 8")),
        ("Ascend 310P3 ", ("8", "4075", "7.98", "11.5%", "0.64", "16 to 32", "8 to 16")),
    ):
        (line,) = (line for line in str(table).splitlines() if line.startswith(f"{label}  "))
        assert [number for number in numbers if number not in line] == []
    network = dict(roofline_report.network_table().rows)
    ridges = [network[f"operations a byte at the ridge of {chip}"] for chip in ("Ascend 310", "Ascend 310P3")]
    assert ridges == ["218", "339"] and int(network["operations a byte at batch 8"]) < 218


def test_tables():
    table = roofline_report.points_table()
    assert table.caption.endswith("nothing here was measured") and len(table.rows) == 29
    assert table.columns[-2:] == ("images/s at most", "source") and "ModelZoo" in str(table)
    assert not any("at most" in column for column in table.columns[:-2])
    assert "715.699" in str(table) and "12.6%" in str(table)
    kinds = {row[0]: row[1:] for row in roofline_report.kinds_table().rows}
    assert sum(row[1] for row in kinds.values()) == pytest.approx(1) == sum(row[2] for row in kinds.values())
    assert kinds["depthwise 3x3"][3] < 5  # far left of every ridge
    sets = roofline_report.working_set_table("Ascend310", (1, 8, 16)).rows
    assert [row[2] for row in sets] == [0, 12, 69] and sets[0][3] == pytest.approx(4.34, abs=0.01)
    assert [row[1] for row in roofline_report.steps_table().rows][:2] == ["1 to 4", "4 to 8"]
    assert len(roofline_report.chips_table().rows) == len(chips()) == 4
    assert "computed" in " ".join(roofline_report.chips_table().columns)


def test_roofline_figure():
    figure = plot_roofline(chips(), roofline_points(), "Roofline")
    assert_legible(figure)
    entries = legend(figure)
    assert sum(entry.startswith("published") for entry in entries) == 2 and len(entries) == 6
    assert "Ascend 310B1: 10.0 TFLOPS, bandwidth not on file" in entries
    assert any("batch 8: 1.40 TFLOPS, 12.6%" in text for text in texts(figure))
    (axes,) = figure.axes
    roof = next(line for line in axes.lines if line.get_label().startswith("Ascend 310:"))
    assert roof.get_ydata().max() == pytest.approx(11.14112) and roof.get_ydata()[0] == pytest.approx(0.0512)
    marks = [line for line in axes.lines if str(line.get_label()).startswith("published")]
    assert all(line.get_markerfacecolor() == "white" and line.get_linestyle() == "None" for line in marks)


def test_figure_of_the_best_batch():
    figure = plot_best_batch(roofline_points(), "Why batch 8")
    assert_legible(figure)
    assert [axes.get_title() for axes in figure.axes] == ["Ascend 310", "Ascend 310P3"]
    assert sum("computed" in entry for entry in legend(figure)) == 2
    assert {f"published, {label}" for label in LABELS} <= set(legend(figure)) and not any(
        "most" in e for e in legend(figure)
    )


def test_figures_without_their_data():
    with pytest.raises(ResultError, match="no roof to draw"):
        plot_roofline([], [])
    with pytest.raises(ResultError, match="Ascend 310, Ascend 310P3: a published point without its roof"):
        plot_roofline([find_chip("Ascend 310B4")], roofline_points())
    with pytest.raises(ResultError, match="no published point"):
        plot_best_batch([])


def test_the_chips_file_names_a_source_for_each():
    import osnet_lib.published.chips as module

    document = json.loads(module._FILE.read_text("utf-8"))
    assert "Nothing was measured" in document["note"]
    assert all(re.search("platform file|product page", entry["source"]) for entry in document["chips"])
