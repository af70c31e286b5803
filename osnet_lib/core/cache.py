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
    if kept(path, key):
        return path
    _record(path).unlink(missing_ok=True)
    make(path)
    keep(path, key)
    return path


def kept(path: Path, key: dict[str, Any]) -> bool:
    """Whether a file made from this key lies there unharmed."""
    record = _record(path)
    if not (path.is_file() and record.is_file()):
        return False
    try:
        held = read_json(record)
    except ValueError:
        return False
    return isinstance(held, dict) and held.get("fingerprint") == fingerprint(key) and held.get("sha256") == sha256(path)


def keep(path: Path, key: dict[str, Any]) -> str:
    """Record what a file was made from, and give its SHA-256."""
    digest = sha256(path)
    write_json(_record(path), {"fingerprint": fingerprint(key), "sha256": digest, "key": key})
    return digest


def _record(path: Path) -> Path:
    return path.with_name(path.name + ".key.json")
