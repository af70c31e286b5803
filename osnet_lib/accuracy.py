"""Features and scores of the study on a workspace: kept, and used again while model, data and code are the same."""

from __future__ import annotations

from pathlib import Path

from .checkpoint import Checkpoint
from .export import export_onnx, simplify_onnx
from .features import Features, extract_features, load_features
from .lineage import code_digest
from .market1501 import Market1501, Sample
from .metrics import METRICS, Evaluation, evaluate
from .pipeline import model_label, runnable_model
from .preprocess import iter_batches
from .results import Result, environment, read_results, result_name, write_result
from .session import choose_backend, open_session
from .workspace import Workspace, artefact


def measure_features(
    workspace: Workspace,
    dataset: Market1501,
    checkpoint: Checkpoint,
    batch_size: int = 16,
    backend: str = "auto",
    device: int = 0,
    progress: bool = True,
) -> tuple[Features, Features]:
    """Features of query and gallery; kept, and used again while model, data and code are the same."""
    model = runnable_model(workspace, checkpoint, batch_size, backend)

    def split_features(split: str, samples: tuple[Sample, ...]) -> Features:
        name = result_name(
            dataset.path.stem, model_label(checkpoint), choose_backend(backend), f"bs{batch_size}", split
        )
        key = {
            "weights": checkpoint.sha256,
            "dataset": dataset.digest,
            "split": split,
            "batch_size": batch_size,
            "backend": choose_backend(backend),
            "versions": environment()["versions"],
            "code": code_digest(
                extract_features, iter_batches, open_session, export_onnx, simplify_onnx, type(checkpoint.model)
            ),
        }

        def make(path: Path) -> None:
            with open_session(model, backend, device) as session:
                extract_features(session, dataset, samples, path, batch_size, progress)

        return load_features(artefact(workspace.features / f"{name}.npz", key, make))

    return split_features("query", dataset.query), split_features("gallery", dataset.gallery)


def measure_accuracy(
    workspace: Workspace, query: Features, gallery: Features, checkpoint: Checkpoint, is_market1501: bool = False
) -> dict[str, Evaluation]:
    """Score features by the Market-1501 protocol, with every distance, and write one result each.

    Returns
    -------
    dict of str to Evaluation
        By distance, ``"euclidean"`` and ``"cosine"``.
    """
    session, stem = query.conditions["session"], Path(query.conditions["dataset"]["file"]).stem
    evaluations = {}
    for metric in METRICS:
        evaluations[metric] = evaluate(
            query.features, query.pids, query.camids, gallery.features, gallery.pids, gallery.camids, metric
        )
        write_result(
            workspace.results,
            Result(
                "accuracy",
                result_name(
                    stem, model_label(checkpoint), session["backend"], f"bs{query.conditions['batch_size']}", metric
                ),
                {"model": checkpoint.describe(), "is_market1501": is_market1501, "metric": metric, **query.conditions},
                evaluations[metric].as_dict(),
            ),
        )
    return evaluations


def accuracy_results(workspace: Workspace, checkpoint: Checkpoint) -> list[Result]:
    """Accuracy results of these very weights, on whatever data set and backend."""
    return [
        r for r in read_results(workspace.results, "accuracy") if r.conditions["model"]["sha256"] == checkpoint.sha256
    ]
