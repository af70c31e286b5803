"""Several devices at once: a process for each, images shared out, results merged by name.

Each process opens the session and the data set itself. `osnet_lib.inference.fleet` watches over them.
"""

from __future__ import annotations

import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.disturbance import Watch
from ..core.host import usable_cores
from ..datasets.collection import open_collection
from ..datasets.market1501 import Market1501, Sample
from ..datasets.place import Place
from ..datasets.preprocess import iter_batches
from ..errors import SessionError
from ..features.store import Features
from .benchmark import Benchmark, check_benchmark, run_benchmark
from .extract import check_batch_size, collect_features, extract_features, extraction_conditions
from .fleet import OPENING, SILENCE, Fleet, Opening
from .session import Session, open_session

_BEAT = 0.5  # seconds between signs of life of a benchmark: often enough to be seen, too seldom to be measured


def parse_devices(text: str | int | Sequence[int]) -> tuple[int, ...]:
    """Device numbers from ``"0,1,2,3"``, a number or a sequence of numbers.

    Raises
    ------
    SessionError
        No number, something else than numbers of 0 or more, or a number that occurs twice.
    """
    parts = text.split(",") if isinstance(text, str) else [text] if isinstance(text, int) else list(text)
    numbers = [str(part).strip() for part in parts]
    if not numbers or not all(re.fullmatch("[0-9]{1,4}", number) for number in numbers):
        raise SessionError(f"{text!r} is no list of device numbers", where="devices", cure="Write it as 0 or 0,1,2,3.")
    devices = tuple(map(int, numbers))
    if len(set(devices)) < len(devices):
        raise SessionError(f"{text!r} names a device twice", where="devices", cure="Name each device once.")
    return devices


def extract_on_devices(
    model: str | Path,
    dataset: Market1501,
    samples: Sequence[Sample],
    path: str | Path,
    batch_size: int,
    devices: str | int | Sequence[int],
    backend: str = "auto",
    *,
    threads: int | None = None,
    progress: bool = True,
    opening: float = OPENING,
    silence: float = SILENCE,
    opener: Callable[..., Session] = open_session,
) -> Features:
    """`extract_features` on several devices; one device runs in this process.

    Parameters
    ----------
    model : path
        What every process opens.
    dataset : Market1501
        Open here; the processes open its path again.
    devices : str, int or sequence of int
        See `parse_devices`.
    threads : int, optional
        CPU threads of each session, as in `open_session`. The cores that decode images are divided by the devices.
    opening : float
        Seconds a process has to start and to open its session; one that has not is ended and counts as failed.
    silence : float
        Seconds without a sign of life after which an open one is ended and counts as failed.
    opener : callable
        Opens a session as `open_session` does; a function of a module, for the processes import it.

    Returns
    -------
    Features
        In the order of `samples`. Its conditions name under ``devices`` how many images each device computed.

    Raises
    ------
    SessionError
        No device is left before all images are done; it names each device with its cause. What is done stays in
        ``<path>.part`` and is used by the next run. A device that fails while others go on is a warning: they compute
        its share.
    DatasetError, FeatureError
        As `extract_features`.
    """
    devices = parse_devices(devices)
    decoders = min(4, max(1, usable_cores() // len(devices)))
    how = Opening(opener, Path(model), backend, threads, decoders, opening)
    if len(devices) == 1:
        with how.on(devices[0]) as session:
            return extract_features(session, dataset, samples, path, batch_size, progress)
    with Fleet(devices, how, silence, _extract, dataset.path, tuple(samples), batch_size) as fleet:
        fleet.muster()
        first = fleet.alive[0]
        check_batch_size(first, batch_size)
        return collect_features(
            path,
            samples,
            extraction_conditions(first, dataset, samples, batch_size),
            batch_size,
            lambda done, advance: _gather(fleet, samples, done, batch_size, advance),
            progress,
            lambda: {"devices": {str(worker.device): worker.images for worker in fleet.workers}},
        )


def benchmark_devices(
    model: str | Path,
    batch_size: int,
    devices: str | int | Sequence[int],
    rounds: int = 50,
    warmup: int = 5,
    backend: str = "auto",
    *,
    threads: int | None = None,
    progress: bool = True,
    opening: float = OPENING,
    silence: float = SILENCE,
    opener: Callable[..., Session] = open_session,
) -> list[Benchmark]:
    """`run_benchmark` on several devices together: all warm up, then all start at once.

    Returns
    -------
    list of Benchmark
        One a device, in the order of `devices`. Of several, each names the others in `together`, and in `overlap` the
        share of its time in which all of them were at work. `benchmark.sum_throughput` adds them up.

    Raises
    ------
    SessionError
        A device that fails, named with its cause: a sum that lacks one would be no figure of the card.
    """
    devices = parse_devices(devices)
    how = Opening(opener, Path(model), backend, threads, limit=opening)
    if len(devices) == 1:
        with how.on(devices[0]) as session:
            return [replace(run_benchmark(session, batch_size, rounds, warmup, progress), device=devices[0])]
    check_benchmark(batch_size, rounds, warmup)
    with (
        Fleet(devices, how, silence, _time, batch_size, rounds, warmup, needs_all=True) as fleet,
        tqdm(
            total=rounds * len(devices),
            desc=f"batch {batch_size}, {len(devices)} devices",
            unit="round",
            disable=not progress,
        ) as bar,
    ):
        fleet.muster()
        for worker in fleet.workers:
            worker.send("start")
        timed: dict[int, tuple[Benchmark, int, int]] = {}
        while len(timed) < len(devices):
            worker, (kind, *content) = fleet.hear()
            if kind == "rounds":
                bar.update(content[0])
            else:
                benchmark, started, stopped = content
                worker.busy, timed[worker.device] = False, (benchmark, started, stopped)
    begin, end = max(t[1] for t in timed.values()), min(t[2] for t in timed.values())
    return [
        replace(measured, device=device, together=devices, overlap=max(0, end - begin) / (stopped - started))
        for device, (measured, started, stopped) in ((device, timed[device]) for device in devices)
    ]


def _gather(
    fleet: Fleet, samples: Sequence[Sample], done: int, batch_size: int, advance: Callable[[int], object]
) -> Iterator[np.ndarray]:
    """Hand out ``samples[done:]`` and yield features in the order of the samples, a batch at a time."""
    place = {sample.name: index for index, sample in enumerate(samples)}
    # Several shares a device: a slow one then holds nobody up. Whole batches: every batch is the one that a single
    # device would compute, so the features are the same to the last bit.
    share = batch_size * max(1, -(-(len(samples) - done) // (8 * batch_size * len(fleet.workers))))
    todo = deque(range(start, min(start + share, len(samples))) for start in range(done, len(samples), share))
    early: dict[int, np.ndarray] = {}

    def hand_out() -> None:
        for worker in fleet.alive:
            if not worker.busy and todo:
                worker.share = todo.popleft()
                worker.send((worker.share.start, worker.share.stop))

    hand_out()
    while done < len(samples):
        worker, (kind, *content) = fleet.hear()
        if kind == "failed":
            if worker.share:
                todo.appendleft(worker.share)
        else:
            names, features = content
            start = place.get(names[0], -1)
            if start != worker.share.start or names != [sample.name for sample in samples[start : start + len(names)]]:
                raise SessionError(
                    f"device {worker.device} gave features of other images than it was asked for",
                    where=names[0],
                    cure="Report it; nothing was mixed up in the file.",
                )
            early[start], worker.share = features, worker.share[len(names) :]
            worker.images += len(names)
            worker.busy = bool(worker.share)
            advance(len(names))
            while done in early:
                yield early[done]
                done += len(early.pop(done))
        hand_out()


# What follows runs in the processes.


def _extract(
    pipe: Connection, session: Session, decoders: int, path: Place, samples: tuple[Sample, ...], batch_size: int
) -> None:
    """Compute the shares that come through the pipe, until it is closed."""
    with open_collection(path) as dataset:
        pipe.send(("ready",))
        while True:
            start, stop = pipe.recv()
            waiting: deque[list[str]] = deque()
            batches = iter_batches(dataset, samples[start:stop], batch_size, decoders, session.input_dtype)
            for features in session.stream(_images(batches, waiting)):
                pipe.send(("rows", waiting.popleft(), features))


def _images(batches: Iterator[tuple[tuple[Sample, ...], np.ndarray]], waiting: deque) -> Iterator[np.ndarray]:
    for batch, images in batches:
        waiting.append([sample.name for sample in batch])
        yield images


def _time(pipe: Connection, session: Session, _decoders: int, batch_size: int, rounds: int, warmup: int) -> None:
    """Warm up, wait for the start signal, time the rounds."""
    started = stopped = heard = time.perf_counter_ns()
    passed = 0

    def start() -> None:
        nonlocal started, heard
        pipe.send(("ready",))
        pipe.recv()
        started = heard = time.perf_counter_ns()  # one clock for all processes of a host

    def advance(index: int) -> None:
        nonlocal heard, passed, stopped
        passed += index >= 0
        stopped = time.perf_counter_ns()
        if stopped - heard > _BEAT * 1e9:
            pipe.send(("rounds", passed))
            heard, passed = time.perf_counter_ns(), 0

    watch = Watch(os.getppid())  # the other devices' processes are our own as well
    measured = run_benchmark(session, batch_size, rounds, warmup, False, start=start, advance=advance, watch=watch)
    pipe.send(("rounds", passed))
    pipe.send(("timed", measured, started, stopped))
    pipe.recv()  # the end of the pipe: all have been heard
