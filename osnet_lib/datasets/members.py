"""What every archive of images answers, and the rules for the paths in it: one data set, nothing that leads out."""

from __future__ import annotations

import lzma
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Collection, Iterable
from os import PathLike

from ..errors import DatasetError, first_line
from .litter import is_litter
from .place import Place

MAX_FILE_BYTES = 64 * 2**20  # a member that claims more is no picture but a way to fill the memory
READ_ERRORS = (
    zipfile.BadZipFile,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)


class Archive:
    """Files by folder and name; the base of what reads folders, zips and tars.

    Attributes
    ----------
    path : Path or BucketPath
        The folder or file.
    files : dict of str to dict
        ``files[folder][name]`` for every wanted folder; an absent folder is an empty dict.
    """

    def __init__(self, path: Place, folders: Collection[str]):
        self.path = path
        self.files: dict[str, dict] = {folder: {} for folder in folders}

    def where(self, folder: str, name: str) -> str:
        """How messages name a file: its path, continued inside the archive."""
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
        except READ_ERRORS as error:
            raise DatasetError(
                f"cannot be read ({first_line(error)})",
                where=self.where(folder, name),
                cure="Keep the data set open and in place, or copy it again from its source",
            ) from error

    def _read(self, location) -> bytes:
        raise NotImplementedError

    def close(self) -> None:
        """Release the file handle, if there is one."""

    def no_root(self, found: Collection[str]) -> DatasetError:
        """The refusal of a path under which there is no data set, or more than one (`found`)."""
        wanted = ", ".join(f"{folder}/" for folder in self.files)
        if found:
            return DatasetError(
                f"holds several data sets ({', '.join(sorted(found))})", where=self.path, cure="Pass one of them"
            )
        return DatasetError(
            f"holds none of the folders {wanted}",
            where=self.path,
            cure="Pass the folder, zip or tar that contains them, at any depth; other layouts become a data set by "
            "osnet manifest",
        )


class PackedArchive(Archive):
    """An archive whose members are listed once and then read where they are: zip and tar."""

    kind = "archive"  # as messages name it
    prefix: tuple[str, ...] = ()

    def where(self, folder: str, name: str) -> str:
        return shown("/".join([str(self.path), *self.prefix, folder, name]))

    def find_prefix(self, folders_inside: Iterable[tuple[str, ...]]) -> None:
        """Set the path inside under which the wanted folders are, from the folders that are there."""
        roots = {
            parts[: next(i for i, part in enumerate(parts) if part in self.files)]
            for parts in folders_inside
            if not self.files.keys().isdisjoint(parts)
        }
        outer = [root for root in roots if not any(root[:depth] in roots for depth in range(len(root)))]
        if len(outer) != 1:
            raise self.no_root([shown("/".join(root)) for root in outer])
        self.prefix = outer[0]

    def add(self, parts: tuple[str, ...], size: int, location: object, fault: str | None = None) -> bool:
        """List a file if it lies in a wanted folder, and say whether it does; refuse one that must not be there.

        Parameters
        ----------
        parts : tuple of str
            Its path, see `inner_path`.
        fault : str, optional
            Why the member cannot be read, where that is known.
        """
        depth = len(self.prefix)
        if parts[:depth] != self.prefix or len(parts) < depth + 2 or parts[depth] not in self.files:
            return False
        folder, name, *deeper = parts[depth:]
        where = self.where(folder, "/".join([name, *deeper]))
        if deeper:
            raise DatasetError(
                "lies in a folder where only images belong", where=where, cure=f"Pack its images directly in {folder}/"
            )
        if name in self.files[folder]:
            raise DatasetError(
                f"is in the {self.kind} twice", where=where, cure=f"Pack the {self.kind} again with unique names"
            )
        if fault:
            raise DatasetError(fault, where=where, cure=f"Pack the {self.kind} again, from plain files")
        if size > MAX_FILE_BYTES:
            raise DatasetError(
                f"claims {size:,} bytes, too many for an image of a person",
                where=where,
                cure=f"Download the {self.kind} again from a source that you trust",
            )
        self.files[folder][name] = location
        return True

    def inner_path(self, name: str) -> tuple[str, ...]:
        """A member's path in parts; empty for litter.

        Raises
        ------
        DatasetError
            A path that leads out of the archive.
        """
        path = name.replace("\\", "/")  # some Windows packers write backslashes
        parts = tuple(part for part in path.split("/") if part not in ("", "."))
        if path.startswith("/") or ".." in parts or re.match("[A-Za-z]:", path) or "\0" in path:
            raise DatasetError(
                f"holds a path that leads out of it ({name!r})",
                where=self.path,
                cure="Do not unpack it; download the data set from a source that you trust",
            )
        return () if any(map(is_litter, parts)) else parts


def shown(path: str | PathLike[str]) -> str:
    """A path that can be printed on one line, also where it holds line breaks or bytes that are no UTF-8."""
    text = re.sub("[\0-\x1f\x7f]", lambda sign: repr(sign[0])[1:-1], str(path))
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
