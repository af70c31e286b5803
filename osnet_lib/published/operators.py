"""The operators of an OSNet with what each computes and moves, read off its graph without computing anything."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from ..network.osnet import build_model

BYTES = 2  # of a number in half precision, in which an Ascend chip computes by default
# Compilers merge these into the operator before them: they move nothing of their own. So is the gate's sigmoid.
_FUSED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU, nn.Sigmoid)


@dataclass(frozen=True)
class Layer:
    """An operator; figures are of one image, in half precision.

    Attributes
    ----------
    name, kind : str
        Its node in the graph; ``conv 7x7``, ``conv 1x1``, ``depthwise 3x3``, ``linear``, ``pool``, ``gate``, ``add``.
    macs : int
        Multiply-adds of convolutions and linear layers; 0 elsewhere.
    input_bytes, output_bytes : int
        Activations it reads and writes, each tensor once.
    weight_bytes : int
        Weights and bias, the same at any batch size.
    kept_bytes : int
        Tensors that it does not read but a later operator will: shortcuts, the streams' input and their sum.
    """

    name: str
    kind: str
    macs: int
    input_bytes: int
    output_bytes: int
    weight_bytes: int
    kept_bytes: int

    def working_set(self, batch_size: int) -> int:
        """Bytes that it reads and writes for a batch."""
        return batch_size * (self.input_bytes + self.output_bytes) + self.weight_bytes

    def intensity(self, batch_size: int) -> float:
        """Operations (2 per multiply-add) per byte that it reads or writes."""
        return 2 * self.macs * batch_size / self.working_set(batch_size)


@lru_cache(maxsize=8)
def network_layers(network: str = "osnet_x1_0") -> tuple[Layer, ...]:
    """The operators of a network in the order in which they run.

    Norms and activations count as part of the operator before them, as a compiler merges them. An instance norm (ibn,
    ain), whose statistics come from the image, reads and writes its tensor once.

    Raises
    ------
    CheckpointError
        A network that is none of `osnet_lib.network.osnet.ARCHITECTURES`.
    """
    with torch.device("meta"):  # shapes without numbers
        graph = fx.symbolic_trace(build_model(network))
    ShapeProp(graph).propagate(torch.zeros(1, 3, 256, 128, device="meta"))
    modules, nodes = dict(graph.named_modules()), list(graph.graph.nodes)
    # A fused operator writes under the name of the last node merged into it.
    source: dict[fx.Node, fx.Node] = {}
    for node in nodes:
        merged = node.op == "call_method" or isinstance(modules.get(node.target), _FUSED)
        source[node] = source[node.all_input_nodes[0]] if merged else node
    last_use = {source[n]: place for place, node in enumerate(nodes) for n in node.all_input_nodes}
    alive: set[fx.Node] = set()
    layers = []
    for place, node in enumerate(nodes):
        alive = {n for n in alive if last_use.get(n, -1) >= place}
        if source[node] is not node or node.op == "output":
            continue
        kept = alive - {source[n] for n in node.all_input_nodes}
        alive.add(node)
        if node.op == "placeholder":
            continue
        module = modules.get(node.target) if node.op == "call_module" else None
        layers.append(
            Layer(
                node.name,
                _kind(node, module),
                _macs(node, module),
                sum(map(_bytes, node.all_input_nodes)),
                _bytes(node),
                BYTES * sum(p.numel() for p in module.parameters()) if module else 0,
                sum(map(_bytes, kept)),
            )
        )
    return tuple(layers)


def _bytes(node: fx.Node) -> int:
    return BYTES * math.prod(node.meta["tensor_meta"].shape)


def _kind(node: fx.Node, module: nn.Module | None) -> str:
    if isinstance(module, nn.Conv2d):
        depthwise = module.groups == module.in_channels > 1
        return f"{'depthwise' if depthwise else 'conv'} {module.kernel_size[0]}x{module.kernel_size[1]}"
    if module is None:
        name = node.target if isinstance(node.target, str) else node.target.__name__
        return {"mul": "gate", "add": "add"}.get(name, name)
    return {nn.Linear: "linear", nn.InstanceNorm2d: "instance norm"}.get(type(module), "pool")


def _macs(node: fx.Node, module: nn.Module | None) -> int:
    if isinstance(module, nn.Conv2d):
        return module.weight.numel() * math.prod(node.meta["tensor_meta"].shape[2:])
    return module.weight.numel() if isinstance(module, nn.Linear) else 0
