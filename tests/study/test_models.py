"""The steps on a workspace: what they reuse, what they write, and what the embedded data and weights are worth."""

from __future__ import annotations

from dataclasses import replace

import pytest

from osnet_lib.core.results import read_results
from osnet_lib.errors import ParityError
from osnet_lib.network.osnet import build_model
from osnet_lib.study import models
from osnet_lib.study.parity import measure_parity
from osnet_lib.study.study import Study


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
    with models.open_dataset(work, tiny_market(query=["0001_c1s1_000001_00.jpg"])) as dataset:
        available = len(dataset.query) + len(dataset.gallery)
        assert 1 < available < 8 and len(models.sample_images(dataset, 100)) == available
        parities = models.measure_parity(work, checkpoint, [1, 8], dataset)
    assert [p.passed for p in parities] == [True] * 3
    assert [p.images for p in parities] == [available, 1, available]


def test_parity_stops_at_a_model_that_differs(work, checkpoint, small_market):
    other = replace(checkpoint, model=build_model("osnet_x0_25", seed=1))
    models.export_model(Study(work, weights=other))  # lies there under the wrong name
    with pytest.raises(ParityError, match="^onnx, batch size 2"):
        measure_parity(Study(work, small_market, checkpoint), [2])
    assert not read_results(work.results, "parity")
