"""The command ``osnet diagnose``: what was done wrong to get these features, and how one knows."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..diagnosis.findings import Finding
    from ..features.store import Features

_SPLITS = ("query", "gallery")


def add_diagnose_command(
    command: Callable[..., argparse.ArgumentParser], session_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the command; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "diagnose",
        diagnose_command,
        "find out why features are wrong: preprocessing, names, model",
        "diagnose features osnet_x1_0.onnx Market-1501-v15.09.15.zip",
    )
    p.add_argument(
        "features",
        help="a .npz of osnet extract, a folder with query.npz, gallery.npz or both, or a "
        "dump folder of osnet infer, benchmark or ais_bench",
    )
    p.add_argument("model", help="the model they should come from: mini, market1501, a checkpoint or an .onnx")
    p.add_argument("dataset", help="the images: mini, a folder, zip or tar in Market-1501's layout, or a .csv")
    p.add_argument("--images", type=int, default=16, help="how many to recompute of each split (default 16)")
    p.add_argument(
        "--metric",
        choices=("euclidean", "cosine"),
        default="euclidean",
        help="the distance of the score, where query and gallery are given (default euclidean)",
    )
    session_options(p)


def diagnose_command(o: argparse.Namespace) -> None:
    """Run ``osnet diagnose``; raises ParityError, which is exit code 1, when something is wrong."""
    from ..diagnosis.findings import check_features, check_weights
    from ..diagnosis.recompute import diagnose
    from ..errors import ParityError
    from ..features.store import check_pair
    from ..inference.backends import BACKENDS, choose_backend
    from ..inference.session import open_session
    from ..network.checkpoint import Checkpoint, load_checkpoint
    from ..network.weights import find_weights
    from ..study.dataset import open_dataset

    given = _features(Path(o.features), o.dataset)
    if len(given) > 1:
        check_pair(given["query"], given["gallery"])
    path = find_weights(o.model)
    model: Path | Checkpoint = path
    wrong: list[str] = []
    if BACKENDS[choose_backend(o.backend, path)].reads_checkpoints:
        model = load_checkpoint(path)
        wrong += _show(o.model, check_weights(model))
    with (
        open_session(model, o.backend, o.device, o.threads, options=dict(o.option), precision=o.precision) as session,
        open_dataset(o.dataset) as dataset,
    ):
        for name, features in given.items():
            wrong += _show(name, diagnose(features, dataset, session, o.images))
    if len(given) > 1 and not wrong:  # else the score says no more
        wrong += _show("query and gallery", check_features(given["query"], given["gallery"], o.metric, False))
    if wrong:
        raise ParityError(f"wrong: {', '.join(dict.fromkeys(wrong))}", where=o.features)


def _features(path: Path, dataset: str) -> dict[str, Features]:
    """By split, as many as the folder has, or by file name."""
    from ..datasets.manifest import samples_of_dumps
    from ..features.store import load_features
    from ..guide.dump import read_dump

    if not path.is_dir():
        return {path.name: load_features(path)}
    files = {split: path / f"{split}.npz" for split in _SPLITS if (path / f"{split}.npz").exists()}
    if files:
        return {split: load_features(file) for split, file in files.items()}
    return {path.name: read_dump(path, samples=samples_of_dumps(dataset))}


def _show(where: str, findings: list[Finding]) -> list[str]:
    """Print findings; the names of those that are wrong."""
    for finding in findings:
        print(f"{where}: {finding.severity}: {finding.name}. {finding.text()}")
    return [finding.name for finding in findings if finding.severity == "wrong"]
