"""Files written whole or not at all, the hashes that tell whether they are current, the stem that pairs them."""

from __future__ import annotations

import codecs
import errno
import hashlib
import json
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]  # a module or None

# Names of images end so, whatever is inside.
IMAGE_SUFFIXES: tuple[str, ...] = (
    *("jpg", "jpeg", "jpe", "jfif", "png", "bmp", "dib", "gif", "tif", "tiff", "webp", "avif"),
    *("ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "tga"),
)
# And those of what is made of an image, by us and by other tools.
_ENDING = re.compile(rf"(?:\.(?:{'|'.join(IMAGE_SUFFIXES)}|bin|npy|txt))+\Z", re.IGNORECASE)


_KINDS = (  # what a path may be that is no file, nor a folder
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)
_AT_ONCE = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0)  # opening a pipe would wait for its other end
_ITSELF = getattr(os, "O_NOFOLLOW", 0)
_BYTES = getattr(os, "O_BINARY", 0)
# JSON's own notation for half a character, as which Python keeps a byte that is not UTF-8.
_NOT_UTF8 = "backslashreplace"


def special(path: str | os.PathLike[str]) -> str:
    """What lies at a path in place of a file or folder, in words such as "a named pipe"; empty where nothing does."""
    try:
        return _special(os.stat(path))
    except OSError as error:
        return "a loop of links" if error.errno == errno.ELOOP else ""
    except ValueError:  # a zero byte in the name
        return ""


def _special(status: os.stat_result) -> str:
    return next((words for is_kind, words in _KINDS if is_kind(status.st_mode)), "")


def open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file of the user for reading; what is no regular file would wait for ever or never end, and is refused.

    Raises
    ------
    OSError
        A pipe, socket or device (EINVAL, with the words of `special`); whatever `open` raises.
    """
    _refuse_special(os.stat(path), path)  # to open a device may already do something
    return _opened(path, os.O_RDONLY, "rb")


def _opened(path: str | os.PathLike[str], flags: int, mode: str, buffering: int = -1) -> BinaryIO:
    """Open without waiting, and look at what was opened: since a look before it another may lie there."""
    handle = os.open(path, flags | _AT_ONCE | _BYTES, 0o666)
    try:
        _refuse_special(os.fstat(handle), path)
        return os.fdopen(handle, mode, buffering)  # type: ignore[return-value]  # the mode is binary
    except BaseException:
        os.close(handle)
        raise


def _refuse_special(status: os.stat_result, path: str | os.PathLike[str]) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    if words := _special(status):
        raise OSError(errno.EINVAL, f"is {words}, not a regular file", os.fspath(path))


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file, opened as by `open_regular`."""
    _refuse_special(os.stat(path), path)
    with _opened(path, os.O_RDONLY, "rb", buffering=0) as stream:  # whole at once needs none
        return stream.read()


def open_own(path: str | os.PathLike[str]) -> BinaryIO:
    """Open a file of ours for reading and appending, under a name that others can foresee: a link there is replaced."""
    path = Path(path)
    if path.is_symlink():
        path.unlink()
    return _opened(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | _ITSELF, "a+b")


def lock(stream: BinaryIO, *, wait: bool) -> None:
    """Hold an open file alone among processes until it is closed, or the process ends, however that happens.

    Raises
    ------
    BlockingIOError
        Another process holds it, and `wait` is false. Windows has no such lock: there nothing is held or refused.
    """
    if fcntl:
        fcntl.flock(stream, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary file beside `path`; rename it to `path` when the block succeeds.

    Its name keeps the suffix (writers such as ``numpy.savez`` look at it) and holds the process id and a random part;
    it is made anew, so that neither another run nor a link that somebody planted is ever written through. A link at
    `path` is replaced, not followed. A failed block leaves nothing.

    Raises
    ------
    OSError
        A folder that is there, or a path without a name such as ``.``, a pipe or device: nothing is made. A block
        that wrote nothing. Of a full disk with the name of `path`.
    """
    path = Path(path)
    if not path.name or path.is_dir():
        raise IsADirectoryError(errno.EISDIR, "is a directory", str(path))
    if (words := special(path)) and not path.is_symlink():
        raise OSError(errno.EINVAL, f"is {words}, not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _reserve(path)
    try:
        yield temporary
        status = temporary.stat()
        if not (status.st_size or status.st_mtime_ns):
            raise FileNotFoundError(errno.ENOENT, "nothing was written", str(path))
        os.replace(temporary, path)
    except OSError as error:
        if error.filename is None:  # a full disk is told by a write, which knows no name
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def _reserve(path: Path) -> Path:
    """An empty file of ours beside `path`, of 1970: a writer, even of nothing, changes its time."""
    while True:
        temporary = path.with_name(f".{path.stem}.{os.getpid()}.{secrets.token_hex(4)}.tmp{path.suffix}")
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ITSELF, 0o666))
        except FileExistsError:
            continue
        os.utime(temporary, ns=(0, 0))
        return temporary


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
    return decode_text(read_bytes(path), errors)


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
    with open_regular(path) as stream:
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
