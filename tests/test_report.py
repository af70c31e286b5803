"""Tables of the report: measured beside published, each marked as what it is."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
from helpers import networks
from helpers.results import SESSION, accuracy, evaluation, facts, performance, rows

from osnet_lib import report
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.core.files import sha256
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.conversion.parity import Parity
from osnet_lib.core.results import NOT_MEASURED, Result

def test_parity_table_shows_every_stage_and_the_tolerance():
    table = report.parity_table([Parity("onnx", 8, 15, 6e-8, 1e-9, 1.0, 2e-8),
                                 Parity("simplified", 8, 15, 2e-4, 1e-9, 0.9, 2e-8)])
    first, second = rows(table)
    assert (first["stage"], first["batch"], first["images"]) == ("onnx", 8, 15)
    assert (first["max |difference|"], first["gate"]) == (6e-8, "passed")
    assert second["gate"] == "failed" and (second["allowed"], second["cosine allowed"]) == (1e-4, 0.99999)
    assert "6.0e-08" in str(table) and "1.0000000" in str(table)


def test_onnx_tables_show_what_the_files_say():
    source, fixed = (inspect_onnx(networks.onnx_path(batch_size)) for batch_size in (None, 2))
    found = facts(report.onnx_table(source))
    assert found["file"] == source.path.name and found["opset in the file"] == 11
    assert found["sha256"] == sha256(source.path)
    assert (found["input"], found["output"]) == ("image [batch, 3, 256, 128]", "feature [batch, 512]")
    row, = rows(report.simplified_table(source, [fixed]))
    assert (row["batch"], row["nodes before"], row["nodes after"]) == (2, source.nodes, fixed.nodes)
    assert fixed.nodes < source.nodes


def test_feature_tables():
    _, query, gallery = evaluation()
    query.conditions.update(batch_size=4, seconds=1.5)
    row, = rows(report.features_table({"query": query}))
    assert row == {"split": "query", "images": 5, "numbers in a feature": 8, "batch": 4, "seconds": 1.5}
    found = rows(report.feature_rows(gallery, rows=2, values=3))
    assert [r["name"] for r in found] == gallery.names[:2].tolist()
    assert found[1]["first values of the feature"] == "0.000  1.000  0.000"


CARD = {"untrained": {"rank": {"1": 0.25}}, "warning": "never a Market-1501 accuracy",
        "data": {"name": "mini-market", "seed": 7, "train_images": 16, "train_identities": 4,
                                                            "test_queries": 3, "test_gallery": 9},
        "recipe": {"seed": 1}, "training": {"seconds": 90, "device": "cpu"},
        "result": {"metric": "euclidean", "rank": {"1": 0.9}, "mAP": 0.5}}


def test_card_table(tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    weights.with_suffix(".json").write_text(json.dumps({**CARD, "sha256": sha256(weights)}))
    found = facts(report.card_table(weights))
    assert found["note"] == CARD["warning"] and (found["Rank-1"], found["untrained, Rank-1"]) == ("90.00 %", "25.00 %")
    assert found["time"] == "1.5 minutes on cpu"
    assert found["trained on"] == "mini-market, seed 7: 16 images of 4 identities"
    assert found["sha256"] == sha256(weights)


@pytest.mark.parametrize("card, words", [
    (None, "none beside w.pth"), (json.dumps({**CARD, "sha256": "0" * 64}), "w.json is of other weights than w.pth"),
    ("{", "is no card"),
    ("[]", "is no card"), ('{"sha256": 1}', "is of other weights"), (b"\xff\xfe", "is no card")])
def test_weights_without_a_card(tmp_path, card, words):
    (tmp_path / "w.pth").write_bytes(b"weights")
    if card is not None:
        (tmp_path / "w.json").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert words in facts(report.card_table(tmp_path / "w.pth"))["card"]


def test_card_of_the_right_weights_with_parts_missing(tmp_path):
    (tmp_path / "w.pth").write_bytes(b"weights")
    (tmp_path / "w.json").write_text(json.dumps({"sha256": sha256(tmp_path / "w.pth")}))
    assert "is no card" in facts(report.card_table(tmp_path / "w.pth"))["card"]


def test_session_table_lists_every_condition():
    found = facts(report.session_table(SESSION))
    assert found["versions"] == "onnxruntime 1.2, numpy 2.0" and found["backend"] == "onnxruntime"
    assert set(found) == set(SESSION)


def test_benchmark_table_holds_the_figures_of_the_measurement():
    measured = Benchmark(np.array([10.0, 20, 40, 30]), 8, 5, SESSION)
    found = facts(report.benchmark_table(measured))
    assert found["throughput, images/s"] == "320.00" and found["ave_latency, ms per image"] == "3.12500"
    assert found["batch latency p90, ms"] == "37.000" and found["rounds after warm-up"] == "4 after 5"
    assert "cccccccccccc" in found["model"] and found["device"] == "Some CPU"


def test_performance_table_is_sorted_by_batch_within_a_condition():
    table = report.performance_table([performance(16), performance(1), performance(4, backend="torch"), performance(8)])
    found = rows(table)
    assert [(r["computed by"].split(",")[0], r["batch"]) for r in found] == [("onnxruntime", 1), ("onnxruntime", 8),
                                                                             ("onnxruntime", 16), ("torch", 4)]
    assert found[0]["images/s"] == 100 and found[0]["rounds"] == 50 and "2 threads" in found[0]["computed by"]
    assert "5.0%" in str(table)


def test_published_throughput_is_marked_in_every_heading():
    table = report.published_throughput_table()
    assert all("(published)" in column for column in table.columns[1:])
    assert [row[0] for row in table.rows] == [1, 4, 8, 16, 32, 64]
    first, *_, last = rows(table)
    assert first["Ascend 310 (published)"] == 240.622 and first["Ascend 310P3 (published)"] == 1314
    assert last["Ascend 310 (published)"] is None and last["NVIDIA T4 (published)"] == 1304
    assert "240.622" in str(table) and "2418.872" in str(table)  # every published digit


def test_throughput_series():
    measured, published, imported = report.throughput_series([performance(8, 80.0), performance(1, 50.0)])
    assert measured == [("osnet_x1_0, onnxruntime, 2 threads", 1, 50.0, 0.05),
                        ("osnet_x1_0, onnxruntime, 2 threads", 8, 80.0, 0.05)]
    assert ("Ascend 310", 1, 240.622, None) in published and len(published) == 22 and imported == []


@pytest.mark.parametrize("other", [{"device": "NVIDIA H100"}, {"precision": "float16"}, {"weights": "99999999"}])
def test_throughput_of_two_conditions_makes_two_lines(other):
    results = [performance(8), performance(8, 900.0, **other), performance(1), performance(4, backend="torch")]
    labels = {label for label, *_ in report.throughput_series(results)[0]}
    assert len(labels) == 3 and "osnet_x1_0, torch, 2 threads" in labels
    assert any(str(value) in label for value in other.values() for label in labels)


def test_provenance_table_names_files_hashes_and_versions():
    first, second = rows(report.provenance_table([accuracy(), performance(8)]))
    assert first["result"] == "accuracy-osnet_x0_25-euclidean.json" and first["weights sha256"] == "a1b2c3d4a1b2"
    assert first["data sha256"] == "b" * 12 and second["data sha256"] is None and second["numpy"] == np.__version__


@pytest.mark.parametrize("make", [report.performance_table, report.provenance_table])
def test_no_result_yet(make):
    assert make([]).rows == ()


SIMULATED = {**SESSION, "backend": "ascend", "device": "Ascend310", "simulated": True}
SPEEDS = ("images/s", "ms/image", "batch median, ms", "p99, ms", "spread")


def simulated_result(batch_size: int) -> Result:
    values = Benchmark(np.arange(1.0, 5), batch_size, 1, SIMULATED).values()
    conditions = {**performance(batch_size).conditions, "session": SIMULATED}
    return Result("performance", f"sim{batch_size}", conditions, values)


def test_tables_say_that_a_simulated_device_was_not_measured():
    real, made_up = rows(report.performance_table([performance(8), simulated_result(8)]))[::-1]
    assert [made_up[name] for name in SPEEDS] == [NOT_MEASURED] * 5 and made_up["rounds"] == 4
    assert real["images/s"] == 100
    found = facts(report.benchmark_table(Benchmark(np.arange(1.0, 5), 8, 1, SIMULATED)))
    speeds = [value for name, value in found.items() if re.search("ms|images/s|samples/s|spread", name)]
    assert speeds == [NOT_MEASURED] * 10
    query = evaluation()[1]
    query.conditions.update(batch_size=4, seconds=None, not_measured=NOT_MEASURED)
    assert rows(report.features_table({"query": query}))[0]["seconds"] == NOT_MEASURED


def test_simulated_speeds_are_in_no_figure():
    some = [performance(8, 80.0), simulated_result(8), simulated_result(4)]
    measured, published, _ = report.throughput_series(some)
    assert [(batch, rate) for _, batch, rate, _ in measured] == [(8, 80.0)] and len(published) == 22
    assert report.throughput_series([simulated_result(8)])[0] == []
