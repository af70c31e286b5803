"""Speeds of the study: what a result says of its conditions, when it is used again, and which belong together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.networks import onnx_path
from osnet_lib.core.disturbance import Span, Watched
from osnet_lib.core.host import environment
from osnet_lib.core.results import Result, read_results, write_result
from osnet_lib.errors import SessionError
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.study import performance, runnable
from osnet_lib.study.performance import measure_performance, measure_speeds, speeds_beside
from osnet_lib.study.study import Study

VERDICTS = ("quiet", "disturbed", "unknown")


def test_performance_writes_its_conditions(work, checkpoint):
    measured = measure_performance(Study(work, weights=checkpoint, batch_size=2, progress=False), 1, rounds=4, warmup=1)
    result = read_results(work.results, "performance")[0]
    assert measured == result and len(result.values["times_ms"]) == 4 and min(result.values["times_ms"]) > 0
    assert result.name.endswith("onnxruntime-CPUExecutionProvider-float32-t1-bs2") and result.conditions["warmup"] == 1
    assert result.conditions["environment"]["versions"]["onnxruntime"]
    machine = result.conditions["machine"]
    assert machine["date"] and machine["cores"]["usable"] >= 1 and result.values["verdict"] in VERDICTS


def test_a_precision_of_another_backend(work, checkpoint):
    study = Study(work, weights=checkpoint, batch_size=1, backend="torch", precision="bfloat16", progress=False)
    assert measure_performance(study, 1, rounds=2, warmup=0).session.precision == "bfloat16"
    assert read_results(work.results, "performance")[0].name.endswith("torch-cpu-bfloat16-t1-bs1")
    with pytest.raises(SessionError, match="^precision: the torch backend does not compute in int8 on request"):
        measure_performance(replace(study, precision="int8"), 1, rounds=2, warmup=0)


@pytest.fixture
def timed(monkeypatch):
    """Benchmarks that take no time: cores that others use come from the list `foreign`, batch sizes go to `calls`."""

    class Timed:
        foreign: list[float] = []
        calls: list[int] = []

    found = Timed()
    found.foreign, found.calls = [], []

    def run_benchmark(session, batch_size, rounds, warmup, progress):
        span = Span(2.0, found.foreign.pop(0) if found.foreign else 0.0, 0.0, 0.0, 0.0, 1.0)
        found.calls.append(batch_size)
        times = np.full(rounds, 10.0 * len(found.calls))
        watched = Watched(span, span, span, span, cores=2)
        return Benchmark(times, batch_size, warmup, session.describe(), watched=watched)

    monkeypatch.setattr(performance, "run_benchmark", run_benchmark)
    monkeypatch.setattr(performance, "code_digest", lambda *_: "of today")
    monkeypatch.setattr(runnable, "runnable_model", lambda *_: onnx_path())
    return found


@pytest.mark.parametrize(
    "foreign, calls, kept, verdict",
    [
        ((0.0,), 1, 10.0, "quiet"),
        ((1.0, 0.0), 2, 20.0, "quiet"),
        ((1.0, 1.0), 2, 10.0, "disturbed"),
    ],
)
def test_a_disturbed_measurement_is_timed_once_more(work, checkpoint, timed, foreign, calls, kept, verdict):
    timed.foreign = list(foreign)
    measured = measure_performance(Study(work, weights=checkpoint, batch_size=1, progress=False), 1, 12, 1)
    assert len(timed.calls) == calls and measured.values["times_ms"][0] == kept
    values = read_results(work.results, "performance")[0].values
    assert values["verdict"] == verdict and ("other" in values) == (calls == 2)


def test_a_batch_size_more_measures_no_other_again(work, checkpoint, timed):
    study = Study(work, weights=checkpoint, batch_size=8, progress=False)
    first = measure_speeds(study, [4, 1, 4], 1, 12)
    assert timed.calls == [1, 4, 8] == [result.conditions["batch_size"] for result in first]
    kept = {path.name: path.read_bytes() for path in work.results.iterdir()}
    more = measure_speeds(replace(study, batch_size=64), [1, 4, 8], 1, 12)
    assert timed.calls == [1, 4, 8, 64] and more[:3] == first
    assert all((work.results / name).read_bytes() == held for name, held in kept.items())
    assert speeds_beside(study, first[0]) == more


def test_rows_are_of_one_condition(work, checkpoint, timed):
    study = Study(work, weights=checkpoint, batch_size=8, progress=False)
    two, one = (measure_speeds(study, [1], threads, 12) for threads in (2, 1))
    assert speeds_beside(study, one[0]) == one and speeds_beside(study, two[0]) == two


CHANGES = {
    "rounds": lambda patch: {"rounds": 13},
    "warm-up": lambda patch: {"warmup": 2},
    "code": lambda patch: patch.setattr(performance, "code_digest", lambda *_: "of tomorrow"),
    "versions": lambda patch: patch.setattr(performance, "environment", lambda: {**environment(), "cores": 99}),
    "machine": lambda patch: patch.setattr(performance, "describe_machine", lambda: {"processor": "another"}),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_was_measured_under_other_conditions_is_measured_again(work, checkpoint, timed, monkeypatch, change):
    study = Study(work, weights=checkpoint, batch_size=1, progress=False)
    given = {"threads": 1, "rounds": 12, "warmup": 1}
    measure_performance(study, **given)
    assert measure_performance(study, **given) and len(timed.calls) == 1
    measure_performance(study, **{**given, **(change(monkeypatch) or {})})
    assert len(timed.calls) == 2


@pytest.mark.parametrize("harm", ["edited", "of before", "damaged"])
def test_a_result_that_is_not_whole_is_measured_again(work, checkpoint, timed, harm):
    study = Study(work, weights=checkpoint, batch_size=1, progress=False)
    held = measure_performance(study, 1, 12)
    path = work.results / held.file_name
    if harm == "edited":
        path.write_text(path.read_text().replace('"rounds": 12', '"rounds": 99'))
    elif harm == "of before":  # without code and machine
        conditions = {name: fact for name, fact in held.conditions.items() if name not in ("code", "machine")}
        write_result(work.results, Result(held.kind, held.name, conditions, held.values))
    else:
        path.write_text("{")
    again = measure_performance(study, 1, 12)
    assert len(timed.calls) == 2 and read_results(work.results, "performance") == [again]


def test_only_what_was_disturbed_is_timed_again_on_request(work, checkpoint, timed):
    study, timed.foreign = Study(work, weights=checkpoint, batch_size=8, progress=False), [0.0, 1.0, 1.0]
    measure_speeds(study, [1], 1, 12)
    measure_speeds(study, [1], 1, 12)
    assert timed.calls == [1, 8, 8]
    measured = measure_speeds(study, [1], 1, 12, again=True)
    assert timed.calls == [1, 8, 8, 8] and [result.values["verdict"] for result in measured] == ["quiet", "quiet"]


@pytest.mark.parametrize(
    "sizes, words", [("[1, 8]", "is no list.*batch_sizes"), ([0], "batch sizes: 0 is not a whole")]
)
def test_batch_sizes_without_sense(work, sizes, words):
    with pytest.raises(SessionError, match=words):
        measure_speeds(Study(work, progress=False), sizes)
