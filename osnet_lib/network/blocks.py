"""The layers and blocks of OSNet, with the attribute names that torchreid's checkpoints have.

From Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification" (ICCV 2019, arXiv 1905.00953), and for the
AIN block "Learning Generalisable Omni-Scale Representations for Person Re-Identification" (TPAMI 2021, arXiv
1910.06827).
"""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

STREAMS = 4  # T in the paper: streams of depth 1..T see T receptive fields
REDUCTION = 4  # a block's bottleneck is this much narrower than its output
GATE_REDUCTION = 16


class ConvLayer(nn.Module):
    """Convolution, batch or instance norm, ReLU."""

    def __init__(
        self, cin: int, cout: int, kernel: int, stride: int = 1, padding: int = 0, instance_norm: bool = False
    ):
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

    def weigh(self, means: Tensor) -> Tensor:
        """Weights ``[N, C, 1, 1]`` of the channels from their averages over the places."""
        return self.gate_activation(self.fc2(self.relu(self.fc1(means))))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weigh(self.global_avgpool(x))


class Block(nn.Module):
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

    def _add_streams(self, channels: int) -> None:
        raise NotImplementedError

    def streams(self) -> Iterable[nn.Module]:
        """The streams, the shortest first."""
        raise NotImplementedError

    def _gated_sum(self, x: Tensor) -> Tensor:
        gated = [self.gate(stream(x)) for stream in self.streams()]
        return sum(gated[1:], gated[0])

    def _residual(self, x: Tensor) -> Tensor:
        return self.conv3(self._gated_sum(self.conv1(x)))

    def _shortcut(self, x: Tensor) -> Tensor:
        return x if self.downsample is None else self.downsample(x)


class OSBlock(Block):
    """The omni-scale block (paper, figure 4); with `instance_norm` the IBN form, normalised after the sum."""

    def __init__(self, cin: int, cout: int, instance_norm: bool = False):
        super().__init__(cin, cout)
        self.IN = nn.InstanceNorm2d(cout, affine=True) if instance_norm else None

    def _add_streams(self, channels: int) -> None:
        self.conv2a = LightConv3x3(channels)
        self.conv2b = nn.Sequential(*(LightConv3x3(channels) for _ in range(2)))
        self.conv2c = nn.Sequential(*(LightConv3x3(channels) for _ in range(3)))
        self.conv2d = nn.Sequential(*(LightConv3x3(channels) for _ in range(4)))

    def streams(self) -> Iterable[nn.Module]:
        return self.conv2a, self.conv2b, self.conv2c, self.conv2d

    def forward(self, x: Tensor) -> Tensor:
        out = self._residual(x) + self._shortcut(x)
        return self.relu(out if self.IN is None else self.IN(out))


class OSBlockAIN(Block):
    """The block of OSNet-AIN: an instance norm, where the search put one, inside the residual."""

    def __init__(self, cin: int, cout: int, instance_norm: bool = False):
        super().__init__(cin, cout, bn=not instance_norm)
        self.IN = nn.InstanceNorm2d(cout, affine=True) if instance_norm else None

    def _add_streams(self, channels: int) -> None:
        self.conv2 = nn.ModuleList(LightStream(channels, depth) for depth in range(1, STREAMS + 1))

    def streams(self) -> Iterable[nn.Module]:
        return self.conv2

    def forward(self, x: Tensor) -> Tensor:
        out = self._residual(x)
        return self.relu((out if self.IN is None else self.IN(out)) + self._shortcut(x))
