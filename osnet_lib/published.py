"""Published figures, read from ``data/published.json``: quoted, never measured here."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

_FILE = Path(__file__).with_name("data") / "published.json"


@dataclass(frozen=True)
class PublishedAccuracy:
    """A published score with the conditions it holds for; Rank-1 and mAP as fractions."""

    network: str
    rank1: float
    mAP: float
    device: str
    precision: str
    metric: str
    source: str
    dataset: str
    protocol: str
    size: str
    resize: str


@dataclass(frozen=True)
class PublishedThroughput:
    """A published speed: images per second of `chips` chips together, milliseconds per image where given."""

    network: str
    device: str
    chips: int
    batch_size: int
    throughput: float
    ave_latency: float | None
    source: str


@lru_cache(maxsize=1)
def _document() -> dict:
    return json.loads(_FILE.read_text("utf-8"))


def published_accuracy(network: str | None = None) -> list[PublishedAccuracy]:
    """Published scores, of one network or of all."""
    entries = [PublishedAccuracy(**entry) for entry in _document()["accuracy"]]
    return [e for e in entries if network in (None, e.network)]


def published_throughput(network: str | None = None, device: str | None = None) -> list[PublishedThroughput]:
    """Published speeds, of one network or device or of all, in the order of the sources."""
    entries = [PublishedThroughput(**entry) for entry in _document()["throughput"]]
    return [e for e in entries if network in (None, e.network) and device in (None, e.device)]
