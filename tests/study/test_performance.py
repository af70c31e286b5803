"""Speeds of the study: what a result says of its conditions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from helpers.networks import onnx_path
from osnet_lib.core.disturbance import Span, Watched
from osnet_lib.core.results import read_results
from osnet_lib.errors import SessionError
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.study import performance, runnable
from osnet_lib.study.performance import measure_performance
from osnet_lib.study.study import Study


def test_performance_writes_its_conditions(work, checkpoint):
    measured = measure_performance(Study(work, weights=checkpoint, batch_size=2, progress=False), 1, rounds=4, warmup=1)
    result = read_results(work.results, "performance")[0]
    assert result.values["times_ms"] == [round(t, 4) for t in measured.times.tolist()]
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


VERDICTS = ("quiet", "disturbed", "unknown")


@pytest.mark.parametrize(
    "foreign, calls, kept, verdict",
    [
        ((0.0,), 1, 10.0, "quiet"),
        ((1.0, 0.0), 2, 20.0, "quiet"),
        ((1.0, 1.0), 2, 10.0, "disturbed"),
    ],
)
def test_a_disturbed_measurement_is_timed_once_more(work, checkpoint, monkeypatch, foreign, calls, kept, verdict):
    pending, made = list(foreign), []

    def run_benchmark(session, batch_size, rounds, warmup, progress):
        span = Span(2.0, pending.pop(0), 0.0, 0.0, 0.0, 1.0)
        made.append(np.full(rounds, 10.0 * (len(made) + 1)))
        watched = Watched(span, span, span, span, cores=2)
        return Benchmark(made[-1], batch_size, warmup, session.describe(), watched=watched)

    monkeypatch.setattr(performance, "run_benchmark", run_benchmark)
    monkeypatch.setattr(runnable, "runnable_model", lambda *_: onnx_path())
    measured = measure_performance(Study(work, weights=checkpoint, batch_size=1, progress=False), 1, 12, 1)
    assert len(made) == calls and measured.times[0] == kept
    values = read_results(work.results, "performance")[0].values
    assert values["verdict"] == verdict and ("other" in values) == (calls == 2)
