"""The ATC command is the guide's, and wrong words are refused before ATC sees them."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import pytest

from osnet_lib.convert import AtcCommand, conversion_status, find_atc
from osnet_lib.errors import ConvertError

GUIDE = ('atc --framework=5 --model=./osnet_x1_0_bs{n}_sim.onnx --input_format=NCHW '
         '--input_shape="image:{n},3,256,128" '
         "--output=osnet_x1_0_bs{n} --log=debug --soc_version=Ascend310")


def command(**changes) -> AtcCommand:
    return AtcCommand(**{"model": Path("osnet_x1_0_bs16_sim.onnx"), "output": Path("osnet_x1_0_bs16"), "batch_size": 16,
                         **changes})


@pytest.mark.parametrize("n", [1, 16])
def test_the_command_of_the_guide(n):
    ours = AtcCommand(Path(f"./osnet_x1_0_bs{n}_sim.onnx"), Path(f"osnet_x1_0_bs{n}"), n, log="debug")
    assert sorted(shlex.split(str(ours))) == sorted(shlex.split(GUIDE.format(n=n).replace("./", "")))


def test_what_is_typed_is_what_is_called():
    ours = command(model=Path("a model; rm -rf.onnx"), output=Path("it's"))
    assert tuple(shlex.split(str(ours))) == ours.arguments and ours.arguments[0] == "atc"
    assert "--model=a model; rm -rf.onnx" in ours.arguments


@pytest.mark.parametrize("name", ["Ascend310", "Ascend310P1", "Ascend310P3", "Ascend310B4", "Ascend910A",
                                  "Ascend910ProA", "Ascend910B4", "Ascend910_9391"])
def test_known_chips(name):
    assert f"--soc_version={name}" in command(soc_version=name).arguments


@pytest.mark.parametrize("changes, where, what, cure", [
    ({"soc_version": "310"}, "soc_version", "'310' is no soc_version", "npu-smi info"),
    ({"soc_version": "Ascend"}, "soc_version", "'Ascend' is no soc_version", "npu-smi info"),
    ({"soc_version": "ascend310"}, "soc_version", "is no soc_version", "such as Ascend310 or Ascend310P3"),
    ({"soc_version": "Ascend310 --log=null"}, "soc_version", "is no soc_version", "npu-smi info"),
    ({"soc_version": ""}, "soc_version", "'' is no soc_version", "npu-smi info"),
    ({"batch_size": 0}, "batch_size", "batch size 0", "at least 1"),
    ({"log": "verbose"}, "log", "unknown log level 'verbose'", "debug, info, warning, error, null"),
])
def test_wrong_words_are_refused(changes, where, what, cure):
    with pytest.raises(ConvertError, match=f"^{where}: .*{what}.*{cure}"):
        command(**changes)


def test_without_cann(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_atc() is None
    assert conversion_status() == "ATC is not installed here, so no OM is made; run these commands on a host with CANN."


def test_with_cann(monkeypatch, tmp_path):
    program = tmp_path / "atc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), "/nowhere"]))
    assert find_atc() == program and str(program) in conversion_status() and "\n" not in conversion_status()
