"""Tables and texts on accuracy: counted in queries, with intervals, and published figures marked as such."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.results import accuracy, evaluation, rows
from osnet_lib.metrics import bootstrap, evaluate, paired_test, verify
from osnet_lib.report import accuracy as accuracy_report
from osnet_lib.study.accuracy import Assessment, Variant


def assessment(metric: str = "euclidean") -> Assessment:
    score, query, gallery = evaluation(metric)
    return Assessment(
        score, bootstrap(score), bootstrap(score, clusters=query.pids), verify(query, gallery, metric=metric)
    )


def test_score_table_counts_queries_and_gives_intervals():
    found = assessment()
    table = {row[""]: row["euclidean"] for row in rows(accuracy_report.score_table({"euclidean": found}))}
    assert table["Rank-1"] == "1/5 = 20.00 %" and table["Rank-5"] == "5/5 = 100.00 %"
    mean = 100 * np.mean([1, 1 / 2, 1 / 3, 1 / 4, 1 / 5])
    assert table["mAP"] == table["mINP"] == f"{mean:.2f} %"  # one match each
    ends = found.by_identity.mAP
    assert table["mAP, 95 % interval over identities"] == f"{100 * ends.low:.2f} to {100 * ends.high:.2f} %"
    assert ends.low < mean / 100 < ends.high
    assert table["TPR at FPR 0.0001"] == "20.00 %"  # only the best query's match is nearer than every stranger
    assert table["pairs of one identity, of two"] == "5, 25" and table["queries, with a match"] == "5, 5"
    assert list(table)[:2] == ["Rank-1", "Rank-1, 95 % interval over queries"]


def test_the_data_set_s_own_precision_stands_beside_map_where_there_are_lists():
    found = assessment()
    table = {row[""]: row["euclidean"] for row in rows(accuracy_report.score_table({"euclidean": found}))}
    assert not [name for name in table if "gt_query" in name] and found.as_dict()["gt_query"] is None
    by_lists = replace(found.evaluation, mAP_trapezoid=0.4321)
    found = replace(found, by_lists=by_lists)
    table = {row[""]: row["euclidean"] for row in rows(accuracy_report.score_table({"euclidean": found}))}
    names = list(table)
    own = "mAP, Market-1501's own (gt_query, trapezoid)"
    assert table[own] == "43.21 %" and names.index("mAP") < names.index(own) < names.index("mINP")
    assert found.as_dict()["gt_query"]["mAP_trapezoid"] == 0.4321


def test_an_interval_of_none_right_is_not_without_width():
    score, query, _gallery = evaluation()
    none = replace(score, first_hit=np.maximum(score.first_hit, 1))
    found = Assessment(none, bootstrap(none), bootstrap(none, clusters=query.pids), assessment().verification)
    table = {row[""]: row["euclidean"] for row in rows(accuracy_report.score_table({"euclidean": found}))}
    exact = found.by_query.rank1_exact
    assert table["Rank-1, 95 % interval over queries"] == f"0.00 to {100 * exact.high:.2f} %" and exact.high > 0.3


def test_score_table_has_a_column_a_distance():
    table = accuracy_report.score_table({"euclidean": assessment(), "cosine": assessment("cosine")})
    assert table.columns == ("", "euclidean", "cosine")


def test_variants_are_tested_against_the_first():
    score, query, gallery = evaluation()
    worse = evaluate((-query.features, query.pids, query.camids), gallery, max_rank=6)
    found = verify(query, gallery)
    variants = [
        Variant("as extracted", score, None, found),
        Variant("upside down", worse, paired_test(score, worse), None),
    ]
    first, second = rows(accuracy_report.variants_table(variants))
    assert first["verdict"] is None and first["Rank-1"] == 20 and first["TPR at 0.01"] == 20
    assert (second["features"], second["Rank-1"], second["TPR at 0.01"]) == ("upside down", 0, None)
    assert (second["queries lost"], second["won"]) == (1, 0)
    assert second["mAP, points"] == pytest.approx(100 * (worse.mAP - score.mAP))
    assert f"{100 * (worse.mAP - score.mAP):+.2f}" in str(accuracy_report.variants_table(variants))
    assert second["verdict"] in ("worse", "no difference")
    test = variants[1].test
    assert second["interval"] == f"{100 * test.mAP.low:+.2f} to {100 * test.mAP.high:+.2f}"
    assert first["interval"] is None
    assert second["McNemar p"] == test.p == 1


def test_accuracy_table_marks_what_is_published():
    table = rows(accuracy_report.accuracy_table([accuracy(), accuracy("osnet_x1_0")], "osnet_x0_25"))
    assert [(r[""], r["network"]) for r in table] == [("measured here", "osnet_x0_25"), ("published", "osnet_x0_25")]
    measured, published = table
    assert (measured["Rank-1"], measured["mAP"], measured["queries"]) == ("91.18 %", "74.94 %", 3368)
    assert "a1b2c3d4" in measured["source"] and "Some CPU" in measured["computed by"]
    assert measured["data set"] == "Market.zip"
    assert (published["Rank-1"], published["mAP"], published["data set"]) == ("91.2 %", "75.0 %", "Market-1501")
    assert "MODEL_ZOO" in published["source"]
    assert published["computed by"] == "float32 (inferred), GPU (inferred)"


def test_accuracy_table_of_every_network():
    kinds = [r[""] for r in rows(accuracy_report.accuracy_table([accuracy("osnet_x1_0")]))]
    assert kinds == ["measured here"] + ["published"] * 6


@pytest.mark.parametrize(
    "network, is_market, words",
    [
        ("osnet_x1_0", False, ["not Market-1501"]),
        ("osnet_ain_x1_0", True, ["No published euclidean figure for osnet_ain_x1_0"]),
        (
            "osnet_x1_0",
            True,
            ["score of torchreid MODEL_ZOO, GPU (inferred): ", "tool), Ascend 310: ", "5 and 3,368 queries"],
        ),  # or the other way round: these few are no Market-1501
    ],
)
def test_the_gate_against_published_scores_in_words(network, is_market, words):
    text = str(accuracy_report.compare_published(assessment(), network, is_market))
    assert not [some for some in words if some not in text.replace("3,368 and 5", "5 and 3,368")], text


def test_distances_are_not_mixed():
    said = accuracy_report.compare_published(assessment("cosine"), "osnet_x1_0", True)
    assert "No published cosine figure" in str(said)
