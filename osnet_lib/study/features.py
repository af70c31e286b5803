"""Features of the study: kept, and used again while model, data and code are the same."""

from __future__ import annotations

from ..conversion.export import export_onnx, simplify_onnx
from ..core.code_digest import code_digest
from ..core.results import result_name
from ..datasets.market1501 import Market1501, Sample
from ..features.store import Features
from ..inference.backends import choose_backend
from ..inference.extract import kept_features
from ..inference.session import open_session
from ..network.checkpoint import Checkpoint
from .models import model_label, runnable_model
from .workspace import Workspace


def measure_features(
    workspace: Workspace,
    dataset: Market1501,
    checkpoint: Checkpoint,
    batch_size: int = 16,
    backend: str = "auto",
    device: int = 0,
    progress: bool = True,
    flip: bool = False,
) -> tuple[Features, Features]:
    """Features of query and gallery; with `flip`, of the mirrored images."""
    query, gallery = (
        split_features(workspace, dataset, checkpoint, split, batch_size, backend, device, progress, flip)
        for split in ("query", "gallery")
    )
    return query, gallery


def split_features(
    workspace: Workspace,
    dataset: Market1501,
    checkpoint: Checkpoint,
    split: str,
    batch_size: int,
    backend: str,
    device: int,
    progress: bool,
    flip: bool = False,
) -> Features:
    """Features of one split of the data set (the name of its attribute)."""
    samples: tuple[Sample, ...] = getattr(dataset, split)
    model = runnable_model(workspace, checkpoint, batch_size, backend, progress=progress)
    chosen = choose_backend(backend)
    name = result_name(dataset.path.stem, model_label(checkpoint), chosen, f"bs{batch_size}", *["flip"] * flip, split)
    facts = {
        "weights": checkpoint.sha256,
        "backend": chosen,
        "network": code_digest(export_onnx, simplify_onnx, type(checkpoint.model)),
    }
    return kept_features(
        workspace.features / f"{name}.npz",
        facts,
        lambda: open_session(model, backend, device),
        dataset,
        samples,
        batch_size,
        progress,
        flip,
    )
