"""The OSNet graph, with the tensor names of torchreid's checkpoints.

OSNet is from Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification" (ICCV 2019,
arXiv 1905.00953); the AIN variant from "Learning Generalisable Omni-Scale Representations for
Person Re-Identification" (TPAMI 2021, arXiv 1910.06827). Attribute names and their order give the
keys of the state dict, which is why some of them are terse.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..errors import CheckpointError
from .blocks import Block, ConvLayer, OSBlock, OSBlockAIN

FEATURE_DIM = 512


@dataclass(frozen=True)
class Architecture:
    """What tells one OSNet from another.

    `channels` are the widths after conv1..conv4; `variant` is ``""`` (batch norm only), ``"ibn"``
    (instance norm after the blocks of conv2) or ``"ain"`` (instance norm inside searched blocks).
    """

    name: str
    channels: tuple[int, int, int, int]
    variant: str = ""


ARCHITECTURES = {
    a.name: a
    for a in (
        Architecture("osnet_x1_0", (64, 256, 384, 512)),
        Architecture("osnet_x0_75", (48, 192, 288, 384)),
        Architecture("osnet_x0_5", (32, 128, 192, 256)),
        Architecture("osnet_x0_25", (16, 64, 96, 128)),
        Architecture("osnet_ibn_x1_0", (64, 256, 384, 512), "ibn"),
        Architecture("osnet_ain_x1_0", (64, 256, 384, 512), "ain"),
        Architecture("osnet_ain_x0_75", (48, 192, 288, 384), "ain"),
        Architecture("osnet_ain_x0_5", (32, 128, 192, 256), "ain"),
        Architecture("osnet_ain_x0_25", (16, 64, 96, 128), "ain"),
    )
}

# Which blocks of conv2, conv3, conv4 hold an instance norm: the architecture found by the search of 1910.06827.
_AIN_NORMS = ((True, True), (False, True), (True, False))


class OSNet(nn.Module):
    """OSNet for images of 256x128 pixels.

    Parameters
    ----------
    architecture : Architecture
        One of `ARCHITECTURES`.
    num_classes : int
        Width of the training classifier; 0 (the default) leaves it out.

    Notes
    -----
    ``forward`` takes float32 ``[N, 3, 256, 128]`` (RGB, ImageNet-normalised) and gives the feature,
    float32 ``[N, 512]``, as soon as the model is in eval mode or has no classifier; logits
    ``[N, num_classes]`` otherwise.
    """

    block: type[Block] = OSBlock
    block_ain: type[Block] = OSBlockAIN

    def __init__(self, architecture: Architecture, num_classes: int = 0):
        super().__init__()
        self.architecture = architecture
        c = architecture.channels
        ain = architecture.variant == "ain"
        self.conv1 = ConvLayer(3, c[0], 7, stride=2, padding=3, instance_norm=bool(architecture.variant))
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        if ain:
            norms = _AIN_NORMS
            self.conv2, self.pool2 = self._stage(self.block_ain, c[0], c[1], norms[0]), self._transition(c[1])
            self.conv3, self.pool3 = self._stage(self.block_ain, c[1], c[2], norms[1]), self._transition(c[2])
            self.conv4 = self._stage(self.block_ain, c[2], c[3], norms[2])
        else:
            first = (architecture.variant == "ibn",) * 2
            self.conv2 = self._stage(self.block, c[0], c[1], first).append(self._transition(c[1]))
            self.conv3 = self._stage(self.block, c[1], c[2], (False, False)).append(self._transition(c[2]))
            self.conv4 = self._stage(self.block, c[2], c[3], (False, False))
        self.conv5 = ConvLayer(c[3], c[3], 1)
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Linear(c[3], FEATURE_DIM), nn.BatchNorm1d(FEATURE_DIM), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(FEATURE_DIM, num_classes) if num_classes else None
        self.apply(_initialise)

    @staticmethod
    def _stage(block: type[Block], cin: int, cout: int, norms: tuple[bool, bool]) -> nn.Sequential:
        return nn.Sequential(block(cin, cout, norms[0]), block(cout, cout, norms[1]))

    @staticmethod
    def _transition(channels: int) -> nn.Sequential:
        return nn.Sequential(ConvLayer(channels, channels, 1), nn.AvgPool2d(2, stride=2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.conv1(x))
        x = self.conv2(x)
        if self.architecture.variant == "ain":
            x = self.pool3(self.conv3(self.pool2(x)))
        else:
            x = self.conv3(x)
        x = self.global_avgpool(self.conv5(self.conv4(x))).flatten(1)
        feature = self.fc(x)
        return feature if self.classifier is None or not self.training else self.classifier(feature)


def _initialise(module: nn.Module) -> None:
    """torchreid's initialisation: He for convolutions (fan out), small normal for linear layers."""
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0, 0.01)
        nn.init.zeros_(module.bias)


def build_model(name: str, num_classes: int = 0, seed: int | None = None) -> OSNet:
    """An OSNet with random weights, in eval mode; `seed` makes them reproducible."""
    if name not in ARCHITECTURES:
        raise CheckpointError("unknown architecture", where=name, cure=f"Known networks: {', '.join(ARCHITECTURES)}.")
    if seed is None:
        return OSNet(ARCHITECTURES[name], num_classes).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return OSNet(ARCHITECTURES[name], num_classes).eval()
