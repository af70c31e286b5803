"""The inputs that once ended badly, by what they are, and how each has to end.

What is no file of bytes, such as a pipe in place of one, has its tests in ``end_to_end/test_special_files.py``.
"""

from __future__ import annotations

import io
import json
import struct
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import onnx
import torch

from fuzz import datasets, models, results
from helpers.guide_files import features
from helpers.networks import state_dict
from osnet_lib.guide.dump import format_feature

RESULT = "result"
_LEGACY = {"_use_new_zipfile_serialization": False}


@dataclass(frozen=True)
class Given:
    """An input: which target reads it, its bytes, and how it ends: a result, or refused by an error of this name."""

    target: str
    make: Callable[[], bytes]
    ends: str = RESULT


def _seed(seeds: Callable[[Path], dict[str, bytes]], name: str) -> bytes:
    with TemporaryDirectory() as folder:
        return seeds(Path(folder))[name]


# ---- models ---------------------------------------------------------------------------------------------------------


def _flipped() -> bytes:
    """One bit of a weight."""
    held = bytearray(_seed(models.zipped, "plain"))
    with zipfile.ZipFile(io.BytesIO(held)) as archive:
        largest = max(archive.infolist(), key=lambda info: info.file_size)
    held[largest.header_offset + largest.file_size // 2] ^= 0x40
    return bytes(held)


def _checkpoint(change: Callable[[dict[str, Any]], object], **options) -> bytes:
    held: dict[str, Any] = state_dict()
    change(held)
    return models.saved(held, **options)


def _with(name: str, value: Callable[[torch.Tensor], object]) -> Callable[[dict[str, Any]], object]:
    return lambda held: held.update({name: value(held[name])})


def _huge(held: dict[str, torch.Tensor]) -> None:
    held["conv5.bn.weight"][0] = 4e34


def _bomb() -> bytes:
    held = bytearray(_seed(models.zipped, "packed"))
    struct.pack_into("<I", held, held.rindex(b"PK\1\2") + 24, 3_000_000_000)
    return bytes(held)


def _quantised(value: torch.Tensor) -> torch.Tensor:
    return torch.quantize_per_tensor(value.float(), 0.1, 0, torch.qint8)


def _unknown_type() -> bytes:
    model = onnx.load_model_from_string(_seed(models.networks, "small"))
    model.graph.output[0].type.tensor_type.elem_type = 65
    return model.SerializeToString()


MODELS = {
    "an output of a type that is none": Given("ONNX", _unknown_type, "ExportError"),
    "one flipped bit": Given("checkpoint", _flipped, "CheckpointError"),
    "a weight that no network has": Given(
        "checkpoint without CRC", partial(_checkpoint, _huge, **_LEGACY), "CheckpointError"
    ),
    "a tensor of stride 0": Given(
        "checkpoint without CRC",
        partial(_checkpoint, _with("conv1.conv.weight", lambda _value: torch.zeros(1).expand(30_000, 25_000))),
        "CheckpointError",
    ),
    "a zip that unpacks to gigabytes": Given("checkpoint, packed again", _bomb, "CheckpointError"),
    "a meta tensor": Given(
        "checkpoint without CRC",
        partial(_checkpoint, _with("conv1.conv.weight", lambda value: value.to("meta"))),
        "CheckpointError",
    ),
    "a quantised tensor": Given(
        "checkpoint without CRC", partial(_checkpoint, _with("conv1.conv.weight", _quantised)), "CheckpointError"
    ),
    "a nested tensor": Given(
        "checkpoint without CRC",
        partial(
            _checkpoint, _with("conv1.conv.weight", lambda value: torch.nested.nested_tensor([value[0], value[1]]))
        ),
        "CheckpointError",
    ),
    "an AIPP file that can be cut in many ways": Given(
        "AIPP", lambda: b"aipp_op {a:" + b"bbb:" * 40 + b":}", "ConvertError"
    ),
    "a card whose recipe is no object": Given(
        "card", lambda: json.dumps({**json.loads(_seed(models.cards, "card")), "recipe": "none"}).encode()
    ),
}


# ---- data sets ------------------------------------------------------------------------------------------------------


def _declared() -> bytes:
    """A small JPEG that says it has 13,300 x 13,300 pixels."""
    held = bytearray(_seed(datasets.pictures, "JPEG"))
    at = held.index(b"\xff\xc0") + 5
    held[at : at + 4] = struct.pack(">2H", 13_300, 13_300)
    return bytes(held)


def _zero_tag() -> bytes:
    """A list whose values are of the type 0, which ends the process of scipy's reader."""
    held = bytearray(_seed(datasets.ground_truth, "plain"))
    held[-16 if held[-8:] == bytes(8) else held.rindex(b"\x09\0\0\0")] = 0
    return bytes(held)


def _renamed() -> bytes:
    """A zip in whose list one image lies in another folder than its own head says."""
    held = _seed(datasets.zips, "stored")
    at = held.rindex(b"bounding_box_test")
    return held[:at] + b"boundin\1" + held[at + 8 :]


DATASETS = {
    "an image that the list of a zip moves away": Given("zip of images", _renamed, "DatasetError"),
    "a name of 20,000 letters": Given("template of names", lambda: b"{}{pid}{}x{camid}{}\n" + b"1" * 20_000 + b".jpg"),
    "a stamp that is no text": Given("stamp of mini-market", lambda: b"\xff\xfe\0"),
    "a small file of many pixels": Given("picture", _declared, "DatasetError"),
    "a list with a byte of zero": Given("ground truth", _zero_tag, "DatasetError"),
}


# ---- features -------------------------------------------------------------------------------------------------------


def _store(**changes: np.ndarray) -> bytes:
    names = [f"000{number}_c1s1_000001_00.jpg" for number in (1, 2, 3)]
    labels = {"pids": np.arange(1, 4), "camids": np.ones(3, int)}
    stream = io.BytesIO()
    np.savez(stream, **{"names": np.array(names), **labels, "features": features()[:, :8], **changes})
    return stream.getvalue()


def _beyond_unicode() -> np.ndarray:
    return np.array([0x41, 0x110000, 0x42], "<u4").view("<U1")


FEATURES = {
    "an index of 5,000 digits": Given("info", lambda: b"9" * 5000 + b" ./prep/a.bin 128 256\n", "DatasetError"),
    "a feature of another model": Given(
        "dump with a record", lambda: format_feature(features(seed=9)[0], "txt"), "FeatureError"
    ),
    "features of 1e300": Given("features", lambda: _store(features=np.full((3, 8), 1e300)), "FeatureError"),
    "features of width 0": Given("features", lambda: _store(features=np.zeros((3, 0), np.float32)), "FeatureError"),
    "pids beyond int64": Given("features", lambda: _store(pids=np.full(3, 2**64 - 1, np.uint64)), "FeatureError"),
    "names beyond Unicode": Given("evaluate", lambda: _store(names=_beyond_unicode()), "FeatureError"),
    "a head of an array that does not close": Given(
        "features", lambda: b"\x93NUMPY\1\0\x16\0{'descr': '<f4', 'fo(\n", "FeatureError"
    ),
    "a key that is nested deeply": Given("key of an artefact", lambda: b"[" * 100_000),
    "a key of a part that is nested deeply": Given("key of a part", lambda: b'{"a":' * 100_000),
}


# ---- measurements and notebooks -------------------------------------------------------------------------------------


def _changed(document: bytes, path: str, value: object) -> bytes:
    """A JSON document with another value at a path; a text that begins with = stands for itself."""
    held = json.loads(document)
    *above, last = path.split(".")
    inside = held
    for key in above:
        inside = inside[int(key) if isinstance(inside, list) else key]
    inside[last] = value
    text = json.dumps(held)
    return (text.replace(json.dumps(value), value[1:]) if str(value).startswith("=") else text).encode()


def _result(kind: str, path: str, value: object, *, digest: bool = False) -> Callable[[], bytes]:
    return lambda: _changed(_seed(results.files if digest else results.without_digest, kind), path, value)


def _summary(path: str, value: object) -> Given:
    return Given("summary.json", lambda: _changed(json.dumps(results.SUMMARY).encode(), path, value), "ResultError")


def _without_minor() -> bytes:
    held = json.loads(_seed(results.notebooks, "add"))
    del held["nbformat_minor"]
    return json.dumps(held).encode()


def _without_language() -> bytes:
    held = json.loads(_seed(results.notebooks, "add"))
    del held["metadata"]["kernelspec"]["language"]
    return json.dumps(held).encode()


_HUGE = "=" + "9" * 400
MEASUREMENTS = {
    "a figure edited by hand": Given("result", _result("accuracy", "values.mAP", 0.99, digest=True), "ResultError"),
    "a result of a version to come": Given(
        "result", _result("accuracy", "digest", "blake3:00", digest=True), "ResultError"
    ),
    "a result without its Rank-1": Given(
        "result without digest", _result("accuracy", "values.rank.1", None), "ResultError"
    ),
    "seconds that are none": Given(
        "result without digest", _result("evaluation", "values.seconds", 3.5), "ResultError"
    ),
    "seconds that are texts": Given(
        "result without digest", _result("evaluation", "values.seconds.evaluate.median", "x"), "ResultError"
    ),
    "a difference that is a number": Given(
        "result without digest", _result("evaluation", "values.difference", 0.5), "ResultError"
    ),
    "a spread beyond float": Given(
        "result without digest", _result("performance", "values.latency_ms.median", _HUGE), "ResultError"
    ),
    "a score beyond float": Given(
        "score",
        lambda: _changed(_seed(results.scores, "guide"), "value.0.value", _HUGE),
        "ResultError",
    ),
    "a huge throughput": _summary("throughput", _HUGE),
    "a mean that is NaN": _summary("NPU_compute_time.mean", "=NaN"),
    "a negative count": _summary("NPU_compute_time.count", -4),
    "a negative median": _summary("NPU_compute_time.median", -4.0),
    "a failed notebook that printed nothing": Given(
        "notebook that failed",
        lambda: _changed(_seed(results.stamps, "executed"), "cells.1.outputs.0.text", [None]),
    ),
    "a long row of dots": Given("printed lines", lambda: b"." * 200_000, "ResultError"),
    "a stamp of nothing": Given(
        "stamp of a notebook", lambda: _changed(_seed(results.stamps, "executed"), "metadata.study", {})
    ),
    "a notebook that names its kernel and no language": Given("notebook", _without_language),
    "a kernel whose language is two lines": Given(
        "notebook",
        lambda: _changed(_seed(results.notebooks, "add"), "metadata.kernelspec.language", "a\nb"),
        "StudyError",
    ),
    "a notebook without a minor version": Given("notebook", _without_minor, "StudyError"),
}

INPUTS: dict[str, Given] = {**MODELS, **DATASETS, **FEATURES, **MEASUREMENTS}
