"""The embedded weights and their card: data, recipe, time, seed, result."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from ..core.files import atomic_path, write_json
from ..core.host import environment
from ..datasets import minimarket
from ..datasets.market1501 import Market1501, open_market1501
from ..errors import CheckpointError
from ..inference.extract import extract_features
from ..inference.session import open_session
from ..metrics import evaluate
from ..network.checkpoint import Checkpoint, load_checkpoint
from ..network.osnet import build_model
from ..network.training import Recipe, train_model
from .workspace import Workspace


def training_arrays(dataset: Market1501) -> tuple[np.ndarray, np.ndarray]:
    """Train images, uint8 ``[N, height, width, 3]``, and labels 0 … identities - 1, int64 ``[N]``."""
    images = np.stack([np.asarray(dataset.image(sample)) for sample in dataset.train])
    _, labels = np.unique([sample.pid for sample in dataset.train], return_inverse=True)
    return images, labels.astype(np.int64)


def save_weights(model: torch.nn.Module, path: Path) -> Path:
    """Write a state dict as safetensors, floating point as float16, without the training classifier."""
    tensors = {
        name: (t.half() if t.is_floating_point() else t).contiguous()
        for name, t in model.state_dict().items()
        if not name.startswith("classifier.")
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary)
    return path


def train_mini(
    workspace: Workspace,
    path: Path,
    changes: dict | None = None,
    device: str | None = None,
    world: minimarket.World = minimarket.World(),
) -> dict:
    """Train on mini-market's train split, score the stored weights on its test split, write both files.

    Parameters
    ----------
    path : Path
        The ``.safetensors``; the card goes beside it with the suffix ``.json``.
    changes : dict, optional
        Fields of the recipe to change, e.g. ``{"full_epochs": 1}``.
    world : minimarket.World
        What to render; the embedded weights have seen the default.

    Returns
    -------
    dict
        The card.

    Raises
    ------
    CheckpointError
        Another suffix: it would be read back as another kind of file.
    """
    if path.suffix != ".safetensors":  # known before an hour of training, not after
        raise CheckpointError(
            "weights are stored as safetensors", where=path, cure="Give a name that ends in .safetensors."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    recipe = replace(Recipe(), **(changes or {}))
    folder = minimarket.render_minimarket(workspace.data / "mini-market-train", world, ("train", "query", "gallery"))
    with open_market1501(folder) as dataset:
        model, log = train_model(*training_arrays(dataset), recipe, device)
        save_weights(model, path)
        return write_card(workspace, path, dataset, recipe, world.seed, log)


def write_card(workspace: Workspace, path: Path, dataset: Market1501, recipe: Recipe, seed: int, log: dict) -> dict:
    """Score stored weights, and an untrained network beside them, and write the card.

    Parameters
    ----------
    path : Path
        The stored weights: what is scored is the float16 file, not the model that was in memory.
    dataset : Market1501
        The rendered data set with all three splits.
    seed : int
        The seed it was rendered from.
    log : dict
        What `training.train_model` returned.
    """
    checkpoint = load_checkpoint(path)
    untrained = replace(checkpoint, model=build_model(checkpoint.architecture, seed=recipe.seed), sha256="untrained")
    card = {
        "file": path.name,
        "sha256": checkpoint.sha256,
        "warning": "Trained on rendered people and scored on rendered people: never a Market-1501 accuracy.",
        "data": {
            "name": "mini-market",
            "sha256": dataset.digest,
            "seed": seed,
            "train_images": len(dataset.train),
            "train_identities": len({sample.pid for sample in dataset.train}),
            "test_queries": len(dataset.query),
            "test_gallery": len(dataset.gallery),
        },
        "recipe": asdict(recipe),
        "training": log,
        "environment": environment(),
        "result": _score(workspace, checkpoint, dataset),
        "untrained": _score(workspace, untrained, dataset),
    }
    write_json(path.with_suffix(".json"), card)
    return card


def _score(workspace: Workspace, checkpoint: Checkpoint, dataset: Market1501) -> dict:
    folder = workspace.features / "card"
    with open_session(checkpoint, "torch") as session:
        query, gallery = (
            extract_features(session, dataset, samples, folder / f"{name}.npz", 32)
            for name, samples in (("query", dataset.query), ("gallery", dataset.gallery))
        )
    return evaluate(query, gallery).as_dict()
