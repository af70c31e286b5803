"""Sentences and tables of the engines, from results that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.results import ENGINE_ROWS, engines
from osnet_lib.report.engines import (
    engine_marks,
    engines_table,
    finalists_table,
    left_out_text,
    recommendation_sentence,
    roofs_table,
    used_sentence,
)


def test_the_recommendation_has_its_ratio_and_its_price():
    assert recommendation_sentence(engines()) == (
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
    rows = [ENGINE_ROWS[0], {**ENGINE_ROWS[1], **change}]
    assert words in recommendation_sentence(engines(rows=rows))


def test_the_reference_is_recommended_where_nothing_is_faster():
    said = recommendation_sentence(engines(0))
    assert said.startswith("Nothing that was found here is shown to be faster") and "0.1 points of mAP: stay" in said


def test_the_table_has_all_columns():
    table = engines_table(engines())
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
    table = engines_table(engines(rows=[{**one, "startup": None} for one in ENGINE_ROWS]))
    assert "start, s" not in table.columns and "memory, MB" not in table.columns


def test_finalists_and_marks():
    assert [one["engine"] for one in finalists_table(engines()).records()] == [
        "onnxruntime float32",
        "openvino bfloat16, streams fused",
    ]
    marks = engine_marks(engines())
    assert [(mark[3], mark[6]) for mark in marks] == [(50.0, False), (90.0, False), (100.0, True)]


def test_no_finalists_is_an_empty_table():
    empty = replace(engines(), values={**engines().values, "finalists": []})
    assert finalists_table(empty).rows == ()


def test_left_out_goes_by_reason_and_the_images_are_told():
    assert (
        left_out_text(engines())
        == "left out: cann float32, cann float16: no CANN\nleft out: openvino float16: no float16"
    )
    assert used_sentence(engines()).startswith(
        "Prices are of a fair share of the test split of mini-market: 60 queries"
    )


def test_the_share_of_the_roof():
    int8, torch = roofs_table(engines()).records()
    assert int8["network, GFLOP/s"] == pytest.approx(200) and int8["of the roof"] == pytest.approx(0.5)
    assert torch["roof, GFLOP/s"] is None and torch["no roof, because"] == "no such library"
