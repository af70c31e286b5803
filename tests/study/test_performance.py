"""Speeds of the study: what a result says of its conditions."""

from __future__ import annotations

from osnet_lib.core.results import read_results
from osnet_lib.study.performance import measure_performance
from osnet_lib.study.study import Study


def test_performance_writes_its_conditions(work, checkpoint):
    measured = measure_performance(Study(work, weights=checkpoint, batch_size=2, progress=False), 1, rounds=4, warmup=1)
    result = read_results(work.results, "performance")[0]
    assert result.values["times_ms"] == [round(t, 4) for t in measured.times.tolist()]
    assert result.name.endswith("onnxruntime-CPUExecutionProvider-float32-t1-bs2") and result.conditions["warmup"] == 1
    assert result.conditions["environment"]["versions"]["onnxruntime"]
