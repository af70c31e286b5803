"""Artefacts that are reused while the hash of everything they were made from fits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from .files import fingerprint, read_json, sha256, write_json


def artefact(path: Path, key: dict[str, Any], make: Callable[[Path], object]) -> Path:
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
            held = read_json(record)
        except ValueError:
            held = None
        if isinstance(held, dict) and held.get("fingerprint") == wanted and held.get("sha256") == sha256(path):
            return path
    record.unlink(missing_ok=True)
    make(path)
    write_json(record, {"fingerprint": wanted, "sha256": sha256(path), "key": key})
    return path
