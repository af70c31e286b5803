"""Training: the recipe of the zoo, the same result from the same seed."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from osnet_lib.datasets.preprocess import MEAN, STD
from osnet_lib.errors import DatasetError, SessionError
from osnet_lib.network.training import Recipe, _augment, learning_rate, train_model

TINY = Recipe(architecture="osnet_x0_25", small_epochs=1, full_epochs=1, batch_size=8)


def crops(count: int = 16, people: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noise over a colour of each person."""
    random, labels = np.random.default_rng(seed), np.arange(count) % people
    colours = random.integers(40, 216, (people, 1, 1, 3))
    return np.clip(colours[labels] + random.integers(-30, 31, (count, 128, 64, 3)), 0, 255).astype(np.uint8), labels


@pytest.fixture(scope="module")
def trained():
    return train_model(*crops(), TINY, "cpu", progress=False)


def test_an_epoch_is_logged_and_finite(trained):
    model, log = trained
    assert len(log["epochs"]) == 2 and log["device"] == "cpu" and log["seconds"] > 0
    assert all(
        np.isfinite(epoch["loss"]) and epoch["loss"] > 0 and 0 <= epoch["accuracy"] <= 1 for epoch in log["epochs"]
    )
    assert all(torch.isfinite(tensor).all() for tensor in model.state_dict().values())


def test_the_model_is_ready_for_features(trained):
    model, _ = trained
    assert not model.training and model.classifier.out_features == 4 and model.architecture.name == "osnet_x0_25"
    with torch.inference_mode():
        features = model(torch.zeros(2, 3, 256, 128))
    assert features.shape == (2, 512) and features.dtype == torch.float32


def test_the_same_seed_gives_the_same_weights_and_another_one_does_not(trained):
    again, log = train_model(*crops(), TINY, "cpu", progress=False)
    assert log["epochs"] == trained[1]["epochs"]
    assert all(torch.equal(a, b) for a, b in zip(trained[0].state_dict().values(), again.state_dict().values()))
    other, _ = train_model(*crops(), Recipe(**{**vars(TINY), "seed": 2, "full_epochs": 0}), "cpu", progress=False)
    assert not torch.equal(other.conv1.conv.weight, trained[0].conv1.conv.weight)


def test_it_learns():
    """A few epochs tell four colours apart."""
    recipe = Recipe(architecture="osnet_x0_25", small_epochs=10, full_epochs=0, batch_size=8)
    _, log = train_model(*crops(32), recipe, "cpu", progress=False)
    assert log["epochs"][-1]["loss"] < 0.8 * log["epochs"][0]["loss"] and log["epochs"][-1]["accuracy"] > 0.5


def test_images_that_do_not_fill_the_last_batch_are_left_out():
    _, log = train_model(*crops(11), Recipe(**{**vars(TINY), "full_epochs": 0}), "cpu", progress=False)
    assert (log["epochs"][0]["accuracy"] * 8) % 1 == 0


def test_learning_rate_steps_down_with_the_larger_images_and_half_way():
    recipe = Recipe(small_epochs=2, full_epochs=4, learning_rate=1.0, full_learning_rate=0.5)
    assert [learning_rate(recipe, epoch) for epoch in range(6)] == pytest.approx([1, 1, 0.5, 0.5, 0.15, 0.15])


def test_recipe_is_the_zoo_s():
    recipe = Recipe()
    assert (
        recipe.architecture,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.label_smoothing,
        recipe.weight_decay,
    ) == ("osnet_x1_0", 64, 0.0015, 0.1, 5e-4)


def test_augmentation_normalises_resizes_and_flips():
    images, _ = crops(2)
    batch = torch.from_numpy(images).permute(0, 3, 1, 2)
    plain = _augment(batch, torch.tensor([False, True]), (128, 64))
    expected = (images.astype(np.float32) / 255 - np.float32(MEAN)) / np.float32(STD)
    assert np.allclose(plain[0].numpy().transpose(1, 2, 0), expected[0], atol=1e-6)
    assert np.allclose(plain[1].numpy().transpose(1, 2, 0), expected[1][:, ::-1], atol=1e-6)
    large = _augment(batch, torch.tensor([False, False]), (256, 128))
    assert large.shape == (2, 3, 256, 128) and abs(float(large.mean() - plain.mean())) < 0.01


def test_too_few_images_are_refused():
    with pytest.raises(
        DatasetError, match="train: 16 images do not fill a batch of 64. Give more images or a smaller batch_size"
    ):
        train_model(*crops(), Recipe(architecture="osnet_x0_25"), "cpu", progress=False)


@pytest.mark.parametrize("device", ["gpu", "cuda:99", ""])
def test_a_device_that_is_not_there_is_refused(device):
    if device:
        with pytest.raises(SessionError, match=f"device: no device '{device}' here. Give cpu"):
            train_model(*crops(), TINY, device, progress=False)
    else:  # none given: whatever there is
        assert train_model(*crops(8), Recipe(**{**vars(TINY), "full_epochs": 0}), None, progress=False)[1][
            "device"
        ] in ("cpu", "cuda")
