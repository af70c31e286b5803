"""Dump folders: features as Huawei's tools leave them, one file for each image, called by its stem.

The ``benchmark`` tool writes ``dumpOutput_device0/<stem>_1.txt`` (or ``.bin``) and counts outputs from 1; ais_bench
writes ``<stem>_0.bin`` (or ``.npy``, ``.txt``) and counts from 0. Text is one line of decimals, each with a space
behind it; ``.bin`` is raw little-endian float32.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..conversion.onnx_file import FEATURE_SHAPE
from ..core.files import atomic_path, decode_text, stem
from ..datasets.market1501 import LANDMARKS, PUBLISHED, parse_name
from ..errors import FeatureError
from ..features.store import Features
from ..metrics.labels import JUNK

FORMATS = ("txt", "bin")  # those we write
_WIDTH = FEATURE_SHAPE[0]
_TEXT = "%.9g " * _WIDTH  # nine significant digits give every float32 back
_FILE = re.compile(r"(?P<stem>.+)_(?P<output>[01])\.(?P<format>txt|bin|npy)")
_DEVICE_FOLDER = re.compile(r"device\d+(_\d+)?", re.ASCII)  # ais_bench on several devices
_AGAIN = "Run the inference of this image again."


def dump_folder(output: str | Path, device: int) -> Path:
    """Where the old tool puts the features of a device: ``dumpOutput_device<number>``."""
    return Path(output) / f"dumpOutput_device{device}"


def format_feature(feature: np.ndarray, form: str) -> bytes:
    """A feature, float32 ``[512]``, as the bytes of a ``"txt"`` or ``"bin"`` file."""
    return (_TEXT % tuple(feature.tolist())).encode() if form == "txt" else feature.astype("<f4").tobytes()


def parse_feature(data: bytes, form: str, where: str | Path = "feature") -> np.ndarray:
    """A feature, float32 ``[512]``, from the bytes of a ``"txt"``, ``"bin"`` or ``"npy"`` file.

    Raises
    ------
    FeatureError
        Something else than decimals or numpy's format; not 512 numbers. Values may still be NaN or infinite.
    """
    try:
        if form == "txt":
            with np.errstate(over="ignore"):  # infinite then, which `read_dump` refuses
                feature = np.array(decode_text(data).split(), np.float32)  # quicker than float() of each, and as strict
        elif form == "bin":
            feature = np.frombuffer(data, "<f4")
        else:
            feature = np.lib.format.read_array(BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for one cause
        what = f"{len(data):,} bytes are no float32 numbers" if form == "bin" else f"is no {form} of numbers"
        raise FeatureError(what, where=where, cure=_AGAIN) from error
    if feature.dtype.kind != "f" or (feature.ndim > 1 and feature.shape[0] != 1):
        raise FeatureError(
            f"holds {feature.dtype} of shape {list(feature.shape)} instead of float32 [{_WIDTH}]",
            where=where,
            cure=_AGAIN,
        )
    if feature.size != _WIDTH:
        raise FeatureError(f"holds {feature.size:,} numbers instead of {_WIDTH}", where=where, cure=_AGAIN)
    return feature.reshape(FEATURE_SHAPE).astype(np.float32, copy=False)


def write_feature(folder: Path, name: str, feature: np.ndarray, form: str = "txt") -> Path:
    """Write ``<name>_1.<form>`` into `folder`, whole or not at all; `name` is a stem."""
    path = folder / f"{name}_1.{form}"
    with atomic_path(path) as temporary:
        temporary.write_bytes(format_feature(feature, form))
    return path


def read_dump(folder: str | Path, progress: bool = True) -> Features:
    """Read a dump folder; who is on an image and which camera took it comes from the stem.

    Parameters
    ----------
    folder : path
        Of the old tool or of ais_bench, whose ``device<number>`` folders inside are read too.

    Returns
    -------
    Features
        Sorted by stem, which is what `names` holds. Junk (pid -1) is dropped, as by the guide.

    Raises
    ------
    FeatureError
        No such folder; a file or folder in it that is none of a tool's; outputs ``_0`` and ``_1`` mixed; two files of
        one stem; what `parse_feature` refuses; values that are not finite. The file is named.
    DatasetError
        A stem that is not in Market-1501's form.
    """
    folder = Path(folder)
    files = _list(folder)
    samples = {name: parse_name(f"{name}.jpg", "gallery", where=path) for name, path in files.items()}
    names = [name for name in sorted(files) if samples[name].pid != JUNK]
    if not names:
        raise FeatureError(
            "holds no features", where=folder, cure="Give the folder with the files <stem>_1.txt of a run."
        )
    features = np.empty((len(names), _WIDTH), np.float32)
    for row, name in enumerate(tqdm(names, desc=folder.name, unit="file", disable=not progress)):
        path = files[name]
        with open(path, "rb") as stream:
            features[row] = parse_feature(stream.read(), path.rpartition(".")[2], path)
    if bad := np.flatnonzero(~np.isfinite(features).all(axis=1)).tolist():
        more = f", and so do {len(bad) - 1:,} more" if bad[1:] else ""
        raise FeatureError(
            f"holds NaN or infinity{more}",
            where=files[names[bad[0]]],
            cure="Check the model's precision, then run the inference again.",
        )
    return Features(
        np.array(names),
        np.array([samples[name].pid for name in names]),
        np.array([samples[name].camid for name in names]),
        features,
    )


def _list(folder: Path) -> dict[str, str]:
    """Paths by stem."""
    if not folder.is_dir():
        raise FeatureError("no such folder", where=folder, cure="Give the folder that the inference wrote.")
    files: dict[str, str] = {}
    output = None
    with os.scandir(folder) as entries:
        here = sorted(entries, key=lambda entry: entry.name)
    while here:
        entry = here.pop()
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not _DEVICE_FOLDER.fullmatch(entry.name) or Path(entry.path).parent != folder:
                raise FeatureError(
                    "a folder among the features",
                    where=entry.path,
                    cure="Give the folder of one run, such as result/dumpOutput_device0.",
                )
            with os.scandir(entry.path) as entries:
                here += entries
            continue
        if not (match := _FILE.fullmatch(entry.name)):
            raise FeatureError(
                "is no feature of a tool, whose names are <stem>_1.txt, <stem>_0.bin or alike",
                where=entry.path,
                cure="Move it elsewhere.",
            )
        if other := files.get(match["stem"]):
            raise FeatureError(
                f"is a second feature of the image of {other}", where=entry.path, cure="Remove one of them."
            )
        if output not in (None, match["output"]):
            raise FeatureError(
                f"is output _{match['output']}, and others are _{output}: two tools",
                where=entry.path,
                cure="Give the features of each tool a folder of its own.",
            )
        files[match["stem"]], output = entry.path, match["output"]
    return files


def check_complete(features: Features, expected: Iterable[str], where: str | Path) -> None:
    """Compare features with the names of the images that they must be of; junk counts on neither side.

    Raises
    ------
    FeatureError
        A missing feature, or one of another image; the first is named.
    """
    wanted = {stem(name) for name in expected if not name.startswith(f"{JUNK}_")}
    found = set(map(stem, features.names.tolist()))
    for names, what, cure in (
        (wanted - found, "no feature of", "Run the inference of the missing images again."),
        (found - wanted, "a feature of another image,", "Give the folder or list of the same split."),
    ):
        if names:
            more = f", and {len(names) - 1:,} more" if len(names) > 1 else ""
            raise FeatureError(f"{what} {min(names)}{more}", where=where, cure=cure)


def check_published(features: Features, split: str, where: str | Path) -> None:
    """Refuse features of Market-1501 (known by its landmarks) of which some are missing; without a list none is named.

    Parameters
    ----------
    split : {"query", "gallery"}
    """
    names = set(map(stem, features.names.tolist()))
    known = {stem(name) for name in LANDMARKS[split]}
    published = PUBLISHED[split]["images"] - PUBLISHED[split]["junk"]
    if 2 * len(known & names) >= len(known) and len(names) < published:
        raise FeatureError(
            f"{len(names):,} features of the {published:,} of Market-1501's {split}",
            where=where,
            cure="Give the data set with --dataset, and the first that is missing is named.",
        )


def check_apart(query: Features, gallery: Features, where: str) -> None:
    """Refuse query and gallery that share an image: one folder was given twice, or a run wrote into the other's."""
    if shared := set(query.names.tolist()) & set(gallery.names.tolist()):
        raise FeatureError(
            f"{len(shared):,} images are in both, the first is {min(shared)}",
            where=where,
            cure="Run query and gallery into a folder each: a second run into one adds to the first.",
        )
