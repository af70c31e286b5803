"""The backend tuned: it opens what was recommended, and says what has changed where that no longer holds."""

from __future__ import annotations

import json
import shutil
from functools import partial

import numpy as np
import pytest

from helpers.networks import checkpoint, checkpoint_path, images, onnx_path
from helpers.refusals import refusal_of
from osnet_lib.core.files import sha256
from osnet_lib.errors import SessionError
from osnet_lib.inference import tuned
from osnet_lib.inference.backends import choose_backend
from osnet_lib.inference.session import open_session
from osnet_lib.inference.tuned import TunedEngine, read_tuning, tuning_path, write_tuning

refusal = partial(refusal_of, SessionError)


@pytest.fixture
def model(tmp_path, monkeypatch):
    """A checkpoint that was tuned: its fused ONNX, on one thread."""
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    for source, name in ((checkpoint_path(), "net[1].pt"), (onnx_path(2, fuse_streams=True), "fused.onnx")):
        shutil.copy(source, tmp_path / name)
    path, file = tmp_path / "net[1].pt", tmp_path / "fused.onnx"
    write_tuning(path, TunedEngine(file, sha256(file), "onnxruntime", "float32", 1), {"budget": 0.1})
    return path


def test_opens_what_the_file_says(model):
    with open_session(model, "tuned") as session, open_session(checkpoint(), "torch", threads=1) as reference:
        assert (session.backend, session.threads, session.batch_size) == ("onnxruntime", 1, 2)
        assert session.facts.graph == "streams fused" and session.facts.precision == "float32"
        assert session.facts.exported_from == {"file": model.name, "sha256": sha256(model)}
        np.testing.assert_allclose(session.run(images(2)), reference.run(images(2)), atol=1e-4)


def test_auto_takes_no_notice(model):
    with open_session(model, threads=1) as session:
        assert session.backend == "onnxruntime" and session.batch_size is None


def test_a_model_that_was_never_tuned(model, tmp_path):
    (tmp_path / "other.pt").write_bytes(model.read_bytes() + b" ")
    message = refusal(open_session, tmp_path / "other.pt", "tuned")
    assert "other.pt: was never tuned on this machine. Run osnet tune" in message


def test_another_model_of_the_same_name_is_stale(model):
    model.write_bytes(model.read_bytes() + b" ")
    assert "the tuning is stale: the model is another than was tuned" in refusal(open_session, model, "tuned")


@pytest.mark.parametrize(
    "kind, name, value, words",
    [
        ("machine", "processor", "Another CPU", "machine differs in processor, Another CPU became "),
        ("machine", "cores", 999, "machine differs in cores, 999 became "),
        ("machine", "flags", "avx", "machine differs in flags. "),
        ("versions", "onnxruntime", "0.1", "versions differs in onnxruntime, 0.1 became "),
        ("versions", "osnet", "0.0.1", "versions differs in osnet, 0.0.1 became "),
        ("versions", "gone", "3", "versions differs in gone, 3 became None"),
    ],
)
def test_what_changed_is_named(model, kind, name, value, words):
    path = tuning_path(model, sha256(model))
    document = json.loads(path.read_text())
    document[kind][name] = value
    path.write_text(json.dumps(document))
    message = refusal(open_session, model, "tuned")
    assert "the tuning is stale: " in message and words in message and "Run osnet tune on it again" in message


def test_the_file_to_open_is_gone_or_another(model):
    file = read_tuning(model).file
    file.write_bytes(onnx_path(2).read_bytes())
    assert f"the file to open is another ({file})" in refusal(open_session, model, "tuned")
    file.unlink()
    assert f"the file to open is gone ({file})" in refusal(open_session, model, "tuned")


@pytest.mark.parametrize("text", ["", "[]", '{"open": {}}', '{"open": {"file": 3}}', "{"])
def test_a_damaged_file(model, text):
    tuning_path(model, sha256(model)).write_text(text)
    assert "no tuning file (" in refusal(open_session, model, "tuned")


@pytest.mark.parametrize(
    "given", [{"threads": 1}, {"threads": 0}, {"precision": "float32"}, {"key": "a"}, {"device": 1}]
)
def test_it_chooses_the_rest_itself(model, given):
    assert f"the tuned backend chooses the {next(iter(given))} itself" in refusal(open_session, model, "tuned", **given)


def test_it_needs_a_file(model, tmp_path):
    assert "the tuned backend opens a file" in refusal(open_session, checkpoint(), "tuned")
    assert "no such model file" in refusal(open_session, tmp_path / "none.onnx", "tuned")
    assert "tuned stands for what one file is opened with" in refusal(choose_backend, "tuned")


def test_surroundings_are_of_this_machine():
    found = tuned.surroundings()
    assert found["machine"]["cores"] >= 1 and found["versions"]["numpy"] == np.__version__
