"""The commands ``osnet study`` and ``osnet train``: the whole book, and the weights that come with the package."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path


def add_study_commands(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the commands; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "study",
        _study,
        "run every notebook and build the book",
        "study --dataset Market-1501-v15.09.15.zip --weights checkpoint.pth",
    )
    p.add_argument(
        "--dataset",
        default="mini",
        help="mini (default); a folder, zip or tar in Market-1501's layout; a manifest (.csv) of osnet manifest",
    )
    p.add_argument("--weights", default="mini", help="mini (default), market1501, or a checkpoint")
    p.add_argument("--batch-size", type=int, default=16, help="images a call for features; also timed (default 16)")
    p.add_argument(
        "--backend", default="auto", help="auto (default), onnxruntime, openvino, torch, ascend, cann or torch_npu"
    )
    p.add_argument("--device", type=int, default=0, help="device number (default 0)")
    p.add_argument(
        "--precision",
        default="float32",
        help="float32 (default), bfloat16, float16 or int8, as backend and CPU have it",
    )
    p.add_argument(
        "--pictures",
        action="store_true",
        help="let the ranking explorer show pictures of DATASET; keep such a book to yourself",
    )
    p.add_argument("--no-book", action="store_true", help="run the notebooks only")

    p = command("train", _train, "train the embedded weights on mini-market", "train weights/mini.safetensors")
    p.add_argument("output", help="the .safetensors to write; its card goes beside it as .json")
    p.add_argument("--small-epochs", type=int, help="epochs at 128x64 (default: the recipe's)")
    p.add_argument("--full-epochs", type=int, help="epochs at 256x128 (default: the recipe's)")
    p.add_argument("--device", help="cuda or cpu (default: cuda where there is one)")


def _study(o: argparse.Namespace) -> None:
    from ..study.book import build_book
    from ..study.run import run_matrix, run_study
    from ..study.study import Study

    study = Study("", o.dataset, o.weights, o.batch_size, o.backend, o.device, o.precision, False, o.pictures)
    run_study(study.place, run_matrix(study))
    if not o.no_book:
        print(build_book(study.place))


def _train(o: argparse.Namespace) -> None:
    from ..study.training import train_mini
    from ..study.workspace import open_workspace

    changes = {k: v for k, v in (("small_epochs", o.small_epochs), ("full_epochs", o.full_epochs)) if v is not None}
    card = train_mini(open_workspace(), Path(o.output), changes, o.device)
    print(json.dumps(card["result"]))
