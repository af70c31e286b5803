"""Tables of speeds: measured beside published, each marked as what it is; a simulated device has none."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.results import SESSION, evaluation, facts, performance, rows
from osnet_lib.core.machine import describe_machine
from osnet_lib.core.results import NOT_MEASURED, Result
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.report.features import features_table
from osnet_lib.report.performance import (
    conditions_table,
    fastest_batch,
    performance_table,
    published_sources,
    published_throughput_table,
    rounds_series,
    session_table,
    speeds_sentence,
    speeds_table,
    throughput_series,
    verdicts_table,
)
from osnet_lib.report.provenance import provenance_table


def test_session_table_lists_every_condition():
    found = facts(session_table(SESSION))
    assert found["versions"] == "onnxruntime 1.2, numpy 2.0" and found["backend"] == "onnxruntime"
    assert len(found) == len(SESSION) and not any("_" in name for name in found)


def timed(batch_size: int, times_ms: list[float], session: dict = SESSION, **more) -> Result:
    """The result that a study writes of such rounds."""
    measured = Benchmark(np.array(times_ms), batch_size, 5, session, **more)
    conditions = {
        **performance(batch_size).conditions,
        "session": session,
        "warmed_up": measured.warmup,
        "machine": describe_machine(),
    }
    return Result("performance", f"bs{batch_size}", conditions, measured.values())


def test_speeds_table_has_a_row_a_batch_with_the_figures_of_its_measurement():
    found = rows(speeds_table([timed(8, [10.0, 20, 40, 30]), timed(1, [5.0, 5, 5, 5])]))
    assert [row["batch"] for row in found] == [8, 1] and [row["images/s"] for row in found] == [320, 200]
    first = found[0]
    assert first["ave_latency, ms per image"] == 3.125 and first["p90, ms"] == pytest.approx(37)
    assert first["rounds after warm-up"] == "4 after 5" and first["verdict"] == "unknown"
    assert first["ave_throughputRate, samples/s"] == pytest.approx(8000 * (1 / 10 + 1 / 20 + 1 / 40 + 1 / 30) / 4)


def test_a_result_of_before_has_its_row_too():
    row, verdict = rows(speeds_table([performance(8)]))[0], rows(verdicts_table([performance(8)]))[0]
    assert row["images/s"] == 100 and row["p90, ms"] is None and row["verdict"] == "not judged"
    assert verdict["verdict"] == "not judged" and verdict["date"] is None and rounds_series([performance(8)]) == []


def test_conditions_table_says_what_the_rows_share():
    result = timed(8, [10.0, 20])
    found = facts(conditions_table(result))
    assert found["computed by"] == "onnxruntime, float32, Some CPU, 2 threads"
    assert found["network"].startswith("osnet_x1_0") and "a1b2c3d4" in found["network"]
    assert {"date", "processor", "cores", "memory", "governor", "container"} < set(found) and all(found.values())


def test_performance_table_is_sorted_by_batch_within_a_condition():
    table = performance_table([performance(16), performance(1), performance(4, backend="torch"), performance(8)])
    found = rows(table)
    assert [(r["computed by"].split(",")[0], r["batch"]) for r in found] == [
        ("onnxruntime", 1),
        ("onnxruntime", 8),
        ("onnxruntime", 16),
        ("torch", 4),
    ]
    assert found[0]["images/s"] == 100 and found[0]["rounds"] == 50 and "2 threads" in found[0]["computed by"]
    assert "5.0%" in str(table)


def test_published_throughput_is_marked_in_every_heading_and_names_its_source():
    table = published_throughput_table()
    assert all("(published)" in column for column in table.columns[1:-1]) and table.columns[-1] == "source"
    by_label = {row["published for"]: row for row in rows(table)}
    first = by_label["Ascend 310"]
    assert first["batch 1 (published)"] == 240.622 and first["batch 64 (published)"] is None
    assert first["source"].startswith("OSNet Ascend guide")
    assert by_label["Ascend 310P3"]["batch 1 (published)"] == 1314
    assert by_label["NVIDIA T4"]["batch 64 (published)"] == 1304
    assert "240.622" in str(table) and "2418.872" in str(table)  # every published digit
    assert by_label["Ascend 310P, CANN 5.1.RC1 with AOE"]["batch 1 (published)"] == 1598
    assert by_label["Atlas 300I card, 4 x Ascend 310, README of 2022"]["batch 4 (published)"] == 2570


def test_published_sources_are_cited_where_the_book_is_built():
    said = published_sources()
    assert "{cite:t}`ascendguide`" in str(said) and "{cite" not in said._repr_mimebundle_()["text/plain"]


def test_the_fastest_batch_is_set_beside_the_smallest():
    said = fastest_batch([performance(1, 50.0), performance(8, 80.0)])
    assert str(said[0]) == (
        "Batch 8 is the fastest measured here: 80.0 images/s, 1.60 times batch 1, by onnxruntime in float32 on "
        "Some CPU."
    )
    assert fastest_batch([performance(8, 80.0)])[0].name == "one batch"
    assert fastest_batch([])[0].name == "no speed"
    assert "simulated" in str(fastest_batch([simulated_result(8)]))


def test_throughput_series():
    measured, published, imported = throughput_series([performance(8, 80.0), performance(1, 50.0)])
    assert measured == [
        ("osnet_x1_0, onnxruntime, 2 threads", 1, 50.0, 0.05, False),
        ("osnet_x1_0, onnxruntime, 2 threads", 8, 80.0, 0.05, False),
    ]
    assert ("Ascend 310", 1, 240.622, None) in published and len(published) == 35 and imported == []
    assert not any("card" in label for label, *_ in published)


@pytest.mark.parametrize("other", [{"device": "NVIDIA H100"}, {"precision": "float16"}, {"weights": "99999999"}])
def test_throughput_of_two_conditions_makes_two_lines(other):
    results = [performance(8), performance(8, 900.0, **other), performance(1), performance(4, backend="torch")]
    labels = {label for label, *_ in throughput_series(results)[0]}
    assert len(labels) == 3 and "osnet_x1_0, torch, 2 threads" in labels
    assert any(str(value) in label for value in other.values() for label in labels)


SIMULATED = {**SESSION, "backend": "ascend", "device": "Ascend310", "simulated": True}


SPEEDS = ("images/s", "ms/image", "batch median, ms", "p99, ms", "spread")


def simulated_result(batch_size: int) -> Result:
    values = Benchmark(np.arange(1.0, 5), batch_size, 1, SIMULATED).values()
    conditions = {**performance(batch_size).conditions, "session": SIMULATED}
    return Result("performance", f"sim{batch_size}", conditions, values)


def test_tables_say_that_a_simulated_device_was_not_measured():
    real, made_up = rows(performance_table([performance(8), simulated_result(8)]))[::-1]
    assert [made_up[name] for name in SPEEDS] == [NOT_MEASURED] * 5 and made_up["rounds"] == 4
    assert real["images/s"] == 100
    found = rows(speeds_table([timed(8, [1.0, 2, 3, 4], SIMULATED)]))[0]
    speeds = [value for name, value in found.items() if re.search("ms|images/s|samples/s|spread", name)]
    assert speeds == [NOT_MEASURED] * 7 and found["verdict"] == NOT_MEASURED
    assert rounds_series([timed(8, [1.0, 2], SIMULATED)]) == []
    query = evaluation()[1]
    query.conditions.update(batch_size=4, seconds=None, not_measured=NOT_MEASURED)
    assert rows(features_table({"query": query}))[0]["seconds"] == NOT_MEASURED


def test_simulated_speeds_are_in_no_figure():
    some = [performance(8, 80.0), simulated_result(8), simulated_result(4)]
    measured, published, _ = throughput_series(some)
    assert [(batch, rate) for _, batch, rate, *_ in measured] == [(8, 80.0)] and len(published) == 35
    assert throughput_series([simulated_result(8)])[0] == []


@pytest.mark.parametrize("make", [performance_table, provenance_table, speeds_table, verdicts_table])
def test_no_result_yet(make):
    assert make([]).rows == ()


def judged(batch_size: int, verdict: str | None, *reasons: str) -> Result:
    result = performance(batch_size)
    if verdict:
        result.values.update(verdict=verdict, reasons=list(reasons))
    return result


SENTENCES = {
    "none": ([], "No speed was measured"),
    "simulated": ([simulated_result(8)], "No speed was measured"),
    "quiet": ([judged(1, "quiet"), judged(8, "quiet")], "Nothing disturbed the speeds of this edition: 2 of 2 speeds"),
    "disturbed": (
        [judged(1, "quiet"), judged(8, "disturbed", "a busy loop", "a quota"), judged(4, None)],
        "The speeds of this edition are disturbed: .* changed 1 of 3 speeds .* at batch 8 \\(a busy loop; a quota\\)",
    ),
    "of an earlier version": ([judged(1, None), judged(8, "quiet")], "is unknown: 1 of 2 speeds"),
}


@pytest.mark.parametrize("results, words", SENTENCES.values(), ids=SENTENCES)
def test_a_book_says_whether_its_speeds_were_disturbed(results, words):
    assert re.match(f"{words}|.*{words}", speeds_sentence(results)) and speeds_sentence(results).endswith(".")


def test_speeds_of_elsewhere_do_not_count_as_disturbed_here():
    imported = judged(8, "disturbed", "x")
    imported.conditions["imported"] = {"tool": "benchmark"}
    assert speeds_sentence([imported]) == "No speed was measured for this edition."


def test_the_table_has_every_verdict_and_the_figure_marks_what_was_disturbed():
    results = [judged(1, "quiet"), judged(8, "disturbed", "x"), judged(16, None)]
    assert [row["verdict"] for row in rows(performance_table(results))] == ["quiet", "disturbed", "not judged"]
    assert [point[4] for point in throughput_series(results)[0]] == [False, True, False]


def test_a_measurement_that_was_timed_twice_says_so():
    slow = Benchmark(np.full(20, 20.0), 8, 5, SESSION)
    found = rows(verdicts_table([timed(8, [10.0] * 20, other=slow), timed(1, [10.0] * 20)]))
    assert found[0]["timed once more"] == "the other: 400.00 images/s, unknown: nobody watched it"
    assert found[0]["because"] == "nobody watched it" and found[1]["timed once more"] is None
    assert all(row["verdict"] == "unknown" and row["date"] for row in found)
