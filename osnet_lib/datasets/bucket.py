"""A data set that lies in an object store as objects of their own, below a prefix."""

from __future__ import annotations

from collections.abc import Collection

from .members import PackedArchive
from .place import BucketPath


class BucketFolder(PackedArchive):
    """Images below a prefix; opening lists them, each is read by a request of its own."""

    kind = "folder"

    def __init__(self, path: BucketPath, folders: Collection[str]):
        super().__init__(path, folders)
        members = [(self.inner_path(name), size, path / name) for name, size in path.walk(folders) if name]
        members = [member for member in members if member[0]]
        self.find_prefix(parts[:-1] for parts, *_ in members)
        for parts, size, location in members:
            if not location.key.endswith("/"):  # else what a console lays for an empty folder
                self.add(parts, size, location)

    def _read(self, location: BucketPath) -> bytes:
        return location.read_bytes()
