"""The command that makes the embedded weights, on a world small enough for a test."""

from __future__ import annotations

import json
from importlib.metadata import version

import numpy as np
import pytest
import torch
from safetensors import safe_open

from osnet_lib.core.files import sha256
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.minimarket import World
from osnet_lib.errors import CheckpointError
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.osnet import build_model
from osnet_lib.network.weights import MINI
from osnet_lib.report.models import card_table
from osnet_lib.study.training import save_weights, train_mini, training_arrays
from osnet_lib.study.workspace import Workspace

WORLD = World(train_pids=2, test_pids=2, pictures_per_camera=1, distractors=46, junk=2)
CHANGES = {"architecture": "osnet_x0_25", "small_epochs": 1, "full_epochs": 1, "batch_size": 8}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("train")
    path = folder / "out" / "tiny.safetensors"
    with pytest.MonkeyPatch.context() as patch:  # a network this small is slower on two threads of a busy machine
        patch.setattr("osnet_lib.inference.session.usable_cores", lambda: 1)
        return path, train_mini(Workspace(folder), path, CHANGES, "cpu", WORLD)


def test_the_card_says_how_the_weights_came_about(made):
    path, card = made
    assert json.loads(path.with_suffix(".json").read_text()) == card
    assert card["file"] == path.name and card["sha256"] == sha256(path)
    assert "never a Market-1501 accuracy" in card["warning"]
    assert card["recipe"] == {**card["recipe"], **CHANGES} and card["recipe"]["seed"] == 1501
    assert len(card["training"]["epochs"]) == 2 and card["training"]["seconds"] > 0
    assert card["environment"]["versions"]["torch"] == version("torch")  # a build's +cu130 may be in one only
    data = card["data"]
    assert data["name"] == "mini-market" and data["seed"] == WORLD.seed and data["train_identities"] == 2
    assert data["test_queries"] == 6
    for scored in (card["result"], card["untrained"]):
        assert 0 <= scored["rank"]["1"] <= 1 and 0 < scored["mAP"] <= 1 and scored["num_queries"] == 6
        assert scored["num_junk"] == 0
    assert card["result"]["mAP"] != card["untrained"]["mAP"]


def test_the_weights_are_half_precision_without_classifier_and_load(made):
    path, _ = made
    with safe_open(path, "pt") as stored:
        kinds = {stored.get_tensor(name).dtype for name in stored.keys()}  # noqa: SIM118 - no dict
        assert kinds == {torch.float16, torch.int64} and not [name for name in stored.keys() if "classifier" in name]  # noqa: SIM118
    checkpoint = load_checkpoint(path)
    assert (checkpoint.architecture, checkpoint.classes) == ("osnet_x0_25", 0)
    with torch.inference_mode():
        assert torch.isfinite(checkpoint.model(torch.randn(1, 3, 256, 128))).all()


def test_the_card_is_shown(made):
    found = dict(card_table(made[0]).rows)
    assert found["sha256"] == sha256(made[0]) and found["trained on"].startswith("mini-market, seed 1501")


def test_storing_rounds_to_half_precision_and_no_further(tmp_path):
    model = build_model("osnet_x0_25", 10, seed=3)
    stored = load_checkpoint(save_weights(model, tmp_path / "w.safetensors")).model.state_dict()
    for name, tensor in model.state_dict().items():
        if not name.startswith("classifier."):
            assert torch.equal(stored[name], tensor.half().float() if tensor.is_floating_point() else tensor)


def test_training_arrays_pair_images_and_labels(tiny_market):
    names = ["0007_c1s1_000021_01.jpg", "0003_c2s1_000022_01.jpg", "0007_c4s1_000023_01.jpg"]
    with open_market1501(tiny_market(bounding_box_train=names)) as dataset:
        images, labels = training_arrays(dataset)
        assert images.shape == (3, 32, 16, 3) and images.dtype == np.uint8 and labels.dtype == np.int64
        for sample, image, label in zip(dataset.train, images, labels):
            assert (image == np.asarray(dataset.image(sample))).all() and label == {3: 0, 7: 1}[sample.pid]


@pytest.mark.parametrize("name", ["w.pth", "w", "w.json"])
def test_another_suffix_is_refused_before_training(tmp_path, name):
    with pytest.raises(
        CheckpointError, match=rf"{name}: weights are stored as safetensors\. Give a name that ends in \.safetensors"
    ):
        train_mini(Workspace(tmp_path), tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_the_embedded_weights_have_their_card():
    card = json.loads(MINI.with_suffix(".json").read_text())
    assert card["sha256"] == sha256(MINI) and card["file"] == MINI.name
    assert card["recipe"]["architecture"] == load_checkpoint(MINI).architecture == "osnet_x1_0"
    assert {"data", "recipe", "training", "result", "environment", "warning"} <= set(card)
    assert card["data"]["seed"] == World().seed
