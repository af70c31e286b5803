"""The speed of the evaluation as results: measured once, reused while it holds."""

from __future__ import annotations

import shutil

import pytest

from osnet_lib.core.results import read_results
from osnet_lib.errors import StudyError
from osnet_lib.study import evaluation_speed
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace

SMALL = dict(queries=40, gallery=240, share=0.5, distractors=[0, 500], rounds=1)


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("workspace"))


@pytest.fixture(scope="module")
def results(work):
    return evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **SMALL)


def test_three_results_are_written_with_their_conditions(work, results):
    assert [r.conditions["benchmark"] for r in results] == list(evaluation_speed.BENCHMARKS)
    assert sorted(r.file_name for r in read_results(work.results, "evaluation")) == sorted(r.file_name for r in results)
    assert [(r.conditions["queries"], r.conditions["gallery"]) for r in results] == [(40, 240), (20, 120), (20, 240)]
    for result in results:
        assert result.values["same"] and result.conditions["rounds"] == 1 and "conditions" not in result.values
        assert result.conditions["environment"]["versions"]["numpy"]
        assert result.values["verdict"] in ("quiet", "disturbed", "unknown") and "counters" in result.values["evidence"]
        assert set(result.conditions["code"]["scripts"]) >= {"metrics.py", "reranking.py", "distractors.py"}


def test_a_result_that_holds_is_reused(work, results, monkeypatch):
    def refuse(*_):
        raise AssertionError("measured again")

    monkeypatch.setattr(evaluation_speed, "_run", refuse)
    again = evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **SMALL)
    assert [r.values for r in again] == [r.values for r in results]
    for change in ({"rounds": 2}, {"share": 0.6}, {"distractors": [0, 200]}):
        with pytest.raises(AssertionError, match="measured again"):
            evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **{**SMALL, **change})
    monkeypatch.setattr(evaluation_speed, "environment", lambda: {"cores": 99})
    with pytest.raises(AssertionError, match="measured again"):
        evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **SMALL)


def test_changed_scripts_are_run_again(work, results, monkeypatch, tmp_path):
    shutil.copytree(evaluation_speed.SCRIPTS, tmp_path / "benchmarks")
    ran = []
    monkeypatch.setattr(
        evaluation_speed,
        "_run",
        lambda path, _: (
            ran.append(path) or {"conditions": {"queries": 1, "rounds": 1, "benchmark": path.stem}, "same": True}
        ),
    )
    copy = Workspace(tmp_path / "copy")
    shutil.copytree(work.results, copy.results)
    evaluation_speed.measure_evaluation_speed(Study(copy, progress=False), **SMALL, scripts=tmp_path / "benchmarks")
    assert ran == []
    (tmp_path / "benchmarks" / "synthetic.py").open("a").write("# another\n")
    evaluation_speed.measure_evaluation_speed(Study(copy, progress=False), **SMALL, scripts=tmp_path / "benchmarks")
    assert [path.stem for path in ran] == list(evaluation_speed.BENCHMARKS)


@pytest.mark.parametrize("distractors", ["[0, 100]", 100, [0, "100"]])
def test_distractors_that_papermill_passed_as_text(distractors, tmp_path):
    with pytest.raises(StudyError, match=r"papermill: -y 'distractors: \[0, 100000\]'"):
        evaluation_speed.measure_evaluation_speed(Study(tmp_path), distractors=distractors)


def test_refusals(tmp_path, work):
    with pytest.raises(StudyError, match="no metrics.py, reranking.py, distractors.py. The benchmarks are part of the"):
        evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **SMALL, scripts=tmp_path)
    for share in (0, 1.2):
        with pytest.raises(StudyError, match=f"share: a share of {share}"):
            evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **{**SMALL, "share": share})
    message = "exit code 2.*--rounds counts from 1.*Run it by hand: python metrics.py"
    with pytest.raises(StudyError, match=message):
        evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **{**SMALL, "rounds": 0})


def test_figures_that_differ_are_not_kept(tmp_path):
    for name in evaluation_speed.BENCHMARKS:
        (tmp_path / f"{name}.py").write_text(
            "import sys\nopen(sys.argv[-1], 'w').write('{}')\nprint('THE FIGURES DIFFER')\nsys.exit(1)\n"
        )
    work = Workspace(tmp_path / "workspace")
    with pytest.raises(StudyError, match="metrics.py: exit code 1: THE FIGURES DIFFER"):
        evaluation_speed.measure_evaluation_speed(Study(work, progress=False), **SMALL, scripts=tmp_path)
    assert not work.results.exists() or not list(work.results.iterdir())
