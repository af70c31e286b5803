"""The ATC call is the guide's, and what is wrong by itself is refused before ATC sees it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from osnet_lib.ascend.atc import PRECISION_MODES, PRECISION_MODES_V2, AtcCommand
from osnet_lib.errors import ConvertError

GUIDE = (
    "atc --framework=5 --model=./osnet_x1_0_bs{n}_sim.onnx --input_format=NCHW "
    '--input_shape="image:{n},3,256,128" '
    "--output=osnet_x1_0_bs{n} --log=debug --soc_version=Ascend310"
)


def command(**changes) -> AtcCommand:
    return AtcCommand(
        **{
            "model": Path("osnet_x1_0_bs16_sim.onnx"),
            "output": Path("osnet_x1_0_bs16"),
            "batch_sizes": 16,
            "soc_version": "Ascend310",
            **changes,
        }
    )


@pytest.mark.parametrize("n", [1, 16])
def test_the_command_of_the_guide(n):
    ours = AtcCommand(Path(f"./osnet_x1_0_bs{n}_sim.onnx"), Path(f"osnet_x1_0_bs{n}"), n, "Ascend310", log="debug")
    assert sorted(shlex.split(str(ours))) == sorted(shlex.split(GUIDE.format(n=n).replace("./", "")))


def test_what_is_typed_is_what_is_called():
    ours = command(model=Path("a model; rm -rf.onnx"), output="it's")
    assert tuple(shlex.split(str(ours))) == ours.arguments and ours.arguments[0] == "atc"
    assert "--model=a model; rm -rf.onnx" in ours.arguments


@pytest.mark.parametrize(
    "changes, present, absent",
    [
        ({}, {"--log=error", "--input_shape=image:16,3,256,128"}, {"dynamic", "precision", "insert", "fp16"}),
        ({"batch_sizes": [16]}, {"--input_shape=image:16,3,256,128"}, {"dynamic"}),
        (
            {"input_name": "images", "input_fp16": True},
            {"--input_shape=images:16,3,256,128", "--input_fp16_nodes=images"},
            {"dynamic"},
        ),
        (
            {"batch_sizes": (16, 1, 8, 4, 32)},
            {"--input_shape=image:-1,3,256,128", "--dynamic_batch_size=1,4,8,16,32"},
            set(),
        ),
        ({"precision_mode": "must_keep_origin_dtype"}, {"--precision_mode=must_keep_origin_dtype"}, {"_v2"}),
        ({"precision_mode_v2": "origin"}, {"--precision_mode_v2=origin"}, {"precision_mode="}),
        (
            {"aipp": Path("a.cfg")},
            {"--insert_op_conf=a.cfg", "--input_shape=image:16,3,256,128", "--input_format=NCHW"},
            {"fp16"},
        ),
        ({"input_fp16": True}, {"--input_fp16_nodes=image"}, set()),
        (
            {"options": ("--op_select_implmode=high_precision", "--out_nodes=a:0;b:0")},
            {"--op_select_implmode=high_precision", "--out_nodes=a:0;b:0"},
            set(),
        ),
    ],
)
def test_options(changes, present, absent):
    ours = command(**changes)
    assert present <= set(ours.arguments) and not [word for word in absent if word in str(ours)]


@pytest.mark.parametrize(
    "name",
    [
        "Ascend310",
        "Ascend310P1",
        "Ascend310P3",
        "Ascend310B4",
        "Ascend910A",
        "Ascend910ProA",
        "Ascend910B4",
        "Ascend910B4-1",
        "Ascend910_9391",
    ],
)
def test_known_chips(name):
    assert f"--soc_version={name}" in command(soc_version=name).arguments


@pytest.mark.parametrize(
    "name, modes", [("precision_mode", PRECISION_MODES), ("precision_mode_v2", PRECISION_MODES_V2)]
)
def test_known_precisions(name, modes):
    for mode in modes:
        assert f"--{name}={mode}" in command(**{name: mode}).arguments


@pytest.mark.parametrize(
    "changes, where, what, cure",
    [
        ({"soc_version": "310"}, "soc_version", "'310' is no soc_version", "npu-smi info"),
        ({"soc_version": "Ascend"}, "soc_version", "'Ascend' is no soc_version", "npu-smi info"),
        ({"soc_version": "ascend310"}, "soc_version", "is no soc_version", "such as Ascend310, Ascend310P3 or"),
        (
            {"soc_version": "Ascend910"},
            "soc_version",
            "Ascend910 alone: which 910 is it\\?",
            "NPU Name.*Ascend910_9391",
        ),
        ({"soc_version": "Ascend910B4-"}, "soc_version", "is no soc_version", "npu-smi info"),
        ({"soc_version": "Ascend310 --log=null"}, "soc_version", "is no soc_version", "npu-smi info"),
        ({"soc_version": ""}, "soc_version", "'' is no soc_version", "npu-smi info"),
        ({"soc_version": None}, "soc_version", "None is no soc_version", "npu-smi info"),
        ({"batch_sizes": 0}, "batch_sizes", "0 is not a whole number of 1 or more", "such"),
        ({"batch_sizes": ()}, "batch_sizes", "batch size missing", "at least 1"),
        ({"batch_sizes": (4, -1)}, "batch_sizes", "-1 is not a whole number of 1 or more", "such"),
        ({"batch_sizes": (4, True)}, "batch_sizes", "True is not a whole number of 1 or more", "such"),
        ({"batch_sizes": (4, 1.5)}, "batch_sizes", "1.5 is not a whole number of 1 or more", "such"),
        ({"batch_sizes": (4, 8, 4)}, "batch_sizes", r"twice in \[4, 4, 8\]", "each once"),
        ({"batch_sizes": range(1, 102)}, "batch_sizes", "101 batch sizes", "at most 100"),
        ({"log": "verbose"}, "log", "unknown log level 'verbose'", "debug, info, warning, error, null"),
        ({"precision_mode": "half"}, "precision_mode", "unknown precision_mode 'half'", "force_fp16"),
        ({"precision_mode_v2": "force_fp16"}, "precision_mode_v2", "unknown precision_mode_v2", "mixed_float16"),
        (
            {"precision_mode": "force_fp16", "precision_mode_v2": "fp16"},
            "precision_mode_v2",
            "exclude each other",
            "one",
        ),
        ({"aipp": Path("a.cfg"), "input_fp16": True}, "input_fp16", "AIPP takes uint8", "Leave out one"),
        ({"output": "models/"}, "models/", "no path with a file name", "models/osnet_bs16"),
        ({"output": ""}, "", "no path with a file name", "models/osnet_bs16"),
        ({"output": "x.om"}, "x.om", "to which ATC appends .om", "models/osnet_bs16"),
        ({"options": ("high_precision",)}, "options", "'high_precision' is not of the form --name=value", "Correct"),
        ({"options": ("--mode=",)}, "options", "is not of the form", "Correct"),
        (
            {"options": ("--model=other.onnx",)},
            "options",
            "--model=other.onnx belongs to another attribute",
            "Set that",
        ),
    ],
)
def test_wrong_words_are_refused(changes, where, what, cure):
    with pytest.raises(ConvertError, match=f"^{where}: .*{what}.*{cure}"):
        command(**changes)
