"""Networks that several test modules share: random but reproducible weights, and what is exported from them.

Each is made once per process, in a folder that goes away with it.
"""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import nn

from helpers.refusals import refused
from osnet_lib.conversion.export import export_onnx, simplify_onnx
from osnet_lib.errors import CheckpointError, OSNetError
from osnet_lib.network.checkpoint import Checkpoint, load_checkpoint
from osnet_lib.network.osnet import build_model

torch.set_num_threads(1)  # networks this small gain nothing from a second, and lose much where cores are shared

_FOLDER = tempfile.TemporaryDirectory(prefix="osnet-tests-")
FOLDER = Path(_FOLDER.name)


def state_dict(name: str = "osnet_x0_25", classes: int = 751) -> dict[str, torch.Tensor]:
    """A fresh state dict with norms as uneven as after training; fresh norms would hide most mistakes."""
    return {key: value.clone() for key, value in _state_dict(name, classes).items()}


@cache
def _state_dict(name: str, classes: int) -> dict[str, torch.Tensor]:
    model, random = build_model(name, classes, seed=1), torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d, nn.InstanceNorm2d)):
            module.weight.data.uniform_(0.5, 1.5, generator=random)
            module.bias.data.normal_(0, 0.1, generator=random)
            if module.running_mean is not None:
                module.running_mean.normal_(0, 0.1, generator=random)
                module.running_var.uniform_(0.5, 1.5, generator=random)
        if isinstance(module, nn.Linear):  # torchreid's start value 0.01 would bury the feature under the norm's bias
            module.weight.data.normal_(0, 0.2, generator=random)
    return model.state_dict()


@cache
def checkpoint_path(name: str = "osnet_x0_25") -> Path:
    path = FOLDER / f"{name}.pt"
    torch.save(state_dict(name), path)
    return path


@cache
def checkpoint(name: str = "osnet_x0_25") -> Checkpoint:
    return load_checkpoint(checkpoint_path(name))


@cache
def onnx_path(batch_size: int | None = None, fuse_streams: bool = False) -> Path:
    """The exported network; simplified to a fixed batch when one is given."""
    stem = f"osnet{'_fused' * fuse_streams}"
    if batch_size is None:
        return export_onnx(checkpoint(), FOLDER / f"{stem}.onnx", fuse_streams=fuse_streams).path
    source = onnx_path(fuse_streams=True) if fuse_streams else onnx_path()
    return simplify_onnx(source, FOLDER / f"{stem}_bs{batch_size}_sim.onnx", batch_size).path


def images(count: int, seed: int = 0) -> np.ndarray:
    """Smooth random pictures, float32 ``[count, 3, 256, 128]``, that differ from each other as a whole."""
    random = np.random.default_rng(seed)
    coarse = random.normal(size=(count, 3, 8, 4)).repeat(32, axis=2).repeat(32, axis=3)
    return (coarse + random.normal(scale=0.2, size=coarse.shape)).astype(np.float32)


def refused_checkpoint(path: Path) -> OSNetError:
    """What loading a file raises, which names it."""
    error = refused(CheckpointError, load_checkpoint, path)
    assert str(error).startswith(f"{path}: ")
    return error
