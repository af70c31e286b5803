"""The folder a study works in, and artefacts that are reused while their content hash fits."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from .files import fingerprint, sha256, write_json

REPOSITORY = Path(__file__).parents[1]


@dataclass(frozen=True)
class Workspace:
    """Where models, data, features, results and executed notebooks lie, all below `root`."""

    root: Path

    @property
    def models(self) -> Path:
        return self.root / "work" / "models"

    @property
    def data(self) -> Path:
        return self.root / "work" / "data"

    @property
    def features(self) -> Path:
        return self.root / "work" / "features"

    @property
    def failed(self) -> Path:
        return self.root / "work" / "failed"

    @property
    def results(self) -> Path:
        return self.root / "results"

    @property
    def executed(self) -> Path:
        return self.root / "executed"

    @property
    def notebooks(self) -> Path:
        return self.root / "notebooks"


def open_workspace(path: str | os.PathLike = "") -> Workspace:
    """The workspace at `path`; else at ``$OSNET_WORKSPACE``; else the checkout; else the current folder."""
    chosen = path or os.environ.get("OSNET_WORKSPACE")
    if not chosen:
        chosen = REPOSITORY if (REPOSITORY / "notebooks").is_dir() else Path.cwd()
    return Workspace(Path(chosen).expanduser().resolve())


def artefact(path: Path, key: dict, make: Callable[[Path], object]) -> Path:
    """Return `path`, made by ``make(path)`` unless a file made from the same key lies there unharmed.

    Parameters
    ----------
    path : Path
        The artefact.
    key : dict
        Everything its content depends on: hashes of inputs, parameters, digest of the code.
    make : callable
        Writes the file; must write atomically.

    Notes
    -----
    ``<path>.key.json`` beside the artefact records key and SHA-256. It is removed first and written
    last, so a killed run leaves an artefact without a key, which the next run makes again.
    """
    record = path.with_name(path.name + ".key.json")
    wanted = fingerprint(key)
    if path.is_file() and record.is_file():
        try:
            held = json.loads(record.read_text("utf-8"))
        except ValueError:
            held = None
        if isinstance(held, dict) and held.get("fingerprint") == wanted and held.get("sha256") == sha256(path):
            return path
    record.unlink(missing_ok=True)
    make(path)
    write_json(record, {"fingerprint": wanted, "sha256": sha256(path), "key": key})
    return path
