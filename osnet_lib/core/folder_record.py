"""What a run put into a folder of many files: the key of the run, and the hash of each file.

Both lie beside the folder, where no other tool meets them: ``<folder>.key.json`` says what the files were made from,
and ``<folder>.sha256`` lists them as ``sha256sum`` does (``cd FOLDER && sha256sum --check ../FOLDER.sha256``).
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from threading import Lock

from .files import absolute, atomic_path, open_own, read_bytes, read_json, write_json

_LINE = re.compile(rb"([0-9a-f]{64})  (.+)")
_MODEL = re.compile(rb"# model ([0-9a-f]{64})  (.+)")  # sha256sum passes over lines that begin so
_ENDED = b"# the run ended"


class FolderRecord:
    """The files of a folder that one run made, told by their hashes; safe to use from several threads.

    A file's hash is listed before the file lies there, so that a kill leaves none that is not listed. Files of an
    earlier run with the same key stay listed; another key starts an empty list.
    """

    def __init__(self, folder: str | os.PathLike[str]):
        self.folder = absolute(folder)
        self.key = self.folder.with_name(f"{self.folder.name}.key.json")
        self.list = self.folder.with_name(f"{self.folder.name}.sha256")
        self.ended, self._lock = False, Lock()
        self.model: tuple[str, str] | None = None  # SHA-256 and name of what computed the files, where a model did
        self._sums: dict[str, set[str]] = {}
        try:
            lines = read_bytes(self.list).split(b"\n")
        except FileNotFoundError:
            lines = []
        for line in lines:
            if match := _LINE.fullmatch(line):  # the last may be cut short by a kill
                self._sums.setdefault(os.fsdecode(match[2]), set()).add(match[1].decode())
            elif match := _MODEL.fullmatch(line):
                self.model = (match[1].decode(), os.fsdecode(match[2]))
        self.ended = _ENDED in lines

    @property
    def exists(self) -> bool:
        """Whether there is a list at all; folders of other tools have none."""
        return self.list.is_file()

    def matches(self, wanted: str) -> bool:
        """Whether the files were made from what this key says."""
        try:
            return self.exists and read_json(self.key) == wanted
        except (FileNotFoundError, ValueError):
            return False

    def holds(self, name: str, data: bytes) -> bool:
        """Whether a file of this name and content is one of the run's."""
        return hashlib.sha256(data).hexdigest() in self._sums.get(name, ())

    def begin(self, wanted: str, model: tuple[str, str] | None = None) -> None:
        """Go on with the run of this key, or forget those of another; `model` is noted, by SHA-256 and name."""
        if self.matches(wanted):
            with open_own(self.list) as stream:
                stream.write(b"\n")  # behind a line that a kill cut short
            return
        self.list.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(self.list) as temporary:
            temporary.write_bytes(_model_line(*model) if model else b"")
        self._sums, self.ended, self.model = {}, False, model
        write_json(self.key, wanted)

    def put(self, name: str, data: bytes) -> Path:
        """List a file and write it, whole or not at all."""
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._sums.get(name, ()):
            self._append(digest.encode() + b"  " + os.fsencode(name))
            self._sums.setdefault(name, set()).add(digest)
        path = self.folder / name
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)
        return path

    def end(self) -> None:
        """Say that nothing is missing."""
        if not self.ended:
            self._append(_ENDED)
            self.ended = True

    def _append(self, line: bytes) -> None:
        with self._lock, open_own(self.list) as stream:
            stream.write(line + b"\n")


def _model_line(digest: str, name: str) -> bytes:
    return b"# model " + digest.encode() + b"  " + os.fsencode(" ".join(name.split())) + b"\n"
