"""Fused streams: the same features, the same weights in another order, and what cannot be fused."""

from __future__ import annotations

import re
from functools import partial

import pytest
import torch
from torch import nn

from helpers.networks import checkpoint, images
from helpers.refusals import refusal_of
from osnet_lib.errors import ExportError
from osnet_lib.network.blocks import LightConv3x3
from osnet_lib.network.fused import Level, fuse_streams
from osnet_lib.network.osnet import ARCHITECTURES, build_model

refusal = partial(refusal_of, ExportError)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_features_are_the_same(name):
    model, batch = checkpoint(name).model, torch.from_numpy(images(2))
    with torch.inference_mode():
        expected, found = model(batch), fuse_streams(model)(batch)
    largest = expected.max().item()
    assert largest > 1 and (expected[0] - expected[1]).abs().max() > 0.01
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6 * largest)  # a few units of the last place


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_ain_x0_25"])
def test_no_weight_is_added_or_lost(name):
    model = checkpoint(name).model
    before = {key: value.clone() for key, value in model.state_dict().items()}
    fused = fuse_streams(model)
    assert not fused.training and sum(p.numel() for p in fused.parameters()) == sum(
        p.numel() for p in model.parameters()
    )
    assert before.keys() == model.state_dict().keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert torch.equal(
        torch.cat([p.flatten() for p in fused.parameters()]).sort().values,
        torch.cat([p.flatten() for p in model.parameters()]).sort().values,
    )


def test_levels_hold_the_streams_that_go_on():
    """The second level of a block: streams two to four, each kept apart by the groups of its convolutions."""
    model = checkpoint().model
    block, fused = model.conv3[0], fuse_streams(model).conv3[0]
    assert [level.conv1.groups for level in fused.levels] == [1, 3, 2, 1]
    seconds = [stream[1] for stream in (block.conv2b, block.conv2c, block.conv2d)]
    channels = seconds[0].conv1.in_channels
    x = torch.randn(1, 3 * channels, 8, 4, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = torch.cat([layer(part) for layer, part in zip(seconds, x.split(channels, dim=1))], dim=1)
        torch.testing.assert_close(fused.levels[1](x), expected)


def test_a_model_in_training_comes_out_in_eval_mode():
    model, batch = build_model("osnet_x0_25", seed=0), torch.from_numpy(images(1))
    expected = model(batch)
    fused = fuse_streams(model.train())
    assert model.training and not fused.training
    torch.testing.assert_close(fused(batch), expected, rtol=0, atol=1e-6)


def instance_norm(block):
    block.conv2b[1].bn = nn.InstanceNorm2d(16, affine=True, track_running_stats=True)


def deeper(block):
    block.conv2a = nn.Sequential(LightConv3x3(16), LightConv3x3(16))


def activation(block):
    block.conv2d.append(nn.Sigmoid())


@pytest.mark.parametrize(
    "change, shown",
    [
        (instance_norm, "Conv2d, Conv2d, BatchNorm2d, ReLU, Conv2d, Conv2d, InstanceNorm2d, ReLU"),
        (deeper, r"layers: Conv2d, Conv2d, BatchNorm2d, ReLU, Conv2d, Conv2d, BatchNorm2d, ReLU;"),
        (activation, "ReLU, Sigmoid"),
    ],
)
def test_a_block_that_would_compute_something_else_is_named(change, shown):
    model = build_model("osnet_x0_25", seed=0)
    change(model.conv2[1])
    message = refusal(fuse_streams, model)
    assert message.startswith("conv2.1: its streams are not one to 4 light convolutions") and re.search(shown, message)
    assert message.endswith("Export this network without fusing its streams.")


def test_what_is_fused_is_not_fused_again():
    fused = fuse_streams(checkpoint().model)
    assert isinstance(fused.conv2[0].levels[0], Level)
    assert refusal(fuse_streams, fused).startswith("conv2.0: its streams are not one to 4 light convolutions")
