"""``make fuzz``: many inputs, a report, and exit code 1 where one of them ended badly."""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from random import Random

from tqdm import tqdm

from fuzz.issue import INPUTS
from fuzz.report import report
from fuzz.runner import run
from fuzz.targets import TARGETS
from fuzz.worker import Reader, classify


def drawn(count: int, seed: int, targets: list[str]) -> list[dict]:
    """So many inputs of the targets by their weights, in a random order."""
    random = Random(seed)
    weights = [TARGETS[name].weight for name in targets]
    numbers = dict.fromkeys(targets, 0)
    chosen = []
    for name in random.choices(targets, weights, k=count):
        chosen.append({"target": name, "number": numbers[name]})
        numbers[name] += 1
    return chosen


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="make fuzz", description=__doc__)
    parser.add_argument("--inputs", type=int, default=50_000, help="how many (default 50,000)")
    parser.add_argument("--seed", type=int, default=1, help="of all that is random (default 1)")
    parser.add_argument("--workers", type=int, default=len(os.sched_getaffinity(0)), help="processes (default: cores)")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one; may be repeated")
    parser.add_argument("--again", metavar="FILE", help="read one input again, that ended badly")
    options = parser.parse_args()
    if options.again:
        return _again(Path(options.again).resolve(), options.seed)
    targets = options.target or list(TARGETS)
    chosen = [{"issue": name} for name, given in INPUTS.items() if given.target in targets]
    chosen += drawn(max(options.inputs - len(chosen), 0), options.seed, targets)
    started = time.perf_counter()
    with tqdm(total=len(chosen), unit="input", mininterval=5) as bar:
        ended = run(chosen, options.seed, options.workers, lambda _one: bar.update())
    print(report(ended, time.perf_counter() - started, options.seed))
    return int(any(one.is_bad for one in ended))


def _again(path: Path, seed: int) -> int:
    """One input in this process, with its traceback."""
    about = json.loads(path.with_name(f"{path.name}.json").read_text())
    target, data = TARGETS[about["target"]], path.read_bytes()
    with tempfile.TemporaryDirectory(prefix="osnet-fuzz-") as folder:
        os.chdir(folder)
        reader = Reader(Path(folder), seed)
        reader.seeds(target)
        try:
            print(target.read(data, reader._home(target)))
        except Exception as error:
            traceback.print_exc()
            print(*classify(error), sep="\n")
        print(reader.read(target, data, about["seed"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
