"""The guide's info files: the list of preprocessed images that Huawei's benchmark tool reads.

A line is ``index path width height`` with single spaces: ``0 ./query_prep/0001_c1s1_001051_00.bin 128 256``. The index
counts from 0, the width comes first.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..core.files import read_text, stem, write_text
from ..datasets.preprocess import HEIGHT, WIDTH
from ..errors import DatasetError
from .binfiles import SHAPES, bin_bytes

_LINE = re.compile(r"(\d{1,18}) (\S+) (\d{1,18}) (\d{1,18})", re.ASCII)
_AGAIN = "Write it again with osnet info."


@dataclass(frozen=True)
class InfoLine:
    """One image: its place in the list, its file, and its size in pixels."""

    index: int
    path: str
    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.index} {self.path} {self.width} {self.height}"

    @property
    def stem(self) -> str:
        """What names its feature."""
        return stem(os.path.basename(self.path))


def parse_info(text: str, where: str | Path = "info") -> list[InfoLine]:
    """Read the lines of an info file.

    Raises
    ------
    DatasetError
        No line; one that is not in the form, or whose index is not its place (the file was cut or joined); two files
        of one stem.
    """
    lines, seen = [], set()
    for number, text_line in enumerate(text.splitlines()):
        if not (match := _LINE.fullmatch(text_line)):
            raise DatasetError(
                f"line {number + 1} is not 'index path width height': {text_line[:80]!r}", where=where, cure=_AGAIN
            )
        line = InfoLine(int(match[1]), match[2], int(match[3]), int(match[4]))
        if line.index != number:
            raise DatasetError(
                f"line {number + 1} has the index {line.index} instead of {number}", where=where, cure=_AGAIN
            )
        if line.stem in seen:
            raise DatasetError(f"line {number + 1} lists {line.stem} again", where=where, cure=_AGAIN)
        seen.add(line.stem)
        lines.append(line)
    if not lines:
        raise DatasetError("lists no images", where=where, cure=_AGAIN)
    return lines


def read_info(path: str | Path) -> list[InfoLine]:
    """Read an info file; raises DatasetError as `parse_info`, or where it cannot be read."""
    try:
        return parse_info(read_text(path), path)
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            where=path,
            cure="Give a file of osnet info.",
        ) from error


def format_info(paths: Iterable[str], width: int = WIDTH, height: int = HEIGHT) -> str:
    """The text that lists `paths` in their order."""
    return "".join(f"{InfoLine(index, path, width, height)}\n" for index, path in enumerate(paths))


def write_info(folder: str, path: str | Path, width: int = WIDTH, height: int = HEIGHT) -> int:
    """List the ``.bin`` files of a folder, sorted by name, and return how many there are.

    Parameters
    ----------
    folder : str
        Written before every name as it is given, ``./`` and all, for tools that start in the same place.
    path : path
        The info file.

    Raises
    ------
    DatasetError
        No such folder, or none of the files in it; a size other than 128 x 256; a file that does not hold one image, or
        another kind of image than the others; white space in a path, which the tools would take for its end.
    """
    if (width, height) != (WIDTH, HEIGHT):
        raise DatasetError(
            f"width {width}, height {height}",
            where="info",
            cure=f"The network reads width {WIDTH}, height {HEIGHT}, in this order.",
        )
    if not os.path.isdir(folder):
        raise DatasetError("no such folder", where=folder, cure="Make it with osnet preprocess.")
    names = sorted(name for name in os.listdir(folder) if name.endswith(".bin") and not name.startswith("."))
    if not names:
        raise DatasetError("holds no .bin files", where=folder, cure="Make them with osnet preprocess.")
    paths = [os.path.join(folder, name) for name in names]
    sizes = [os.path.getsize(file) for file in paths]
    for file, size in zip(paths, sizes):
        if re.search(r"\s", file):
            raise DatasetError(
                "white space in a path, at which the tools would cut it",
                where=file,
                cure="Give a folder without it, such as a relative one.",
            )
        if size not in map(bin_bytes, SHAPES) or size != sizes[0]:
            allowed = " or ".join(f"{bin_bytes(dtype):,} ({dtype})" for dtype in SHAPES)
            raise DatasetError(
                f"holds {size:,} bytes; an image has {allowed}, and all must be of one kind",
                where=file,
                cure="Preprocess the images again.",
            )
    text = format_info(paths, width, height)
    parse_info(text, folder)  # two names of one stem
    write_text(path, text)
    return len(paths)
