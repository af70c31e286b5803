"""A data set in a zip, read member by member."""

from __future__ import annotations

import bz2
import copy
import lzma
import stat
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection
from typing import BinaryIO

from ..errors import DatasetError, first_line
from .members import MAX_FILE_BYTES, READ_ERRORS, PackedArchive, shown
from .place import Place, open_file

# Others by the numbers of the format, for the message.
_METHODS = {9: "deflate64", 93: "zstd", 95: "xz", 96: "JPEG", 98: "PPMd", 99: "AES encryption"}
_READ = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)


class ZipArchive(PackedArchive):
    """A zip; opening it reads the list of members only."""

    kind = "zip"

    def __init__(self, path: Place, folders: Collection[str]):
        super().__init__(path, folders)
        self._lock = threading.Lock()  # one file handle for all threads
        self._file = open_file(path)
        try:
            self._zip = _opened(self._file, path)
            self._index()
        except BaseException:
            self._file.close()
            raise

    def _index(self) -> None:
        members = [(self.inner_path(info.orig_filename), info) for info in self._zip.infolist()]
        members = [(parts, info) for parts, info in members if parts]
        self.find_prefix(parts if info.is_dir() else parts[:-1] for parts, info in members)
        for parts, info in members:
            if not info.is_dir() and not self.add(parts, info.file_size, info, _fault(info)):
                self._refuse_renamed(info)

    def _refuse_renamed(self, info: zipfile.ZipInfo) -> None:
        """The list of members has no checksum: an image that a flipped bit put into another folder would be missed."""
        try:
            self._zip.open(info).close()
        except zipfile.BadZipFile as error:
            raise DatasetError(
                f"is damaged: a member has two names ({first_line(error)})",
                where=self.path,
                cure="Download it again, or copy it again from its source",
            ) from error
        except READ_ERRORS:  # a method that nobody needs to read
            pass

    def _read(self, location: zipfile.ZipInfo) -> bytes:
        with self._lock:
            if location.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                with self._zip.open(location) as stream:
                    return stream.read(location.file_size)  # read() without a number would unpack without a limit
            packed = copy.copy(location)  # as it lies in the file: of these zipfile limits nothing
            packed.compress_type, packed.file_size = zipfile.ZIP_STORED, packed.compress_size
            del packed.CRC
            data = self._zip.read(packed)
        return _unpack(data, location)

    def close(self) -> None:
        self._zip.close()
        self._file.close()


def _opened(stream: BinaryIO, path: Place) -> zipfile.ZipFile:
    """The list of members; DatasetError where zipfile cannot read it."""
    try:
        return zipfile.ZipFile(stream)
    except UnicodeDecodeError as error:
        raise DatasetError(
            "is a zip whose names are marked as UTF-8 and are not",
            where=path,
            cure="Unpack it and pass the folder, or pack it again",
        ) from error
    except READ_ERRORS as error:
        told = first_line(error)
        what = f"is not a readable zip ({told}), nor a tar"
        cure = "Download it again: it is damaged, cut short or something else"
        stream.seek(0)
        if stream.read(4) in (b"PK\3\4", b"PK\7\x08", b"PK00"):
            what = f"is not a readable zip: it begins as one, but its list of members cannot be read ({told})"
            cure = "Download it again: it is cut short or damaged. Of a zip in several parts, join them first"
        raise DatasetError(what, where=path, cure=cure) from error


def _fault(info: zipfile.ZipInfo) -> str | None:
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in _READ:
        method = _METHODS.get(info.compress_type, f"number {info.compress_type}")
        return f"is packed by a method other than store, deflate, bzip2 and lzma ({method})"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a link, which is not followed"
    if info.compress_size > MAX_FILE_BYTES:
        return f"claims {info.compress_size:,} packed bytes, too many for an image of a person"
    return None


def _unpack(data: bytes, info: zipfile.ZipInfo) -> bytes:
    """A member of bzip2 or lzma, of which no more is unpacked than it claims to hold."""
    unpacker: bz2.BZ2Decompressor | lzma.LZMADecompressor
    if info.compress_type == zipfile.ZIP_BZIP2:
        unpacker = bz2.BZ2Decompressor()
    else:
        length = struct.unpack_from("<2xH", data)[0]
        settings, data = data[4 : 4 + length], data[4 + length :]
        known, dictionary = struct.unpack("<BI", settings)
        if known >= 9 * 5 * 5:
            raise lzma.LZMAError("settings that no packer writes")
        lc, lp, pb = known % 9, known // 9 % 5, known // 45
        # A dictionary longer than what is unpacked is of no use but to fill the memory.
        dictionary = min(dictionary, max(info.file_size, 4096))
        unpacker = lzma.LZMADecompressor(
            lzma.FORMAT_RAW,
            filters=[{"id": lzma.FILTER_LZMA1, "dict_size": max(dictionary, 4096), "lc": lc, "lp": lp, "pb": pb}],
        )
    unpacked = unpacker.decompress(data, info.file_size + 1)
    if len(unpacked) != info.file_size or zlib.crc32(unpacked) != info.CRC:
        raise zipfile.BadZipFile(f"Bad CRC-32 or length for file {shown(info.filename)!r}")
    return unpacked
