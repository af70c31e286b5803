"""Models become OMs with an ATC at hand, wrong ones are refused first, and without ATC the command is told."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from osnet_lib.ascend.aipp import write_aipp
from osnet_lib.ascend.atc_cures import ATC_CURES
from osnet_lib.ascend.atc_errors import AtcError
from osnet_lib.ascend.atc_python import find_atc_python
from osnet_lib.ascend.cann import detect_soc_version, find_atc
from osnet_lib.ascend.convert import (
    AtcCommand,
    check_conversion,
    conversion_status,
    convert,
    model_batch,
    model_input,
    opsets,
)
from osnet_lib.core.files import sha256
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.errors import ConvertError
from osnet_lib.inference.session import open_session
from stand_ins import om
from stand_ins.host import add_atc, add_python, remove_atc, tiny_onnx

# The stand-in ATC runs with the tests' own Python, which no real ATC could use.
pytestmark = pytest.mark.filterwarnings("ignore:ATC's Python")


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """A folder with models; the tests only read it."""
    folder = tmp_path_factory.mktemp("models")
    tiny_onnx(folder / "a.onnx")
    tiny_onnx(folder / "bs2.onnx", 2)
    tiny_onnx(folder / "opset10.onnx", 2, opset=10)
    tiny_onnx(folder / "opset13.onnx", 2, opset=13)
    tiny_onnx(folder / "opset19.onnx", 2, opset=19)
    tiny_onnx(folder / "input.onnx", 2, input_name="input")
    (folder / "text.onnx").write_text("not a model")
    write_aipp(folder / "aipp.cfg")
    return folder


@pytest.fixture
def command(models, tmp_path):
    """A function that describes a conversion of one of the models to ``tmp_path/out/x.om``."""

    def make(model: str = "bs2.onnx", **changes) -> AtcCommand:
        return AtcCommand(
            **{
                "model": models / model,
                "output": tmp_path / "out" / "x",
                "batch_sizes": 2,
                "soc_version": "Ascend310",
                **changes,
            }
        )

    return make


@pytest.fixture
def atc(monkeypatch) -> Path:
    return add_atc(monkeypatch)


def left(tmp_path: Path) -> list[str]:
    """What lies in the output folder."""
    return sorted(path.name for path in (tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "model, changes, header",
    [
        ("bs2.onnx", {}, {"batch_sizes": [2], "input_dtype": "float32", "precision": "float32"}),
        ("a.onnx", {"batch_sizes": 8}, {"batch_sizes": [8]}),
        ("a.onnx", {"batch_sizes": (1, 4, 8, 16, 32)}, {"batch_sizes": [1, 4, 8, 16, 32]}),
        (
            "bs2.onnx",
            {"precision_mode": "force_fp16", "soc_version": "Ascend310P3"},
            {"precision": "float16", "soc_version": "Ascend310P3"},
        ),
        ("bs2.onnx", {"precision_mode_v2": "origin"}, {"precision": "float32"}),
        ("bs2.onnx", {"input_fp16": True, "log": "debug"}, {"input_dtype": "float16"}),
        ("bs2.onnx", {"options": ("--output_type=FP16",)}, {"output_dtype": "float16"}),
        ("opset13.onnx", {}, {"batch_sizes": [2]}),
    ],
)
def test_an_om(atc, models, command, tmp_path, model, changes, header):
    ours = command(model, **changes)
    made = convert(ours, progress=False)
    assert left(tmp_path) == ["x.om"]  # nothing of what ATC drops in its working folder
    found, onnx = om.unpack(made.path.read_bytes())
    assert {key: found[key] for key in header} == header and onnx == (models / model).read_bytes()
    assert (made.path, made.sha256, made.command) == (tmp_path / "out" / "x.om", sha256(made.path), ours)
    assert made.host is None and made.warnings == () and made.seconds > 0


def test_an_om_for_pixels(atc, models, command):
    found, _ = om.unpack(convert(command(aipp=models / "aipp.cfg"), progress=False).path.read_bytes())
    assert (found["input_dtype"], found["input_format"]) == ("uint8", "NHWC")
    assert found["aipp"]["mean_chn"] == [123, 116, 103] and found["aipp"]["min_chn"] == [0.675, 0.28, 0.53]


def test_relative_paths_mean_the_callers_folder(atc, models, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m.onnx").write_bytes((models / "bs2.onnx").read_bytes())
    write_aipp("a.cfg")
    made = convert(AtcCommand("m.onnx", "out/x", 2, "Ascend310", aipp="a.cfg"), progress=False)
    assert made.path == Path("out/x.om") and left(tmp_path) == ["x.om"]


@pytest.mark.parametrize("host", ["linux_x86_64", "linux_aarch64"])
def test_an_om_for_one_kind_of_host(atc, command, tmp_path, monkeypatch, host):
    monkeypatch.setenv("STAND_IN_ATC_SUFFIX", f"_{host}")
    made = convert(command(), progress=False)
    assert made.host == host and left(tmp_path) == ["x.om"]


def test_warnings(atc, command, monkeypatch):
    monkeypatch.setenv("STAND_IN_ATC_FAIL", "warn")
    assert [(w.code, w.words) for w in convert(command(), progress=False).warnings] == [("W11002", "asked to warn")]


def test_the_python_that_atc_finds_is_named_and_warned_of(atc, command):
    with pytest.warns(UserWarning, match="^ATC's Python, .*has numpy 2.*np.float_.*Put a Python from 3.7 to 3.11.4"):
        made = convert(command(), progress=False)
    assert made.python == find_atc_python() and made.python.numpy == np.__version__


def test_atc_does_not_see_the_virtual_environment(command, tmp_path, monkeypatch):
    """Neither on PATH nor by its variable, active or not; a stand-in of ATC writes down what it sees."""
    venv, program = tmp_path / "venv", tmp_path / "cann" / "bin" / "atc"
    for folder in (venv / "bin", program.parent):
        folder.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho $PATH > ../seen; echo ${VIRTUAL_ENV-none} >> ../seen; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("VIRTUAL_ENV", str(venv))
    monkeypatch.setenv("PATH", os.pathsep.join([str(venv / "bin"), str(Path(sys.prefix, "bin")), "/usr/bin", "/bin"]))
    with pytest.raises(AtcError):
        convert(command(), atc=program, progress=False)
    path, variable = (tmp_path / "out" / "seen").read_text().splitlines()
    kept = ["/usr/bin", "/bin"] if sys.prefix != sys.base_prefix else [str(Path(sys.prefix, "bin")), "/usr/bin", "/bin"]
    assert path.split(os.pathsep) == kept and variable == "none"


def test_no_python_for_atc_is_warned_of(command, tmp_path, monkeypatch):
    program = tmp_path / "bin" / "atc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AtcError), pytest.warns(UserWarning, match="needs a python3, and there is none on PATH"):
        convert(command(), atc=program, progress=False)


def test_progress_shows_what_atc_says(atc, command, capfd, monkeypatch):
    monkeypatch.setenv("STAND_IN_ATC_SLEEP", "1.3")
    convert(command())
    shown = capfd.readouterr()
    assert "ATC x [00:0" in shown.err and "ATC start working now" in shown.err and "ATC run success" in shown.err
    assert shown.out == ""


@pytest.mark.parametrize("style", ["old", "pid", "new"])
@pytest.mark.parametrize(
    "fail, code, words",
    [
        ("E10001", "E10001", "asked to fail with E10001"),
        ("E19999,EZ3003", "EZ3003", r"asked to fail with EZ3003 \(also E19999\)"),
    ],
)
def test_atc_refuses(atc, command, tmp_path, monkeypatch, style, fail, code, words):
    monkeypatch.setenv("STAND_IN_ATC_FAIL", fail)
    monkeypatch.setenv("STAND_IN_ATC_STYLE", style)
    with pytest.raises(AtcError, match=rf"bs2.onnx: ATC failed with {code}: {words}\. ") as caught:
        convert(command(), progress=False)
    assert (caught.value.code, caught.value.status, caught.value.cure) == (code, 255, ATC_CURES[code])
    assert [m.code for m in caught.value.messages] == fail.split(",") and left(tmp_path) == []


@pytest.mark.parametrize(
    "changes, code, cure",
    [
        ({"soc_version": "Ascend999"}, "E10001", "a chip that this CANN serves"),
        ({"options": ("--output_type=half",)}, "E10001", "Correct the value"),
        ({"options": ("--dynamic_dims=1;2",), "batch_sizes": (1, 2), "model": "a.onnx"}, "E10047", "one of the two"),
    ],
)
def test_what_only_atc_knows(atc, command, changes, code, cure):
    with pytest.raises(AtcError, match=cure) as caught:
        convert(command(**changes), progress=False)
    assert caught.value.code == code


def test_an_option_that_atc_does_not_know(atc, command):
    with pytest.raises(AtcError, match="E19999: unknown command line flag 'new_option'. Correct the option"):
        convert(command(options=("--new_option=1",)), progress=False)


@pytest.mark.parametrize(
    "fail, words, status",
    [
        ("silent", "ATC ended with status 0 and wrote no OM. Check the space", 0),
        ("mute", "ATC failed with E19999: no error text", 255),
        ("killed", "ATC was ended by signal SIGKILL.* TE_PARALLEL_COMPILER", -9),
    ],
)
def test_a_good_old_om_survives_a_bad_run(atc, command, tmp_path, monkeypatch, fail, words, status):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.om").write_bytes(b"good")
    monkeypatch.setenv("STAND_IN_ATC_FAIL", fail)
    with pytest.raises(AtcError, match=words) as caught:
        convert(command(), progress=False)
    assert caught.value.status == status
    assert left(tmp_path) == ["x.om"] and (tmp_path / "out" / "x.om").read_bytes() == b"good"


def test_the_time_limit(atc, command, tmp_path, monkeypatch, late_clock):
    """It passes when the stand-in has begun to compile, however long that took."""
    pids = tmp_path / "pids"
    monkeypatch.setenv("STAND_IN_ATC_SLEEP", "600")
    monkeypatch.setenv("STAND_IN_ATC_PIDS", str(pids))
    late_clock("osnet_lib.ascend.run_program", lambda: 3601 * (pids.exists() and pids.stat().st_size > 0))
    began = time.monotonic()
    with pytest.raises(
        ConvertError,
        match="bs2.onnx: ATC was not done after 3600 s and was stopped. Give it more time. .*TE_PARALLEL_COMPILER",
    ):
        convert(command(), timeout=3600, progress=False)
    assert time.monotonic() - began < 300 and left(tmp_path) == []
    pids = [int(pid) for pid in pids.read_text().split()]
    assert len(pids) == 2  # ATC and a helper process, both gone or dead
    for pid in pids:
        status = Path(f"/proc/{pid}/stat")
        assert not status.exists() or status.read_text().rpartition(")")[2].split()[0] in "ZX"


REFUSED = [  # model, changes, version of CANN, words, cure
    ("gone.onnx", {}, None, "no such ONNX file", "osnet export"),
    ("text.onnx", {}, None, "not an ONNX file", "copy it again"),
    ("input.onnx", {}, None, "its input is called input, not image", "Give input_name='input'"),
    ("input.onnx", {"input_name": "x"}, None, "its input is called input, not x", "Give input_name='input'"),
    ("opset10.onnx", {}, None, "it has opset 10, and ATC reads 11 to 18", "opset 11"),
    ("opset19.onnx", {}, None, "it has opset 19, and ATC reads 11 to 18", "opset 11"),
    ("opset19.onnx", {}, (8, 1), "it has opset 19, and CANN 8.1 reads 11 to 18", "opset 11"),
    ("opset13.onnx", {}, (5, 1), "it has opset 13, and CANN 5.1 reads 11", "opset 11"),
    ("bs2.onnx", {"batch_sizes": 16}, None, "it is fixed to batch size 2, not 16", "Give batch size 2"),
    ("bs2.onnx", {"batch_sizes": (2, 4)}, None, "it is fixed to batch size 2, so it cannot", "osnet export"),
    ("bs2.onnx", {"aipp": Path("gone.cfg")}, None, r"the AIPP file cannot be read \(No such file", "write_aipp"),
]


@pytest.mark.parametrize("model, changes, cann, words, cure", REFUSED)
def test_refused_before_atc_runs(command, model, changes, cann, words, cure):
    with pytest.raises(ConvertError, match=rf"(onnx|cfg): {words}.*{cure}"):
        check_conversion(command(model, **changes), cann)


@pytest.mark.parametrize(
    "model, changes, cann",
    [
        ("bs2.onnx", {}, None),
        ("bs2.onnx", {}, (5, 0)),
        ("opset13.onnx", {}, (6, 0)),
        ("opset13.onnx", {}, None),
        ("a.onnx", {"batch_sizes": (1, 4)}, (5, 0)),
        ("a.onnx", {"batch_sizes": 16}, None),
    ],
)
def test_accepted(command, model, changes, cann):
    assert check_conversion(command(model, **changes), cann) is None


def test_an_aipp_file_for_other_pixels_is_refused(command, models, tmp_path):
    (tmp_path / "yuv.cfg").write_text((models / "aipp.cfg").read_text().replace("RGB888_U8", "YUV420SP_U8"))
    with pytest.raises(ConvertError, match="yuv.cfg: input_format is YUV420SP_U8"):
        check_conversion(command(aipp=tmp_path / "yuv.cfg"))


def test_opsets():
    assert list(opsets((5, 1))) == [11] and opsets((8, 0)) == opsets(None) == range(11, 19)


def test_the_version_of_cann_at_hand_counts(command, models, tmp_path, monkeypatch):
    (tmp_path / "version.cfg").write_text("toolkit_running_version=[1.77:5.0.4]\n")
    program = tmp_path / "bin" / "atc"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nexit 0\n")
    program.chmod(0o755)
    with pytest.raises(ConvertError, match="opset 13, and CANN 5.0 reads 11"):
        convert(command("opset13.onnx"), atc=program, progress=False)


@pytest.mark.parametrize("name", ["a b", "x;y", "naive(1)", "it's"])
def test_characters_that_atc_refuses(atc, command, tmp_path, name):
    with pytest.raises(ConvertError, match="ATC takes no '.' in a path|ATC takes no \"'\" in a path"):
        convert(command(output=tmp_path / "out" / name), progress=False)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_cannot_be(atc, command, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConvertError, match="file: ATC cannot be started or its OM not be written"):
        convert(command(output=tmp_path / "file" / "x"), progress=False)


def test_an_atc_that_cannot_be_started(command, tmp_path):
    program = tmp_path / "atc"
    program.write_text("no program")
    program.chmod(0o755)
    with pytest.raises(ConvertError, match="ATC cannot be started"):
        convert(command(), atc=program, progress=False)
    assert left(tmp_path) == []


def test_without_cann(command, tmp_path, monkeypatch):
    remove_atc(monkeypatch, tmp_path)
    said = []
    assert find_atc() is None
    assert convert(command(), say=said.append) is None and not (tmp_path / "out").exists()
    assert said == [
        "ATC is not installed here, so no OM is made; run this command on a host with CANN:",
        str(command()),
    ]
    assert conversion_status() == "ATC is not installed here, so no OM is made; run these commands on a host with CANN."


def test_with_cann(monkeypatch, tmp_path):
    program = tmp_path / "atc"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), "/nowhere"]))
    assert find_atc() == program and str(program) in conversion_status() and "\n" not in conversion_status()
    assert "will find no python3, which it needs" in conversion_status()
    add_python(tmp_path)
    assert f"will find {tmp_path}/python3 (Python 3.10.9, numpy 1.22.0)" in conversion_status()


def test_batch_of_a_model(models):
    assert model_batch(models / "bs2.onnx") == 2
    with pytest.raises(ConvertError, match="a.onnx: its batch is dynamic"):
        model_batch(models / "a.onnx")


@pytest.mark.parametrize(
    "changes", [{}, {"batch_sizes": (1, 4), "model": "a.onnx"}, {"input_fp16": True}, {"aipp": "aipp.cfg"}]
)
def test_the_om_gives_the_features_of_the_onnx(atc, npu, models, command, changes):
    """From the stand-in ATC to the stand-in NPU, whose chip is found by itself."""
    if "aipp" in changes:
        changes = {"aipp": models / changes["aipp"]}
    pixels = np.random.default_rng(0).integers(0, 256, (2, 256, 128, 3), dtype=np.uint8)
    images = np.stack([preprocess(Image.fromarray(image)) for image in pixels])
    with open_session(models / "a.onnx", threads=1) as session:
        expected = session.run(images)
    made = convert(command(soc_version=detect_soc_version(), **changes), progress=False)
    with open_session(made.path, "ascend") as session:
        assert session.input_dtype == {"aipp": "uint8", "input_fp16": "float16"}.get(next(iter(changes), ""), "float32")
        found = session.run(pixels if "aipp" in changes else images.astype(session.input_dtype))
    np.testing.assert_allclose(found, expected, atol=1e-5 if session.input_dtype == "float32" else 0.01)


def test_the_input_s_name_comes_from_the_model(tmp_path):
    assert model_input(tiny_onnx(tmp_path / "a.onnx", 2, input_name="images")) == "images"
    with pytest.raises(ConvertError, match=r"its input is called 'serving:0', and ':' has a meaning.*another name"):
        model_input(tiny_onnx(tmp_path / "b.onnx", 2, input_name="serving:0"))
