"""Sentences and tables of the engines, from results that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from osnet_lib.core.results import Result
from osnet_lib.report.engines import (
    engine_marks,
    engines_table,
    finalists_table,
    left_out_text,
    recommendation_sentence,
    roofs_table,
    used_sentence,
)


def row(
    backend: str, precision: str, speed: float, loss=(0.0, 0.0, 0.0), *, graph="plain", verdict="quiet", scored=True
):
    paired = {"lost": 2, "won": 1, "p": 0.25}
    price = {"rank1": [0.9, 0.8, 0.95], "mAP": [0.7, 0.6, 0.8], "paired": paired, "queries": 60}
    return {
        "backend": backend,
        "precision": precision,
        "graph": graph,
        "threads": 2,
        "throughput": speed,
        "size_bytes": 9_000_000,
        "ratio": {
            "median": speed / 50,
            "interval": [speed / 60, speed / 40] if speed != 50 else [1.0, 1.0],
            "pairs": 9,
        },
        "verdict": verdict,
        "features": {"max_abs": 0.04, "images": 64},
        "price": price if scored else None,
        "loss": loss,
        "startup": {"seconds": 1.25, "memory_bytes": 120_000_000} if scored else None,
        "front": True,
    }


ROWS = [
    row("onnxruntime", "float32", 50.0),
    row("openvino", "bfloat16", 90.0, (0.03, -0.01, 0.07), graph="streams fused"),
    row("openvino", "int8", 100.0, (1.8, 1.1, 2.5), verdict="disturbed"),
    row("torch", "float32", 20.0, None, scored=False),
]


def result(recommended: int = 1, rows=ROWS) -> Result:
    conditions = {
        "model": {"architecture": "osnet_x1_0", "sha256": "0" * 64, "multiply_adds": 1_000_000_000},
        "dataset": {"file": "mini-market", "sha256": "1" * 64},
        "batch_size": 8,
        "threads": 2,
        "budget": 0.1,
        "metric": "euclidean",
        "queries": 60,
        "gallery": 200,
        "whole_split": False,
        "rounds": 10,
    }
    roofs = [
        {"backend": "openvino", "precision": "int8", "gflops": 400.0, "reason": None},
        {"backend": "torch", "precision": "float32", "gflops": None, "reason": "no such library"},
    ]
    left_out = {"cann float32": "no CANN", "openvino float16": "no float16", "cann float16": "no CANN"}
    values = {
        "candidates": list(rows),
        "left_out": left_out,
        "finalists": [rows[0], rows[recommended]],
        "recommendation": rows[recommended],
        "roofs": roofs,
        "roof_size": 2048,
    }
    return Result("engines", "x", conditions, values)


def test_the_recommendation_has_its_ratio_and_its_price():
    assert recommendation_sentence(result()) == (
        "openvino bfloat16, streams fused, 2 threads: 1.80 times as fast as ONNX Runtime in float32 at batch 8 (95 % "
        "interval 1.50 to 2.25); mAP changes by -0.03 (-0.07 to +0.01) points on 60 queries. The timing was quiet."
    )


@pytest.mark.parametrize(
    "change, words",
    [
        ({"verdict": "disturbed"}, "The timing was disturbed: run it again."),
        ({"verdict": "unknown"}, "Whether it was quiet is unknown."),
        ({"price": None}, "the same features within 4.0e-02 on 64 images"),
        ({"threads": 1}, "streams fused, 1 thread: "),
    ],
)
def test_what_else_it_says(change, words):
    rows = [ROWS[0], {**ROWS[1], **change}]
    assert words in recommendation_sentence(result(rows=rows))


def test_the_reference_is_recommended_where_nothing_is_faster():
    said = recommendation_sentence(result(0))
    assert said.startswith("Nothing that was found here is shown to be faster") and "0.1 points of mAP: stay" in said


def test_the_table_has_all_columns():
    table = engines_table(result())
    first, second, _, last = table.records()
    assert first["mAP, points"] == "0" and second["mAP, points"] == "-0.03 (-0.07 to +0.01)"
    assert (
        second["Rank-1"] == "90.00 % (80.0 to 95.0)" and second["McNemar p"] == 0.25 and second["lost, won"] == "2, 1"
    )
    assert second["MB"] == 9 and second["start, s"] == 1.25 and second["memory, MB"] == 120
    assert first["ratio"] == "1.00" and second["ratio"] == "1.80 (1.50 to 2.25)"
    assert last["mAP, points"] is None and last["start, s"] is None
    assert "60 queries and 200 gallery images of mini-market" in str(table.caption)


def test_columns_of_a_process_of_its_own_only_where_one_ran():
    table = engines_table(result(rows=[{**one, "startup": None} for one in ROWS]))
    assert "start, s" not in table.columns and "memory, MB" not in table.columns


def test_finalists_and_marks():
    assert [one["engine"] for one in finalists_table(result()).records()] == [
        "onnxruntime float32",
        "openvino bfloat16, streams fused",
    ]
    marks = engine_marks(result())
    assert [(mark[3], mark[6]) for mark in marks] == [(50.0, False), (90.0, False), (100.0, True)]


def test_no_finalists_is_an_empty_table():
    empty = replace(result(), values={**result().values, "finalists": []})
    assert finalists_table(empty).rows == ()


def test_left_out_goes_by_reason_and_the_images_are_told():
    assert (
        left_out_text(result())
        == "left out: cann float32, cann float16: no CANN\nleft out: openvino float16: no float16"
    )
    assert used_sentence(result()).startswith("Prices are of a fair share of the test split of mini-market: 60 queries")


def test_the_share_of_the_roof():
    int8, torch = roofs_table(result()).records()
    assert int8["network, GFLOP/s"] == pytest.approx(200) and int8["of the roof"] == pytest.approx(0.5)
    assert torch["roof, GFLOP/s"] is None and torch["no roof, because"] == "no such library"
