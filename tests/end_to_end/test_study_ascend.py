"""The study on the stand-ins for ATC and the NPU, as on an Ascend host: same features, same score, no speed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys

import nbformat
import numpy as np
import pytest

from helpers.paths import ROOT, STAND_INS
from osnet_lib.core.results import NOT_MEASURED, read_results
from osnet_lib.features.store import load_features
from osnet_lib.study import accuracy
from osnet_lib.study.features import measure_features
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace

SCRIPT = """
import sys
from dataclasses import replace
from pathlib import Path
from osnet_lib.study.run import run_matrix, run_study
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace
folder, dataset, weights = sys.argv[1:]
small = {"01_export": {"batch_sizes": [2]}, "02_convert": {"batch_sizes": [1, 2]},
         "06_stages": {"stage_batches": [2]}, "08_performance": {"batch_sizes": [1], "rounds": 2, "warmup": 1}}
other = ("00_one_query", "03_preprocess", "07_ranking", "11_roofline", "09_evaluation_speed", "12_engines")
# Whatever computes, these are the same.
runs = [replace(run, parameters={**run.parameters, "workspace": folder, **small.get(run.notebook, {})})
        for run in run_matrix(Study(folder, dataset, weights, 2, "ascend", progress=False))
        if run.notebook not in other]
run_study(Workspace(Path(folder)), runs, progress=False)
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory, small_market, small_weights) -> Workspace:
    """A workspace in which the chapters that use a device ran with ``backend="ascend"``, in processes of their own."""
    folder = tmp_path_factory.mktemp("ascend")
    shutil.copytree(ROOT / "notebooks", folder / "notebooks")
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(STAND_INS / "pyacl")]),
        "PATH": os.pathsep.join([str(STAND_INS / "bin"), os.environ["PATH"]]),
        "STAND_IN_PYTHON": sys.executable,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(small_market), str(small_weights)],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Workspace(folder)


def shown(study: Workspace, name: str) -> str:
    notebook = nbformat.read(study.executed / f"{name}.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    data = [output.get("data", {}) for output in outputs]
    texts = [output.get("text", "") for output in outputs]
    return "\n".join(texts + [d.get("text/html", "") + d.get("text/markdown", "") for d in data])


def test_features_and_score_are_those_of_the_cpu(study, small_market, small_weights, tmp_path):
    on_cpu = Study(tmp_path, small_market, small_weights, 2, "onnxruntime", progress=False)
    expected = measure_features(on_cpu)
    scores = accuracy.measure_accuracy(on_cpu, *expected)
    found = [load_features(next(study.features.glob(f"*ascend-bs2-{split}.npz"))) for split in ("query", "gallery")]
    for here, there in zip(expected, found):
        assert list(here.names) == list(there.names) and there.conditions["session"]["simulated"] is True
        assert np.abs(here.features - there.features).max() < 1e-4
    results = {r.conditions["metric"]: r for r in read_results(study.results, "accuracy")}
    for metric, score in scores.items():
        assert results[metric].conditions["session"]["backend"] == "ascend"
        assert results[metric].values["hits"]["1"] == score.evaluation.hits(1)


def test_oms_are_made_for_the_device_and_shown(study):
    made = sorted(path.name.rpartition("-")[2] for path in study.models.glob("*.om"))
    assert [name.split("_", 1)[1] for name in made] == ["bs1_Ascend310.om", "bs2_Ascend310.om", "gears_Ascend310.om"]
    text = shown(study, "02_convert")
    assert "ATC is installed" in text and all(name in text for name in made)


def test_every_conversion_passed_the_gate(study):
    stages = read_results(study.results, "parity")[0].values["stages"]
    assert [(s["stage"], s["batch_size"]) for s in stages] == [("onnx", 2), ("om", 2)]
    assert all(s["max_abs"] < 1e-4 for s in stages)


def test_the_om_is_the_last_stage(study):
    values = read_results(study.results, "stages")[0].values
    assert [s["name"] for s in values["stages"]] == ["torch", "onnx", "simplified", "fp16", "int8", "om"]
    assert values["stages"][-1]["max_abs"] < 1e-4 and values["stages"][-1]["broken"] is None
    assert "No stage of onnx, simplified, fp16, int8, om loses accuracy" in shown(study, "06_stages")


def test_a_simulated_device_reports_no_speed(study):
    results = read_results(study.results, "performance")
    assert [r.conditions["batch_size"] for r in results] == [1, 2]
    for result in results:
        assert result.conditions["session"]["simulated"] is True and result.values["throughput"] is None
        assert "times_ms" not in result.values or not any(result.values["times_ms"] or [])
        assert NOT_MEASURED in json.dumps(result.values)
    for page in ("08_performance", "10_summary", "04_inference"):
        assert NOT_MEASURED in shown(study, page), page
    row = re.findall(r"<td[^>]*>([^<]*)</td>", shown(study, "08_performance"))
    assert row.count(NOT_MEASURED) == 2 * (7 + 1 + 1)  # two batch sizes: speeds, and the verdict in two tables
