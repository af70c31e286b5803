"""A data set in a tar, plain or packed by gzip, bzip2 or xz; nothing is written to the disk.

A plain tar is listed once and its members are read where they lie. In a packed one nothing can be found without
unpacking all before it, so it is unpacked once, into the memory, of which it may take `MAX_HELD_BYTES`.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import threading
from collections.abc import Callable, Collection, Iterator
from typing import BinaryIO

from ..errors import DatasetError, first_line
from .members import MAX_FILE_BYTES, READ_ERRORS, PackedArchive, shown
from .place import Place, open_file

MAX_HELD_BYTES = 2**30  # of images of one packed tar; Market-1501 has 0.15 GB of them
_MAX_UNPACKED = 2**36  # of all that is in it, images or not
_MAX_HEADER = 2**20  # of one header; a longer one is a way to fill the memory
_MAX_MEMBERS = 2_000_000
_XZ_MEMORY = 2**28  # what an unpacker may take; xz -9 asks for a quarter of it
_PIECE = 2**18


class _XzFile(io.RawIOBase):
    """What `lzma.LZMAFile` is, within a limit of memory."""

    def __init__(self, stream: BinaryIO):
        self._stream = stream
        self._unpacker = self._new()

    def _new(self) -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        while True:
            packed = b""
            if self._unpacker.eof:  # another stream may follow, after zeros
                packed = self._unpacker.unused_data.lstrip(b"\0")
                while not packed:
                    if not (piece := self._stream.read(_PIECE)):
                        return 0
                    packed = piece.lstrip(b"\0")
                self._unpacker = self._new()
            elif self._unpacker.needs_input and not (packed := self._stream.read(_PIECE)):
                raise EOFError("the xz stream ends before its end")
            if unpacked := self._unpacker.decompress(packed, len(buffer)):
                buffer[: len(unpacked)] = unpacked
                return len(unpacked)


# By the first bytes of the file.
PACKERS: dict[bytes, Callable[[BinaryIO], io.BufferedIOBase]] = {
    b"\x1f\x8b": lambda stream: gzip.GzipFile(fileobj=stream),
    b"BZh": lambda stream: bz2.BZ2File(stream),
    b"\xfd7zXZ\0": lambda stream: io.BufferedReader(_XzFile(stream), _PIECE),
}


class _Forward:
    """What tarfile reads headers from: goes on only, and gives no headers without end."""

    def __init__(self, stream: io.BufferedIOBase | BinaryIO):
        self._stream = stream
        self._place = 0
        self.last = b""  # what was read last
        self.headers = 0  # bytes read by tarfile since somebody set this to 0

    def tell(self) -> int:
        return self._place

    def seek(self, place: int) -> int:
        if place < self._place or place > _MAX_UNPACKED:
            raise tarfile.ReadError(f"a member of impossible length leads to byte {place:,}")
        self._skip(place)
        return place

    def _skip(self, place: int) -> None:
        while self._place < place and self.take(min(_PIECE, place - self._place)):
            pass

    def read(self, size: int) -> bytes:
        self.headers += size
        if self.headers > _MAX_HEADER:
            raise tarfile.ReadError(f"a header of more than {_MAX_HEADER:,} bytes")
        self.last = self.take(size)
        return self.last

    def take(self, size: int) -> bytes:
        data = self._stream.read(size)
        self._place += len(data)
        return data


class _Anywhere(_Forward):
    """The same of a plain tar, in which what is no header is stepped over."""

    def _skip(self, place: int) -> None:
        self._place = self._stream.seek(place)


class TarArchive(PackedArchive):
    """A tar; `is_tar` tells whether a file is one.

    A location is a pair of first byte and length, or the bytes themselves of a packed one.
    """

    kind = "tar"

    def __init__(self, path: Place, folders: Collection[str]):
        super().__init__(path, folders)
        self._lock = threading.Lock()  # one file handle for all threads
        self._file = open_file(path)
        try:
            self._index()
        except READ_ERRORS as error:
            self.close()
            raise DatasetError(
                f"is not a readable tar ({first_line(error)})",
                where=path,
                cure="Download it again: it is damaged, cut short or something else",
            ) from error
        except BaseException:
            self.close()
            raise

    def _index(self) -> None:
        packer = _packer(self._file.read(6))
        self._file.seek(0)
        source = _Forward(packer(self._file)) if packer else _Anywhere(self._file)
        held, members = 0, list[tuple[tuple[str, ...], tarfile.TarInfo, object]]()
        for number, member in enumerate(_members(source)):
            if number == _MAX_MEMBERS:
                raise tarfile.ReadError(f"more than {_MAX_MEMBERS:,} members")
            if not (parts := self.inner_path(member.name)):
                continue
            location: object = (member.offset_data, member.size)
            wanted = member.isreg() and not self.files.keys().isdisjoint(parts[:-1])
            if packer and wanted and member.size <= MAX_FILE_BYTES:
                held += member.size
                if held > MAX_HELD_BYTES:
                    raise DatasetError(
                        f"is packed and holds more than {MAX_HELD_BYTES / 2**30:g} GB of images, which would have to "
                        "be in memory at once",
                        where=self.path,
                        cure="Unpack it and pass the folder: tar -xf FILE",
                    )
                location = source.take(member.size)
                if len(location) != member.size:
                    raise tarfile.ReadError("unexpected end of data")
            members.append((parts, member, location))
        self.find_prefix(parts if member.isdir() else parts[:-1] for parts, member, _ in members)
        for parts, member, location in members:
            if member.isdir():
                continue
            if parts[:-1] == self.prefix and parts[-1] in self.files:
                what = "is no folder but a link, which is not followed" if _is_link(member) else "is no folder"
                raise DatasetError(
                    what, where=shown("/".join([str(self.path), *parts])), cure="Pack the tar again: tar -h"
                )
            self.add(parts, member.size, location, _fault(member))

    def _read(self, location: tuple[int, int] | bytes) -> bytes:
        if isinstance(location, bytes):
            return location
        first, length = location
        with self._lock:
            self._file.seek(first)
            data = self._file.read(length)
        if len(data) != length:
            raise EOFError("the tar has become shorter")
        return data

    def close(self) -> None:
        self._file.close()


def is_tar(head: bytes) -> bool:
    """Whether a file that begins so is a tar, or packed as only a tar would be (`HEAD` bytes are enough)."""
    if _packer(head):
        return True
    try:
        tarfile.TarInfo.frombuf(head[: tarfile.BLOCKSIZE], "utf-8", "surrogateescape")
    except tarfile.HeaderError:  # also of the first block's checksum
        return False
    return True


def _packer(head: bytes) -> Callable[[BinaryIO], io.BufferedIOBase] | None:
    return next((packer for magic, packer in PACKERS.items() if head.startswith(magic)), None)


def _members(source: _Forward) -> Iterator[tarfile.TarInfo]:
    """The members in their order; raises ReadError where the tar stops before its end, which tarfile does not tell."""
    with tarfile.TarFile(fileobj=source, encoding="utf-8", errors="surrogateescape") as tar:  # type: ignore[arg-type]
        while member := tar.next():
            tar.members = []  # type: ignore[attr-defined]  # it would keep every one
            source.headers = 0
            if member.size < 0:
                raise tarfile.ReadError("a member of negative length")
            yield member
    if source.last != bytes(tarfile.BLOCKSIZE):  # the mark of the end
        raise tarfile.ReadError("a member that is damaged or cut short")
    while source.take(_PIECE):  # the packer's own check stands at its end
        if source.tell() > _MAX_UNPACKED:
            raise tarfile.ReadError("no end")


def _is_link(member: tarfile.TarInfo) -> bool:
    return member.issym() or member.islnk()


def _fault(member: tarfile.TarInfo) -> str | None:
    if _is_link(member):
        return "is a link, which is not followed"
    if member.issparse():
        return "is stored with holes"
    return None if member.isreg() else "is a device or pipe"
