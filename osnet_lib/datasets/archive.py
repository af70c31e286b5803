"""The files of a data set, read in place from a folder or from a zip that is never extracted.

Both kinds answer the same two questions: which files each of the wanted folders holds, and what
their bytes are. The wanted folders may stand at the top or inside one top-level folder.
"""

from __future__ import annotations

import os
import re
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection
from os import PathLike
from pathlib import Path

from ..errors import DatasetError

LITTER = {"thumbs.db", "desktop.ini", "__macosx"}  # left behind by file managers; names starting with "." too
MAX_FILE_BYTES = 64 * 2**20  # a zip member that claims more is no picture but a way to fill the memory
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


def is_litter(name: str) -> bool:
    """Whether a file or folder name is a file manager's own (Thumbs.db, .DS_Store, __MACOSX)."""
    return name.startswith(".") or name.lower() in LITTER


class Archive:
    """Files by folder and name; the base of `FolderArchive` and `ZipArchive`.

    Attributes
    ----------
    path : Path
        The folder or zip.
    files : dict of str to dict
        ``files[folder][name]`` for every wanted folder; an absent folder is an empty dict.
    """

    def __init__(self, path: Path, folders: Collection[str]):
        self.path = path
        self.files: dict[str, dict] = {folder: {} for folder in folders}

    def where(self, folder: str, name: str) -> str:
        """How messages name a file: its path, continued inside the zip."""
        raise NotImplementedError

    def read(self, folder: str, name: str) -> bytes:
        """The bytes of one file; safe to call from several threads.

        Raises
        ------
        DatasetError
            The file is not in the archive, or can no longer be read.
        """
        location = self.files.get(folder, {}).get(name)
        if location is None:
            raise DatasetError(
                "is not a file of this data set",
                where=self.where(folder, name),
                cure="Use a sample from the tables of the data set that is open",
            )
        try:
            return self._read(location)
        except _ZIP_ERRORS as error:
            raise DatasetError(
                f"cannot be read ({error})",
                where=self.where(folder, name),
                cure="Keep the data set open and in place, or copy it again from its source",
            ) from error

    def _read(self, location) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Release the file handle, if there is one."""

    def _layout_error(self, found: Collection[str]) -> DatasetError:
        wanted = ", ".join(f"{folder}/" for folder in self.files)
        if found:
            return DatasetError(
                f"holds several data sets ({', '.join(sorted(found))})", where=self.path, cure="Pass one of them"
            )
        return DatasetError(
            f"holds none of the folders {wanted}",
            where=self.path,
            cure="Pass the folder or .zip that contains them, at the top or inside one folder",
        )


class FolderArchive(Archive):
    """An unpacked data set."""

    def __init__(self, path: Path, folders: Collection[str]):
        super().__init__(path, folders)
        try:
            self.root = self._find_root()
            for folder in (folder for folder in folders if (self.root / folder).is_dir()):
                with os.scandir(self.root / folder) as entries:
                    for entry in entries:
                        if is_litter(entry.name):
                            continue
                        if entry.is_dir():
                            raise DatasetError(
                                "is a folder where only images belong",
                                where=entry.path,
                                cure=f"Move its images up into {folder}/, or the folder elsewhere",
                            )
                        self.files[folder][entry.name] = entry.path
        except OSError as error:
            raise DatasetError(
                f"cannot be listed ({error.strerror})",
                where=error.filename or path,
                cure="Check the permissions of the folder",
            ) from error

    def _find_root(self) -> Path:
        inside = [child for child in sorted(self.path.iterdir()) if child.is_dir() and not is_litter(child.name)]
        roots = [root for root in [self.path, *inside] if any((root / folder).is_dir() for folder in self.files)]
        if self.path in roots or len(roots) == 1:
            return roots[0]
        raise self._layout_error([root.name for root in roots])

    def where(self, folder: str, name: str) -> str:
        return str(self.root / folder / name)

    def _read(self, location: str) -> bytes:
        with open(location, "rb") as stream:
            return stream.read()


class ZipArchive(Archive):
    """A zip, read member by member; opening it reads the list of members only."""

    def __init__(self, path: Path, folders: Collection[str]):
        super().__init__(path, folders)
        self._lock = threading.Lock()  # one file handle for all threads
        try:
            self._zip = zipfile.ZipFile(path)
        except _ZIP_ERRORS as error:
            raise DatasetError(
                f"is not a readable zip ({error})",
                where=path,
                cure="Download it again: it is damaged, cut short or something else",
            ) from error
        try:
            self._index()
        except BaseException:
            self.close()
            raise

    def _index(self) -> None:
        members = [(self._inner_path(info), info) for info in self._zip.infolist()]
        members = [(parts, info) for parts, info in members if parts and not any(map(is_litter, parts))]
        tops = {parts[0] for parts, _ in members if len(parts) > 1 and parts[1] in self.files}
        if any(parts[0] in self.files for parts, _ in members):
            self.prefix: tuple[str, ...] = ()
        elif len(tops) == 1:
            self.prefix = tuple(tops)
        else:
            raise self._layout_error(tops)
        depth = len(self.prefix)
        for parts, info in members:
            if parts[:depth] == self.prefix and len(parts) > depth + 1 and not info.is_dir():
                folder, name, *deeper = parts[depth:]
                if folder in self.files:
                    self._check(folder, name, deeper, info)
                    self.files[folder][name] = info

    def _check(self, folder: str, name: str, deeper: list[str], info: zipfile.ZipInfo) -> None:
        where = "/".join([self.where(folder, name), *deeper])
        if deeper:
            raise DatasetError(
                "lies in a folder where only images belong", where=where, cure=f"Pack its images directly in {folder}/"
            )
        if name in self.files[folder]:
            raise DatasetError("is in the zip twice", where=where, cure="Pack the zip again with unique names")
        if info.flag_bits & 1 or info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise DatasetError(
                "is encrypted or packed by a method other than store and deflate",
                where=where,
                cure="Pack the zip again without a password, with deflate",
            )
        if info.file_size > MAX_FILE_BYTES:
            raise DatasetError(
                f"claims {info.file_size:,} bytes, too many for an image of a person",
                where=where,
                cure="Download the zip again from a source that you trust",
            )

    def _inner_path(self, info: zipfile.ZipInfo) -> tuple[str, ...]:
        name = info.orig_filename.replace("\\", "/")  # some Windows packers write backslashes
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if name.startswith("/") or ".." in parts or re.match("[A-Za-z]:", name) or "\0" in name:
            raise DatasetError(
                f"holds a path that leads out of it ({info.orig_filename!r})",
                where=self.path,
                cure="Do not unpack it; download the data set from a source that you trust",
            )
        return parts

    def where(self, folder: str, name: str) -> str:
        return "/".join([str(self.path), *self.prefix, folder, name])

    def _read(self, location: zipfile.ZipInfo) -> bytes:
        with self._lock:
            return self._zip.read(location)

    def close(self) -> None:
        self._zip.close()


def open_archive(path: str | PathLike, folders: Collection[str]) -> Archive:
    """Open a folder or a zip and list the wanted folders in it.

    Parameters
    ----------
    path : str or path
        A folder or a zip file.
    folders : collection of str
        The folders wanted, such as ``query``; at least one must be there.

    Raises
    ------
    DatasetError
        No such path; neither folder nor zip; none of the folders, or several data sets; a sub-folder among the
        images; a zip that is damaged, encrypted, or holds a path twice or one that leads out of it.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        return FolderArchive(path, folders)
    if not path.exists():
        raise DatasetError(
            "no such folder or zip", where=path, cure="Check the path, or use the embedded data set by the name mini"
        )
    return ZipArchive(path, folders)
