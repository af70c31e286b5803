"""What ``osnet tune`` recommends for a model on this machine: a file for the backend tuned, refused when stale."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.files import read_json, sha256, write_json
from ..core.host import package_versions
from ..core.machine import describe_machine
from ..errors import SessionError
from ..network.weights import cache_folder
from ..version import __version__
from .engine import LIBRARIES

TUNED = "tuned"  # the backend that stands for what the file of a model says
_AGAIN = "Run osnet tune on it again, or name a backend."


@dataclass(frozen=True)
class TunedEngine:
    """What was recommended: the file to open, by which backend, in which precision, with how many threads."""

    file: Path
    sha256: str
    backend: str
    precision: str
    threads: int


def surroundings() -> dict[str, dict[str, Any]]:
    """What a recommendation holds for beside its model: the machine as far as it decides on speeds, and versions."""
    machine = describe_machine()
    return {
        "machine": {"processor": machine["processor"], "flags": machine["flags"], "cores": machine["cores"]["usable"]},
        "versions": {"osnet": __version__, **package_versions(LIBRARIES)},
    }


def tuning_path(model: Path, digest: str) -> Path:
    """The file of a model, in the cache of downloads; a later tuning of the same model replaces it."""
    return _folder() / f"{model.stem}-{digest[:16]}.json"


def write_tuning(model: Path, choice: TunedEngine, found: dict[str, Any]) -> Path:
    """Keep a choice for a model.

    Parameters
    ----------
    found : dict
        What led to it, ready for JSON; kept for who reads the file.
    """
    digest = sha256(model)
    document = {
        "model": {"file": model.name, "sha256": digest},
        **surroundings(),
        "open": {
            "file": str(choice.file),
            "sha256": choice.sha256,
            "backend": choice.backend,
            "precision": choice.precision,
            "threads": choice.threads,
        },
        "found": found,
    }
    return write_json(tuning_path(model, digest), document)


def read_tuning(model: Path) -> TunedEngine:
    """What was recommended for a model.

    Raises
    ------
    SessionError
        No such file, or a damaged one; one of another machine, other versions or another model of that name, or whose
        own file is gone or another by now: it says which.
    """
    path = tuning_path(model, sha256(model))
    if not path.is_file():
        if list(_folder().glob(f"{glob.escape(model.stem)}-{'[0-9a-f]' * 16}.json")):
            raise SessionError("the tuning is stale: the model is another than was tuned", where=model, cure=_AGAIN)
        cure = "Run osnet tune on it first, or name a backend."
        raise SessionError("was never tuned on this machine", where=model, cure=cure)
    try:
        document = read_json(path)
        held = document["open"]
        choice = TunedEngine(Path(held["file"]), *map(held.__getitem__, ("sha256", "backend", "precision", "threads")))
        changes = [change for kind, now in surroundings().items() for change in _changes(kind, document[kind], now)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise SessionError(f"no tuning file ({type(error).__name__}: {error})", where=path, cure=_AGAIN) from error
    if not choice.file.is_file():
        changes.append(f"the file to open is gone ({choice.file})")
    elif sha256(choice.file) != choice.sha256:
        changes.append(f"the file to open is another ({choice.file})")
    if changes:
        raise SessionError(f"the tuning is stale: {'; '.join(changes)}", where=path, cure=_AGAIN)
    return choice


def _folder() -> Path:
    return cache_folder() / TUNED


def _changes(kind: str, then: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What differs, in words; of a list of flags only that it does."""
    names = [name for name in sorted({*then, *now}) if then.get(name) != now.get(name)]
    return [
        f"{kind} differs in {name}" + ("" if name == "flags" else f", {then.get(name)} became {now.get(name)}")
        for name in names
    ]
