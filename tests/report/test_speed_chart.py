"""osnet_lib.report.speed_chart: speeds of result files and published ones, by device."""

from __future__ import annotations

from helpers.results import performance
from osnet_lib.core.disturbance import DISTURBED
from osnet_lib.published.quoted import published_throughput
from osnet_lib.report.speed_chart import speed_chart


def test_every_speed_is_a_point_of_its_device():
    results = [performance(8, 40.0), performance(16, 41.0), performance(8, 300.0, device="Some GPU")]
    results[1].values["verdict"] = DISTURBED
    chart = speed_chart(results)
    assert chart.devices[:2] == ("Some CPU", "Some GPU") and "Ascend 310" in chart.devices
    (cpu,) = (one for one in chart.series if one.device == "Some CPU")
    assert [(p.x, p.y, p.hollow, p.note) for p in cpu.points] == [(8, 40.0, False, ""), (16, 41.0, True, "disturbed")]
    spread = results[0].values["relative_spread"]
    assert cpu.points[0].error == (None if spread is None else spread * 40.0)
    published = [(p.x, p.y) for one in chart.series if one.heading == "published" for p in one.points]
    assert sorted(published) == sorted(
        (e.batch_size, e.throughput) for e in published_throughput("osnet_x1_0") if e.chips == 1
    )


def test_its_caption_says_what_is_fastest():
    words = repr(speed_chart([performance(8, 40.0), performance(16, 41.0)]))
    fastest = max((e for e in published_throughput("osnet_x1_0") if e.chips == 1), key=lambda e: e.throughput)
    assert words.startswith(
        "The fastest measured here is osnet_x1_0, onnxruntime, 2 threads at batch 16: 41 images/s; "
    )
    assert f"{fastest.label} at batch {fastest.batch_size}" in words


def test_published_speeds_stand_alone_where_nothing_was_measured():
    chart = speed_chart([])
    assert {one.heading for one in chart.series} == {"published"} and chart.scales == ("linear", "log")
    assert repr(chart).startswith("The fastest published chip is ")
