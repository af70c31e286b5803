"""Some rows of a feature file, read without the others: ``numpy.savez`` stores its arrays as they are."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..errors import FeatureError
from ..features.store import ARRAYS, Features, check_arrays

_LOCAL = 30  # bytes of a member's own header in a zip, before its name
_AGAIN = "Run the extraction again."
_SAVE = "Save it with numpy.savez, as osnet extract does."


@dataclass(frozen=True)
class _Array:
    """Where the numbers of an array begin in the file, and what they are."""

    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype


def load_rows(path: Path, start: int, stop: int) -> Features:
    """Rows `start` to `stop` of a feature file, checked as `load_features` does, without conditions.

    Raises
    ------
    FeatureError
        As `load_features`; a file that is compressed, or otherwise holds its rows not one after the other.
    """
    arrays = {name: _read(path, found, start, stop) for name, found in _arrays(path).items()}
    check_arrays(arrays, {}, path)
    names, pids, camids, features = (arrays[name] for name in ARRAYS)
    return Features(names, pids.astype(np.int64), camids.astype(np.int64), features)


def load_names(path: Path) -> np.ndarray:
    """The names of a feature file alone; FeatureError as `load_rows`."""
    found = _arrays(path)["names"]
    if found.dtype.kind != "U":
        raise FeatureError(f"array names is {found.dtype}", where=path, cure=_AGAIN)
    return _read(path, found, 0, found.shape[0])


def count_rows(path: Path) -> int:
    """How many rows a feature file holds; FeatureError as `load_rows`."""
    return min(found.shape[0] for found in _arrays(path).values())


def _arrays(path: Path) -> dict[str, _Array]:
    try:
        with zipfile.ZipFile(path) as archive, open(path, "rb") as file:
            return {name: _find(path, archive.getinfo(f"{name}.npy"), file) for name in ARRAYS}
    except FileNotFoundError as error:
        raise FeatureError("no such feature file", where=path, cure=_AGAIN) from error
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise FeatureError("damaged, or not a feature file", where=path, cure=_AGAIN) from error


def _find(path: Path, member: zipfile.ZipInfo, file) -> _Array:
    if member.compress_type != zipfile.ZIP_STORED:
        raise FeatureError("is compressed, so that no rows can be read alone", where=path, cure=_SAVE)
    file.seek(member.header_offset)
    head = file.read(_LOCAL)
    file.seek(int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little"), 1)
    version = np.lib.format.read_magic(file)
    read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if read is None:
        raise FeatureError(f"holds {member.filename} of version {version}", where=path, cure=_SAVE)
    shape, by_column, dtype = read(file)
    if dtype.hasobject or not shape or (by_column and len(shape) > 1):
        raise FeatureError(f"holds the rows of {member.filename} not one after the other", where=path, cure=_SAVE)
    return _Array(file.tell(), shape, dtype)


def _read(path: Path, found: _Array, start: int, stop: int) -> np.ndarray:
    start, stop = min(start, found.shape[0]), min(stop, found.shape[0])
    size = int(np.prod(found.shape[1:])) * found.dtype.itemsize
    with open(path, "rb") as file:
        file.seek(found.offset + start * size)
        held = file.read((stop - start) * size)
    if len(held) < (stop - start) * size:
        raise FeatureError("ends within its rows", where=path, cure=_AGAIN)
    return np.frombuffer(held, found.dtype).reshape(stop - start, *found.shape[1:])
