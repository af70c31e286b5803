"""What makes a test's machine look like a host with CANN, and a network small enough to convert there in no time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
from onnx import TensorProto, checker, helper, numpy_helper, save

BIN = Path(__file__).parent / "bin"


def add_atc(monkeypatch) -> Path:
    """Put the stand-in ATC first on PATH, and beside it a python3 that is this one; returns ATC's path."""
    monkeypatch.setenv("PATH", os.pathsep.join([str(BIN), os.environ["PATH"]]))
    monkeypatch.setenv("STAND_IN_PYTHON", sys.executable)
    for name in [name for name in os.environ if name.startswith("STAND_IN_ATC_")]:
        monkeypatch.delenv(name)
    return BIN / "atc"


def add_program(folder: Path, name: str, script: str) -> Path:
    """Write a program of one line of shell."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    return folder / name


def smi_table(*names: str, health: str = "OK") -> str:
    """What ``npu-smi info`` prints about devices of these names."""
    rule = f"+{'-' * 31}+{'-' * 17}+{'-' * 48}+\n"
    head = "| NPU     Name                  | Health          | Power(W)     Temp(C)                           |\n"
    rows = "".join(
        f"| {number:<8}{name:<22}| {health:<16}| NA           29                0     / 0       |\n"
        f"| 0       {number:<22}| 0000:0{number}:00.0    | 0            1832 / 21527                      |\n{rule}"
        for number, name in enumerate(names)
    )
    return f"{rule}{head}{rule}{rows}"


def add_python(folder: Path, version=(3, 10, 9), numpy: str | None = "1.22.0", missing: tuple[str, ...] = ()) -> Path:
    """Write a python3 that answers the question of `osnet_lib.ascend.atc_python` as if it were of another host."""
    said = {"version": list(version), "executable": str(folder / "python3"), "numpy": numpy, "missing": list(missing)}
    return add_program(folder, "python3", f"echo '{json.dumps(said)}'")


def remove_atc(monkeypatch, folder: Path) -> None:
    """A machine without CANN and driver: nothing is on PATH but an empty folder."""
    monkeypatch.setenv("PATH", str(folder))


def tiny_onnx(
    path: Path,
    batch_size: int | None = None,
    opset: int = 11,
    input_name: str = "image",
    domains: tuple[str, ...] = ("",),
) -> Path:
    """Write an ONNX with OSNet's input and output: the mean of each colour, spread over 512 features."""
    batch = batch_size or "batch"
    spread = np.random.default_rng(0).normal(size=(3, 512)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", [input_name], ["means"], "pool"),
        helper.make_node("Flatten", ["means"], ["flat"], "flatten"),
        helper.make_node("MatMul", ["flat", "spread"], ["feature"], "fc"),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [batch, 3, 256, 128])],
        [helper.make_tensor_value_info("feature", TensorProto.FLOAT, [batch, 512])],
        [numpy_helper.from_array(spread, "spread")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(name, opset) for name in domains], ir_version=6)
    if len(domains) == 1:
        checker.check_model(model)
    save(model, path)
    return path
