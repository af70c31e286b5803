"""Time the reader of text dumps against the plain loop of ``float``, in one run.

    python benchmarks/dump.py [--files 19281 --rounds 5] [--json FILE]

Files of 512 decimals each, as `osnet infer` writes them, in a temporary folder; 19,281 are query and gallery of
Market-1501. Rounds alternate between the contestants; both must give the same numbers, else the exit code is 1. The
plain loop only parses, while the reader also pairs by name and checks every feature.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from command import command, finish, parse, refusals
from synthetic import MARKET
from tqdm import tqdm

from osnet_lib.core.host import environment
from osnet_lib.guide.dump import feature_name, format_feature, read_dump

ALLOWED = 6.0  # seconds for that many


def write_folder(folder: Path, files: int, seed: int = 0) -> None:
    """A dump folder of that many random features."""
    random = np.random.default_rng(seed)
    for number in tqdm(range(files), desc="writing", unit="file"):
        row = random.standard_normal(512).astype(np.float32)
        stem = f"{number % 9999 + 1:04d}_c{number % 6 + 1}s1_{number:06d}_00"
        (folder / feature_name(stem, "txt")).write_bytes(format_feature(row, "txt"))


def plain_loop(folder: Path) -> np.ndarray:
    """What a script would do: split the text and call ``float`` on each part."""
    rows = []
    for path in sorted(folder.iterdir()):
        with open(path) as stream:
            rows.append(np.array([float(part) for part in stream.read().split()], np.float32))
    return np.array(rows)


def measure(files: int, rounds: int) -> dict[str, Any]:
    """Run everything; the first round of each contestant is the warm-up."""
    contestants = {"read_dump": lambda folder: read_dump(folder, progress=False).features, "plain loop": plain_loop}
    times: dict[str, list[float]] = {name: [] for name in contestants}
    with tempfile.TemporaryDirectory(prefix="osnet-dump-") as name:
        write_folder(Path(name), files)
        same = np.array_equal(*(call(Path(name)) for call in contestants.values()))
        for _ in tqdm(range(rounds), desc="rounds", unit="round"):
            for contestant, call in contestants.items():
                started = time.perf_counter()
                call(Path(name))
                times[contestant].append(time.perf_counter() - started)
    seconds = {
        contestant: {"median": statistics.median(t), "min": min(t), "max": max(t), "rounds": t}
        for contestant, t in times.items()
    }
    return {
        "conditions": {"files": files, "rounds": rounds, "environment": environment()},
        "same": same,
        "seconds": seconds,
        "ratio": seconds["plain loop"]["median"] / seconds["read_dump"]["median"],
    }


def report(measured: dict[str, Any]) -> str:
    """The measurement as text."""
    files = measured["conditions"]["files"]
    cores = measured["conditions"]["environment"]["cores"]
    lines = [f"{files} files of 512 decimals, {cores} cores", f"{'seconds':12}{'median':>9}{'min':>9}{'max':>9}"]
    lines += [f"{name:12}{t['median']:9.3f}{t['min']:9.3f}{t['max']:9.3f}" for name, t in measured["seconds"].items()]
    whole = measured["seconds"]["read_dump"]["median"] * sum(MARKET) / files
    lines.append(
        f"the plain loop takes {measured['ratio']:.2f} times as long; {sum(MARKET)} files take read_dump "
        f"{whole:.2f} s (at most {ALLOWED:g} allowed)"
    )
    lines.append("same numbers" if measured["same"] else "THE NUMBERS DIFFER")
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where the contestants' numbers differ; 2 for options that make no sense."""
    numbers = {"files": sum(MARKET), "rounds": 5}
    parser = command(__doc__, numbers)
    options = parse(parser, numbers, arguments)
    if options.files > 1_000_000:
        parser.error("files count from 1 to a million")
    with refusals(parser):
        return finish(measure(options.files, options.rounds), report, options.json)


if __name__ == "__main__":
    sys.exit(main())
