"""The steps on a workspace: what they reuse, what they write, and what the embedded data and weights are worth."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import replace

import pytest

from osnet_lib.core.results import read_results
from osnet_lib.errors import ParityError
from osnet_lib.network.osnet import build_model
from osnet_lib.study import models
from osnet_lib.study.dataset import open_dataset
from osnet_lib.study.parity import measure_parity, sample_images
from osnet_lib.study.study import Study
from stand_ins.host import add_program, smi_table


def test_models_are_made_once_and_again_when_harmed(work, checkpoint):
    study = Study(work, weights=checkpoint, batch_size=2)
    made = models.simplify_model(study)
    assert (made.batch_size, made.opset) == (2, 11) and made.path.name.endswith("_bs2_sim.onnx")
    stamps = {path: path.stat().st_mtime_ns for path in work.models.iterdir()}
    assert models.simplify_model(study) == made
    assert {path: path.stat().st_mtime_ns for path in work.models.iterdir()} == stamps
    made.path.write_bytes(made.path.read_bytes()[:-1])
    assert models.simplify_model(study) == made


def test_parity_covers_every_stage_and_batch_size(work, checkpoint, small_market):
    parities = measure_parity(Study(work, small_market, checkpoint), [1, 3])
    assert [(p.stage, p.batch_size) for p in parities] == [("onnx", 3), ("simplified", 1), ("simplified", 3)]
    stored = read_results(work.results, "parity")[0].values["stages"]
    assert [s["max_abs"] for s in stored] == [p.max_abs for p in parities]


def test_three_images_fill_any_batch(work, checkpoint, tiny_market):
    folder = tiny_market(query=["0001_c1s1_000001_00.jpg"])
    with open_dataset(folder) as dataset:
        available = len(dataset.query) + len(dataset.gallery)
        assert 1 < available < 8 and len(sample_images(dataset, 100)) == available
    parities = measure_parity(Study(work, folder, checkpoint), [1, 8])
    assert [p.passed for p in parities] == [True] * 3
    assert [p.images for p in parities] == [available, 1, available]


def test_parity_stops_at_a_model_that_differs(work, checkpoint, small_market):
    other = replace(checkpoint, model=build_model("osnet_x0_25", seed=1))
    models.export_model(Study(work, weights=other))  # lies there under the wrong name
    with pytest.raises(ParityError, match="^onnx, batch size 2"):
        measure_parity(Study(work, small_market, checkpoint), [2])
    assert not read_results(work.results, "parity")


@pytest.mark.parametrize(
    "names, chip, warned",
    [
        ([], "Ascend310", None),
        (["310P3"], "Ascend310P3", None),
        (["910B4-1"], "Ascend910B4-1", None),
        (["Ascend910"], "Ascend310", "which 910 is it.*Until then Ascend310 is named"),
        (["310", "310P3"], "Ascend310", "chips of several kinds.*Until then Ascend310 is named"),
    ],
)
def test_the_chip_of_the_commands(monkeypatch, tmp_path, names, chip, warned):
    """Without an NPU it is the guide's; one whose name leaves the chip open is not replaced in silence."""
    (tmp_path / "table").write_text(smi_table(*names))
    add_program(tmp_path / "bin", "npu-smi", f"/bin/cat '{tmp_path}/table'")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setitem(sys.modules, "acl", None)
    with pytest.warns(UserWarning, match=warned) if warned else contextlib.nullcontext():
        assert models.chip() == chip
    assert models.chip("Ascend310B4") == "Ascend310B4"
