"""Training of the embedded weights: torchreid's softmax recipe, shortened to fit a CPU."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812 - as everyone calls it
from tqdm import tqdm

from ..datasets.preprocess import HEIGHT, MEAN, STD, WIDTH
from ..errors import DatasetError, SessionError
from .osnet import OSNet, build_model


@dataclass(frozen=True)
class Recipe:
    """Softmax loss with label smoothing, AMSGrad, random flip: the names and values of torchreid.

    The zoo trains 150 epochs at 256x128. Here most epochs see 128x64, where an image costs a
    quarter, and the last ones the size that is used afterwards.
    """

    architecture: str = "osnet_x1_0"
    small_epochs: int = 20
    full_epochs: int = 6
    batch_size: int = 64
    learning_rate: float = 0.0015
    full_learning_rate: float = 0.0005
    label_smoothing: float = 0.1
    weight_decay: float = 5e-4
    seed: int = 1501


def learning_rate(recipe: Recipe, epoch: int) -> float:
    """Published is one step down, late; here the steps come with the larger images and half-way through them."""
    full = epoch - recipe.small_epochs
    if full < 0:
        return recipe.learning_rate
    return recipe.full_learning_rate * (0.3 if full >= recipe.full_epochs // 2 else 1)


def train_model(
    images: np.ndarray, labels: np.ndarray, recipe: Recipe = Recipe(), device: str | None = None, progress: bool = True
) -> tuple[OSNet, dict]:
    """Train an OSNet from random weights.

    Parameters
    ----------
    images : uint8 array, shape (N, height, width, 3)
        RGB crops in their own size (64x128 pixels in Market-1501's layout).
    labels : int array, shape (N,)
        Identity of each crop, 0 to the number of identities - 1.
    device : str, optional
        ``"cuda"`` when there is one, else ``"cpu"``. The CPU computes in bfloat16 where it can.

    Returns
    -------
    model : OSNet
        In eval mode, on the CPU, with its classifier.
    log : dict
        Mean loss and training accuracy of each epoch, seconds, device.

    Raises
    ------
    DatasetError
        Fewer images than a batch takes.
    SessionError
        A device that is not there.
    """
    if len(images) < recipe.batch_size:
        raise DatasetError(
            f"{len(images)} images do not fill a batch of {recipe.batch_size}",
            where="train",
            cure="Give more images or a smaller batch_size.",
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an unknown name, or a torch without it
        raise SessionError(
            f"no device {device!r} here", where="device", cure="Give cpu, or cuda where torch sees one."
        ) from error
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    model = build_model(recipe.architecture, int(labels.max()) + 1, seed=recipe.seed)
    model = model.train().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as documented
    optimiser = torch.optim.Adam(
        model.parameters(), recipe.learning_rate, weight_decay=recipe.weight_decay, amsgrad=True
    )
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2)
    targets = torch.from_numpy(labels.astype(np.int64))
    epochs, started = [], time.perf_counter()
    for epoch in range(recipe.small_epochs + recipe.full_epochs):
        small = epoch < recipe.small_epochs
        size = (HEIGHT // 2, WIDTH // 2) if small else (HEIGHT, WIDTH)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(recipe, epoch)
        order = torch.randperm(len(pixels), generator=generator)
        batches = order[: len(order) // recipe.batch_size * recipe.batch_size].split(recipe.batch_size)
        losses, right = [], 0
        for index in tqdm(
            batches, desc=f"epoch {epoch + 1} at {size[0]}x{size[1]}", unit="batch", disable=not progress
        ):
            flip = torch.rand(len(index), generator=generator) < 0.5
            loss, correct = _step(
                model,
                optimiser,
                _augment(pixels[index].to(device), flip.to(device), size),
                targets[index].to(device),
                recipe.label_smoothing,
            )
            losses.append(loss)
            right += correct
        epochs.append({"loss": float(np.mean(losses)), "accuracy": right / (len(batches) * recipe.batch_size)})
        if progress:
            tqdm.write(f"epoch {epoch + 1}: loss {epochs[-1]['loss']:.3f}, accuracy {epochs[-1]['accuracy']:.3f}")
    seconds = time.perf_counter() - started
    return model.eval().cpu(), {"epochs": epochs, "seconds": round(seconds, 1), "device": device}


def _augment(batch: torch.Tensor, flip: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """uint8 [n, 3, h, w] -> normalised float32 of `size`, mirrored where `flip`."""
    batch = batch.float() / 255
    if batch.shape[-2:] != size:
        batch = F.interpolate(batch, size, mode="bilinear", antialias=True).clamp(0, 1)
    batch = torch.where(flip[:, None, None, None], batch.flip(-1), batch)
    mean, std = (torch.tensor(v, device=batch.device).view(1, 3, 1, 1) for v in (MEAN, STD))
    return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)


def _step(
    model: nn.Module, optimiser: torch.optim.Optimizer, batch: torch.Tensor, target: torch.Tensor, smoothing: float
) -> tuple[float, int]:
    with torch.autocast(batch.device.type, dtype=torch.bfloat16):
        logits = model(batch)
    loss = F.cross_entropy(logits.float(), target, label_smoothing=smoothing)
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    optimiser.step()
    return float(loss.detach()), int((logits.argmax(1) == target).sum())
