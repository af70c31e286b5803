"""The graph: counts as published, structure of the variants, arithmetic of the gate by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from helpers.networks import checkpoint, images
from osnet_lib.network.blocks import ChannelGate, OSBlock
from osnet_lib.network.checkpoint import complexity
from osnet_lib.network.osnet import ARCHITECTURES, build_model

PUBLISHED = {  # trainable parameters without classifier, convolution and linear multiply-adds at 256x128
    "osnet_x1_0": (2_169_508, 978_875_392),
    "osnet_x0_75": (1_285_754, 571_752_192),
    "osnet_x0_5": (630_034, 272_899_328),
    "osnet_x0_25": (201_864, 82_314_880),
    # torchreid's tool prints 2,194,640 and 2,193,616 for the variants, of which 24,108 is the gate counted too often.
    "osnet_ibn_x1_0": (2_194_640 - 24_108, 978_875_392),
    "osnet_ain_x1_0": (2_193_616 - 24_108, 978_875_392),
    # The same channels as the plain ones, whose norms have as many parameters.
    "osnet_ain_x0_75": (1_285_754, 571_752_192),
    "osnet_ain_x0_5": (630_034, 272_899_328),
    "osnet_ain_x0_25": (201_864, 82_314_880),
}


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_complexity(name):
    assert complexity(build_model(name)) == PUBLISHED[name]


def test_complexity_leaves_classifier_and_mode_alone():
    model = build_model("osnet_x0_25", 751).train()
    assert complexity(model) == PUBLISHED["osnet_x0_25"]
    assert model.training and not any(m._forward_hooks for m in model.modules())


def test_complexity_follows_the_image_size():
    parameters, multiply_adds = complexity(build_model("osnet_x0_25"), 128, 64)
    # The gates, four runs of two layers in each of six blocks, and the fc see one pixel whatever the size.
    gates_and_fc = 4 * sum(2 * (c * (c // 16)) for c in (16, 16, 24, 24, 32, 32)) + 128 * 512
    assert parameters == PUBLISHED["osnet_x0_25"][0]
    assert multiply_adds == (PUBLISHED["osnet_x0_25"][1] - gates_and_fc) // 4 + gates_and_fc


def test_what_the_tool_of_torchreid_counts():
    """The 2,193,616 and 978,878,352 in public logs: the shared gate four times, and an addition per bias."""
    model = build_model("osnet_x1_0")
    gates = [m for m in model.modules() if isinstance(m, ChannelGate)]
    assert len(gates) == 6
    thrice = 3 * sum(p.numel() for gate in gates for p in gate.parameters())
    biases = 4 * sum(gate.fc1.bias.numel() + gate.fc2.bias.numel() for gate in gates) + model.fc[0].bias.numel()
    parameters, multiply_adds = complexity(model)
    assert (parameters + thrice, multiply_adds + biases) == (2_193_616, 978_878_352)


@pytest.mark.parametrize(
    "name, tensors, instance_norms",
    [
        ("osnet_x1_0", 565, set()),
        ("osnet_x0_25", 565, set()),
        ("osnet_ibn_x1_0", 565 - 3 + 2 * 2, {"conv1.bn", "conv2.0.IN", "conv2.1.IN"}),
        ("osnet_ain_x1_0", 565 - 3 - 4 * 3, {"conv1.bn", "conv2.0.IN", "conv2.1.IN", "conv3.1.IN", "conv4.0.IN"}),
    ],
)
def test_state_dict(name, tensors, instance_norms):
    model = build_model(name)
    assert len(model.state_dict()) == tensors
    assert {n for n, m in model.named_modules() if isinstance(m, nn.InstanceNorm2d)} == instance_norms
    assert len(build_model(name, 751).state_dict()) == tensors + 2


@pytest.mark.parametrize(
    "name, present, absent",
    [
        (
            "osnet_x1_0",
            [
                "conv2.0.conv2d.3.conv2.weight",
                "conv2.2.0.conv.weight",
                "conv3.2.0.bn.running_var",
                "conv2.0.downsample.conv.weight",
                "fc.1.running_mean",
                "conv4.1.gate.fc2.bias",
            ],
            ["conv2.1.downsample.conv.weight", "conv4.2.0.conv.weight", "conv2.0.IN.weight", "classifier.weight"],
        ),
        (
            "osnet_ibn_x1_0",
            ["conv2.1.IN.bias", "conv2.0.conv3.bn.weight"],
            ["conv3.0.IN.weight", "conv1.bn.running_mean"],
        ),
        (
            "osnet_ain_x1_0",
            [
                "conv2.0.conv2.3.layers.3.conv1.weight",
                "pool2.0.conv.weight",
                "pool3.0.bn.weight",
                "conv3.0.conv3.bn.weight",
                "conv4.1.conv3.bn.weight",
                "conv4.0.downsample.bn.weight",
            ],
            [
                "conv2.0.conv3.bn.weight",
                "conv3.1.conv3.bn.weight",
                "conv4.0.conv3.bn.weight",
                "conv2.0.conv2a.conv1.weight",
            ],
        ),
    ],
)
def test_tensor_names_are_those_of_torchreid(name, present, absent):
    names = set(build_model(name).state_dict())
    assert names.issuperset(present) and names.isdisjoint(absent)


@pytest.mark.parametrize(
    "fc1, fc2, bias, expected",
    [
        (1 / 16, 0.2, 0.0, 1 / (1 + math.exp(-1.5))),  # the mean of 0..15 is 7.5
        (-1 / 16, 0.2, math.log(3), 0.75),  # ReLU leaves the bias alone
        (0.0, 0.0, 0.0, 0.5),
    ],
)
def test_gate_by_hand(fc1, fc2, bias, expected):
    gate = ChannelGate(16)
    for parameter, value in zip(gate.parameters(), (fc1, 0.0, fc2, bias), strict=True):
        nn.init.constant_(parameter, value)
    x = torch.arange(16.0).view(1, 16, 1, 1).expand(1, 16, 4, 2)
    torch.testing.assert_close(gate(x), x * expected)


def test_block_adds_the_gated_streams_and_the_shortcut():
    """With a gate that lets half through, the block is relu(conv3(half the sum of its four streams) + x)."""
    block = OSBlock(64, 64).eval()
    for parameter in block.gate.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 64, 8, 4, generator=torch.Generator().manual_seed(0)).relu()
    with torch.inference_mode():
        inner = block.conv1(x)
        streams = (stream(inner) for stream in (block.conv2a, block.conv2b, block.conv2c, block.conv2d))
        expected = torch.relu(block.conv3(0.5 * sum(streams)) + x)
        torch.testing.assert_close(block(x), expected)


@pytest.mark.parametrize("name", ["osnet_x0_25", "osnet_ibn_x1_0", "osnet_ain_x1_0"])
def test_eval_is_deterministic_and_rows_do_not_meet(name):
    batch = torch.from_numpy(images(3))
    model = checkpoint(name).model
    with torch.inference_mode():
        features = model(batch)
        assert features.shape == (3, 512) and features.dtype == torch.float32 and (features >= 0).all()
        assert torch.equal(features, model(batch))
        torch.testing.assert_close(features[1:2], model(batch[1:2]), rtol=1e-5, atol=1e-4)
    assert (features[0] - features[1]).abs().max() > 0.01


def test_training_gives_logits_only_with_a_classifier():
    batch = torch.from_numpy(images(2))
    model = build_model("osnet_x0_25", 7, seed=0)
    assert model(batch).shape == (2, 512)
    assert model.train()(batch).shape == (2, 7)
    assert build_model("osnet_x0_25").train()(batch).shape == (2, 512)


def test_seed():
    before = torch.random.get_rng_state()
    first, second, other = (build_model("osnet_x0_25", seed=s).state_dict() for s in (3, 3, 4))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert all(torch.equal(first[k], second[k]) for k in first)
    assert not torch.equal(first["conv1.conv.weight"], other["conv1.conv.weight"])


def test_initialisation_is_that_of_torchreid():
    model = build_model("osnet_x1_0", 751, seed=0)
    weight = model.conv1.conv.weight.detach().numpy()
    assert np.isclose(weight.std(), math.sqrt(2 / (64 * 7 * 7)), rtol=0.05)  # He, fan out
    assert np.isclose(model.classifier.weight.std().item(), 0.01, rtol=0.05) and not model.classifier.bias.any()
