"""The guide's inference and benchmark with an OM on the stand-in NPU: the features of the CPU, and no speed."""

from __future__ import annotations

import re

import numpy as np
import pytest

from helpers.networks import onnx_path
from helpers.npu import make_om
from osnet_lib.ascend.aipp import imagenet_aipp
from osnet_lib.cli import main as cli
from osnet_lib.core.results import NOT_MEASURED
from osnet_lib.guide.dump import read_dump


@pytest.fixture
def osnet(npu, small_market, tmp_path, monkeypatch, capsys):
    """Run a command in a folder with preprocessed queries, float32 and uint8, and their info files; what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(line: str) -> str:
        capsys.readouterr()
        assert cli.main(line.split()) == 0, capsys.readouterr().err
        return capsys.readouterr().out

    for kind, option in (("float32", ""), ("uint8", "--uint8")):
        run(f"preprocess {small_market}/query {kind} {option}")
        run(f"info bin ./{kind} {kind}.info 128 256")
    return run


def features(folder) -> np.ndarray:
    return read_dump(f"{folder}/dumpOutput_device0", progress=False).features


@pytest.mark.parametrize("gears", [(4,), (1, 2, 4)], ids=["static", "gears"])
@pytest.mark.parametrize("form", ["txt", "bin"])
def test_an_om_gives_the_features_of_its_onnx(osnet, tmp_path, gears, form):
    make_om(tmp_path, gears, onnx_path().read_bytes())
    shown = osnet(f"infer tiny.om float32.info npu --batch-size 4 --device-id 0 --format {form}")
    osnet(f"infer {onnx_path()} float32.info cpu --batch-size 4 --threads 1")
    assert np.allclose(features("npu"), features("cpu"), rtol=1e-4, atol=1e-4)
    assert shown.splitlines()[1] == NOT_MEASURED and not list((tmp_path / "npu").glob("perf*"))


def test_an_om_with_aipp_reads_the_uint8_files(osnet, tmp_path):
    config = imagenet_aipp()
    aipp = {name: list(getattr(config, name)) for name in ("mean_chn", "min_chn", "var_reci_chn")}
    make_om(tmp_path, (4,), onnx_path().read_bytes(), input_dtype="uint8", input_format="NHWC", aipp=aipp)
    osnet("infer tiny.om uint8.info npu --batch-size 4")
    osnet(f"infer {onnx_path()} float32.info cpu --batch-size 4 --threads 1")
    npu_features, cpu_features = features("npu"), features("cpu")
    cosine = (
        (npu_features * cpu_features).sum(axis=1)
        / np.linalg.norm(npu_features, axis=1)
        / np.linalg.norm(cpu_features, axis=1)
    )
    assert cosine.min() > 0.999  # AIPP computes in float16
    assert cli.main(["infer", "tiny.om", "float32.info", "other", "--batch-size", "4"]) == 2


def test_a_float16_om_reads_the_float32_files(osnet, tmp_path):
    make_om(tmp_path, (4,), onnx_path().read_bytes(), input_dtype="float16")
    osnet("infer tiny.om float32.info npu --batch-size 4")
    osnet(f"infer {onnx_path()} float32.info cpu --batch-size 4 --threads 1")
    assert np.abs(features("npu") - features("cpu")).max() < 0.02 * np.abs(features("cpu")).max()


def test_a_benchmark_reports_no_speed(osnet, tmp_path):
    make_om(tmp_path, (2,))
    shown = osnet("benchmark tiny.om --batch-size 2 --rounds 3 --warmup 1 --json speed.json")
    assert NOT_MEASURED in shown and not re.search(r"\d (images|samples)/s|\dms", shown)
    assert not (tmp_path / "result").exists()
