"""Whether the verdict on a timing is right: beside a busy process on each core, and undisturbed.

Beside busy processes every try must be *disturbed*. Alone, of the tries during which others used no more cores and
steal than the bounds of `osnet_lib.core.disturbance` allow, 19 in 20 must be *quiet*; on a machine that others use it
is tried up to five times as often until there are enough such tries. A try lasts some seconds: the host of a virtual
machine takes its cores away for tenths of a second, which no counter shows and a short timing is full of. Exit code 1
where either does not hold, or too few tries could be judged. Each condition is timed in one process of its own, to
which the busy ones do not belong.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any

from command import command, finish, parse, refusals
from process import run_child
from threads import neighbours
from tqdm import tqdm

from osnet_lib.core.disturbance import DISTURBED, QUIET, STEAL_CORES, foreign_bound
from osnet_lib.core.host import environment, usable_cores
from osnet_lib.core.machine import describe_machine
from osnet_lib.inference.benchmark import Benchmark, run_benchmark
from osnet_lib.inference.exported import exported_onnx
from osnet_lib.inference.session import open_session
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.weights import find_weights

NUMBERS = {"tries": 20, "batch-size": 1, "rounds": 200, "warmup": 5, "seed": 0}
BUSY, ALONE = "beside a busy process on each core", "undisturbed"
NEEDED = {BUSY: 1.0, ALONE: 0.95}  # of the tries that count
WORD = {BUSY: DISTURBED, ALONE: QUIET}
PATIENCE = 5  # times the tries, at most, until enough of them met no others


def counts(measured: Benchmark) -> bool:
    """Whether others used no more than a quiet timing allows, so far as the machine told."""
    span = measured.watched.decisive if measured.watched else None
    if span is None or span.foreign is None:
        return False
    return span.foreign <= foreign_bound(usable_cores()) and (span.steal or 0.0) <= STEAL_CORES


def try_often(options: argparse.Namespace) -> list[dict[str, Any]]:
    """In the child: so many tries that count. All of them do beside busy processes."""
    busy, tries = options.child == BUSY, []
    most = options.tries * (1 if busy else PATIENCE)
    with open_session(options.model, "onnxruntime") as session, tqdm(desc=options.child, unit="try") as bar:
        while len(tries) < most and sum(one["counts"] for one in tries) < options.tries:
            measured = run_benchmark(
                session, options.batch_size, options.rounds, options.warmup, progress=False, seed=options.seed
            )
            verdict = measured.verdict
            assert verdict
            tries.append({"counts": busy or counts(measured), "word": verdict.word, "reasons": list(verdict.reasons)})
            bar.update()
    return tries


def judge_tries(condition: str, tries: list[dict[str, Any]], wanted: int) -> dict[str, Any]:
    """How many of the tries that count have the word that they should, and whether that is enough of enough."""
    words = [one["word"] for one in tries if one["counts"]]
    right = words.count(WORD[condition])
    holds = len(words) >= wanted and right >= NEEDED[condition] * len(words)
    return {"tries": tries, "counted": len(words), "right": right, "wanted": wanted, "holds": holds}


def report(measured: dict[str, Any]) -> str:
    """The counts of each condition, and what was said of those that are wrong."""
    lines = []
    for condition, found in measured["by_condition"].items():
        lines.append(
            f"{condition}: {found['right']} of {found['counted']} {WORD[condition]}, needed {NEEDED[condition]:.0%} of "
            f"{found['wanted']} or more: {'yes' if found['holds'] else 'NO'}"
        )
        if (others := len(found["tries"]) - found["counted"]) > 0:
            lines.append(f"  {others} tries more met other programs or steal above the bounds and do not count")
        wrong = [one for one in found["tries"] if one["counts"] and one["word"] != WORD[condition]]
        lines += [f"  {one['word']}: {'; '.join(one['reasons']) or 'no reason'}" for one in wrong]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command(__doc__ or "", NUMBERS)
    parser.add_argument("--model", default="mini", help="mini, market1501, a checkpoint or an .onnx (default mini)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parse(parser, NUMBERS, list(arguments) if arguments is not None else None)
    with refusals(parser):
        path = find_weights(options.model)
        options.model = path if path.suffix == ".onnx" else exported_onnx(load_checkpoint(path))
        if options.child is not None:
            print(json.dumps({"tries": try_often(options)}))
            return 0
    given = {name: getattr(options, name.replace("-", "_")) for name in NUMBERS}
    line = ["--model", options.model, *(f"--{name}={value}" for name, value in given.items())]
    found = {}
    for condition in (BUSY, ALONE):
        with neighbours(int(condition == BUSY)):
            tries = run_child("verdicts.py", [*line, "--child", condition])["tries"]
        found[condition] = judge_tries(condition, tries, options.tries)
    measured = {
        "conditions": {
            "benchmark": "verdicts",
            **{name.replace("-", "_"): value for name, value in given.items()},
            "model": options.model.name,
            "environment": environment(),
            "machine": describe_machine(),
        },
        "by_condition": found,
        "same": True,
        "fits": all(one["holds"] for one in found.values()),
    }
    return finish(measured, report, options.json)


if __name__ == "__main__":
    sys.exit(main())
