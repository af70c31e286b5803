"""A checkpoint that `auto` opens: exported once, passed the gate, found again by its tensors, never another's."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers.networks import checkpoint, checkpoint_path, images, onnx_path, state_dict
from osnet_lib.conversion import export
from osnet_lib.core.files import sha256
from osnet_lib.errors import ParityError
from osnet_lib.inference import exported, parity_gate
from osnet_lib.inference.exported import exported_onnx
from osnet_lib.inference.session import open_session
from osnet_lib.network.checkpoint import load_checkpoint


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache, and a list that grows with each export."""
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    made, real = [], export.export_onnx

    def export_onnx(checkpoint, path, *options):
        made.append(path)
        return real(checkpoint, path, *options)

    monkeypatch.setattr(export, "export_onnx", export_onnx)
    return made


def test_auto_runs_a_checkpoint_on_onnx_runtime_and_exports_it_once(cache):
    with open_session(checkpoint_path(), "torch", threads=1) as session:
        expected, plain = session.run(images(3)), session.describe()
    assert plain["backend"] == "torch" and "exported_from" not in plain and not cache
    for model in (checkpoint_path(), str(checkpoint_path()), checkpoint()):
        with open_session(model, threads=1) as session:
            facts = session.describe()
            np.testing.assert_allclose(session.run(images(3)), expected, atol=1e-4)
        assert facts["backend"] == "onnxruntime" and facts["model_sha256"] == sha256(session.model)
        assert facts["exported_from"] == {"file": checkpoint_path().name, "sha256": sha256(checkpoint_path())}
    assert len(cache) == 1


def test_onnx_runtime_by_name_runs_a_checkpoint_as_auto_does(cache):
    for model in (checkpoint_path(), checkpoint()):
        with open_session(model, "onnxruntime", threads=1) as session:
            assert (
                session.facts.backend == "onnxruntime" and session.facts.exported_from["sha256"] == checkpoint().sha256
            )
    assert len(cache) == 1


@pytest.fixture
def quick(cache, monkeypatch):
    """`cache`, where an export is a copy of one that passed the gate; what is kept and when is looked at."""

    def export_onnx(checkpoint, path, *options):
        cache.append(path)
        shutil.copyfile(onnx_path(), path)

    monkeypatch.setattr(export, "export_onnx", export_onnx)
    monkeypatch.setattr(parity_gate, "pass_gate", lambda *_: None)
    return cache


def test_another_network_under_the_same_name_is_exported_anew(quick, tmp_path):
    path, tensors, made = tmp_path / "w.pth", state_dict(), []
    for scale in (1.0, 0.5, 1.0):
        torch.save({**tensors, "fc.0.weight": tensors["fc.0.weight"] * scale}, path)
        made.append(exported_onnx(load_checkpoint(path)))
    assert made[0] == made[2] != made[1] and len(quick) == 2


def test_a_checkpoint_changed_in_memory_is_not_taken_for_its_file(quick):
    changed = replace(checkpoint(), model=load_checkpoint(checkpoint_path()).model)
    first = exported_onnx(checkpoint())
    with torch.no_grad():
        changed.model.fc[0].weight.mul_(0.5)
    assert exported_onnx(changed) != first and exported_onnx(checkpoint()) == first and len(quick) == 2


def test_a_damaged_export_is_made_again(quick):
    path = exported_onnx(checkpoint())
    whole = path.read_bytes()
    path.write_bytes(whole[:1000])
    assert exported_onnx(checkpoint()).read_bytes() == whole and len(quick) == 2


def test_two_at_once_make_one(quick):
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(exported_onnx(checkpoint()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths[0] == paths[1] and len(quick) == 1


def test_an_export_that_fails_the_gate_is_not_kept(cache, monkeypatch):
    other = load_checkpoint(checkpoint_path())
    torch.nn.init.zeros_(other.model.fc[0].weight)
    real = export.export_onnx
    monkeypatch.setattr(export, "export_onnx", lambda _, path, *options: real(other, path, *options))
    with pytest.raises(ParityError):
        open_session(checkpoint(), threads=1)
    assert len(cache) == 1 and not list(cache[0].parent.glob("*.onnx*"))  # nothing to be believed the next time


def test_torch_computes_where_only_it_has_a_gpu(cache, monkeypatch):
    monkeypatch.setattr(exported, "_only_torch_has_a_gpu", lambda: True)
    with open_session(checkpoint(), threads=1) as session:
        assert session.describe()["backend"] == "torch"
    assert not cache
