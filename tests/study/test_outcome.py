"""What a run came to, read from the stamps of its notebooks and its result files."""

from __future__ import annotations

import json

import pytest

from helpers.results import accuracy, engines, intervals, parity, stages
from osnet_lib.core.files import sha256
from osnet_lib.core.results import write_result
from osnet_lib.study.outcome import (
    headlines,
    headlines_path,
    keep_headlines,
    read_headlines,
    read_stamps,
    results_of_run,
)
from osnet_lib.study.workspace import Workspace


@pytest.fixture
def work(tmp_path):
    return Workspace(tmp_path)


def stamped(work: Workspace, chapter: str, *results, **facts) -> None:
    """An executed notebook whose run wrote these results."""
    paths = [write_result(work.results, result) for result in results]
    stamp = {"key": "k", "results": {path.name: sha256(path) for path in paths}, "shown": [], **facts}
    work.executed.mkdir(parents=True, exist_ok=True)
    (work.executed / f"{chapter}.ipynb").write_text(json.dumps({"cells": [], "metadata": {"study": stamp}}))


def scored(metric: str, rank1: float = 0.9):
    result = accuracy("osnet_x1_0", rank1, metric)
    result.values["intervals"] = intervals()
    return result


def test_results_of_the_run_are_those_that_it_wrote_with_the_default_distance(work):
    stamped(work, "05_accuracy", scored("cosine", 0.8), scored("euclidean"))
    stamped(work, "01_export", parity(), seconds=1.5, date="2026-01-02T03:04:05+00:00")
    write_result(work.results, stages())  # of an earlier run
    found = results_of_run(work)
    assert set(found) == {"accuracy", "parity"} and found["accuracy"].conditions["metric"] == "euclidean"
    assert [(stamp.chapter, stamp.seconds) for stamp in read_stamps(work)] == [
        ("01_export", 1.5),
        ("05_accuracy", None),
    ]


def test_a_result_that_was_written_anew_since_is_not_of_the_run(work):
    stamped(work, "01_export", parity())
    write_result(work.results, parity(1e-5))
    assert results_of_run(work) == {}


def test_a_notebook_that_cannot_be_read_counts_as_not_executed(work):
    stamped(work, "01_export", parity())
    (work.executed / "02_convert.ipynb").write_text("{")
    (work.executed / "03_preprocess.ipynb").write_text('{"metadata": []}')
    assert [stamp.chapter for stamp in read_stamps(work)] == ["01_export"]


def test_headlines_are_kept_beside_those_before(work):
    keep_headlines(work, "monday")
    stamped(work, "01_export", parity())
    stamped(work, "12_engines", engines())
    keep_headlines(work, "tuesday")
    first = headlines_path(work).read_bytes()
    keep_headlines(work, "wednesday")
    assert headlines_path(work).read_bytes() == first  # nothing changed
    stamped(work, "01_export", parity(2e-5))
    keep_headlines(work, "thursday")
    held = read_headlines(work)
    assert held["now"] == {"date": "thursday", "figures": headlines(work)}
    assert held["before"]["date"] == "tuesday" and held["before"]["figures"]["same network"] == "yes, within 3.6e-06"
    assert held["now"]["figures"] == {
        "same network": "yes, within 2.0e-05",
        "which engine": "openvino bfloat16, 1.80 ×",
    }


@pytest.mark.parametrize(
    "text",
    ['{"before": 1}', '{"before": {}, "now": {"figures": {}}}', '{"before": {}, "now": {"date": 1, "figures": 3}}'],
)
def test_headlines_that_were_edited_count_as_none(work, text):
    headlines_path(work).parent.mkdir(parents=True)
    headlines_path(work).write_text(text)
    assert read_headlines(work) == {"before": {}, "now": {}}


def test_headlines_of_questions_that_are_asked_no_more_are_left_out(work):
    headlines_path(work).parent.mkdir(parents=True)
    now = {"date": "monday", "figures": {"how good": "93 %", "how tall": "2 m"}}
    headlines_path(work).write_text(json.dumps({"before": {}, "now": now}))
    assert read_headlines(work)["now"] == {"date": "monday", "figures": {"how good": "93 %"}}
