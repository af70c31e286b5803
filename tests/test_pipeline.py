"""The steps on a workspace: what they reuse, what they write, and what the embedded data and weights are worth."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from osnet_lib import accuracy, pipeline
from osnet_lib.checkpoint import load_checkpoint
from osnet_lib.errors import ParityError
from osnet_lib.files import sha256
from osnet_lib.model import build_model
from osnet_lib.results import read_results
from osnet_lib.session import open_session
from osnet_lib.weights import MINI
from osnet_lib.workspace import Workspace


@pytest.fixture
def work(tmp_path):
    return Workspace(tmp_path)


@pytest.fixture(scope="module")
def checkpoint(small_weights):
    return load_checkpoint(small_weights)


def test_models_are_made_once_and_again_when_harmed(work, checkpoint):
    made = pipeline.simplify_model(work, checkpoint, 2)
    assert (made.batch_size, made.opset) == (2, 11) and made.path.name.endswith("_bs2_sim.onnx")
    stamps = {path: path.stat().st_mtime_ns for path in work.models.iterdir()}
    assert pipeline.simplify_model(work, checkpoint, 2) == made
    assert {path: path.stat().st_mtime_ns for path in work.models.iterdir()} == stamps
    made.path.write_bytes(made.path.read_bytes()[:-1])
    assert pipeline.simplify_model(work, checkpoint, 2) == made


def test_features_are_used_again_until_the_weights_change(work, checkpoint, small_market):
    with pipeline.open_dataset(work, small_market) as dataset:
        query, gallery = accuracy.measure_features(work, dataset, checkpoint, 4, progress=False)
        assert [len(query), len(gallery)] == [len(dataset.query), len(dataset.gallery)]
        stamps = {path.name: path.stat().st_mtime_ns for path in work.features.glob("*.npz")}
        again, _ = accuracy.measure_features(work, dataset, checkpoint, 4, progress=False)
        assert {path.name: path.stat().st_mtime_ns for path in work.features.glob("*.npz")} == stamps
        assert np.array_equal(again.features, query.features)
        other = replace(checkpoint, model=build_model("osnet_x0_25", seed=1), sha256="0" * 64)
        changed, _ = accuracy.measure_features(work, dataset, other, 4, progress=False)
    assert len(list(work.features.glob("*.npz"))) == 4 and not np.allclose(changed.features, query.features)


@pytest.mark.parametrize("backend", ["onnxruntime", "torch"])
def test_backends_agree_on_features_and_score(work, checkpoint, small_market, backend):
    with pipeline.open_dataset(work, small_market) as dataset:
        query, gallery = accuracy.measure_features(work, dataset, checkpoint, 3, backend, progress=False)
    scores = accuracy.measure_accuracy(work, query, gallery, checkpoint)
    results = read_results(work.results, "accuracy")
    assert [r.conditions["metric"] for r in results] == ["cosine", "euclidean"]
    assert all(
        r.conditions["session"]["backend"] == backend and r.conditions["model"]["sha256"] == checkpoint.sha256
        for r in results
    )
    assert results[1].values["mAP"] == scores["euclidean"].mAP
    with open_session(checkpoint, "torch") as session, pipeline.open_dataset(work, small_market) as dataset:
        expected = session.run(pipeline.sample_images(dataset, 3))
    assert np.abs(query.features[:3] - expected).max() < 1e-4
    assert accuracy.accuracy_results(work, checkpoint) == results
    assert accuracy.accuracy_results(work, replace(checkpoint, sha256="other")) == []


def test_parity_covers_every_stage_and_batch_size(work, checkpoint, small_market):
    with pipeline.open_dataset(work, small_market) as dataset:
        parities = pipeline.measure_parity(work, checkpoint, [1, 3], dataset)
    assert [(p.stage, p.batch_size) for p in parities] == [("onnx", 3), ("simplified", 1), ("simplified", 3)]
    stored = read_results(work.results, "parity")[0].values["stages"]
    assert [s["max_abs"] for s in stored] == [p.max_abs for p in parities]


def test_parity_stops_at_a_model_that_differs(work, checkpoint, small_market):
    pipeline.export_model(
        work, replace(checkpoint, model=build_model("osnet_x0_25", seed=1))
    )  # lies there under the wrong name
    with pipeline.open_dataset(work, small_market) as dataset, pytest.raises(ParityError, match="^onnx, batch size 2"):
        pipeline.measure_parity(work, checkpoint, [2], dataset)
    assert not read_results(work.results, "parity")


def test_performance_writes_its_conditions(work, checkpoint):
    measured = pipeline.measure_performance(work, checkpoint, 2, threads=1, rounds=4, warmup=1, progress=False)
    result = read_results(work.results, "performance")[0]
    assert result.values["times_ms"] == [round(t, 4) for t in measured.times.tolist()]
    assert result.name.endswith("onnxruntime-CPUExecutionProvider-float32-t1-bs2") and result.conditions["warmup"] == 1
    assert result.conditions["environment"]["versions"]["onnxruntime"]


@pytest.fixture(scope="module")
def mini(tmp_path_factory):
    """A workspace with the whole mini-market rendered."""
    return Workspace(tmp_path_factory.mktemp("mini"))


@pytest.fixture(scope="module")
def card():
    return json.loads(MINI.with_suffix(".json").read_text("utf-8"))


def rank1(work: Workspace, checkpoint) -> float:
    with pipeline.open_dataset(work, "mini") as dataset:
        query, gallery = accuracy.measure_features(work, dataset, checkpoint, progress=False)
    return accuracy.measure_accuracy(work, query, gallery, checkpoint)["euclidean"].rank(1)


class TestEmbedded:
    """mini-market must tell good from bad, and the embedded weights must be good on it."""

    def test_weights_score_what_their_card_says(self, mini, card):
        found = rank1(mini, load_checkpoint(MINI))
        assert 0.85 <= found <= 0.98
        assert found == pytest.approx(
            card["result"]["rank"]["1"], abs=2 / card["data"]["test_queries"]
        )  # rounding may turn two

    def test_an_untrained_network_scores_badly(self, mini, card):
        untrained = replace(load_checkpoint(MINI), model=build_model("osnet_x1_0", seed=1501), sha256="untrained")
        assert rank1(mini, untrained) < 0.60
        assert card["untrained"]["rank"]["1"] < 0.60

    def test_card_belongs_to_the_file(self, card):
        assert card["sha256"] == sha256(MINI) and card["file"] == MINI.name
        assert "never a Market-1501 accuracy" in card["warning"]
        assert {"data", "recipe", "training", "environment"} <= set(card) and card["recipe"]["seed"] == card["data"][
            "seed"
        ]
