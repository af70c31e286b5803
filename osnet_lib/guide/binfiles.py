"""The guide's preprocessed images: one raw ``<stem>.bin`` for each picture, ready for a device to read.

A float32 file holds ``[3, 256, 128]`` as `osnet_lib.datasets.preprocess` makes it, 393,216 bytes; a uint8 file holds
``[256, 128, 3]`` for a model that normalises on the device, 98,304 bytes. Numbers are little-endian, without a header.
"""

from __future__ import annotations

import hashlib
import itertools
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.code_digest import code_digest
from ..core.files import absolute, file_stem, fingerprint, read_bytes, stem
from ..core.folder_record import FolderRecord
from ..core.host import usable_cores
from ..datasets.archive import Archive, open_archive
from ..datasets.manifest import LISTED, ListedArchive, is_manifest, read_manifest
from ..datasets.market1501 import parse_name
from ..datasets.picture import Decoder
from ..datasets.preprocess import HEIGHT, WIDTH, preprocess, to_uint8
from ..errors import DatasetError

SHAPES = {"float32": (3, HEIGHT, WIDTH), "uint8": (HEIGHT, WIDTH, 3)}


def bin_bytes(dtype: str) -> int:
    """Bytes of a file of ``"float32"`` or ``"uint8"``."""
    return int(np.prod(SHAPES[dtype])) * np.dtype(dtype).itemsize


@dataclass(frozen=True)
class BinFolder:
    """What `preprocess_folder` left behind: `count` files, of which `kept` were there from an earlier run."""

    path: Path
    dtype: str
    count: int
    kept: int


def preprocess_folder(
    source: str | Path, target: str | Path, dtype: str = "float32", threads: int | None = None, progress: bool = True
) -> BinFolder:
    """Write ``<stem>.bin`` for every image of a folder.

    Junk images (pid -1) are preprocessed like the others, as in the guide; `osnet evaluate` drops them.

    Parameters
    ----------
    source : path
        A folder of images under names in Market-1501's form. It may lie in an archive,
        ``Market-1501-v15.09.15.zip/query``, or be a split of a manifest, ``manifest.csv/query``.
    target : path
        Receives the files, each whole or not at all. Those that an interrupted run of the same images left are kept,
        where their hashes are still those that it recorded.
    dtype : {"float32", "uint8"}
    threads : int, optional
        By default one per usable core; decoding and arithmetic run outside of Python's lock.

    Raises
    ------
    DatasetError
        No such folder; a name that is not in Market-1501's form; two images of one stem; a damaged image; files of
        other images in `target`; a disk that would not hold the files.
    """
    source, target = absolute(source), Path(target)
    if not source.is_dir() and not source.parent.is_file():
        raise DatasetError(
            "no such folder of images",
            where=source,
            cure="Give a folder, ZIP/query for one in a zip or tar, or MANIFEST.csv/query.",
        )
    archive, size, decode = _open(source), bin_bytes(dtype), Decoder()
    pool = ThreadPoolExecutor(usable_cores() if threads is None else threads, thread_name_prefix="preprocess")
    try:
        names = _names(archive, source)
        _refuse_others(target, names)
        record, wanted = FolderRecord(target), _fingerprint(archive, source, names, dtype)
        present = {stem(path.name): path.stat().st_size for path in target.glob("[!.]*.bin")}
        whole, stale = set[str](), list(present)
        if record.matches(wanted):
            kept = [name for name, held in present.items() if held == size]
            unharmed = pool.map(lambda name: record.holds(f"{name}.bin", (target / f"{name}.bin").read_bytes()), kept)
            whole, stale = set(itertools.compress(kept, unharmed)), []
        _check_space(target, (len(names) - len(whole)) * size, sum(present[name] for name in stale))
        for name in stale:  # before the record says that what is there belongs to these images
            (target / f"{name}.bin").unlink()
        target.mkdir(parents=True, exist_ok=True)
        record.begin(wanted)

        def make(name: str) -> None:
            image = decode(archive.read(source.name, names[name]), archive.where(source.name, names[name]))
            array = preprocess(image) if dtype == "float32" else to_uint8(image)
            record.put(f"{name}.bin", array.astype(np.dtype(dtype).newbyteorder("<"), copy=False).tobytes())

        todo = pool.map(make, sorted(names.keys() - whole))
        for _ in tqdm(todo, desc=target.name, total=len(names), initial=len(whole), unit="image", disable=not progress):
            pass
        record.end()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        archive.close()
    return BinFolder(target, dtype, len(names), len(whole))


def read_bin(path: str | Path, dtype: str) -> np.ndarray:
    """The image in a file, shaped by its dtype; raises DatasetError where it is absent or of another size."""
    try:
        data = read_bytes(path)
    except OSError as error:
        cure = "Preprocess the images again, or run from the folder that the paths start from."
        raise DatasetError(f"cannot be read ({error.strerror})", where=path, cure=cure) from error
    if len(data) != bin_bytes(dtype):
        other = next((name for name in SHAPES if bin_bytes(name) == len(data)), None)
        cure = "Preprocess the images again."
        if other:
            cure = (
                f"It is an image of {other}, and the model takes {dtype}: preprocess "
                f"{'without' if dtype == 'float32' else 'with'} --uint8."
            )
        raise DatasetError(
            f"holds {len(data):,} bytes instead of {bin_bytes(dtype):,}, one image of {dtype}", where=path, cure=cure
        )
    return np.frombuffer(data, np.dtype(dtype).newbyteorder("<")).astype(dtype, copy=False).reshape(SHAPES[dtype])


def _open(source: Path) -> Archive:
    """What holds the images of a folder."""
    if source.is_dir() or not is_manifest(source.parent):
        return open_archive(source.parent, [source.name])
    if source.name not in LISTED:
        cure = f"Give one of {', '.join(f'{source.parent}/{split}' for split in LISTED)}."
        raise DatasetError(f"a manifest has no split {source.name}", where=source.parent, cure=cure)
    return ListedArchive(source.parent, read_manifest(source.parent))


def _names(archive: Archive, source: Path) -> dict[str, str]:
    """File names by stem."""
    names: dict[str, str] = {}
    for name in sorted(archive.files[source.name]):
        where = archive.where(source.name, name)
        if not isinstance(archive, ListedArchive):  # which knows its images under any name
            parse_name(name, "gallery", where=where)
        if file_stem(name) in names:
            raise DatasetError(
                f"has the same stem as {names[file_stem(name)]}",
                where=where,
                cure="Rename one of them: both would be written to the same file.",
            )
        names[file_stem(name)] = name
    if not names:
        raise DatasetError("holds no images", where=source, cure="Give a folder such as query or bounding_box_test.")
    return names


def _refuse_others(target: Path, names: dict[str, str]) -> None:
    """Refuse to mix: the info file lists whatever is in the folder."""
    if others := sorted(path.name for path in target.glob("[!.]*.bin") if stem(path.name) not in names):
        raise DatasetError(
            f"holds {len(others):,} files of other images, the first is {others[0]}",
            where=target,
            cure="Give every split a folder of its own.",
        )


def _fingerprint(archive: Archive, source: Path, names: dict[str, str], dtype: str) -> str:
    """Of what the files are made from: the pictures themselves, the numbers wanted, and the code."""
    pictures = [(name, hashlib.sha256(archive.read(source.name, name)).hexdigest()) for name in names.values()]
    return fingerprint({"pictures": pictures, "dtype": dtype, "code": code_digest(preprocess, to_uint8, Decoder)})


def _check_space(target: Path, needed: int, reclaimed: int) -> None:
    there = next(folder for folder in (target, *target.absolute().parents) if folder.is_dir())
    free = shutil.disk_usage(there).free + reclaimed
    if needed > free:
        raise DatasetError(
            f"the files need {needed / 1e9:.2f} GB, and the disk has {free / 1e9:.2f} GB left",
            where=target,
            cure="Free that much, choose another disk, or use --uint8: a quarter.",
        )
