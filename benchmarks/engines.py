"""How fast this machine's libraries run the network, in turns: torch, torch.compile, ONNX Runtime, OpenVINO.

All run the same checkpoint with the same number of threads. A library that is missing or does not work here is left
out, and the reason is printed; the first must work. Ratios are medians of pairs of neighbouring rounds, with their
interval, and each speed has a verdict on whether anything disturbed its rounds. Exit code 1 where features in float32
differ; OpenVINO is also asked for bfloat16, whose features are another matter (`osnet tune` says what they cost).
To compile takes torch minutes, once for each batch size; it keeps what it compiled.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from command import command, finish, parse, refusals
from tqdm import tqdm

from osnet_lib.conversion.parity import Tolerance
from osnet_lib.core.host import environment, usable_cores
from osnet_lib.core.machine import describe_machine
from osnet_lib.errors import OSNetError
from osnet_lib.inference.benchmark import random_batch
from osnet_lib.inference.exported import exported_onnx
from osnet_lib.inference.session import Session, open_session
from osnet_lib.inference.side_by_side import Ratio, paired_ratio, run_side_by_side
from osnet_lib.inference.torch import TorchEngine
from osnet_lib.network.checkpoint import Checkpoint, load_checkpoint
from osnet_lib.network.weights import find_weights

NUMBERS = {"threads": usable_cores(), "rounds": 20, "seed": 0}
BATCHES = (1, 8, 16)
PAUSE = 0.02  # seconds before a round, longer than threads spin that the one before has left


class CompiledEngine(TorchEngine):
    """The network of the torch backend, compiled for each batch size that it meets."""

    def __init__(self, model: Path | Checkpoint, device: int, threads: int):
        super().__init__(model, device, threads)
        self._network = self._torch.compile(self._network, dynamic=False)


# What runs a checkpoint with so many threads; the first is what the others are compared with.
ENGINES: dict[str, Callable[[Checkpoint, int], Session]] = {
    "torch, eager": lambda checkpoint, threads: open_session(checkpoint, "torch", threads=threads),
    "torch.compile": lambda checkpoint, threads: Session("torch", CompiledEngine(checkpoint, 0, threads), threads),
    "ONNX Runtime": lambda checkpoint, threads: open_session(exported_onnx(checkpoint), "onnxruntime", threads=threads),
    "OpenVINO": lambda checkpoint, threads: open_session(exported_onnx(checkpoint), "openvino", threads=threads),
    "OpenVINO, bfloat16": lambda checkpoint, threads: open_session(
        exported_onnx(checkpoint), "openvino", threads=threads, precision="bfloat16"
    ),
}


def measure_batch(checkpoint: Checkpoint, options: argparse.Namespace, batch_size: int) -> dict[str, Any]:
    """All engines that work, at one batch size; the reason of each that does not."""
    ready: dict[str, Session] = {}
    features: dict[str, np.ndarray] = {}
    first_call: dict[str, float] = {}
    left_out: dict[str, str] = {}
    reference = next(iter(ENGINES))
    with ExitStack() as stack:
        for name, start in tqdm(ENGINES.items(), desc=f"batch {batch_size}, first calls", unit="engine"):
            try:
                session = stack.enter_context(start(checkpoint, options.threads))
                images, started = random_batch(session, batch_size, options.seed), time.perf_counter()
                features[name] = session.run(images)
            except OSNetError as error:
                if name == reference:
                    raise
                left_out[name] = error.what
                continue
            ready[name], first_call[name] = session, time.perf_counter() - started
        timed = run_side_by_side(list(ready.values()), batch_size, options.rounds, seed=options.seed, pause=PAUSE)
        sessions = {name: session.describe() for name, session in ready.items()}
    apart = {name: float(np.abs(some - features[reference]).max()) for name, some in features.items()}
    in_float32 = [name for name, facts in sessions.items() if facts["precision"] == "float32"]
    measured = dict(zip(ready, timed))
    return {
        "batch_size": batch_size,
        "sessions": sessions,
        "left_out": left_out,
        "first_call_seconds": first_call,
        "apart": apart,
        "same": max(apart[name] for name in in_float32) <= Tolerance().max_abs,
        "engines": {name: one.values() for name, one in measured.items()},
        "verdicts": {name: str(one.verdict) for name, one in measured.items()},
        "ratios": {name: paired_ratio(measured[reference].times, one.times).values() for name, one in measured.items()},
    }


def report(measured: dict[str, Any]) -> str:
    """Every batch size: speeds, how many times that of the first engine, what was left out, the verdicts."""
    facts, reference = measured["conditions"], next(iter(ENGINES))
    cores = facts["machine"]["cores"]["usable"]
    lines = [
        f"{facts['network']}, {facts['threads']} threads on {cores} cores, {facts['rounds']} rounds of each in turn"
    ]
    for found in measured["batches"]:
        lines.append(f"batch {found['batch_size']}:")
        for name, values in found["engines"].items():
            median = values["latency_ms"]["median"]
            lines.append(f"  {name}: {values['throughput']:.1f} images/s, median {median:.1f} ms a batch")
            if name != reference:
                ratio = found["ratios"][name]
                lines.append(f"    {Ratio(ratio['median'], *ratio['interval'], ratio['pairs'])} as {reference}")
            lines.append(f"    {found['verdicts'][name]}")
        lines += [f"  {name}: left out, {reason}" for name, reason in found["left_out"].items()]
    lines.append("same features in float32 within the tolerance" if measured["same"] else "THE FEATURES DIFFER")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command(__doc__ or "", NUMBERS)
    parser.add_argument("--model", default="mini", help="mini, market1501 or a checkpoint (default mini)")
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES, help="batch sizes (default 1 8 16)")
    options = parse(parser, NUMBERS, list(arguments) if arguments is not None else None)
    if min(options.batches) < 1 or len(set(options.batches)) < len(options.batches):
        parser.error("give each batch size once, from 1")
    with refusals(parser):
        checkpoint = load_checkpoint(find_weights(options.model))
        batches = [measure_batch(checkpoint, options, size) for size in options.batches]
    measured = {
        "conditions": {
            "benchmark": "engines",
            "network": checkpoint.architecture,
            "model": checkpoint.describe(),
            **{name: getattr(options, name) for name in NUMBERS},
            "environment": environment(),
            "machine": describe_machine(),
        },
        "batches": batches,
        "same": all(found["same"] for found in batches),
    }
    return finish(measured, report, options.json)


if __name__ == "__main__":
    sys.exit(main())
