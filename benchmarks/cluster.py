"""Whether a Ray cluster costs anything: workers of one thread against as many local sessions, and 1, 2 and 3 workers.

A local session is a process of its own that extracts its part of the images with one thread; all begin together. The
workers of the cluster are open before its clock starts, as the sessions are. Rounds take turns. Exit code 1 where two
workers reach less than 0.9 of two sessions, or features are not the same to the bit.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from command import command, finish, parse, refusals

from osnet_lib.cluster.cluster import Resource, on_cluster
from osnet_lib.cluster.extraction import extract_on_cluster
from osnet_lib.cluster.plan import Plan, duration, size
from osnet_lib.core.conditions import SessionFacts
from osnet_lib.core.counters import Counters, read_counters
from osnet_lib.core.disturbance import Span, Watched, judge
from osnet_lib.core.host import environment, usable_cores
from osnet_lib.core.machine import describe_machine
from osnet_lib.datasets.market1501 import Market1501
from osnet_lib.features.store import load_features
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.session import open_session
from osnet_lib.network.weights import find_weights
from osnet_lib.study.dataset import open_dataset

NUMBERS = {"batch-size": 16, "rounds": 2, "workers": 3}
NEEDED = 0.9  # of what two local sessions reach


def measure(options: argparse.Namespace, model: Path) -> dict[str, Any]:
    """Rounds of local sessions and of the cluster with 1 to `workers` workers, in turns."""
    with open_dataset(options.dataset) as dataset, TemporaryDirectory() as folder:
        images = len(dataset.query) + len(dataset.gallery)
        counts = range(1, options.workers + 1)
        local: dict[int, list[float]] = {count: [] for count in counts}
        cluster: dict[int, list[float]] = {count: [] for count in counts}
        with sampled() as readings:
            for round_number in range(options.rounds):
                for count in counts:
                    place, batch = Path(folder, f"{round_number}-{count}"), options.batch_size
                    local[count].append(images / run_sessions(model, dataset, place / "local", batch, count))
                    cluster[count].append(images / run_workers(model, dataset, place / "ray", batch, count))
        same = all(is_same(Path(folder, f"0-{count}"), count) for count in counts)
        facts = load_features(Path(folder, "0-1", "ray", "gallery.npz")).conditions
    rows = []
    for count in counts:
        here, there = statistics.median(local[count]), statistics.median(cluster[count])
        rows.append({"workers": count, "local": here, "cluster": there, "ratio": there / here})
        rows[-1]["rounds"] = {"local": local[count], "cluster": cluster[count]}
    full = min(usable_cores(), options.workers)  # the rate of a worker beside others is what a full node has of each
    for row in rows:
        for name, measured in (("projected_by_one", 1), ("projected_by_full", full)):
            rate = rows[measured - 1]["cluster"] / measured
            row[name] = images / Plan(images, 1, row["workers"], rate, cores=usable_cores()).extraction_seconds
    return {
        "images": images,
        "batch_size": options.batch_size,
        "rounds": options.rounds,
        "threads": 1,
        "dataset": facts["dataset"],
        "session": SessionFacts.read(facts["session"]).as_dict(),
        "ray": facts["cluster"]["ray"],
        "cores": usable_cores(),
        "scaling": rows,
        "same": bool(same),
        "fits": rows[1]["ratio"] >= NEEDED if len(rows) > 1 else True,
        "environment": environment(),
        "machine": describe_machine(),
        "verdict": str(judge(None, watched(readings))),
    }


@contextmanager
def sampled() -> Iterator[list[Counters]]:
    """Readings of the counters, twice a second."""
    readings, over = [read_counters()], threading.Event()

    def read() -> None:
        while not over.wait(0.5):
            readings.append(read_counters())

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield readings
    finally:
        over.set()
        thread.join()
        readings.append(read_counters())


def watched(readings: Sequence[Counters]) -> Watched:
    """The half seconds in which no process of ours ended, one behind the other.

    Nobody waits for a worker that Ray ends, so its whole time leaves our own and would count as others' use.
    """
    names = ("at", "busy", "own", "steal", "throttled")
    counted = [name for name in names if getattr(readings[0], name) is not None]
    first = total = replace(Counters(0.0), **dict.fromkeys(counted, 0.0))
    for before, after in pairwise(readings):
        if before.own is None or after.own is None:
            return Watched(*[Span.between(readings[0], readings[-1])] * 4)
        if after.own >= before.own:
            more = {name: getattr(total, name) + getattr(after, name) - getattr(before, name) for name in counted}
            total = replace(total, **more)
    return Watched(*[Span.between(first, total)] * 4)


def run_workers(model: Path, dataset: Market1501, folder: Path, batch_size: int, count: int) -> float:
    """Seconds of both splits on a local cluster, from the first share to the last."""
    made = extract_on_cluster(
        model, dataset, folder, batch_size, "local", count, Resource("CPU", 1), progress=False, all_first=True
    )
    return sum(part.seconds or 0.0 for part in made.values())


def run_sessions(model: Path, dataset: Market1501, folder: Path, batch_size: int, count: int) -> float:
    """Seconds from the start of all sessions to the end of the last."""
    context = multiprocessing.get_context("spawn")
    pairs = [context.Pipe() for _ in range(count)]
    processes = [
        context.Process(target=run_part, args=(theirs, model, dataset.path, folder, batch_size, number, count))
        for number, (_, theirs) in enumerate(pairs)
    ]
    for process in processes:
        process.start()
    for ours, _ in pairs:
        ours.recv()
    started = time.perf_counter()
    for ours, _ in pairs:
        ours.send("start")
    for ours, _ in pairs:
        ours.recv()
    seconds = time.perf_counter() - started
    for process in processes:
        process.join()
    return seconds


def run_part(pipe: Connection, model: Path, path: Path, folder: Path, batch_size: int, number: int, count: int) -> None:
    """One session over its part of both splits, in whole batches."""
    with open_session(model, threads=1) as session, open_dataset(path) as dataset:
        session.run(np.zeros((session.batch_size or batch_size, *session.input_shape[1:]), session.input_dtype))
        assert dataset.digest  # read before the clock starts, as the cluster's driver does
        pipe.send("open")
        pipe.recv()
        for split, samples in (("query", dataset.query), ("gallery", dataset.gallery)):
            batches = -(-len(samples) // batch_size)
            first, last = (batches * part // count * batch_size for part in (number, number + 1))
            extract_features(session, dataset, samples[first:last], folder / f"{split}{number}.npz", batch_size, False)
        pipe.send("done")


def is_same(folder: Path, count: int) -> bool:
    """Whether the cluster wrote what the sessions did, to the bit."""
    for split in ("query", "gallery"):
        parts = [load_features(folder / "local" / f"{split}{number}.npz") for number in range(count)]
        made = load_features(folder / "ray" / f"{split}.npz")
        for array in ("names", "features"):
            if not np.array_equal(getattr(made, array), np.concatenate([getattr(part, array) for part in parts])):
                return False
    return True


def report(measured: dict[str, Any]) -> str:
    """The table, as the chapter has it."""
    full = min(measured["cores"], len(measured["scaling"]))
    head = (
        "workers",
        "local sessions, images/s",
        "cluster, images/s",
        "ratio",
        "projected by 1",
        f"projected by {full}",
    )
    rows = []
    for row in measured["scaling"]:
        local, cluster, *projected = (
            f"{row[name]:.1f}" for name in ("local", "cluster", "projected_by_one", "projected_by_full")
        )
        rows.append((str(row["workers"]), local, cluster, f"{row['ratio']:.2f}", *projected))
    return f"{table(head, rows)}\n\nThe timing was judged {measured['verdict']}."


def projections(measured: dict[str, Any]) -> str:
    """Runs on paper at the rate of a worker beside others on all cores, as the chapter has them."""
    full = min(measured["cores"], len(measured["scaling"]))
    rate = measured["scaling"][full - 1]["cluster"] / full
    head = ("images", "nodes", "digest", "extraction", "evaluation, 10⁴ queries", "read", "written")
    rows = []
    for power, nodes in ((6, 1), (8, 10), (10, 100)):
        plan = Plan(10**power, nodes, 16, rate, queries=10_000, cores=16)
        times = (plan.hash_seconds, plan.extraction_seconds, plan.evaluation_seconds)
        sign = str(power).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
        sizes = (plan.read_bytes, plan.written_bytes)
        rows.append((f"10{sign}", str(nodes), *map(duration, times), *map(size, sizes)))
    return table(head, rows)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown, all columns to the right."""
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main(arguments: list[str] | None = None) -> int:
    parser = command(__doc__, NUMBERS)
    parser.add_argument("--model", default="mini", help="mini (default), market1501, a checkpoint or an .onnx")
    parser.add_argument("--dataset", default="mini", help="mini (default), a folder, zip or tar, or a manifest")
    options = parse(parser, NUMBERS, arguments)
    with refusals(parser):
        with on_cluster("local", Resource("CPU", 1), options.workers):
            measured = measure(options, find_weights(options.model))
    return finish(measured, report, options.json)


if __name__ == "__main__":
    sys.exit(main())
