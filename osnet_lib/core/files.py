"""Files written whole or not at all, the hashes that tell whether they are current, the stem that pairs them."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Names of images end so, whatever is inside.
IMAGE_SUFFIXES: tuple[str, ...] = (
    *("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "gif", "tif", "tiff", "webp", "avif"),
    *("ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "tga"),
)
# And those of what is made of an image, by us and by other tools.
_ENDING = re.compile(rf"(?:\.(?:{'|'.join(IMAGE_SUFFIXES)}|bin|npy|txt))+\Z", re.IGNORECASE)


# JSON's own notation for half a character, as which Python keeps a byte that is not UTF-8.
_NOT_UTF8 = "backslashreplace"


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary name beside `path`; rename it to `path` when the block succeeds.

    The temporary name keeps the suffix (writers such as ``numpy.savez`` look at it) and
    holds the process id, so that two runs never share one. A failed block leaves nothing.

    Raises
    ------
    IsADirectoryError
        A folder that is there, or a path without a name such as ``.``; nothing is made.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:  # a full disk is told by a write, which knows no name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def absolute(path: str | os.PathLike[str]) -> Path:
    """The path seen from the folder of the command, ``~`` expanded; links and a home that is not there stay."""
    return Path(os.path.abspath(os.path.expanduser(path)))


# The longer mark first: UTF-32's begins with UTF-16's.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, errors: str = "strict") -> str:
    """The text of a file, whatever editor saved it: UTF-8, or what its byte order mark says, with any ends of lines.

    Raises
    ------
    UnicodeDecodeError
        No such text (a ValueError, as that of damaged JSON).
    """
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")
    return data.decode(encoding, errors).replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """Read a text file as `decode_text` does."""
    return decode_text(Path(path).read_bytes(), errors)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON document as `read_text` does; raises ValueError where it is damaged or nested too deeply."""
    return parse_json(read_text(path))


def parse_json(text: str) -> Any:
    """A JSON document; raises ValueError where it is damaged or nested too deeply to be one of anybody's."""
    try:
        return json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def write_text(path: str | os.PathLike[str], text: str, errors: str = "strict") -> Path:
    """Write UTF-8 text atomically and return the path."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors=errors)
    return Path(path)


def write_json(path: str | os.PathLike[str], value: Any) -> Path:
    """Write a JSON document atomically (two-space indent, final newline).

    The bytes of a path that are not UTF-8 become ``\\udc..``, which `read_json` gives back.
    """
    return write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n", errors=_NOT_UTF8)


def sha256(path: str | os.PathLike[str]) -> str:
    """Hex SHA-256 of a file's bytes."""
    digest = hashlib.sha256()
    with open(path, "rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def fingerprint(value: Any) -> str:
    """Hex SHA-256 of a JSON-serialisable value; the order of dictionary keys does not matter."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(canonical.encode("utf-8", _NOT_UTF8)).hexdigest()


def stem(name: str) -> str:
    """The part of a name by which images and what was made of them are paired: without its suffixes, folders and all.

    Market-1501 has 24 images whose names end in ``.jpg.jpg``; some tools write names without ``.jpg``. Other dots stay.
    """
    return _ENDING.sub("", name)


def file_stem(name: str) -> str:
    """The stem without folders: what the files of the guide are called, which lie in one folder."""
    return stem(name.rpartition("/")[2])
