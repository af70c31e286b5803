"""osnet tune from the shell."""

from __future__ import annotations

import json

from helpers.networks import checkpoint_path
from osnet_lib.cli.main import main
from osnet_lib.study import candidates
from osnet_lib.study.candidates import FUSED, PLAIN, Candidate


def test_prints_a_recommendation_and_keeps_it(small_market, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OSNET_WORKSPACE", str(tmp_path))
    few = [Candidate("onnxruntime", "float32", graph, 1) for graph in (PLAIN, FUSED)]
    monkeypatch.setattr(candidates, "combinations", lambda: [*few, Candidate("ascend", "float32", PLAIN, 1)])
    model = tmp_path / "net.pt"
    model.write_bytes(checkpoint_path().read_bytes())
    words = ["tune", str(model), "--dataset", str(small_market), "--batch-size", "2", "--queries", "6", "--rounds", "2"]
    assert main([*words, "--output", str(tmp_path / "t.json")]) == 0
    out = capsys.readouterr().out
    assert "onnxruntime float32" in out and "left out: ascend float32: an OM computes" in out
    assert "6 queries" in out and ": read by --backend tuned" in out
    document = json.loads((tmp_path / "t.json").read_text())
    assert document["open"]["backend"] == "onnxruntime" and document["found"]["conditions"]["budget"] == 0.1
    assert (
        main(
            [
                "benchmark",
                str(model),
                "--backend",
                "tuned",
                "--batch-size",
                "2",
                "--rounds",
                "2",
                "--output",
                str(tmp_path),
            ]
        )
        == 0
    )


def test_refusals_are_one_line(small_market, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OSNET_WORKSPACE", str(tmp_path))
    (tmp_path / "broken.onnx").write_bytes(b"no model")
    for words in (
        ["tune", str(tmp_path / "none.pt")],
        ["tune", str(tmp_path / "broken.onnx"), "--dataset", str(small_market)],
        ["tune", str(checkpoint_path()), "--dataset", str(small_market), "--budget", "-1"],
        ["benchmark", str(checkpoint_path()), "--backend", "tuned", "--batch-size", "1"],
    ):
        assert main(words) == 2
        error = capsys.readouterr().err
        assert error.splitlines()[-1].startswith("osnet: ") and "Traceback" not in error
