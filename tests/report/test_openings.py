"""What stands under the titles, from few numbers."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from helpers.results import evaluation
from osnet_lib.core.results import Result
from osnet_lib.metrics import camera_pairs
from osnet_lib.report.openings import (
    conversion_opening,
    data_opening,
    features_opening,
    query_opening,
    ranking_opening,
    scoring_opening,
    simplified_sentence,
    variants_sentence,
)


def test_one_query_and_all():
    score, query, _ = evaluation()
    said = str(query_opening(query.names[1], score, 1))
    assert "0002_c1s1_000001_00.jpg finds its person first at rank 2: its average precision is 50.0 %" in said
    assert f"Over all 5 queries that is Rank-1 20.00 % and mAP {100 * score.mAP:.2f} %" in said
    lost = SimpleNamespace(first_hit=[-1], ap=[0.0], num_valid=1, mAP=0.5, rank=lambda k: 0.5)
    assert "does not find its person" in str(query_opening("a.jpg", lost, 0))


@pytest.mark.parametrize("nodes, words", [(391, "nothing was left to remove"), (300, "300 nodes of 391")])
def test_simplifying_says_why_nothing_went(nodes, words):
    assert words in str(simplified_sentence(SimpleNamespace(nodes=391), [SimpleNamespace(nodes=nodes)]))


@pytest.mark.parametrize("made, words", [((), "ATC is not installed here"), (("om",), "ATC made 1 OMs for Ascend310")])
def test_conversion(made, words):
    commands = [SimpleNamespace(soc_version="Ascend310")] * 2
    error = SimpleNamespace(split_float16=0.002, naive_float16=0.02)
    said = str(conversion_opening(commands, made, error))
    assert words in said and "at most 2.0e-03" in said


def test_the_data():
    splits = [
        {"split": "query", "kept": 5, "identities": 3, "cameras": 2},
        {"split": "gallery", "kept": 9, "identities": 3, "cameras": 4, "distractors": 2, "junk": 1},
    ]
    said = str(data_opening("mini", splits))
    assert "5 queries and 9 gallery images of 3 identities by 4 cameras" in said and "2 are distractors" in said


@pytest.mark.parametrize("seconds, words", [(2.0, "4.0 s"), (None, "No time is given: a simulated device")])
def test_features(seconds, words):
    _, query, gallery = evaluation()
    conditions = {"seconds": seconds, "not_measured": "a simulated device"}
    conditions["session"] = {"backend": "onnxruntime", "precision": "float32", "device": "Some CPU"}
    for split in (query, gallery):
        split.conditions.update(conditions)
    said = str(features_opening(query, gallery))
    assert "11 images became features of 8 numbers each, by onnxruntime" in said and words in said


def test_variants():
    def variant(name, outcome, points):
        return SimpleNamespace(name=name, test=SimpleNamespace(outcome=outcome, mAP=SimpleNamespace(value=points)))

    plain = SimpleNamespace(name="as extracted", test=None)
    some = [plain, variant("flip", "better", 0.01), variant("re-ranking", "better", 0.02), variant("x", "worse", 0.3)]
    assert "re-ranking gains most: +2.00 points" in str(variants_sentence(some))
    assert variants_sentence([plain]).name == "no variant"


def test_ranking_names_the_worst_change_of_view():
    score, query, gallery = evaluation()
    said = str(ranking_opening(score, camera_pairs(query, gallery)))
    assert "1 of 5 queries find a right image first" in said and "from camera 1 to 2: 20 % of 5 queries" in said


def test_scoring():
    def result(benchmark, values, **conditions):
        return Result("evaluation", benchmark, {"benchmark": benchmark, **conditions}, {"same": True, **values})

    times = {"evaluate": {"median": 2.0}, "argsort loop": {"median": 10.0}}
    metrics = result("metrics", {"seconds": times}, queries=3, gallery=7)
    again = {"rerank": {"median": 1.0}, "dense": {"median": 4.0}}
    size = {"distractors": 500, "seconds": {"median": 3.0}, "peak_rss_bytes": 2e9}
    disturbed = result("distractors", {"sizes": [size], "verdict": "disturbed"})
    said = str(scoring_opening([metrics, result("reranking", {"seconds": again}), disturbed]))
    assert "3 queries against 7 images takes 2.00 s here, and the loop in plain numpy 5.0 times as long" in said
    assert "4.0 times as fast" in said and "500 distractors it takes 3.0 s and 2 GB" in said and "disturbed" in said
