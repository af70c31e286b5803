"""The answers of the first page and of the chapters, from results that are made up."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.results import accuracy, engines, intervals, parity, stages
from osnet_lib.errors import ResultError
from osnet_lib.report.accuracy import how_good
from osnet_lib.report.engines import which_engine
from osnet_lib.report.front import tiles
from osnet_lib.report.npus import best_published, published_npus
from osnet_lib.report.parity import same_network
from osnet_lib.report.stages import where_lost


def scored(is_market1501: bool = False, metric: str = "euclidean"):
    result = accuracy("osnet_x1_0", metric=metric)
    result.values["intervals"] = intervals()
    result.conditions["is_market1501"] = is_market1501
    return result


def test_the_same_network_names_the_largest_error_and_what_is_allowed():
    said = str(same_network(parity()))
    assert "Conversion changed nothing: in 3 models, at batch 1, 8" in said
    assert "3.6e-06" in said and "0.0001 is allowed" in said and "furthest is simplified at batch 8" in said


def test_another_network_is_told():
    assert str(same_network(parity(0.2))).startswith(
        "Conversion changed the network: simplified at batch 8 is up to 2.0e"
    )


def test_the_score_has_its_interval_and_its_published_counterpart():
    said = str(how_good(scored()))
    assert "Rank-1 is 91.18 % (89.2 to 93.2) and mAP 74.94 % (72.9 to 76.9) on 3,368 queries" in said
    assert "not to be compared: Rank-1 94.2 %, mAP 82.6 %. Source: torchreid MODEL_ZOO" in said
    assert "same network and data: Rank-1 94.2 %" in str(how_good(scored(True)))
    assert "No cosine score of osnet_x1_0" in str(how_good(scored(metric="cosine")))


def test_a_score_without_intervals_is_told_alone():
    assert "Rank-1 is 91.18 % and mAP 74.94 %" in str(how_good(accuracy()))


def test_where_points_are_lost():
    said = str(where_lost(stages()))
    assert said.startswith("No stage of onnx, int8 loses accuracy on these 60 queries. They are a share")
    assert "int8 at batch 1 changes the ranking most: 8 of 60 queries find another image first, yet 4 lost" in said
    broken = str(where_lost(stages(broken=True, whole=True)))
    assert broken.startswith("Accuracy is lost first at int8, batch 1: mAP changes by -2.00 (-2.10 to -1.90) points")
    assert "So it is at int8 at batch 16." in broken and "share" not in broken


def test_which_engine():
    assert str(which_engine(engines())).startswith("openvino bfloat16, streams fused, 2 threads: 1.80 times as fast")


def test_the_best_published_batch_is_marked_with_its_source():
    best = best_published()
    assert best.values["batch"] == 8 and best.values["rate"] == 4075 and "Ascend 310P3" in best
    assert "{cite:p}`ascendmodelzoo`" in best
    assert "4 on Ascend 310, README of 2022" in str(published_npus())


def test_the_tiles_answer_from_the_results_and_name_the_chapter_that_is_missing():
    results = {"parity": parity(), "accuracy": scored(), "stages": stages(), "engines": engines()}
    figures = {tile.chapter: str(tile.figure) for tile in tiles(results)}
    assert figures == {
        "01_export": "yes, within 3.6e-06",
        "05_accuracy": "mAP 74.94 %",
        "06_stages": "nowhere",
        "12_engines": "openvino bfloat16, 1.80 ×",
        "11_roofline": "batch 8",
    }
    assert [tile.mark for tile in tiles(results)] == ["measured by this run"] * 4 + ["published"]
    empty = tiles({})
    assert [tile.missing for tile in empty] == [True] * 4 + [False]
    assert "Run the chapter 06_stages" in str(empty[2].answer)


def test_a_result_of_another_version_is_refused_by_name():
    with pytest.raises(ResultError, match="holds something else"):
        tiles({"parity": replace(parity(), values={"stages": [{"stage": "onnx"}]})})
