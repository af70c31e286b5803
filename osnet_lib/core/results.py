"""Result files: one JSON per measurement, named by its conditions, carrying all of them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ResultError
from .conditions import DatasetFacts, Environment, ModelFacts, SessionFacts
from .files import fingerprint, parse_json, read_json, write_json
from .host import environment
from .line import one_line
from .machine import describe_machine

_SESSION = tuple(f"conditions.session.{fact}" for fact in ("backend", "device", "precision", "threads"))
_ALWAYS = (
    "conditions.model.architecture",
    "conditions.model.sha256",
    "conditions.environment.python",
    "conditions.environment.versions",
)

# What a result of each kind must hold for the tables and figures of the book; one of another version may not.
NEEDED = {
    "parity": (*_ALWAYS, "values.stages"),
    "stages": (*_ALWAYS, "conditions.dataset.file", "conditions.dataset.sha256", "conditions.metric", "values.stages"),
    "accuracy": (
        *_ALWAYS,
        *_SESSION,
        "conditions.dataset.file",
        "conditions.dataset.sha256",
        "conditions.metric",
        "values.rank.1",
        "values.mAP",
        "values.num_valid",
    ),
    "variants": (*_ALWAYS, *_SESSION, "conditions.metric", "values.variants"),
    "performance": (
        *_ALWAYS,
        *_SESSION,
        "conditions.batch_size",
        "values.throughput",
        "values.ave_latency",
        "values.latency_ms.median",
        "values.latency_ms.p99",
        "values.relative_spread",
        "values.rounds",
    ),
    "engines": (
        *_ALWAYS,
        "conditions.dataset.file",
        "conditions.batch_size",
        "conditions.budget",
        "conditions.machine",
        "values.candidates",
        "values.left_out",
        "values.recommendation.ratio.median",
    ),
    "evaluation": (
        "conditions.benchmark",
        "conditions.arguments",
        "conditions.code",
        "conditions.queries",
        "conditions.rounds",
        "conditions.environment.cores",
        "conditions.environment.versions",
        "values.same",
    ),
}
KINDS = tuple(NEEDED)
# Of what type they are, by the last part of the name; others may be anything.
_NUMBERS = frozenset(
    {"1", "mAP", "num_valid", "throughput", "ave_latency", "median", "p99", "relative_spread", "rounds"}
    | {"batch_size", "queries", "cores", "threads", "budget"}
)
_TEXTS = frozenset({"architecture", "sha256", "file", "metric", "backend", "device", "precision", "benchmark"})
_LISTS = frozenset({"stages", "variants", "candidates"})

_DIGEST = "sha256:"  # how a digest starts; one that starts otherwise is of a version to come

NOT_MEASURED = "simulated device: not measured"  # stands in place of every speed of a device that is not there
_SPEEDS = ("throughput", "ave_throughputRate", "ave_latency", "relative_spread")


@dataclass(frozen=True)
class Result:
    """A measurement.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    name : str
        What tells it from others of its kind, in words joined by hyphens; names the file, so that
        measuring again under the same conditions replaces it.
    conditions : dict
        Model, data, session, batch, rounds, versions, hashes; `model`, `dataset`, `session` and `environment` are
        views of them, empty where the result has none.
    values : dict
        What was measured.
    """

    kind: str
    name: str
    conditions: dict[str, Any]
    values: dict[str, Any]

    def __repr__(self) -> str:
        return one_line(f"{self.kind} {self.name}: {', '.join(_figures(self.values)) or 'no figures'}")

    @property
    def file_name(self) -> str:
        return f"{self.kind}-{self.name}.json"

    @property
    def model(self) -> ModelFacts:
        return ModelFacts.read(self.conditions.get("model"))

    @property
    def dataset(self) -> DatasetFacts:
        return DatasetFacts.read(self.conditions.get("dataset"))

    @property
    def session(self) -> SessionFacts:
        return SessionFacts.read(self.conditions.get("session"))

    @property
    def environment(self) -> Environment:
        return Environment.read(self.conditions.get("environment"))


def _figures(values: dict[str, Any]) -> list[str]:
    """The figures that a reader asks for first, as far as there are any."""
    shares = {"Rank-1": _number(values.get("rank"), "1"), "mAP": _number(values, "mAP")}
    figures = [f"{name} {100 * share:.2f} %" for name, share in shares.items() if share is not None]
    if (rate := _number(values, "throughput")) is not None:
        figures.append(f"{rate:.1f} images/s")
    figures += [f"{len(values[name])} {name}" for name in sorted(_LISTS) if isinstance(values.get(name), list)]
    figures += [str(values[name]) for name in ("verdict", "not_measured") if values.get(name)]
    if "same" in values:
        figures.append("the same figures" if values["same"] else "other figures")
    return figures


def _number(values: object, name: str) -> float | None:
    found = values.get(name) if isinstance(values, dict) else None
    return found if isinstance(found, (int, float)) else None


def result_name(*parts: object) -> str:
    """Join parts to a file name: letters, digits, ``. _ -``; everything else becomes ``_``."""
    return "-".join(re.sub(r"[^A-Za-z0-9._]+", "_", str(part)).strip("_") for part in parts)


def write_result(folder: Path, result: Result) -> Path:
    """Write a result below `folder` and return its path; a speed of a simulated device is refused."""
    if result.kind not in KINDS:
        raise ResultError(f"unknown kind {result.kind!r}", where=result.name, cure=f"Known kinds: {', '.join(KINDS)}.")
    if wrong := _wrong_speed(result):
        raise ResultError(wrong, where=result.name, cure="Take the values of a Benchmark, which leave them out.")
    here = {"environment": environment()}  # an imported one states that of its own host
    if "imported" not in result.conditions:
        here["machine"] = describe_machine()
    conditions = {**here, **result.conditions}
    document = {"kind": result.kind, "name": result.name, "conditions": conditions, "values": result.values}
    return write_json(Path(folder) / result.file_name, {**document, "digest": _digest(document)})


def read_result(path: str | Path) -> Result:
    """Read a result file.

    Raises
    ------
    ResultError
        It is damaged, of another kind or of a later version, or lacks what its kind must have; it was changed after it
        was written, which its digest tells. Files without a digest, of earlier versions or made by hand, are read as
        they are.
    """
    path = Path(path)
    cure = "Delete it and run the notebook that writes it again."
    try:
        document = read_json(path)
        given = document.pop("digest", None)
        result = Result(document["kind"], document["name"], document["conditions"], document["values"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ResultError(f"not a result file ({type(error).__name__}: {error})", where=path, cure=cure) from error
    if given is not None and not str(given).startswith(_DIGEST):
        later = "Read it with the version of osnet that wrote it, or delete it and run the notebook again."
        raise ResultError(f"of a later version (its digest is {str(given)[:40]!r})", where=path, cure=later)
    if given is not None and given != _digest(document):
        raise ResultError("was changed after it was written: its digest does not fit", where=path, cure=cure)
    if result.kind not in KINDS:
        raise ResultError(f"unknown kind {result.kind!r}", where=path, cure=cure)
    if not isinstance(result.name, str):
        raise ResultError(f"has the name {str(result.name)[:40]!r}, which is no text", where=path, cure=cure)
    missing = [name for name in NEEDED[result.kind] if not _holds(document, name)]
    if missing:
        raise ResultError(f"lacks {', '.join(missing)}", where=path, cure=cure)
    if odd := [name for name in NEEDED[result.kind] if not _is_typed(name, _at(document, name))]:
        raise ResultError(f"holds something else than expected as {', '.join(odd)}", where=path, cure=cure)
    if wrong := _wrong_speed(result):
        raise ResultError(wrong, where=path, cure=cure)
    return Result(result.kind, result.name, _facts(result.conditions, path), _facts(result.values, path))


def _digest(document: dict[str, Any]) -> str:
    """Of the content as it is read back: a tuple is a list then, and every key a text."""
    return _DIGEST + fingerprint(parse_json(json.dumps(document)))


def _wrong_speed(result: Result) -> str | None:
    """What is wrong with the speeds: one of a simulated device, or none and no reason for it."""
    if result.kind != "performance":
        return None
    values = result.values
    latency = values.get("latency_ms")
    speeds = {name: values.get(name) for name in _SPEEDS} | {"times_ms": values.get("times_ms") or None}
    speeds |= {f"latency_ms.{name}": time for name, time in latency.items()} if isinstance(latency, dict) else {}
    told = [name for name, speed in speeds.items() if speed is not None]
    if result.session.simulated and told:
        return f"a simulated device has no speed, but holds {', '.join(told)}"
    if speeds["throughput"] is None and not values.get("not_measured"):
        return "holds no throughput, and no reason for it in not_measured"
    return None


def _holds(document: object, name: str) -> bool:
    for part in name.split("."):
        if not isinstance(document, dict) or part not in document:
            return False
        document = document[part]
    return True


def _at(document: Any, name: str) -> object:
    for part in name.split("."):
        document = document[part]
    return document


def _is_typed(name: str, value: object) -> bool:
    last = name.rpartition(".")[2]
    if last in _NUMBERS:
        return value is None or (isinstance(value, (int, float)) and _fits_float(value))
    return isinstance(value, str if last in _TEXTS else list if last in _LISTS else object)


def _fits_float(value: float) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


class _Facts(dict[str, Any]):
    """An object of a result file, which names the file where a table asks for what it lacks."""

    def __init__(self, held: dict[str, Any], path: Path):
        super().__init__({name: _facts(value, path) for name, value in held.items()})
        self.path = path

    def __missing__(self, name: object) -> Any:
        cure = "It is of another version: delete it and run the notebook that writes it again."
        raise ResultError(f"lacks {name}", where=self.path, cure=cure)


def _facts(value: Any, path: Path) -> Any:
    if isinstance(value, dict):
        return _Facts(value, path)
    return [_facts(one, path) for one in value] if isinstance(value, list) else value


def read_results(folder: Path, kind: str) -> list[Result]:
    """All results of a kind, sorted by file name; an empty list where there is none yet."""
    return [read_result(path) for path in sorted(Path(folder).glob(f"{kind}-*.json"))]


def results_by_kind(folder: Path) -> dict[str, list[Result]]:
    """All results, by kind."""
    return {kind: read_results(folder, kind) for kind in KINDS}


def newest_result(folder: Path, kind: str, **conditions: Any) -> Result:
    """The result of a kind that was written last: what a notebook has just measured.

    Parameters
    ----------
    conditions
        Only of results that state these, such as ``metric="cosine"``.

    Raises
    ------
    ResultError
        There is none.
    """
    paths = sorted(folder.glob(f"{kind}-*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in paths:
        result = read_result(path)
        if all(result.conditions.get(name) == value for name, value in conditions.items()):
            return result
    raise ResultError(f"no result of kind {kind}", where=folder, cure="Run the notebook that writes it.")
