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

from .errors import CheckpointError

FEATURE_DIM = 512
STREAMS = 4  # T in the paper: streams of depth 1..T see T receptive fields
REDUCTION = 4  # a block's bottleneck is this much narrower than its output
GATE_REDUCTION = 16


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
    )
}

# Which blocks of conv2, conv3, conv4 hold an instance norm: the architecture found by the search of 1910.06827.
_AIN_NORMS = ((True, True), (False, True), (True, False))


class ConvLayer(nn.Module):
    """Convolution, batch or instance norm, ReLU."""

    def __init__(self, cin: int, cout: int, kernel: int, stride: int = 1, padding: int = 0,
                 instance_norm: bool = False):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.InstanceNorm2d(cout, affine=True) if instance_norm else nn.BatchNorm2d(cout)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv(x)))


class Pointwise(nn.Module):
    """1x1 convolution without activation; `bn` is absent where an instance norm follows."""

    def __init__(self, cin: int, cout: int, bn: bool = True):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 1, bias=False)
        self.bn = nn.BatchNorm2d(cout) if bn else None

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return x if self.bn is None else self.bn(x)


class LightConv3x3(nn.Module):
    """The paper's Lite 3x3: pointwise then depthwise, batch norm and ReLU once at the end."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 1, bias=False)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False, groups=channels)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.relu(self.bn(self.conv2(self.conv1(x))))


class LightStream(nn.Module):
    """`depth` light convolutions in a row (the AIN variant keeps them under ``layers``)."""

    def __init__(self, channels: int, depth: int):
        super().__init__()
        self.layers = nn.Sequential(*(LightConv3x3(channels) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class ChannelGate(nn.Module):
    """The unified aggregation gate: channel weights computed from the input, shared by the streams."""

    def __init__(self, channels: int):
        super().__init__()
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(channels, channels // GATE_REDUCTION, 1)
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = nn.Conv2d(channels // GATE_REDUCTION, channels, 1)
        self.gate_activation = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.gate_activation(self.fc2(self.relu(self.fc1(self.global_avgpool(x)))))


class _Block(nn.Module):
    """What the two block types share: bottleneck, gated sum of streams, residual."""

    def __init__(self, cin: int, cout: int, bn: bool = True):
        super().__init__()
        middle = cout // REDUCTION
        self.conv1 = ConvLayer(cin, middle, 1)
        self._add_streams(middle)
        self.gate = ChannelGate(middle)
        self.conv3 = Pointwise(middle, cout, bn=bn)
        self.downsample = Pointwise(cin, cout) if cin != cout else None
        self.relu = nn.ReLU(inplace=True)

    def _residual(self, x: Tensor) -> Tensor:
        x = self.conv1(x)
        gated = [self.gate(stream(x)) for stream in self._streams()]
        return self.conv3(sum(gated[1:], gated[0]))

    def _shortcut(self, x: Tensor) -> Tensor:
        return x if self.downsample is None else self.downsample(x)


class OSBlock(_Block):
    """The omni-scale block (paper, figure 4); with `instance_norm` the IBN form, normalised after the sum."""

    def __init__(self, cin: int, cout: int, instance_norm: bool = False):
        super().__init__(cin, cout)
        self.IN = nn.InstanceNorm2d(cout, affine=True) if instance_norm else None

    def _add_streams(self, channels: int) -> None:
        self.conv2a = LightConv3x3(channels)
        self.conv2b = nn.Sequential(*(LightConv3x3(channels) for _ in range(2)))
        self.conv2c = nn.Sequential(*(LightConv3x3(channels) for _ in range(3)))
        self.conv2d = nn.Sequential(*(LightConv3x3(channels) for _ in range(4)))

    def _streams(self) -> tuple[nn.Module, ...]:
        return self.conv2a, self.conv2b, self.conv2c, self.conv2d

    def forward(self, x: Tensor) -> Tensor:
        out = self._residual(x) + self._shortcut(x)
        return self.relu(out if self.IN is None else self.IN(out))


class OSBlockAIN(_Block):
    """The block of OSNet-AIN: an instance norm, where the search put one, inside the residual."""

    def __init__(self, cin: int, cout: int, instance_norm: bool = False):
        super().__init__(cin, cout, bn=not instance_norm)
        self.IN = nn.InstanceNorm2d(cout, affine=True) if instance_norm else None

    def _add_streams(self, channels: int) -> None:
        self.conv2 = nn.ModuleList(LightStream(channels, depth) for depth in range(1, STREAMS + 1))

    def _streams(self) -> nn.ModuleList:
        return self.conv2

    def forward(self, x: Tensor) -> Tensor:
        out = self._residual(x)
        return self.relu((out if self.IN is None else self.IN(out)) + self._shortcut(x))


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

    def __init__(self, architecture: Architecture, num_classes: int = 0):
        super().__init__()
        self.architecture = architecture
        c = architecture.channels
        ain = architecture.variant == "ain"
        self.conv1 = ConvLayer(3, c[0], 7, stride=2, padding=3, instance_norm=bool(architecture.variant))
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        if ain:
            norms = _AIN_NORMS
            self.conv2, self.pool2 = self._stage(OSBlockAIN, c[0], c[1], norms[0]), self._transition(c[1])
            self.conv3, self.pool3 = self._stage(OSBlockAIN, c[1], c[2], norms[1]), self._transition(c[2])
            self.conv4 = self._stage(OSBlockAIN, c[2], c[3], norms[2])
        else:
            first = (architecture.variant == "ibn",) * 2
            self.conv2 = self._stage(OSBlock, c[0], c[1], first).append(self._transition(c[1]))
            self.conv3 = self._stage(OSBlock, c[1], c[2], (False, False)).append(self._transition(c[2]))
            self.conv4 = self._stage(OSBlock, c[2], c[3], (False, False))
        self.conv5 = ConvLayer(c[3], c[3], 1)
        self.global_avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Sequential(nn.Linear(c[3], FEATURE_DIM), nn.BatchNorm1d(FEATURE_DIM), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(FEATURE_DIM, num_classes) if num_classes else None
        self.apply(_initialise)

    @staticmethod
    def _stage(block: type[_Block], cin: int, cout: int, norms: tuple[bool, bool]) -> nn.Sequential:
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
