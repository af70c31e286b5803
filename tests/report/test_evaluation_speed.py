"""Tables of the evaluation's speed: what is measured and what is scaled, each marked as that."""

from __future__ import annotations

import pytest

from helpers.paths import ROOT
from osnet_lib.core.results import read_result
from osnet_lib.report.evaluation_speed import (
    WORDS,
    evaluation_conditions_table,
    evaluation_speed_table,
    gallery_size_table,
)
from osnet_lib.study.evaluation_speed import measure_evaluation_speed
from osnet_lib.study.study import Study


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return measure_evaluation_speed(
        Study(tmp_path_factory.mktemp("workspace"), progress=False),
        queries=40,
        gallery=240,
        share=0.5,
        distractors=[0, 500],
        rounds=1,
    )


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_speed_table_says_what_is_measured_and_scaled(results):
    metrics = results[0]
    conditions = {**metrics.conditions, "loop_queries": 10}
    scaled = type(metrics)("evaluation", "x", conditions, metrics.values)
    table = evaluation_speed_table([scaled, *results[1:]])
    figures = dict(zip(column(table, "program"), column(table, "time")))
    assert figures[WORDS["list loop"]] == "scaled from 10 queries"
    assert figures[WORDS["argsort loop"]] == figures[WORDS["dense"]] == "measured"
    ratios = dict(zip(column(table, "program"), column(table, "times ours")))
    assert ratios[WORDS["evaluate"]] == 1
    assert ratios[WORDS["dense"]] == pytest.approx(results[1].values["ratio"])
    assert column(table, "program")[0] == WORDS["evaluate"]
    both = list(zip(column(table, "allocated, MB"), column(table, "whole process, MB")))
    assert all(None in pair for pair in both)  # two quantities: never one beside the other as if they were the same


def test_figures_of_another_machine_that_earlier_results_hold_are_not_shown():
    """Version 0.1.0 quoted times of torchreid without naming their machine."""
    before = read_result(next((ROOT / "tests" / "end_to_end" / "before" / "results").glob("evaluation-metrics-*")))
    assert before.values["quoted_seconds"]
    table = evaluation_speed_table([before])
    assert set(column(table, "program")) <= set(WORDS.values())
    assert all(figure == "measured" or figure.startswith("scaled from") for figure in column(table, "time"))


def test_gallery_and_conditions_tables(results):
    table = gallery_size_table(results)
    assert column(table, "gallery") == [240, 740] and column(table, "distractors") == [0, 500]
    assert column(table, "mAP") == sorted(column(table, "mAP"), reverse=True)
    assert column(evaluation_conditions_table(results), "same figures") == [True] * 3
    verdicts = column(evaluation_conditions_table(results), "verdict")
    assert verdicts == [result.values["verdict"] for result in results]
    apart = column(evaluation_conditions_table(results), "distances apart at most")
    assert apart[1] == results[1].values["difference"]["max"] and apart[0] is None
    assert len(evaluation_speed_table([]).rows) == len(gallery_size_table([]).rows) == 0
