"""Where the network looks: the strength of its last feature maps, place by place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from ..datasets.preprocess import HEIGHT, WIDTH
from ..errors import SessionError, first_line
from .checkpoint import Checkpoint
from .osnet import OSNet


def activation_map(checkpoint: Checkpoint | OSNet, batch: np.ndarray) -> np.ndarray:
    """Activation maps of images: sum over channels of the squared maps before the pooling, of unit length.

    With the maps A_c of conv5, whose average over the places is all that the feature is computed from, ::

        F = sum_c A_c^2,      map = F / |F|_2

    the attention map of Zagoruyko and Komodakis, "Paying More Attention to Attention" (ICLR 2017), which torchreid
    draws in ``tools/visualize_actmap.py``.

    Parameters
    ----------
    checkpoint : Checkpoint or OSNet
        The network in eval mode; it is not changed.
    batch : float32 array [N, 3, 256, 128]
        Images as `osnet_lib.datasets.preprocess` gives them. They are run one by one on one thread of the CPU (or
        where the model lies), some tenths of a second each.

    Returns
    -------
    float32 array [N, 16, 8]
        Not negative; the squares of a map sum to 1. All zero where no channel answers.

    Raises
    ------
    SessionError
        A batch of another type or shape, or with NaN or infinity; a model in training mode or one that fails.
    """
    model = checkpoint.model if isinstance(checkpoint, Checkpoint) else checkpoint
    if model.training:
        raise SessionError(
            "the model is in training mode, in which a batch changes it",
            where="activation map",
            cure="Call model.eval() first.",
        )
    shape = (3, HEIGHT, WIDTH)
    if not isinstance(batch, np.ndarray) or batch.dtype != np.float32 or batch.shape[1:] != shape or not len(batch):
        kind = f"{batch.dtype} of shape {batch.shape}" if isinstance(batch, np.ndarray) else type(batch).__name__
        raise SessionError(
            f"a batch of {kind}", where="activation map", cure="Give float32 [N, 3, 256, 128], at least one image."
        )
    if not np.isfinite(batch).all():
        raise SessionError("the batch holds NaN or infinity", where="activation map", cure="Check the preprocessing.")
    maps: list[np.ndarray] = []

    def keep(_module: nn.Module, _inputs: Sequence[Tensor], output: Tensor) -> None:
        maps.append(output.square().sum(dim=1)[0].cpu().numpy())

    place = next(model.parameters()).device
    threads = torch.get_num_threads()
    hook = model.conv5.register_forward_hook(keep)  # the graph itself, and so the export, stays as it is
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            for image in batch:
                model(torch.from_numpy(image[None].copy()).to(place))
    except RuntimeError as error:
        raise SessionError(
            f"PyTorch failed ({first_line(error)})", where="activation map", cure="Look for too little memory."
        ) from error
    finally:
        hook.remove()
        torch.set_num_threads(threads)
    strength = np.stack(maps)
    length = np.sqrt(np.square(strength, dtype=np.float64).sum(axis=(1, 2), keepdims=True))
    return np.divide(strength, length, out=np.zeros_like(strength), where=length > 0, casting="same_kind")


def quantised(maps: np.ndarray) -> np.ndarray:
    """Activation maps (N, h, w) as whole numbers from 0 to 15, each relative to its own largest value."""
    largest = maps.max(axis=(1, 2), keepdims=True, initial=0)
    return np.round(15 * np.divide(maps, largest, out=np.zeros_like(maps), where=largest > 0)).astype(np.uint8)
