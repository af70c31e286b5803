"""The speed of the evaluation as results: measured once, reused while it holds, shown with what it is."""

from __future__ import annotations

import shutil

import pytest

from osnet_lib import scale
from osnet_lib.errors import StudyError
from osnet_lib.core.results import read_results
from osnet_lib.workspace import Workspace

SMALL = dict(queries=40, gallery=240, share=0.5, distractors=[0, 500], rounds=1, progress=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def results(work):
    return scale.measure_evaluation_speed(work, **SMALL)


def column(table, name):
    return [row[table.columns.index(name)] for row in table.rows]


def test_three_results_are_written_with_their_conditions(work, results):
    assert [r.conditions["benchmark"] for r in results] == list(scale.BENCHMARKS)
    assert sorted(r.file_name for r in read_results(work.results, "evaluation")) == sorted(r.file_name for r in results)
    assert [(r.conditions["queries"], r.conditions["gallery"]) for r in results] == [(40, 240), (20, 120), (20, 240)]
    for result in results:
        assert result.values["same"] and result.conditions["rounds"] == 1 and "conditions" not in result.values
        assert result.conditions["environment"]["versions"]["numpy"]
        assert set(result.conditions["code"]["scripts"]) >= {"metrics.py", "reranking.py", "distractors.py"}


def test_a_result_that_holds_is_reused(work, results, monkeypatch):
    def refuse(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(scale, "_run", refuse)
    again = scale.measure_evaluation_speed(work, **SMALL)
    assert [r.values for r in again] == [r.values for r in results]
    for change in ({"rounds": 2}, {"share": 0.6}, {"distractors": [0, 200]}):
        with pytest.raises(AssertionError, match="measured again"):
            scale.measure_evaluation_speed(work, **{**SMALL, **change})
    monkeypatch.setattr(scale, "environment", lambda: {"cores": 99})
    with pytest.raises(AssertionError, match="measured again"):
        scale.measure_evaluation_speed(work, **SMALL)


def test_changed_scripts_are_run_again(work, results, monkeypatch, tmp_path):
    shutil.copytree(scale.SCRIPTS, tmp_path / "benchmarks")
    ran = []
    monkeypatch.setattr(scale, "_run", lambda path, _: ran.append(path) or {"conditions": {"queries": 1, "rounds": 1,
                                                                                           "benchmark": path.stem},
                                                                            "same": True})
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(work.results, copy.results)
    scale.measure_evaluation_speed(copy, **SMALL, scripts=tmp_path / "benchmarks")
    assert ran == []
    (tmp_path / "benchmarks" / "synthetic.py").open("a").write("# another\n")
    scale.measure_evaluation_speed(copy, **SMALL, scripts=tmp_path / "benchmarks")
    assert [path.stem for path in ran] == list(scale.BENCHMARKS)


@pytest.mark.parametrize("distractors", ["[0, 100]", 100, [0, "100"]])
def test_distractors_that_papermill_passed_as_text(distractors, tmp_path):
    with pytest.raises(StudyError, match=r"papermill: -y 'distractors: \[0, 100000\]'"):
        scale.measure_evaluation_speed(Workspace(tmp_path), distractors=distractors)


def test_speed_table_says_what_is_measured_scaled_and_quoted(results):
    metrics = results[0]
    values = {**metrics.values, "quoted_seconds": {"torchreid": 6.8}, "estimated_seconds": {"torchreid, Cython": 2.9}}
    conditions = {**metrics.conditions, "loop_queries": 10}
    quoted = type(metrics)("evaluation", "x", conditions, values)
    table = scale.evaluation_speed_table([quoted, *results[1:]])
    figures = dict(zip(column(table, "program"), column(table, "figure")))
    assert figures["torchreid"] == "quoted, another machine"
    assert figures["torchreid, Cython"] == "estimated for this machine"
    assert figures[scale.WORDS["list loop"]] == "scaled from 10 queries"
    assert figures[scale.WORDS["argsort loop"]] == figures[scale.WORDS["dense"]] == "measured"
    ours = values["seconds"]["evaluate"]["median"]
    ratios = dict(zip(column(table, "program"), column(table, "times ours")))
    assert ratios["torchreid"] == pytest.approx(6.8 / ours) and ratios[scale.WORDS["evaluate"]] == 1
    assert ratios[scale.WORDS["dense"]] == pytest.approx(results[1].values["ratio"])
    assert column(table, "program")[0] == scale.WORDS["evaluate"]
    both = list(zip(column(table, "allocated, MB"), column(table, "whole process, MB")))
    assert all(None in pair for pair in both)  # two quantities: never one beside the other as if they were the same
    assert f"would take 2.9 s, {2.9 / ours:.1f} times" in scale.explain_evaluation_speed([quoted])


def test_gallery_table_and_words(results):
    table = scale.gallery_size_table(results)
    assert column(table, "gallery") == [240, 740] and column(table, "distractors") == [0, 500]
    assert column(table, "mAP") == sorted(column(table, "mAP"), reverse=True)
    assert column(scale.evaluation_conditions_table(results), "same figures") == [True] * 3
    words = scale.explain_evaluation_speed(results)
    assert "20 queries, 120 gallery images" in words and "up to 500 more" in words and words.count("\n") == 2
    assert f"takes {results[1].values['ratio']:.1f} times as long" in words
    assert len(scale.evaluation_speed_table([]).rows) == len(scale.gallery_size_table([]).rows) == 0


def test_refusals(tmp_path, work):
    with pytest.raises(StudyError, match="no metrics.py, reranking.py, distractors.py. The benchmarks are part of the"):
        scale.measure_evaluation_speed(work, **SMALL, scripts=tmp_path)
    for share in (0, 1.2):
        with pytest.raises(StudyError, match=f"share: a share of {share}"):
            scale.measure_evaluation_speed(work, **{**SMALL, "share": share})
    message = "exit code 2.*--rounds counts from 1.*Run it by hand: python metrics.py"
    with pytest.raises(StudyError, match=message):
        scale.measure_evaluation_speed(work, **{**SMALL, "rounds": 0})


def test_figures_that_differ_are_not_kept(tmp_path):
    for name in scale.BENCHMARKS:
        (tmp_path / f"{name}.py").write_text(
            "import sys\nopen(sys.argv[-1], 'w').write('{}')\nprint('THE FIGURES DIFFER')\nsys.exit(1)\n")
    work = Workspace(tmp_path / "workspace")
    with pytest.raises(StudyError, match="metrics.py: exit code 1: THE FIGURES DIFFER"):
        scale.measure_evaluation_speed(work, **SMALL, scripts=tmp_path)
    assert not work.results.exists() or not list(work.results.iterdir())
