"""``osnet convert`` in the shell: an OM, or the command to type elsewhere."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

import pytest

from osnet_lib.ascend.aipp import imagenet_aipp, read_aipp
from osnet_lib.cli import convert as cli_convert
from osnet_lib.errors import ConvertError
from stand_ins import om
from stand_ins.host import add_atc, remove_atc, tiny_onnx

# The stand-in ATC runs with the tests' own Python, which no real ATC could use.
pytestmark = pytest.mark.filterwarnings("ignore:ATC's Python")


@pytest.fixture
def place(tmp_path, monkeypatch):
    tiny_onnx(tmp_path / "a.onnx")
    tiny_onnx(tmp_path / "bs2.onnx", 2)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def osnet():
    """Run a command line as `osnet_lib.cli.main` does."""
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers(required=True)

    def command(name, run, summary, example):
        made = commands.add_parser(name, help=summary, epilog=example)
        made.set_defaults(run=run)
        return made

    cli_convert.add_convert_command(command)

    def run(line: str) -> None:
        options = parser.parse_args(shlex.split(line))
        options.run(options)

    return run


@pytest.mark.parametrize(
    "line, header, shown",
    [
        ("bs2.onnx x --soc-version Ascend310", {"batch_sizes": [2]}, "x.om: Ascend310, batch 2, 0.0 MB, "),
        ("bs2.onnx x.om --batch-size 2 --soc-version Ascend310P3", {"soc_version": "Ascend310P3"}, "x.om: Ascend310P3"),
        ("a.onnx x --batch-size 16 --soc-version Ascend310", {"batch_sizes": [16]}, "batch 16,"),
        (
            "a.onnx x --batch-size 1 4 8 16 32 --soc-version Ascend310",
            {"batch_sizes": [1, 4, 8, 16, 32]},
            "batch 1, 4, 8, 16, 32,",
        ),
        (
            "bs2.onnx x --soc-version Ascend310 --input-fp16 --precision-mode force_fp16 --option=--output_type=FP16",
            {"input_dtype": "float16", "precision": "float16", "output_dtype": "float16"},
            "x.om",
        ),
        ("bs2.onnx x --soc-version Ascend310 --precision-mode-v2 origin", {"precision": "float32"}, "x.om"),
        ("bs2.onnx x --soc-version Ascend310 --aipp", {"input_dtype": "uint8", "input_format": "NHWC"}, "x.om"),
    ],
)
def test_an_om(osnet, place, monkeypatch, capsys, line, header, shown):
    add_atc(monkeypatch)
    osnet(f"convert {line}")
    found, _ = om.unpack((place / "x.om").read_bytes())
    assert {key: found[key] for key in header} == header
    assert shown in capsys.readouterr().out
    assert (place / "x.aipp.cfg").exists() == ("--aipp" in line)


def test_an_aipp_file_of_ones_own(osnet, place, monkeypatch):
    add_atc(monkeypatch)
    (place / "mine.cfg").write_text(str(imagenet_aipp(split=False)))
    osnet("convert bs2.onnx x --soc-version Ascend310 --aipp mine.cfg")
    assert om.unpack((place / "x.om").read_bytes())[0]["aipp"]["mean_chn"] == [0, 0, 0]
    assert not (place / "x.aipp.cfg").exists()


def test_the_chip_of_this_host(osnet, place, monkeypatch, capsys):
    add_atc(monkeypatch)
    monkeypatch.setattr("osnet_lib.ascend.cann.detect_soc_version", lambda: "Ascend310B4")
    osnet("convert bs2.onnx x")
    assert "x.om: Ascend310B4" in capsys.readouterr().out


@pytest.mark.parametrize(
    "knob, shown",
    [("SUFFIX=_linux_aarch64", "for hosts of linux_aarch64 only"), ("FAIL=warn", "ATC warns: W11002: asked to warn")],
)
def test_what_is_worth_knowing(osnet, place, monkeypatch, capsys, knob, shown):
    add_atc(monkeypatch)
    name, value = knob.split("=")
    monkeypatch.setenv(f"STAND_IN_ATC_{name}", value)
    osnet("convert bs2.onnx x --soc-version Ascend310")
    assert shown in capsys.readouterr().out


def test_without_cann(osnet, place, monkeypatch, capsys):
    (place / "none").mkdir()
    remove_atc(monkeypatch, place / "none")
    osnet("convert bs2.onnx out/x --soc-version Ascend310 --aipp")
    sentence, command = capsys.readouterr().out.splitlines()
    assert sentence == "ATC is not installed here, so no OM is made; run this command on a host with CANN:"
    assert shlex.split(command) == [
        "atc",
        "--framework=5",
        "--model=bs2.onnx",
        "--input_format=NCHW",
        "--input_shape=image:2,3,256,128",
        "--output=out/x",
        "--log=error",
        "--soc_version=Ascend310",
        "--insert_op_conf=out/x.aipp.cfg",
    ]
    assert read_aipp("out/x.aipp.cfg") == imagenet_aipp() and not Path("out/x.om").exists()


@pytest.mark.parametrize(
    "line, words",
    [
        ("gone.onnx x --soc-version Ascend310", "gone.onnx: no such ONNX file"),
        ("a.onnx x --soc-version Ascend310", "a.onnx: its batch is dynamic, so the batch sizes must be given"),
        ("bs2.onnx x --soc-version Ascend310 --batch-size 4 --aipp", "fixed to batch size 2, not 4"),
        ("bs2.onnx x/ --soc-version Ascend310", "x/: the output is no path with a file name"),
        ("bs2.onnx .om --soc-version Ascend310", "the output is no path with a file name"),
        ("bs2.onnx x", "soc_version: no NPU is found on this host"),
        (
            "bs2.onnx x --soc-version Ascend310 --precision-mode force_fp16 --precision-mode-v2 fp16",
            "exclude each other",
        ),
        ("bs2.onnx x --soc-version Ascend310 --aipp gone.cfg", "gone.cfg: the AIPP file cannot be read"),
        ("bs2.onnx x --soc-version Ascend310 --timeout 0", "timeout: 0.0 s"),
    ],
)
def test_refused(osnet, place, monkeypatch, line, words):
    (place / "none").mkdir()
    remove_atc(monkeypatch, place / "none")
    with pytest.raises(ConvertError, match=words):
        osnet(f"convert {line}")
    assert not list(place.glob("*.om")) and not list(place.glob("*.aipp.cfg"))
