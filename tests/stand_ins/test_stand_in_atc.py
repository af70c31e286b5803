"""The stand-in for ATC is as strict and speaks as the real one, so that passing it means something."""

from __future__ import annotations

import re
import subprocess

import pytest

from osnet_lib.ascend.aipp import write_aipp
from stand_ins import om
from stand_ins.host import add_atc, tiny_onnx


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with models; the tests only add OMs to it."""
    folder = tmp_path_factory.mktemp("atc")
    tiny_onnx(folder / "a.onnx")
    tiny_onnx(folder / "bs2.onnx", 2)
    tiny_onnx(folder / "new.onnx", opset=19)
    tiny_onnx(folder / "twice.onnx", domains=("", ""))
    (folder / "text.onnx").write_text("not a model")
    (folder / "empty.onnx").touch()
    write_aipp(folder / "aipp.cfg")
    (folder / "bad.cfg").write_text("aipp_op { aipp_mode: dynamic }")
    return folder


@pytest.fixture
def atc(place, monkeypatch):
    program = add_atc(monkeypatch)

    def run(line: str) -> tuple[int, str]:
        done = subprocess.run([str(program), *line.split()], cwd=place, capture_output=True, text=True)
        assert done.stderr == "", done.stderr  # ATC explains itself on standard output
        return done.returncode, done.stdout

    return run


GOOD = (
    "--framework=5 --model=bs2.onnx --input_format=NCHW --input_shape=image:2,3,256,128 --output={} --log=error "
    "--soc_version=Ascend310"
)
DYNAMIC = "--model=a.onnx --input_shape=image:-1,3,256,128 --dynamic_batch_size=1,4"

PACKED = [  # further options, what the header then holds
    (
        "",
        {
            "batch_sizes": [2],
            "input_dtype": "float32",
            "input_format": "NCHW",
            "precision": "float32",
            "aipp": None,
            "soc_version": "Ascend310",
            "input_name": "image",
            "output_dtype": "float32",
        },
    ),
    ("--model a.onnx", {"batch_sizes": [2]}),
    ("--soc_version=Ascend310P3 --precision_mode=force_fp16", {"soc_version": "Ascend310P3", "precision": "float16"}),
    ("--precision_mode_v2=origin", {"precision": "float32"}),
    ("--soc_version=Ascend910B4-1", {"soc_version": "Ascend910B4-1"}),
    ("--deterministic=1 --allow_hf32 false --mdl_bank_path=bank --quant_dumpable 0", {"precision": "float32"}),
    (DYNAMIC, {"batch_sizes": [1, 4]}),
    (
        "--insert_op_conf=aipp.cfg",
        {
            "input_dtype": "uint8",
            "input_format": "NHWC",
            "aipp": {
                "mean_chn": [123, 116, 103],
                "min_chn": [0.675, 0.28, 0.53],
                "var_reci_chn": [0.0171247538316637, 0.0175070028011204, 0.0174291938997821],
            },
        },
    ),
    ("--input_fp16_nodes=image --output_type=FP16", {"input_dtype": "float16", "output_dtype": "float16"}),
]


@pytest.mark.parametrize("options, header", PACKED)
def test_it_packs(atc, place, options, header):
    code, text = atc(f"{GOOD.format('made')} {options}")
    assert (code, text) == (
        0,
        ("ATC start working now, please wait for a moment.\n...\nATC run success, welcome to the next use.\n"),
    )
    found, onnx = om.unpack((place / "made.om").read_bytes())
    assert {key: found[key] for key in header} == header
    assert onnx == (place / ("a.onnx" if "a.onnx" in options else "bs2.onnx")).read_bytes()


FLAGS = [
    ("--batch=2", "unknown command line flag 'batch'"),
    ("--log", "flag 'log' is missing its argument"),
    ("bs2.onnx", "Non-option parameter: bs2.onnx"),
]


@pytest.mark.parametrize("options, words", FLAGS)
def test_it_refuses_flags_before_it_works(atc, options, words):
    code, text = atc(f"{GOOD.format('x')} {options}")
    assert code == 255 and words in text and "..." not in text


ERRORS = [  # options that replace the good ones, the code
    ("--soc_version=", "E10054"),
    ("--soc_version=310", "E10001"),
    ("--soc_version=Ascend999", "E10001"),
    ("--soc_version=Ascend910", "E10001"),  # the bare name of the newest boards
    ("--soc_version=Ascend910B4-2", "E10001"),
    ("--mode=6", "E10055"),
    ("--precision_mode=half", "E10001"),
    ("--auto_tune_mode=RL,GA", "E10001"),
    ("--output=b@d", "E10001"),
    ("--input_shape=image,2,3,256,128", "E10002"),
    ("--input_shape=image:2,3,256,w", "E10002"),
    (DYNAMIC.replace("1,4", "1,x"), "E10003"),
    ("--framework=2", "E10007"),
    ("--framework=0", "E10008"),
    ("--log=verbose", "E10010"),
    ("--input_shape=image:-1,3,256,128", "E10011"),
    ("--model=a.onnx --input_shape= --dynamic_batch_size=1,4", "E10012"),
    ("--input_shape=input:2,3,256,128", "E10016"),
    ("--input_fp16_nodes=input", "E10016"),
    ("--input_shape=image:-1,-1,256,128 --dynamic_batch_size=1,4", "E10018"),
    ("--output=folder/", "E10022"),
    ("--dynamic_batch_size=1,4", "E10031"),
    ("--insert_op_conf=aipp.cfg --input_fp16_nodes=image", "E10034"),
    (DYNAMIC.replace("1,4", "4"), "E10035"),
    (DYNAMIC.replace("1,4", ",".join(map(str, range(1, 102)))), "E10036"),
    (DYNAMIC.replace("1,4", "0,4"), "E10038"),
    (DYNAMIC.replace("1,4", "4,4"), "E10039"),
    ("--precision_mode=force_fp16 --precision_mode_v2=fp16", "E10047"),
    (f"{DYNAMIC} --dynamic_dims=1;4", "E10047"),
    ("--input_shape=image:2,3,256", "E10049"),
    ("--insert_op_conf=bad.cfg", "E10052"),
    ("--framework=3", "E10055"),
    ("--output=nowhere/x", "E13000"),
    ("--model=gone.onnx", "E13001"),
    ("--insert_op_conf=gone.cfg", "E13001"),
    ("--model=text.onnx", "E13005"),
    ("--model=new.onnx", "E16002"),
    ("--model=empty.onnx", "E16004"),
    ("--model=twice.onnx", "E16005"),
    ("--input_shape=image:4,3,256,128", "E19999"),
]


@pytest.mark.parametrize("options, code", ERRORS)
def test_it_refuses(atc, place, options, code):
    status, text = atc(f"{GOOD.format('refused')} {options}")
    assert status == 255 and not (place / "refused.om").exists()
    _, dots, verdict, error, cause, solution = text.splitlines()
    assert dots == "..."
    assert verdict == "ATC run failed, Please check the detail log, Try 'atc --help' for more information"
    assert re.fullmatch(rf"\[PID: \d+\] [\d\-:.]+ \w+\({code}\): [A-Z\-].*", error)
    assert cause.startswith("        Possible Cause: ") and solution.startswith("        Solution: ")


@pytest.mark.parametrize(
    "style, form",
    [
        ("old", r"E10010: Value \[x\] for parameter \[--log\] is invalid\."),
        ("pid", r"E10010: \[PID: \d+\] [\d\-:.]+ Value \[x\] for parameter \[--log\] is invalid\."),
        ("new", r"\[PID: \d+\] [\d\-:.]+ Invalid_Argument\(E10010\): Value x for parameter --?log is invalid\."),
    ],
)
def test_styles(atc, monkeypatch, style, form):
    monkeypatch.setenv("STAND_IN_ATC_STYLE", style)
    _, text = atc(f"{GOOD.format('x')} --log=x")
    assert re.fullmatch(form, text.splitlines()[3]) and ("TraceBack (most" in text) == (style != "new")


def test_help(atc):
    code, text = atc("--help")
    flags = re.findall(r"^  --(\w+)$", text, re.MULTILINE)
    assert code == 0 and len(flags) == len(set(flags)) == 82
    assert {"insert_op_conf", "tiling_schedule_optimize", "ac_parallel_enable", "oo_level", "weight"} <= set(flags)
