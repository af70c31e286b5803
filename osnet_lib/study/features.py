"""Features of the study: kept, and used again while model, data and code are the same."""

from __future__ import annotations

from ..conversion.export import export_onnx, simplify_onnx
from ..core.code_digest import code_digest
from ..core.results import result_name
from ..datasets.market1501 import Sample
from ..features.store import Features
from ..inference.backends import choose_backend
from ..inference.extract import kept_features
from .dataset import images_of
from .models import checkpoint_of, model_label
from .runnable import open_runnable
from .study import Study


def measure_features(study: Study, flip: bool = False) -> tuple[Features, Features]:
    """Features of query and gallery; with `flip`, of the mirrored images."""
    query, gallery = (split_features(study, split, flip) for split in ("query", "gallery"))
    return query, gallery


def split_features(study: Study, split: str, flip: bool = False) -> Features:
    """Features of one split of the data set (the name of its attribute)."""
    checkpoint, chosen = checkpoint_of(study), choose_backend(study.backend)
    facts = {
        "weights": checkpoint.sha256,
        "backend": chosen,
        **({"precision": study.precision} if study.precision != "float32" else {}),
        "network": code_digest(export_onnx, simplify_onnx, type(checkpoint.model)),
    }
    with images_of(study) as dataset:
        samples: tuple[Sample, ...] = getattr(dataset, split)
        name = result_name(
            dataset.path.stem,
            model_label(checkpoint),
            chosen,
            *[study.precision] * (study.precision != "float32"),
            f"bs{study.batch_size}",
            *["flip"] * flip,
            split,
        )
        return kept_features(
            study.place.features / f"{name}.npz",
            facts,
            lambda: open_runnable(study),
            dataset,
            samples,
            study.batch_size,
            study.progress,
            flip,
        )
