"""A target: what reads a file of the user, and whole files for it to start from."""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from osnet_lib.cli.main import _parser

UNCHECKED = "without its checksum"  # what a file is understood as that lost it: it is one of those that have none
SMALL = 1  # inputs of a costly target for each 10 of a cheap one


@dataclass(frozen=True)
class Target:
    """Something that a file of the user reaches.

    Attributes
    ----------
    name : str
    seeds : callable
        ``seeds(folder)`` gives whole files by name; the folder is the target's own, and what it needs beside the file
        may be made there.
    read : callable
        ``read(data, folder)`` reads a file of this content as the commands do, and returns what it understood.
    forms : tuple of str
        Of `mutations.FORMS`.
    weight : int
        How often it is drawn: 10 for what takes a millisecond.
    checked : bool
        The format has a checksum: bytes that were damaged are refused, or understood as before.
    """

    name: str
    seeds: Callable[[Path], dict[str, bytes]]
    read: Callable[[bytes, Path], object]
    forms: tuple[str, ...] = ("bytes",)
    weight: int = 10
    checked: bool = False


def put(folder: Path, name: str, data: bytes) -> Path:
    """The file that a target reads."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def command(*words: object) -> str:
    """What a command prints; its errors come through."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        options = _parser().parse_args([str(word) for word in words])
        options.run(options)
    return said.getvalue()


def digest(*parts: bytes) -> str:
    """What was understood, in short."""
    return hashlib.sha256(b"\0".join(parts)).hexdigest()
