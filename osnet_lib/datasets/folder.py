"""A data set that lies unpacked in a folder, or in folders around it."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Collection
from pathlib import Path

from ..core.files import read_bytes
from ..errors import DatasetError
from .litter import is_litter
from .members import Archive, shown
from .place import MOST_FOLDERS


class FolderArchive(Archive):
    """An unpacked data set."""

    path: Path

    def __init__(self, path: Path, folders: Collection[str]):
        super().__init__(path, folders)
        try:
            self.root = self._find_root()
            for folder in (folder for folder in folders if (self.root / folder).is_dir()):
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        if not is_litter(entry.name):
                            _check(entry, folder)
                            self.files[folder][entry.name] = entry.path
        except OSError as error:
            raise DatasetError(
                f"cannot be listed ({error.strerror})",
                where=error.filename or path,
                cure="Check the permissions of the folder",
            ) from error

    def _find_root(self) -> Path:
        """The one folder that holds wanted folders, this one or any below it; those below a found one do not count."""
        roots, waiting, seen = [], deque([self.path]), set[tuple[int, int]]()
        while waiting:
            folder = waiting.popleft()
            status = folder.stat()
            if (status.st_dev, status.st_ino) in seen:  # by another link
                continue
            seen.add((status.st_dev, status.st_ino))
            if len(seen) > MOST_FOLDERS:
                raise DatasetError(
                    f"holds more than {MOST_FOLDERS:,} folders, too many to look for a data set in",
                    where=self.path,
                    cure="Pass the folder of the data set itself",
                )
            if any((folder / wanted).is_dir() for wanted in self.files):
                roots.append(folder)
                if folder == self.path:
                    break
                continue
            try:
                with os.scandir(folder) as entries:
                    inside = sorted(entry.name for entry in entries if not is_litter(entry.name) and entry.is_dir())
            except PermissionError:
                if folder == self.path:
                    raise
                continue  # a folder of somebody else beside the data set
            waiting += [folder / name for name in inside]
        if len(roots) == 1:
            return roots[0]
        raise self.no_root([shown(root.relative_to(self.path)) for root in roots])

    def where(self, folder: str, name: str) -> str:
        return shown(self.root / folder / name)

    def _read(self, location: str) -> bytes:
        return read_bytes(location)


def _check(entry: os.DirEntry[str], folder: str) -> None:
    if entry.is_dir():
        raise DatasetError(
            "is a folder where only images belong",
            where=shown(entry.path),
            cure=f"Move its images up into {folder}/, or the folder elsewhere",
        )
    if not entry.is_file():  # to read a pipe would wait for ever
        link = entry.is_symlink() and not os.path.exists(entry.path)
        raise DatasetError(
            f"is a link to {shown(os.readlink(entry.path))}, which is not there" if link else "is no regular file",
            where=shown(entry.path),
            cure="Copy the image itself to this place",
        )
