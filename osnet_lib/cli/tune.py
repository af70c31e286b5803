"""The ``osnet tune`` command: which engine, precision, graph and number of threads to take on this machine."""

from __future__ import annotations

import argparse
from collections.abc import Callable


def add_tune_command(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the command; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "tune",
        _tune,
        "find the fastest engine and precision within a budget of accuracy, for --backend tuned",
        "tune mini --budget 0.1 --batch-size 8",
    )
    p.add_argument("model", help="mini, market1501, a checkpoint or a float32 .onnx")
    p.add_argument(
        "--dataset", default="mini", help="mini (default), a folder, zip or tar in Market-1501's layout, or a manifest"
    )
    p.add_argument(
        "--budget",
        type=float,
        default=0.1,
        help="points of mAP that may be lost, against the upper end of the paired interval (default 0.1)",
    )
    p.add_argument("--batch-size", type=int, default=16, help="images a call (default 16)")
    p.add_argument("--queries", type=int, default=0, help="queries to score, evenly spread (default 0: all)")
    p.add_argument("--rounds", type=int, default=10, help="timed rounds of each (default 10; of the fastest twice)")
    p.add_argument("--output", metavar="FILE", help="also write the table and all conditions to FILE (JSON)")


def _tune(o: argparse.Namespace) -> None:
    from ..core.files import read_json, write_json
    from ..report.engines import (
        engines_table,
        finalists_table,
        left_out_text,
        recommendation_sentence,
        used_sentence,
    )
    from ..study.engines import tune
    from ..study.study import Study

    study = Study("", o.dataset, o.model, o.batch_size)
    result, path = tune(study, o.budget, o.queries, o.rounds)
    parts = [engines_table(result), finalists_table(result), left_out_text(result), used_sentence(result)]
    print("\n\n".join(str(part) for part in parts if str(part)))
    print(recommendation_sentence(result))
    print(f"{path}: read by --backend tuned")
    if o.output:
        print(write_json(o.output, read_json(path)))
