"""OSNet with the streams of a block side by side: the same function in fewer and wider operators.

The streams of a block differ in depth only. Those that still run at a level are computed as one: the first pointwise
convolutions, which read the same input, become a dense one with all their outputs, the later ones a grouped one, and
the depthwise convolutions and norms, which keep channels apart anyway, become wider. No product is added and no weight
is changed, so that only the order of float additions may differ.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from ..errors import ExportError
from .blocks import STREAMS, Block, LightConv3x3, OSBlock, OSBlockAIN
from .osnet import OSNet

_LAYER = [nn.Conv2d, nn.Conv2d, nn.BatchNorm2d, nn.ReLU]  # of a light convolution, in its order


class Level(LightConv3x3):
    """A light convolution of several streams, ``[N, k C, H, W]``; the first level reads the ``C`` that they share."""

    def __init__(self, channels: int, streams: int):
        super().__init__(streams * channels)
        if streams == STREAMS:
            self.conv1 = nn.Conv2d(channels, streams * channels, 1, bias=False)
        else:
            self.conv1 = nn.Conv2d(streams * channels, streams * channels, 1, bias=False, groups=streams)


class _SideBySide(Block):
    """A block whose streams are computed level by level."""

    def _add_streams(self, channels: int) -> None:
        self.channels = channels
        self.levels = nn.ModuleList(Level(channels, streams) for streams in range(STREAMS, 0, -1))

    def streams(self) -> Iterable[nn.Module]:
        """The levels: streams of their own it has none any more."""
        return self.levels

    def _gated_sum(self, x: Tensor) -> Tensor:
        ended = []
        for depth, level in enumerate(self.levels, 1):
            x = level(x)
            if depth < STREAMS:
                end, x = x.split([self.channels, (STREAMS - depth) * self.channels], dim=1)
                ended.append(end)
        ended.append(x)
        # The gate sees the streams of a batch as a batch four times as large.
        means = torch.cat([self.gate.global_avgpool(stream) for stream in ended], dim=1)
        weights = self.gate.weigh(means.reshape(-1, self.channels, 1, 1)).reshape(-1, STREAMS * self.channels, 1, 1)
        gated = [stream * weight for stream, weight in zip(ended, weights.split(self.channels, dim=1))]
        return sum(gated[1:], gated[0])


class FusedOSBlock(_SideBySide, OSBlock):
    """`OSBlock`, its streams side by side."""


class FusedOSBlockAIN(_SideBySide, OSBlockAIN):
    """`OSBlockAIN`, its streams side by side."""


class FusedOSNet(OSNet):
    """`OSNet` of fused blocks; `fuse_streams` makes it."""

    block, block_ain = FusedOSBlock, FusedOSBlockAIN


def fuse_streams(model: OSNet) -> FusedOSNet:
    """The same network with fused streams, in eval mode; `model` stays as it is.

    Raises
    ------
    ExportError
        A block whose streams are not one to four light convolutions, which this would change; it is named.
    """
    tensors = dict(model.state_dict())
    for name, block in model.named_modules():
        if isinstance(block, Block):
            streams = _light_convolutions(name, block)
            for inner, module in block.named_modules():
                if isinstance(module, LightConv3x3):
                    for key in module.state_dict():
                        del tensors[f"{name}.{inner}.{key}"]
            for level in range(STREAMS):
                parts = [layers[level].state_dict() for layers in streams[level:]]
                for key, first in parts[0].items():  # what is no vector is the counter of a norm
                    whole = torch.cat([part[key] for part in parts]) if first.ndim else first
                    tensors[f"{name}.levels.{level}.{key}"] = whole
    fused = FusedOSNet(model.architecture)
    fused.load_state_dict(tensors)
    return fused.eval()


def _light_convolutions(name: str, block: Block) -> list[list[LightConv3x3]]:
    """The layers of each stream, of which the stream at place i has i + 1."""
    streams = list(block.streams())
    kinds = [[type(m) for m in stream.modules() if not list(m.children())] for stream in streams]
    if kinds != [_LAYER * depth for depth in range(1, STREAMS + 1)]:
        found = "; ".join(", ".join(kind.__name__ for kind in some) or "none" for some in kinds)
        raise ExportError(
            f"its streams are not one to {STREAMS} light convolutions with batch norm (layers: {found}), so that "
            "fused they would compute something else",
            where=name,
            cure="Export this network without fusing its streams.",
        )
    return [[m for m in stream.modules() if isinstance(m, LightConv3x3)] for stream in streams]
