"""What a larger run will take: time and traffic of extraction and evaluation, projected from a rate that was measured.

Nothing here was measured at the size it speaks of. Every figure is a product of the inputs and of the assumptions,
which are printed with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..conversion.interface import FEATURE_SHAPE
from ..errors import ClusterError
from ..features.store import Features, load_features
from .evaluation import PIECE
from .shards import LARGEST, WHOLE

ROW = FEATURE_SHAPE[0] * 4  # bytes of a feature
LABELS = 180  # bytes of a name of 41 signs in UTF-32, and of pid and camid


@dataclass(frozen=True)
class Plan:
    """A run on paper.

    Attributes
    ----------
    images, queries : int
        To extract; of them queries of an evaluation, 0 for none.
    nodes, devices : int
        Machines, and workers on each.
    rate : float
        Images a second of one worker, measured with as many beside it as there are cores for.
    cores, cores_per_worker : int
        Of a node, and what a worker keeps busy: it decodes on them, and computes where there is no accelerator.
    image_bytes : int
        Of an image file; 3,000 in Market-1501.
    start : float
        Seconds until all workers are open.
    hash_rate : float
        Images a second that the driver reads for the digest of the data set, one after the other.
    network : float
        Bytes a second of a node to the storage; 1.25e9 are 10 Gbit/s.
    pair_rate : float
        Pairs of query and image a second that one core compares, in both rounds together.
    """

    images: int
    nodes: int
    devices: int
    rate: float
    queries: int = 0
    cores: int = 0
    cores_per_worker: int = 1
    image_bytes: int = 3_000
    start: float = 20.0
    hash_rate: float = 40_000.0
    network: float = 1.25e9
    pair_rate: float = 25e6

    def __post_init__(self) -> None:
        for name in sorted(vars(self).keys() - {"queries", "cores", "start"}):
            value = getattr(self, name)
            if not 0 < value < 1e18:
                raise ClusterError(f"{name} is {value:g}", where="plan", cure="Give a number above 0, below 1e18.")

    @property
    def workers(self) -> float:
        """Workers that run at `rate`: those beyond the cores only take turns."""
        fed = self.cores / self.cores_per_worker if self.cores else self.devices
        return self.nodes * min(self.devices, fed)

    @property
    def extraction_seconds(self) -> float:
        """From the first share to the last: computing, or reading where that takes longer."""
        return max(
            self.images / (self.workers * self.rate), self.images * self.image_bytes / (self.nodes * self.network)
        )

    @property
    def hash_seconds(self) -> float:
        return self.images / self.hash_rate

    @property
    def evaluation_seconds(self) -> float:
        """Every query against every image on all cores, or reading the features twice where that takes longer."""
        if not self.queries:
            return 0.0
        cores = self.nodes * (self.cores or self.devices)
        return max(
            self.queries * self.images / (cores * self.pair_rate), 2 * self.images * ROW / (self.nodes * self.network)
        )

    @property
    def seconds(self) -> float:
        return self.start + self.hash_seconds + self.extraction_seconds + self.evaluation_seconds

    @property
    def read_bytes(self) -> int:
        """From storage: every image twice, for digest and features; in an evaluation every feature twice."""
        return 2 * self.images * self.image_bytes + 2 * bool(self.queries) * self.images * (ROW + LABELS)

    @property
    def written_bytes(self) -> int:
        """To storage: the shards, and the usual files where they fit."""
        return self.images * (ROW + LABELS) * (1 + (self.images <= WHOLE))

    @property
    def query_bytes(self) -> int:
        """Over the network: the queries to every node, and a number for each of their matches back from every piece."""
        return self.queries * ROW * self.nodes

    def limits(self) -> Iterator[str]:
        """Where this run would break, or wait for something else than its devices."""
        if self.images / (self.workers * self.rate) < self.images * self.image_bytes / (self.nodes * self.network):
            yield "the network of the nodes, not their devices, sets the time of the extraction"
        if self.cores and self.devices * self.cores_per_worker > self.cores:
            yield f"{self.devices} workers a node share {self.cores} cores: more of them are not faster"
        if self.hash_seconds > self.extraction_seconds:
            yield "the driver, which reads every image once for the digest, takes longer than all workers together"
        if self.images > 10_000_000:
            yield (
                f"{self.images:.0e} small files: opening {self.nodes * self.devices * self.rate:,.0f} a second needs a "
                "file system made for that, or zips in place of files"
            )
        if self.evaluation_seconds > max(self.extraction_seconds, 3600):
            yield "the exact evaluation, queries times images, takes longer than the extraction"


class MeasuredRate(NamedTuple):
    """A rate and where it comes from."""

    rate: float
    words: str


def measured_rate(path: str | Path) -> MeasuredRate:
    """Images a second of one worker, from the conditions of a feature file.

    Raises
    ------
    ClusterError
        A file of a simulated device, of a run that went on behind another, or of another tool, which tell no speed.
    FeatureError
        As `load_features`.
    """
    features = load_features(path)
    seconds, workers = features.seconds, _workers(features)
    cure = "Give one of a whole run on real devices, or --rate."
    if seconds is None or workers is None:
        raise ClusterError("tells no time of its extraction", where=path, cure=cure)
    if features.conditions.get("resumed_at"):
        raise ClusterError("was extracted in several runs, so its time is of a part", where=path, cure=cure)
    rate = len(features) / seconds / workers
    session = features.session
    words = f"{len(features):,} images in {seconds:,.1f} s by {workers}"
    return MeasuredRate(rate, f"{words}: {session.backend} {session.precision} on {session.device}")


def _workers(features: Features) -> int | None:
    """How many shared the work; None where the file says no number."""
    cluster, devices = (features.conditions.get(name) for name in ("cluster", "devices"))
    if cluster is None:
        return 1 if devices is None else len(devices) or None if isinstance(devices, dict) else None
    workers = cluster.get("workers") if isinstance(cluster, dict) else None
    return workers if type(workers) is int and 0 < workers < 10**6 else None


def assumptions(plan: Plan) -> list[str]:
    """What the figures stand on, a line each."""
    told = [
        f"{plan.workers:g} workers at {plan.rate:,.1f} images/s each, none slowed down by the others",
        f"{plan.image_bytes:,} bytes an image; {ROW:,} bytes a feature and {LABELS} its name and labels",
        f"{plan.start:g} s until all workers are open; nothing fails",
        f"the driver reads {plan.hash_rate:,.0f} images/s for the digest, before the workers begin",
        f"{plan.network * 8 / 1e9:g} Gbit/s from each node to a storage that keeps up with all of them",
        f"shards of at most {LARGEST:,} images; one file of a split up to {WHOLE:,} images",
    ]
    if plan.queries:
        told.append(
            f"each core compares {plan.pair_rate:,.0f} pairs of query and image a second, in two rounds over pieces of "
            f"{PIECE:,} images"
        )
    return told


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    for unit, length in (("years", 31_557_600), ("days", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:,.1f} {unit}"
    return f"{seconds:,.1f} s"


def size(amount: float) -> str:
    """Bytes in the unit that reads best."""
    for unit, length in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if amount >= length:
            return f"{amount / length:,.1f} {unit}"
    return f"{amount:,.0f} bytes"
