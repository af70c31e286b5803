"""The stand-in NPU for tests: the `acl` package of tests/stand_ins/pyacl, plugged in for the length of a test."""

from __future__ import annotations

import importlib
import importlib.util
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.paths import STAND_INS
from osnet_lib.ascend import acl as acl_api
from osnet_lib.inference import ascend as ascend

PYACL = STAND_INS / "pyacl"


def _load() -> object:
    """The module, without leaving it where other tests would find it."""
    sys.path.insert(0, str(PYACL))
    try:
        module = importlib.import_module("acl")
    finally:
        sys.path.remove(str(PYACL))
    del sys.modules["acl"]
    return module


ACL = _load()
_spec = importlib.util.spec_from_file_location("om_stand_in", STAND_INS / "om.py")
om = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(om)


class Npu:
    """The stand-in, and what the package knows of the process; `restart` begins a new one."""

    acl, stand_in = ACL, ACL.stand_in

    def __init__(self, monkeypatch: pytest.MonkeyPatch):
        self._monkeypatch = monkeypatch
        monkeypatch.setitem(sys.modules, "acl", ACL)
        self.process = None
        self.restart()

    def restart(self, **settings) -> None:
        self.stop()
        ACL.stand_in.reset(**settings)
        self.process = acl_api.Process()
        for module in (acl_api, ascend):
            self._monkeypatch.setattr(module, "this_process", self.process)

    def stop(self) -> None:
        if self.process is not None:
            self.process.finalise()
            ACL.stand_in.assert_empty()


@pytest.fixture
def npu(monkeypatch):
    """One Ascend310; at the end nothing may be left on it."""
    plugged = Npu(monkeypatch)
    yield plugged
    plugged.stop()


@cache
def tiny_onnx() -> bytes:
    """A network of OSNet's shape that takes no time: means of 32 x 32 pixels, mixed to 512 numbers."""
    random = np.random.default_rng(3)
    weights = numpy_helper.from_array(random.normal(size=(96, 512)).astype(np.float32), "mix")
    nodes = [
        helper.make_node("AveragePool", ["image"], ["means"], kernel_shape=[32, 32], strides=[32, 32]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("MatMul", ["flat", "mix"], ["feature"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 3, 256, 128])],
        [helper.make_tensor_value_info("feature", TensorProto.FLOAT, ["batch", 512])],
        [weights],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_features(images: np.ndarray) -> np.ndarray:
    """What `tiny_onnx` computes, by numpy."""
    mix = np.random.default_rng(3).normal(size=(96, 512)).astype(np.float32)
    means = images.astype(np.float64).reshape(len(images), 3, 8, 32, 4, 32).mean((3, 5))
    return (means.reshape(len(images), -1) @ mix).astype(np.float32)


def make_om(
    folder: Path, batch_sizes=(2,), onnx: bytes | None = None, name: str = "tiny", header: dict | None = None, **options
) -> Path:
    """A stand-in OM of the tiny network, unless another is given; `header` changes what the file says of itself."""
    path = folder / f"{name}.om"
    om.pack(path, onnx or tiny_onnx(), **{"soc_version": "Ascend310", "batch_sizes": list(batch_sizes), **options})
    if header:
        facts, content = om.unpack(path.read_bytes())
        path.write_bytes(om.MAGIC + json.dumps({**facts, **header}).encode() + b"\n" + content)
    return path
