"""osnet_lib.network.activation: maps are the squared last feature maps, and taking them changes nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from osnet_lib.errors import SessionError
from osnet_lib.network.activation import activation_map, quantised
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.osnet import build_model


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    return rng.standard_normal((3, 3, 256, 128)).astype(np.float32)


@pytest.fixture(scope="module")
def model():
    return build_model("osnet_x0_25", seed=1)


def by_hand(model, batch: np.ndarray) -> np.ndarray:
    """torchreid's formula on the layers called one after the other."""
    with torch.inference_mode():
        x = model.maxpool(model.conv1(torch.from_numpy(batch)))
        x = model.conv5(model.conv4(model.conv3(model.conv2(x))))
        strength = (x**2).sum(1)
        return functional.normalize(strength.view(len(batch), -1), p=2, dim=1).view(strength.shape).numpy()


def test_maps_are_the_squared_channels_of_unit_length(model, batch):
    maps = activation_map(model, batch)
    assert maps.shape == (3, 16, 8) and maps.dtype == np.float32 and (maps >= 0).all()
    np.testing.assert_allclose(np.square(maps).sum(axis=(1, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(maps, by_hand(model, batch), atol=1e-6)
    assert np.ptp(maps, axis=(1, 2)).min() > 0.01
    np.testing.assert_array_equal(activation_map(model, batch[1:2])[0], maps[1])  # an image's map is its own


@pytest.mark.parametrize("name", ["osnet_ibn_x1_0", "osnet_ain_x1_0"])
def test_other_variants_have_maps_too(name, batch):
    assert activation_map(build_model(name, seed=0), batch[:1]).shape == (1, 16, 8)


def test_maps_change_neither_model_nor_settings(model, batch):
    image, threads = torch.from_numpy(batch[:1]), torch.get_num_threads()
    frozen = batch.copy()
    frozen.flags.writeable = False
    with torch.inference_mode():
        before = model(image)
        state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        activation_map(model, frozen)
        assert torch.equal(model(image), before)
    assert all(torch.equal(state[name], tensor) for name, tensor in model.state_dict().items())
    assert not model.conv5._forward_hooks and torch.get_num_threads() == threads and not model.training


def test_a_checkpoint_is_taken_as_its_model(small_weights, batch):
    checkpoint = load_checkpoint(small_weights)
    np.testing.assert_array_equal(activation_map(checkpoint, batch[:1]), activation_map(checkpoint.model, batch[:1]))


def test_a_network_that_answers_nothing_has_a_map_of_zeros(batch):
    model = build_model("osnet_x0_25", seed=1)
    with torch.no_grad():
        model.conv5.bn.weight.zero_()
        model.conv5.bn.bias.fill_(-1)
    np.testing.assert_array_equal(activation_map(model, batch[:1]), np.zeros((1, 16, 8)))


@pytest.mark.parametrize(
    "wrong, message",
    [
        (lambda b: b[0], "activation map: a batch of float32 of shape (3, 256, 128). Give float32 [N, 3, 256, 128]"),
        (lambda b: b[:0], "activation map: a batch of float32 of shape (0, 3, 256, 128)"),
        (lambda b: b[:, :, :128], "activation map: a batch of float32 of shape (3, 3, 128, 128)"),
        (lambda b: b.astype(np.float64), "activation map: a batch of float64"),
        (lambda b: torch.from_numpy(b), "activation map: a batch of Tensor"),
        (lambda b: np.full_like(b, np.nan), "activation map: the batch holds NaN or infinity"),
    ],
)
def test_activation_map_refuses_a_batch(model, batch, wrong, message):
    with pytest.raises(SessionError) as caught:
        activation_map(model, wrong(batch))
    assert str(caught.value).startswith(message)


def test_activation_map_refuses_a_model_in_training(batch):
    with pytest.raises(SessionError, match="training mode, in which a batch changes it. Call model.eval"):
        activation_map(build_model("osnet_x0_25").train(), batch)


def test_a_failure_leaves_no_hook(batch):
    model = build_model("osnet_x0_25", seed=1)
    model.fc = torch.nn.Linear(3, 3)  # does not fit
    with pytest.raises(SessionError, match="^activation map: PyTorch failed"):
        activation_map(model, batch[:1])
    assert not model.conv5._forward_hooks


def test_maps_become_sixteen_steps_of_their_own_largest_value():
    maps = np.array([[[0, 1], [0.5, 0.25]], [[0, 0], [0, 0]]], np.float32)
    np.testing.assert_array_equal(quantised(maps), [[[0, 15], [8, 4]], [[0, 0], [0, 0]]])
