"""The benchmark of engines: what it runs, compares and leaves out; no speed is looked at."""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

from helpers.paths import ROOT
from osnet_lib.errors import SessionError
from osnet_lib.inference.session import open_session


@pytest.fixture
def engines(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("engines")


def refuse(*_):
    raise SessionError("PyTorch failed (no compiler)", where="here", cure="Install one.")


def test_engines_run_side_by_side_and_a_row_is_all_that_one_more_takes(engines, small_weights, tmp_path, monkeypatch):
    rows = {
        "torch, eager": engines.ENGINES["torch, eager"],
        "torch.compile": refuse,
        "ONNX Runtime": engines.ENGINES["ONNX Runtime"],
        "another": engines.ENGINES["ONNX Runtime"],
    }
    monkeypatch.setattr(engines, "ENGINES", rows)
    target = tmp_path / "e.json"
    words = ["--model", str(small_weights), "--batches", "1", "2", "--rounds", "2", "--threads", "1"]
    assert engines.main([*words, "--json", str(target)]) == 0
    measured = json.loads(target.read_text())
    assert [found["batch_size"] for found in measured["batches"]] == [1, 2] and measured["same"]
    for found in measured["batches"]:
        assert found["left_out"] == {"torch.compile": "PyTorch failed (no compiler)"}
        assert set(found["engines"]) == set(found["sessions"]) == {"torch, eager", "ONNX Runtime", "another"}
        assert found["ratios"]["torch, eager"]["median"] == 1 and found["ratios"]["another"]["pairs"] == 2
        assert all(session["threads"] == 1 for session in found["sessions"].values())
        assert 0 < found["apart"]["another"] < 1e-4 and found["first_call_seconds"]["another"] > 0
    assert measured["conditions"]["machine"]["date"] and measured["conditions"]["environment"]["versions"]["torch"]


def test_fewer_bits_need_not_give_the_same_features(engines, small_weights, tmp_path, monkeypatch):
    def short(checkpoint, threads):
        return open_session(checkpoint, "torch", threads=threads, precision="bfloat16")

    rows = {name: engines.ENGINES[name] for name in ("torch, eager", "ONNX Runtime")} | {"in bfloat16": short}
    monkeypatch.setattr(engines, "ENGINES", rows)
    target = tmp_path / "e.json"
    words = ["--model", str(small_weights), "--batches", "1", "--rounds", "1", "--threads", "1", "--json", str(target)]
    assert engines.main(words) == 0
    (found,) = json.loads(target.read_text())["batches"]
    assert found["same"] and found["apart"]["in bfloat16"] > 1e-4


def test_openvino_has_rows(engines):
    assert [name for name in engines.ENGINES if name.startswith("OpenVINO")] == ["OpenVINO", "OpenVINO, bfloat16"]


def test_the_report_says_ratios_reasons_and_verdicts(engines):
    found = {
        "batch_size": 8,
        "left_out": {"torch.compile": "PyTorch failed (no compiler)"},
        "engines": {
            name: {"throughput": rate, "latency_ms": {"median": 8000 / rate}}
            for name, rate in (("torch, eager", 20.0), ("ONNX Runtime", 50.0))
        },
        "ratios": {
            "torch, eager": {"median": 1.0, "interval": [1.0, 1.0], "pairs": 20},
            "ONNX Runtime": {"median": 2.5, "interval": [2.4, 2.6], "pairs": 20},
        },
        "verdicts": {"torch, eager": "quiet", "ONNX Runtime": "disturbed: a reason"},
    }
    facts = {"network": "osnet_x1_0", "threads": 2, "rounds": 20, "machine": {"cores": {"usable": 2}}}
    said = engines.report({"conditions": facts, "batches": [found], "same": True})
    assert "2 threads on 2 cores, 20 rounds" in said and "ONNX Runtime: 50.0 images/s, median 160.0 ms" in said
    assert "2.500 times as fast (median of 20 pairs, 95% interval 2.400 to 2.600) as torch, eager" in said
    assert "torch.compile: left out, PyTorch failed (no compiler)" in said and "disturbed: a reason" in said
    assert "THE FEATURES DIFFER" in engines.report({"conditions": facts, "batches": [found], "same": False})


def test_torch_compiles_what_its_engine_computes(engines, monkeypatch):
    """With a compiler that hands the graph back as it is: to compile it takes minutes."""
    import torch

    from helpers.networks import checkpoint

    asked, real = [], torch.compile
    monkeypatch.setattr(
        torch, "compile", lambda model, **options: asked.append(options) or real(model, backend="eager", **options)
    )
    held = checkpoint()
    images = np.random.default_rng(0).standard_normal((2, 3, 256, 128), np.float32)
    with engines.ENGINES["torch.compile"](held, 1) as compiled, engines.ENGINES["torch, eager"](held, 1) as eager:
        np.testing.assert_allclose(compiled.run(images), eager.run(images), atol=1e-5)
    assert asked == [{"dynamic": False}] and compiled.threads == 1


def test_the_first_engine_must_work(engines, small_weights, monkeypatch, capsys):
    monkeypatch.setattr(engines, "ENGINES", {"torch, eager": refuse})
    with pytest.raises(SystemExit) as stopped:
        engines.main(["--model", str(small_weights)])
    assert stopped.value.code == 2 and "PyTorch failed (no compiler)" in capsys.readouterr().err


@pytest.mark.parametrize("batches", [["0"], ["8", "8"]])
def test_batch_sizes_without_sense(engines, capsys, batches):
    with pytest.raises(SystemExit) as stopped:
        engines.main(["--batches", *batches])
    assert stopped.value.code == 2 and "give each batch size once, from 1" in capsys.readouterr().err
