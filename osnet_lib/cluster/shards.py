"""Shards of a split: ranges of whole batches, a feature file for each, and the list that names them with their hashes.

The cut depends on the number of images and the batch size alone, so that a run goes on behind the shards of another one
with more or fewer workers, and every batch is the one that a single machine computes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.cache import kept
from ..core.files import read_json, sha256, write_json
from ..errors import FeatureError
from ..features.store import ARRAYS, Features, load_features
from .rows import load_rows

SMALLEST, LARGEST = 8, 65_536  # batches at least; images at most, 128 MiB of features
_PARTS = 256  # shards of a split between the two
WHOLE = 1_000_000  # images of a split that still become one file, of 2 GB
SHARDS = "shards"  # beside the files of the splits
_AGAIN = "Run the extraction again: it computes what is missing or damaged"


@dataclass(frozen=True)
class Shard:
    """Images `start` to `stop` of a split, and the file of their features."""

    split: str
    number: int
    start: int
    stop: int
    path: Path

    def __len__(self) -> int:
        return self.stop - self.start


def plan_shards(folder: Path, split: str, images: int, batch_size: int) -> list[Shard]:
    """Cut a split into shards of equal size, but for the last."""
    batches = max(SMALLEST, -(-images // (_PARTS * batch_size)))
    size = batch_size * max(1, min(batches, LARGEST // batch_size))
    return [
        Shard(split, number, start, min(start + size, images), folder / SHARDS / f"{split}-{number:05d}.npz")
        for number, start in enumerate(range(0, images, size))
    ]


def shard_key(key: dict[str, Any], shard: Shard) -> dict[str, Any]:
    """What a shard's file depends on."""
    return {**key, "split": shard.split, "start": shard.start, "stop": shard.stop}


def finished(shard: Shard, key: dict[str, Any], skips: bool) -> Features | None:
    """A shard that an earlier run finished; one that left out images counts only where that is allowed."""
    if not kept(shard.path, shard_key(key, shard)):
        return None
    features = load_features(shard.path)
    return None if features.conditions["skipped"] and not skips else features


def write_list(
    folder: Path,
    split: str,
    entries: Sequence[dict[str, Any]],
    skipped: dict[str, str],
    conditions: dict[str, Any] | None = None,
) -> Path:
    """Name the shards of a split, in the order of their images, with hash, number of images and who computed them.

    Of the conditions of the run data set and session are noted, by which a query is known to belong to it.
    """
    document = {"split": split, "images": sum(entry["images"] for entry in entries), "shards": list(entries)}
    made_from = {name: (conditions or {}).get(name) for name in ("dataset", "session")}
    return write_json(folder / SHARDS / f"{split}.json", {**document, "skipped": skipped, **made_from})


def conditions_of(path: Path) -> dict[str, Any]:
    """Split, data set and session of a list; what it does not tell, as lists of older runs, is left out."""
    document = read_json(path)
    return {name: document[name] for name in ("split", "dataset", "session") if document.get(name) is not None}


@dataclass(frozen=True)
class Piece:
    """Some of a split's features that a worker holds at a time: rows of one file, or several whole files."""

    paths: tuple[Path, ...]
    hashes: tuple[str, ...] = ()  # of whole files
    start: int = 0
    stop: int | None = None

    def load(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Features, pids and camids; FeatureError where a file is another than was listed, or damaged."""
        for path, digest in zip(self.paths, self.hashes):
            if not path.is_file() or sha256(path) != digest:
                raise FeatureError("is not the shard that was listed", where=path, cure=_AGAIN)
        if self.stop is None:
            held = [load_features(path) for path in self.paths]
        else:
            held = [load_rows(path, self.start, self.stop) for path in self.paths]
        features, pids, camids = (
            np.concatenate([getattr(part, name) for part in held]) for name in ("features", "pids", "camids")
        )
        return features, pids, camids


def read_list(path: Path) -> Iterator[tuple[Path, str, int]]:
    """File, hash and number of images of each shard that a list names.

    Raises
    ------
    FeatureError
        No such list, or none of shards; one twice, or not all.
    """
    try:
        document = read_json(path)
        entries = [(path.parent / held["file"], held["sha256"], held["images"]) for held in document["shards"]]
        total = document["images"]
    except FileNotFoundError as error:
        raise FeatureError("no such list of shards", where=path, cure=_AGAIN) from error
    except (ValueError, KeyError, TypeError) as error:
        raise FeatureError("is no list of shards", where=path, cure=_AGAIN) from error
    if not all(isinstance(digest, str) and type(images) is int and images >= 0 for _, digest, images in entries):
        raise FeatureError("is no list of shards", where=path, cure=_AGAIN)
    if len({shard for shard, *_ in entries}) < len(entries):
        raise FeatureError("lists a shard twice", where=path, cure=_AGAIN)
    if (found := sum(images for *_, images in entries)) != total:
        raise FeatureError(f"lists shards of {found:,} images, and not of the {total} of all", where=path, cure=_AGAIN)
    yield from entries


def join_features(parts: Sequence[Features], conditions: dict[str, Any]) -> Features:
    """The features of all shards of a split, in their order."""
    names, pids, camids, rows = (np.concatenate([getattr(part, name) for part in parts]) for name in ARRAYS)
    return Features(names, pids, camids, rows, conditions)
