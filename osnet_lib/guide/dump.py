"""Dump folders: features as Huawei's tools leave them, one file for each image, called by its stem.

The ``benchmark`` tool writes ``dumpOutput_device0/<stem>_1.txt`` (or ``.bin``) and counts outputs from 1; ais_infer and
ais_bench write ``<stem>_0.bin`` (or ``.npy``, ``.txt``), msame ``<stem>_output_0.bin`` (or ``.txt``), and own scripts
often ``<stem>.bin``. Text is decimals with white space or commas between them; ``.bin`` is raw little-endian float32,
or float16 where ATC was told so. A run may lie in a folder called by its time, and in one for each device; the tools'
``summary.json`` and the litter of file managers are passed over.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..conversion.interface import FEATURE_SHAPE
from ..core.files import decode_text, read_bytes
from ..core.folder_record import FolderRecord
from ..datasets.litter import is_litter
from ..datasets.market1501 import Sample, has_form, parse_name
from ..errors import FeatureError
from ..features.store import Features
from ..metrics.labels import JUNK
from .binfiles import SHAPES, bin_bytes
from .summary import SUMMARY_NAME

FORMATS = ("txt", "bin")  # those we write
_WIDTH = FEATURE_SHAPE[0]
_HALF = 2 * _WIDTH  # bytes of a feature in float16
_TEXT = "%.9g " * _WIDTH  # nine significant digits give every float32 back
_FILE = re.compile(r"(?P<stem>.+?)(?P<output>(?:_output)?_[01])?\.(?P<format>txt|bin|npy)")
_PURE_INFERENCE = re.compile(r"pure_infer_data.*", re.ASCII)
_RUN_FOLDER = re.compile(r"20\d\d[\d_-]{4,}", re.ASCII)  # such as 2022_11_14-16_13_58
_DEVICE_FOLDER = re.compile(r"device\d+(_\d+)?", re.ASCII)  # ais_bench on several devices
_AGAIN = "Run the inference of this image again."
_RUN_AGAIN = "Run osnet infer again, each model into a folder of its own."


def dump_folder(output: str | Path, device: int) -> Path:
    """Where the old tool puts the features of a device: ``dumpOutput_device<number>``."""
    return Path(output) / f"dumpOutput_device{device}"


def feature_name(stem: str, form: str) -> str:
    """The file of an image's feature as the old tool calls it."""
    return f"{stem}_1.{form}"


def format_feature(feature: np.ndarray, form: str) -> bytes:
    """A feature, float32 ``[512]``, as the bytes of a ``"txt"`` or ``"bin"`` file."""
    return (_TEXT % tuple(feature.tolist())).encode() if form == "txt" else feature.astype("<f4").tobytes()


def parse_feature(data: bytes, form: str, where: str | Path = "feature") -> np.ndarray:
    """A feature, float32 ``[512]``, from the bytes of a ``"txt"``, ``"bin"`` or ``"npy"`` file.

    Raises
    ------
    FeatureError
        Something else than decimals, raw numbers or numpy's format; not 512 numbers. Values may still be NaN or
        infinite.
    """
    try:
        if form == "txt":
            with np.errstate(over="ignore"):  # infinite then, which `read_dump` refuses
                words = decode_text(data).replace(",", " ").split()
                feature = np.array(words, np.float32)  # quicker than float() of each, and as strict
        elif form == "bin":
            feature = np.frombuffer(data, "<f2" if len(data) == _HALF else "<f4")
        else:
            feature = np.lib.format.read_array(BytesIO(data), allow_pickle=False)
    except Exception as error:  # numpy raises many kinds for one cause
        what = f"{len(data):,} bytes are no float32 numbers" if form == "bin" else f"is no {form} of numbers"
        raise FeatureError(what, where=where, cure=_AGAIN) from error
    if form == "bin" and (image := next((name for name in SHAPES if bin_bytes(name) == len(data)), None)):
        raise FeatureError(
            f"is a preprocessed image of {image}, no feature of a tool",
            where=where,
            cure="Give the folder that the inference wrote.",
        )
    if feature.dtype.kind != "f" or max(feature.shape, default=1) != feature.size:
        raise FeatureError(
            f"holds {feature.dtype} of shape {list(feature.shape)} instead of float32 [{_WIDTH}]",
            where=where,
            cure=_AGAIN if feature.dtype.kind != "f" else "Save the feature of each image in a file of its own.",
        )
    if feature.size != _WIDTH:
        raise FeatureError(f"holds {feature.size:,} numbers instead of {_WIDTH}", where=where, cure=_AGAIN)
    with np.errstate(over="ignore"):
        return feature.reshape(FEATURE_SHAPE).astype(np.float32, copy=False)


def read_dump(folder: str | Path, progress: bool = True, samples: Mapping[str, Sample] | None = None) -> Features:
    """Read a dump folder; who is on an image and which camera took it comes from the stem.

    Parameters
    ----------
    folder : path
        Of any of the tools. Where a run lies in a folder called by its time, or in a folder for each device, either
        that or the folder above may be given.
    samples : mapping of str to Sample, optional
        The images of a data set by stem: they name the features and tell who is on an image, in place of the stem.

    Returns
    -------
    Features
        Sorted by stem, which is what `names` holds without `samples`. Junk (pid -1) is dropped, as by the guide.

    Raises
    ------
    FeatureError
        No such folder; two runs; a file or folder in it that is none of a tool's; the output of pure inference; names
        of two tools; two files of one stem; a run of osnet infer that did not end, or a file that is not of it;
        float16 among float32; what `parse_feature` refuses; values that are not finite. The file is named.
    DatasetError
        A stem that is not in Market-1501's form.
    """
    folder = Path(folder)
    files = _list(folder, samples)
    called = {name: name for name in files}
    if samples is None:
        samples = {name: parse_name(f"{name}.jpg", "gallery", where=path) for name, path in files.items()}
    else:
        if strange := sorted(files.keys() - samples.keys()):
            raise FeatureError(
                "is of an image that the data set does not list",
                where=files[strange[0]],
                cure="Give the data set that the images were preprocessed from.",
            )
        called = {name: samples[name].name for name in files}
    names = [name for name in sorted(files) if samples[name].pid != JUNK]
    if not names:
        raise FeatureError(
            "holds no features", where=folder, cure="Give the folder with the files <stem>_1.txt of a run."
        )
    features = np.empty((len(names), _WIDTH), np.float32)
    halves = []
    records = _records({os.path.dirname(files[name]) for name in names})
    for row, name in enumerate(tqdm(names, desc=folder.name, unit="file", disable=not progress)):
        path = files[name]
        try:
            data = read_bytes(path)
        except OSError as error:
            raise FeatureError(f"cannot be read ({error.strerror})", where=path, cure=_AGAIN) from error
        if records:
            _check_recorded(records, path, data)
        form = path.rpartition(".")[2]
        features[row] = parse_feature(data, form, path)
        if form == "bin" and len(data) == _HALF:
            halves.append(path)
    if halves and len(halves) < len(names):  # half of a float32 file reads as float16, too
        raise FeatureError(
            f"holds {_HALF:,} bytes, float16 or a file cut short, and others hold more: {len(halves):,} of "
            f"{len(names):,} are so",
            where=halves[0],
            cure="Run the inference of these images again.",
        )
    if bad := np.flatnonzero(~np.isfinite(features).all(axis=1)).tolist():
        more = f", and so do {len(bad) - 1:,} more" if bad[1:] else ""
        raise FeatureError(
            f"holds NaN or infinity{more}",
            where=files[names[bad[0]]],
            cure="Check the model's precision, then run the inference again.",
        )
    return Features(
        np.array([called[name] for name in names]),
        np.array([samples[name].pid for name in names]),
        np.array([samples[name].camid for name in names]),
        features,
        _conditions(records),
    )


def _records(folders: Iterable[str]) -> dict[str, FolderRecord]:
    """The records of those folders that `osnet infer` wrote; the run must have ended."""
    records = {folder: record for folder in folders if (record := FolderRecord(folder)).exists}
    for folder, record in records.items():
        if not record.ended:
            raise FeatureError("the run that wrote it did not end", where=folder, cure=_RUN_AGAIN)
    return records


def _conditions(records: Mapping[str, FolderRecord]) -> dict[str, Any]:
    """Which model computed the features, where the record of our run tells."""
    for record in records.values():
        if record.model:
            return {"session": {"model": record.model[1], "model_sha256": record.model[0]}}
    return {}


def _check_recorded(records: Mapping[str, FolderRecord], path: str, data: bytes) -> None:
    """Refuse a file that the record of its folder does not cover; folders of other tools have none."""
    folder, name = os.path.split(path)
    if folder in records and not records[folder].holds(name, data):
        raise FeatureError(
            f"is not what the run left that {records[folder].list.name} lists: of another run, or changed since",
            where=path,
            cure=f"{_RUN_AGAIN} Where another tool wrote it, remove {records[folder].list}.",
        )


def _list(folder: Path, samples: Mapping[str, Sample] | None) -> dict[str, str]:
    """Paths by stem."""
    if not folder.is_dir():
        raise FeatureError("no such folder", where=folder, cure="Give the folder that the inference wrote.")
    files: dict[str, str] = {}
    tool = None
    for entry in _walk(folder):
        if _PURE_INFERENCE.fullmatch(entry.name):
            raise FeatureError(
                "is the output of pure inference, into which no image went",
                where=entry.path,
                cure="Run the tool with --input and the folder of osnet preprocess.",
            )
        if not (named := _image(entry.name, samples)):
            raise FeatureError(
                "is no feature of a tool, whose names are <stem>_1.txt, <stem>_0.bin, <stem>_output_0.bin or alike",
                where=entry.path,
                cure="Move it elsewhere.",
            )
        name, output = named
        if other := files.get(name):
            raise FeatureError(
                f"is a second feature of the image of {other}", where=entry.path, cure="Remove one of them."
            )
        if tool not in (None, output):
            raise FeatureError(
                f"is output {output}, and others are {tool}: two tools",
                where=entry.path,
                cure="Give the features of each tool a folder of its own.",
            )
        files[name], tool = entry.path, output
    return files


def _image(file: str, samples: Mapping[str, Sample] | None) -> tuple[str, str] | None:
    """The stem of a feature's image, and how the output is marked behind it; None where it is no feature."""
    if not (match := _FILE.fullmatch(file)):
        return None
    whole = match["stem"] + (match["output"] or "")
    if _is_image(whole, samples):  # also of an image whose own name ends in _0 or _1
        return whole, "without a number"
    return (match["stem"], match["output"]) if match["output"] else None


def _is_image(name: str, samples: Mapping[str, Sample] | None) -> bool:
    return has_form(f"{name}.jpg") if samples is None else name in samples


def _walk(folder: Path, inside: tuple[re.Pattern, ...] = (_RUN_FOLDER, _DEVICE_FOLDER)) -> Iterator[os.DirEntry]:
    """The files of a run, those in the folders of its time and its devices too; each kind once on the way down."""
    with os.scandir(folder) as entries:
        here = sorted(entries, key=lambda entry: entry.name)
    here = [entry for entry in here if not is_litter(entry.name) and not SUMMARY_NAME.fullmatch(entry.name)]
    runs = [entry.name for entry in here if entry.is_dir() and _RUN_FOLDER.fullmatch(entry.name)]
    if runs and len(here) > 1:
        what = f"holds more than one run ({', '.join(runs)}{' and files beside' * (len(runs) < len(here))})"
        raise FeatureError(what, where=folder, cure="Give the folder of one.")
    for entry in here:
        if not entry.is_dir():
            yield entry
            continue
        kind = next((kind for kind in inside if kind.fullmatch(entry.name)), None)
        if kind is None:
            raise FeatureError(
                "a folder among the features",
                where=entry.path,
                cure="Give the folder of one run, such as result/dumpOutput_device0.",
            )
        yield from _walk(Path(entry.path), inside[inside.index(kind) + 1 :])
