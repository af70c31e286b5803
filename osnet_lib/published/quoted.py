"""Published figures, read from ``resources/published.json``: quoted, never measured here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..core.files import read_json
from ..errors import ResultError

_FILE = Path(__file__).parents[1] / "resources" / "published.json"


@dataclass(frozen=True)
class PublishedAccuracy:
    """A published score with the conditions it holds for.

    Attributes
    ----------
    network, device, precision, source, dataset, protocol : str
    rank1, mAP : float
        Fractions.
    rank1_decimals, mAP_decimals : int
        Decimals of the per cent in print: 94.2 % with 1 stands for anything from 94.15 % to 94.25 %.
    metric : {"euclidean", "cosine"}
    queries : int
        Queries of the data set that have a match.
    channels, size, resize, mean, std
        Preprocessing: order of channels, height x width, filter, and normalisation per channel, where white is 1.
    inferred : list of str
        Which of these facts the source does not print: they are our reading.
    """

    network: str
    rank1: float
    rank1_decimals: int
    mAP: float
    mAP_decimals: int
    device: str
    precision: str
    metric: str
    source: str
    dataset: str
    protocol: str
    queries: int
    channels: str
    size: str
    resize: str
    mean: list[float]
    std: list[float]
    inferred: list[str]

    def marked(self, *facts: str) -> str:
        """Facts for the eye, those that the source does not print marked as inferred."""
        return ", ".join(mark_inferred(getattr(self, fact), fact in self.inferred) for fact in facts)

    @property
    def name(self) -> str:
        """Network and device: how `find_published` finds it."""
        return f"{self.network}:{self.device}"


@dataclass(frozen=True)
class PublishedThroughput:
    """A published speed: images per second of `chips` chips together, milliseconds per image where given.

    `setting` tells apart several columns of one device; it is empty for the first.
    """

    network: str
    device: str
    chips: int
    batch_size: int
    throughput: float
    ave_latency: float | None
    source: str
    setting: str = ""

    @property
    def label(self) -> str:
        """The device, and which of its columns."""
        return f"{self.device}, {self.setting}" if self.setting else self.device


@lru_cache(maxsize=1)
def _document() -> dict:
    return read_json(_FILE)


def published_accuracy(network: str | None = None) -> list[PublishedAccuracy]:
    """Published scores, of one network or of all."""
    entries = [PublishedAccuracy(**entry) for entry in _document()["accuracy"]]
    return [e for e in entries if network in (None, e.network)]


def find_published(name: str) -> PublishedAccuracy:
    """One published score by network and device, such as ``osnet_x1_0:Ascend 310``.

    Without a device it is the first of the network, which is the model zoo's. Case and blanks do not matter.

    Raises
    ------
    ResultError
        No such entry; the message lists those that exist.
    """
    wanted = _key(name)
    for entry in published_accuracy():
        if wanted in (_key(entry.name), _key(entry.network)):
            return entry
    raise ResultError(
        f"no published score {name!r}",
        where=_FILE.name,
        cure=f"There are {', '.join(entry.name for entry in published_accuracy())}",
    )


def published_throughput(network: str | None = None, device: str | None = None) -> list[PublishedThroughput]:
    """Published speeds, of one network or device or of all, in the order of the sources."""
    entries = [PublishedThroughput(**entry) for entry in _document()["throughput"]]
    return [e for e in entries if network in (None, e.network) and device in (None, e.device)]


def bibliography_key(source: str) -> str | None:
    """The entry of the book's bibliography that a quoted source is; None where there is none."""
    keys: dict[str, str] = _document()["bibliography"]
    return next((key for start, key in keys.items() if source.startswith(start)), None)


def cited(source: str) -> str:
    """A source with its citation, as the book writes it in MyST."""
    key = bibliography_key(source)
    return f"{source} {{cite:p}}`{key}`" if key else source


def mark_inferred(text: str, inferred: bool) -> str:
    """A fact for the eye; one that no source prints is marked."""
    return f"{text} (inferred)" if inferred else text


def _key(name: str) -> str:
    return "".join(name.split()).lower()
