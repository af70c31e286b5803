"""osnet benchmark of several models; of one model and of several devices, see the guide's steps."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import networks
from osnet_lib.cli.main import main
from osnet_lib.guide.perf import parse_pure_perf
from osnet_lib.inference import side_by_side
from osnet_lib.inference.benchmark import Benchmark


@pytest.fixture
def models(tmp_path):
    """Two files of one network."""
    for name in ("a.onnx", "b.onnx", "more/a.onnx"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(networks.onnx_path().read_bytes())
    return tmp_path


def test_models_are_compared_in_turn(models, capsys, monkeypatch):
    """The second takes half the time of the first in each round."""

    def run_side_by_side(sessions, batch_size, rounds, warmup):
        assert [session.model.name for session in sessions] == ["a.onnx", "b.onnx"] and (batch_size, warmup) == (2, 5)
        return [
            Benchmark(np.full(rounds, 10.0 / place), batch_size, warmup, session.describe())
            for place, session in enumerate(sessions, 1)
        ]

    monkeypatch.setattr(side_by_side, "run_side_by_side", run_side_by_side)
    line = ["benchmark", str(models / "a.onnx"), str(models / "b.onnx"), "--batch-size", "2", "--rounds", "9"]
    assert main([*line, "--threads", "1", "--output", str(models / "out"), "--json", str(models / "b.json")]) == 0
    out = capsys.readouterr().out
    assert "b.onnx against a.onnx: 2.000 times as fast (median of 9 pairs, 95% interval 2.000 to 2.000)" in out
    rates = [
        parse_pure_perf((models / "out" / f"PureInfer_perf_of_{name}_in_device_0.txt").read_text()).rate
        for name in "ab"
    ]
    assert rates == [200, 400]
    document = json.loads((models / "b.json").read_text())
    assert document["values"]["ratios"] == {"b.onnx": {"median": 2.0, "interval": [2.0, 2.0], "pairs": 9}}
    assert set(document["values"]["models"]) == set(document["conditions"]["sessions"]) == {"a.onnx", "b.onnx"}
    assert document["values"]["against"] == "a.onnx" and document["conditions"]["machine"]["date"]


def test_two_models_run_for_real(models, capsys):
    line = ["benchmark", *(str(models / name) for name in ("a.onnx", "b.onnx")), "--batch-size", "1", "--rounds", "2"]
    assert main([*line, "--warmup", "0", "--threads", "1", "--output", str(models)]) == 0
    out = capsys.readouterr().out
    assert out.count("ave_throughputRate") == 2 and "b.onnx against a.onnx: " in out and "2 pairs, too few" in out


def test_one_model_on_several_engines(models, capsys, monkeypatch):
    """The second engine takes half the time of the first in each round."""

    def run_side_by_side(sessions, batch_size, rounds, warmup):
        return [
            Benchmark(np.full(rounds, 10.0 / place), batch_size, warmup, session.describe())
            for place, session in enumerate(sessions, 1)
        ]

    monkeypatch.setattr(side_by_side, "run_side_by_side", run_side_by_side)
    line = ["benchmark", str(models / "a.onnx"), "--against", "onnxruntime:float16", "--batch-size", "2"]
    assert main([*line, "--threads", "1", "--output", str(models), "--json", str(models / "b.json")]) == 0
    assert "a.onnx on onnxruntime:float16 against a.onnx: 2.000 times as fast" in capsys.readouterr().out
    assert (models / "PureInfer_perf_of_a-onnxruntime-float16_in_device_0.txt").is_file()
    sessions = json.loads((models / "b.json").read_text())["conditions"]["sessions"]
    assert [session["precision"].partition(" ")[0] for session in sessions.values()] == ["float32", "float16"]


@pytest.mark.parametrize(
    "files, options, words",
    [
        (["a.onnx", "more/a.onnx"], [], "more/a.onnx: has the name of another model. Rename one"),
        (
            ["a.onnx", "b.onnx"],
            ["--devices", "0,1"],
            "devices: several models on several devices are not timed together",
        ),
        (["a.onnx", "gone.onnx"], [], "gone.onnx: no such weights"),
        (["a.onnx"], ["--against", "tpu"], "backend: 'tpu' is not a backend"),
        (
            ["a.onnx"],
            ["--against", "onnxruntime:bfloat16"],
            "precision: the onnxruntime backend does not compute in bf",
        ),
        (["a.onnx"], ["--against", "onnxruntime:"], "precision: '' is not a precision"),
        (["a.onnx"], ["--against", "torch"], "a.onnx: the torch backend does not read it, onnxruntime does"),
        (["a.onnx"], ["--against", "openvino", "--against", "openvino"], "--against openvino: is given twice"),
    ],
)
def test_what_cannot_be_compared_is_refused(models, capsys, files, options, words):
    assert main(["benchmark", *(str(models / file) for file in files), "--batch-size", "1", *options]) == 2
    err = capsys.readouterr().err
    assert words in err and err.count("\n") == 1


def test_a_simulated_device_is_refused(models, capsys, monkeypatch):
    simulated = SimpleNamespace(facts=SimpleNamespace(simulated=True), model="a.om")
    monkeypatch.setattr("osnet_lib.inference.session.open_session", lambda *_, **__: _Opened(simulated))
    assert main(["benchmark", *(str(models / name) for name in ("a.onnx", "b.onnx")), "--batch-size", "1"]) == 2
    assert "a.om: a simulated device has no speed to compare" in capsys.readouterr().err


class _Opened:
    def __init__(self, session):
        self.session = session

    def __enter__(self):
        return self.session

    def __exit__(self, *_):
        pass
