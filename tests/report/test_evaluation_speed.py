"""Tables of the evaluation's speed: what is measured, scaled, quoted and estimated, each marked as that."""

from __future__ import annotations

import pytest

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


def test_speed_table_says_what_is_measured_scaled_and_quoted(results):
    metrics = results[0]
    values = {**metrics.values, "quoted_seconds": {"torchreid": 6.8}, "estimated_seconds": {"torchreid, Cython": 2.9}}
    conditions = {**metrics.conditions, "loop_queries": 10}
    quoted = type(metrics)("evaluation", "x", conditions, values)
    table = evaluation_speed_table([quoted, *results[1:]])
    figures = dict(zip(column(table, "program"), column(table, "figure")))
    assert figures["torchreid"] == "quoted, another machine"
    assert figures["torchreid, Cython"] == "estimated for this machine"
    assert figures[WORDS["list loop"]] == "scaled from 10 queries"
    assert figures[WORDS["argsort loop"]] == figures[WORDS["dense"]] == "measured"
    ours = values["seconds"]["evaluate"]["median"]
    ratios = dict(zip(column(table, "program"), column(table, "times ours")))
    assert ratios["torchreid"] == pytest.approx(6.8 / ours) and ratios[WORDS["evaluate"]] == 1
    assert ratios[WORDS["dense"]] == pytest.approx(results[1].values["ratio"])
    assert column(table, "program")[0] == WORDS["evaluate"]
    both = list(zip(column(table, "allocated, MB"), column(table, "whole process, MB")))
    assert all(None in pair for pair in both)  # two quantities: never one beside the other as if they were the same
    assert ratios["torchreid, Cython"] == pytest.approx(2.9 / ours)


def test_gallery_and_conditions_tables(results):
    table = gallery_size_table(results)
    assert column(table, "gallery") == [240, 740] and column(table, "distractors") == [0, 500]
    assert column(table, "mAP") == sorted(column(table, "mAP"), reverse=True)
    assert column(evaluation_conditions_table(results), "same figures") == [True] * 3
    apart = column(evaluation_conditions_table(results), "distances apart at most")
    assert apart[1] == results[1].values["difference"]["max"] and apart[0] is None
    assert len(evaluation_speed_table([]).rows) == len(gallery_size_table([]).rows) == 0
