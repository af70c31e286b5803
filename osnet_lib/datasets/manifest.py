"""A manifest: a table of images with who is on each and which camera took it; the way in for data of any layout.

A ``.csv`` with the columns ``split,path,pid,camid`` (others are ignored), or a ``.parquet`` with the same. ``split`` is
query or gallery, ``path`` leads from the manifest's folder to the image, whatever its name and format. Two images must
differ in more than their suffix, since features are paired by what stands before it.

An image is called by its path, so that equal file names in two folders stay apart. A path may not leave the manifest's
folder: then the names, which are the keys of all features, are the same on every machine.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from os import PathLike
from pathlib import Path
from typing import NoReturn

from ..core.files import decode_text, file_stem, special, stem
from ..errors import DatasetError, first_line
from .archive import file_head
from .evaluable import check_evaluable
from .lookalike import lookalike
from .market1501 import Market1501, Sample
from .members import Archive, shown
from .place import BucketPath, Place, locate, open_file, read_file

COLUMNS = ("split", "path", "pid", "camid")
LISTED = {"query": "query", "gallery": "gallery"}  # splits of a manifest, and how they stand in messages
_SUFFIXES = (".csv", ".parquet")
_NUMBER = {"pid": re.compile(r"-1|\+?[0-9]{1,18}"), "camid": re.compile(r"\+?[0-9]{1,9}")}
_FORM = "A manifest is a table with the columns split,path,pid,camid; osnet manifest writes one"


class ListedArchive(Archive):
    """The files of a manifest; its splits take the place of folders."""

    def __init__(self, path: Place, samples: Iterable[Sample] = ()):
        super().__init__(path, LISTED)
        for sample in samples:
            self.files[sample.split][sample.name] = path.parent / sample.name

    def where(self, folder: str, name: str) -> str:
        return shown(self.path.parent / name)

    def _read(self, location: Place) -> bytes:
        return read_file(location)


def is_manifest(path: str | PathLike) -> bool:
    """Whether a path names a manifest, by its suffix; a folder may be called so, and is none."""
    path = locate(path)
    return path.suffix.lower() in _SUFFIXES and not path.is_dir()


def open_manifest(path: str | PathLike) -> Market1501:
    """Open the images that a manifest lists.

    Returns
    -------
    Market1501
        With the tables query, gallery and junk (pid -1, in the gallery), each sorted by name.

    Raises
    ------
    DatasetError
        What `read_manifest` refuses; no query, no gallery, no query with a match in another camera.
    """
    path = locate(path)
    samples = read_manifest(path)
    query, gallery, junk = (
        tuple(sorted((s for s in samples if s.split == split and (s.pid < 0) is is_junk), key=lambda s: s.name))
        for split, is_junk in (("query", False), ("gallery", False), ("gallery", True))
    )
    check_evaluable(
        path,
        query,
        gallery,
        ("the split query", "the split gallery"),
        ("the identity is in the column pid", "The camera is in the column camid"),
        "The column split says which is which",
    )
    archive = ListedArchive(path, samples)
    return Market1501(path, query, gallery, junk, (), (), False, archive, LISTED, False)


def read_manifest(path: str | PathLike) -> list[Sample]:
    """Read the lines of a manifest, in their order, and check that every image is there.

    Raises
    ------
    DatasetError
        The line is named. No such file, or one that is no table; a column that lacks; an unknown split; a pid or camid
        that is no whole number; junk in the query; a path that is empty, absolute or leads out of the manifest's
        folder, that is listed twice, or differs from another only in its suffix; an image that is not there.
    """
    path = locate(path)
    rows = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    samples, lines = [], dict[str, tuple[str, str]]()
    for line, row in rows:
        sample = _sample(row, f"{path}, {line}")
        other, name = lines.setdefault(stem(sample.name), (line, sample.name))
        if other != line:
            what = "is listed twice" if name == sample.name else f"differs only in its suffix from {name}"
            raise DatasetError(
                f"{sample.name} {what}, the first time in {other}",
                where=f"{path}, {line}",
                cure="List every image once, under a name of its own: features are paired by names without suffix",
            )
        samples.append(sample)
    if not samples:
        raise DatasetError("lists no images", where=path, cure=_FORM)
    lost = _lost(path.parent, [sample.name for sample in samples])
    if lost:
        more = f", nor are {len(lost) - 1:,} more" if lost[1:] else ""
        raise DatasetError(
            f"{lost[0]} is not there{more}",
            where=f"{path}, {lines[stem(lost[0])][0]}",
            cure=f"Paths are taken from the folder of the manifest, {path.absolute().parent}: move it or correct them",
        )
    return samples


def _lost(folder: Place, names: list[str]) -> list[str]:
    """The names of which there is no image; of a bucket each folder is listed once, since every look is a request."""
    if isinstance(folder, BucketPath):
        there = folder.names({posixpath.dirname(name) for name in names})
        return [name for name in names if name not in there]
    return [name for name in names if not (folder / name).is_file()]


def flat_samples(samples: Iterable[Sample], where: str | PathLike) -> dict[str, Sample]:
    """Samples by the stem of their file name, for what lies in one folder: ``.bin`` files and dumps.

    Raises
    ------
    DatasetError
        Two images of one file name; both are named.
    """
    found: dict[str, Sample] = {}
    for sample in samples:
        if (other := found.setdefault(file_stem(sample.name), sample)) is not sample:
            raise DatasetError(
                f"{sample.name} and {other.name} would be the same file {file_stem(sample.name)}",
                where=where,
                cure="The files of the guide lie in one folder: rename one of the images; osnet extract takes both",
            )
    return found


def samples_of_dumps(dataset: str | PathLike, split: str | None = None) -> dict[str, Sample] | None:
    """`flat_samples` of a manifest, of one split or both; None for a data set whose names tell who is on an image."""
    path = locate(dataset)
    if not is_manifest(path):
        return None
    return flat_samples((sample for sample in read_manifest(path) if split in (None, sample.split)), path)


def write_rows(path: Path, rows: Iterable[Sequence[object]]) -> None:
    """Write the lines of a manifest below its header, each split, path, pid, camid."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(rows)
    path.write_bytes(stream.getvalue().encode())


def _sample(row: dict[str, str], where: str) -> Sample:
    def refuse(what: str, cure: str) -> NoReturn:
        raise DatasetError(what, where=where, cure=cure)

    split = row["split"].strip().lower()
    if split not in LISTED:
        refuse(f"unknown split {row['split']!r}", f"Use {' or '.join(LISTED)}; images of other splits are left out")
    numbers = {}
    for column, number in _NUMBER.items():
        if not number.fullmatch(text := row[column].strip()):
            least = "-1 (junk), 0 or more" if column == "pid" else "0 or more"
            refuse(f"{column} {row[column]!r} is no whole number", f"Number people and cameras: {column} is {least}")
        numbers[column] = int(text)
    if split == "query" and numbers["pid"] < 0:
        refuse("junk (pid -1) in the query, where each image needs an identity", "Give it a pid, or leave it out")
    given = row["path"].replace("\\", "/")  # as Windows writes it
    name = posixpath.normpath(given)
    if not given.strip() or name == ".":
        refuse("no path", "Give the path of the image, from the folder of the manifest")
    if re.search("[\0-\x1f\x7f]", name):
        refuse(f"the path {row['path']!r} holds a line break or another control sign", "Rename the image")
    if name.startswith("/") or name.split("/")[0] == ".." or re.match("[A-Za-z]:", name):
        refuse(
            f"the path {row['path']!r} leads out of the manifest's folder",
            "Put the manifest into a folder above all images, and write paths from there",
        )
    return Sample(name, numbers["pid"], numbers["camid"], 0, 0, 0, split)


def _csv(path: Place) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a comma-separated table with the names of their lines; also with semicolons or tabs between."""
    _file(path)
    data = read_file(path)
    try:
        text = decode_text(data)
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DatasetError(f"is no UTF-8 text (line {line})", where=path, cure="Save it as CSV UTF-8") from error
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    header: list[str] = []
    while True:
        number = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            if not header:
                raise DatasetError("lists no images", where=path, cure=_FORM) from None
            return
        except csv.Error as error:
            raise DatasetError(
                f"is no line of a table ({first_line(error)})", where=f"{path}, line {number}", cure=_FORM
            ) from error
        if not any(field.strip() for field in fields):
            continue
        if not header:
            header = _header(fields, path)
        elif len(fields) != len(header):
            raise DatasetError(
                f"{len(fields)} fields, and the header has {len(header)}",
                where=f"{path}, line {number}",
                cure="Put a field that holds a comma in double quotes",
            )
        else:
            yield f"line {number}", dict(zip(header, fields))


def _parquet(path: Place) -> Iterator[tuple[str, dict[str, str]]]:
    """Rows of a Parquet table; a number must be stored as a whole one."""
    _file(path)
    try:
        from pyarrow import ArrowException, parquet  # type: ignore[import-not-found]  # a choice of the reader
    except ImportError as error:
        raise DatasetError(
            "needs pyarrow, which is not installed", where=path, cure="Write it as .csv, or: pip install pyarrow"
        ) from error
    try:
        with open_file(path) as source:
            columns = parquet.read_schema(source).names
            wanted = [column for column in columns if column.strip().lower() in COLUMNS]
            header = _header(columns, path)
            table = parquet.read_table(source, columns=wanted).to_pylist()
    except (ArrowException, OSError, ValueError) as error:
        raise DatasetError(f"is no Parquet table ({first_line(error)})", where=path, cure=_FORM) from error
    names = dict(zip(columns, header))
    for number, row in enumerate(table, 1):
        yield f"row {number}", {names[column]: "" if value is None else str(value) for column, value in row.items()}


def _file(path: Place) -> bytes:
    """The first bytes of a manifest that is there and is nothing else."""
    if not path.exists() and not special(path):
        raise DatasetError("no such manifest", where=path, cure="Check the path; osnet manifest writes one")
    head = file_head(path)
    if found := lookalike(head):
        raise DatasetError(found[0], where=path, cure=found[1])
    return head


def _header(fields: Collection[str], path: Place) -> list[str]:
    """Names of the columns in small letters; raises DatasetError where one of `COLUMNS` lacks or stands twice."""
    header = [field.strip().lower() for field in fields]
    for column in COLUMNS:
        if header.count(column) != 1:
            what = "lacks the column" if column not in header else "has twice the column"
            raise DatasetError(f"{what} {column}; there are {shown(', '.join(header))[:120]}", where=path, cure=_FORM)
    return header
