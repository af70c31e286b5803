"""What runs on the nodes: an actor with one session, which computes shards and says how far it is.

Every answer is a stream of tuples, the last of which tells how it ended, as in `osnet_lib.inference.fleet`: an image
that is damaged is so for everybody, anything else is a failure of this worker alone.
"""

from __future__ import annotations

import os
import platform
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..core.cache import keep
from ..core.files import fingerprint
from ..core.machine import describe_machine
from ..datasets.collection import open_collection
from ..datasets.market1501 import Market1501, Sample
from ..datasets.place import Place
from ..datasets.preprocess import HEIGHT, WIDTH, iter_batches
from ..errors import DatasetError, SessionError
from ..features.store import Features, save_features
from ..inference.benchmark import random_batch
from ..inference.fleet import Opening, failure
from ..inference.session import Session
from .cluster import node_name
from .shards import Shard, shard_key

BEAT = 0.5  # seconds between signs of life


@dataclass(frozen=True, eq=False)
class Opened:
    """A session that is open: where, what it is, and its features of one and the same batch of noise.

    Like a session it knows `model` and `batch_size` and can `describe` itself.
    """

    model: Path
    node: str
    host: str
    process: int
    facts: dict[str, Any]
    batch_size: int | None
    flags: str | None  # of the processor: they choose the kernels of a library
    probe: np.ndarray = field(repr=False)

    def __repr__(self) -> str:
        return f"{self.facts.get('model')} on {node_name(self.node, self.host)}"

    def describe(self) -> dict[str, Any]:
        return dict(self.facts)

    def identity(self) -> dict[str, Any]:
        """Who computed, for the conditions of what it computes."""
        return {"node": self.node, "host": self.host, "session": self.facts, "flags": self.flags}


@dataclass(frozen=True)
class Job:
    """What all shards of a split have in common."""

    key: dict[str, Any]
    names: str  # fingerprint of the split's names, by which a node knows that it sees the same images
    batch_size: int
    skips: bool


class Readable:
    """A data set whose damaged images are black, and listed with what is wrong."""

    def __init__(self, dataset: Market1501):
        self._dataset, self.skipped = dataset, dict[str, str]()

    def image(self, sample: Sample) -> Image.Image:
        try:
            return self._dataset.image(sample)
        except DatasetError as error:
            self.skipped[sample.name] = str(error)
            return Image.new("RGB", (WIDTH, HEIGHT))


class SessionActor:
    """One session on one device, which Ray shows this process as number 0."""

    def __init__(self, how: Opening, dataset: Place):
        self._how, self._path = how, dataset
        self._held: tuple[Session, Market1501, Opened] | None = None

    def open(self) -> Iterator[tuple]:
        """Open session and data set: ``("placed", node)``, then ``("opened", Opened)``, or how it failed."""
        try:
            yield "placed", node_name(*_here())
            yield "opened", self._open()
        except Exception as error:
            yield failure(error)

    def _open(self) -> Opened:
        session, dataset = self._how.on(0), open_collection(self._path)
        noise = random_batch(session, session.batch_size or 4)
        opened = Opened(
            session.model,
            *_here(),
            os.getpid(),
            session.describe(),
            session.batch_size,
            describe_machine()["flags"],
            session.run(noise),
        )
        self._held = session, dataset, opened
        return opened

    def compute(self, shard: Shard, job: Job) -> Iterator[tuple]:
        """Write a shard: ``("images", n)`` as it goes on, then ``("done", sha256)``, or how it failed."""
        try:
            yield from self._compute(shard, job)
        except Exception as error:
            yield failure(error)

    def _compute(self, shard: Shard, job: Job) -> Iterator[tuple]:
        assert self._held, "opened first"
        session, dataset, opened = self._held
        everything = dataset.query if shard.split == "query" else dataset.gallery
        if fingerprint([sample.name for sample in everything]) != job.names:
            what = "sees other images than the command that started it"
            raise SessionError(what, where=dataset.path, cure="Leave the data set alone while it is read.")
        samples, readable = everything[shard.start : shard.stop], Readable(dataset)
        waiting: deque[int] = deque()

        def batches() -> Iterator[np.ndarray]:
            source = readable if job.skips else dataset
            for batch, images in iter_batches(source, samples, job.batch_size, self._how.decoders, session.input_dtype):
                waiting.append(len(batch))
                yield images

        rows: list[np.ndarray] = []
        started = heard = time.perf_counter()
        passed = 0
        for features in session.stream(batches()):
            rows.append(features)
            passed += waiting.popleft()
            if time.perf_counter() - heard > BEAT:
                yield "images", passed
                heard, passed = time.perf_counter(), 0
        kept = [index for index, sample in enumerate(samples) if sample.name not in readable.skipped]
        conditions = {
            "computed": {**opened.identity(), "seconds": round(time.perf_counter() - started, 3)},
            "skipped": readable.skipped,
        }
        shard_features = Features(
            np.array([samples[index].name for index in kept], str),
            np.array([samples[index].pid for index in kept], np.int64),
            np.array([samples[index].camid for index in kept], np.int64),
            np.concatenate(rows)[kept],
            conditions,
        )
        save_features(shard.path, shard_features)
        yield "images", passed
        yield "done", keep(shard.path, shard_key(job.key, shard))


def _here() -> tuple[str, str]:
    """Ray's id of this node, and the name of the machine."""
    import ray

    return ray.get_runtime_context().get_node_id(), platform.node()
