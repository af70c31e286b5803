"""Features of a split: the arrays that belong together, and the ``.npz`` that holds them."""

from __future__ import annotations

import json
import sys
import warnings
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..core.conditions import DatasetFacts, SessionFacts
from ..core.files import atomic_path, special, stem
from ..core.packed import overfull
from ..errors import FeatureError
from ..metrics.labels import JUNK
from .foreign import SAVE_THEM, refuse_foreign

ARRAYS = ("names", "pids", "camids", "features")
_AGAIN = "Run the extraction again."


@dataclass(frozen=True, eq=False)
class Features:
    """Features of a split, one row per image, with what they were made from.

    Attributes
    ----------
    names : str array, shape (N,)
        File names, unique: the key by which everything is paired.
    pids, camids : int64 array, shape (N,)
    features : float32 array, shape (N, 512)
    conditions : dict
        Data set, session, batch: see `extract_features`; `dataset` and `session` are views of them, empty where the
        features do not tell.
    """

    names: np.ndarray
    pids: np.ndarray
    camids: np.ndarray
    features: np.ndarray
    conditions: dict[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        people, cameras = len(np.unique(self.pids)), len(np.unique(self.camids))
        return f"{len(self)} features of {self.features.shape[1]} values: {people} identities, {cameras} cameras"

    @property
    def dataset(self) -> DatasetFacts:
        return DatasetFacts.read(self.conditions.get("dataset"))

    @property
    def session(self) -> SessionFacts:
        return SessionFacts.read(self.conditions.get("session"))

    @property
    def seconds(self) -> float | None:
        """How long the extraction took, where the file tells a time."""
        stated = self.conditions.get("seconds")
        told = isinstance(stated, (int, float)) and not isinstance(stated, bool) and 0 < stated <= sys.float_info.max
        return float(stated) if told else None  # type: ignore[arg-type]  # told says so


def save_features(path: str | Path, features: Features) -> Path:
    """Write a ``.npz`` with arrays names, pids, camids, features and the conditions as JSON."""
    with atomic_path(path) as temporary:
        np.savez(
            temporary,
            conditions=np.array(json.dumps(features.conditions)),
            **{name: getattr(features, name) for name in ARRAYS},
        )
    return Path(path)


def load_features(path: str | Path) -> Features:
    """Read a feature file and check that its arrays belong together.

    Raises
    ------
    FeatureError
        No such file, not a feature file (files of other tools are told for what they are), arrays of another kind or
        of different length, double names, non-finite features (the image is named).
    """
    path = Path(path)
    if words := special(path):
        raise FeatureError(f"is {words}, not a regular file", where=path, cure="Give the path of the file itself.")
    if not path.is_file():
        raise FeatureError("no such feature file", where=path, cure="Make it with: osnet extract MODEL DATASET OUTDIR")
    refuse_foreign(path)
    try:
        _refuse_overfull(path)
        with np.load(path, allow_pickle=False) as stored:
            held = list(stored)
            arrays = {name: np.asarray(stored[name]) for name in (*ARRAYS, "conditions") if name in stored}
        conditions = json.loads(str(arrays.pop("conditions", "{}")))
    except FeatureError:
        raise
    except Exception as error:  # numpy and zipfile raise many kinds for one cause
        if "Object arrays" in str(error):
            what, cure = "holds an array of Python objects", f"Save names with names.astype(str). {SAVE_THEM}"
            raise FeatureError(what, where=path, cure=cure) from error
        raise FeatureError("damaged, or not a feature file", where=path, cure=_AGAIN) from error
    if held and not arrays:
        some = f"{', '.join(held[:6])}{' …' * (len(held) > 6)}"
        raise FeatureError(f"holds {some}, and none of {', '.join(ARRAYS)}", where=path, cure=SAVE_THEM)
    check_arrays(arrays, conditions, path)
    names, pids, camids, features = (arrays[name] for name in ARRAYS)
    return Features(names, pids.astype(np.int64), camids.astype(np.int64), features, conditions)


def _refuse_overfull(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if words := overfull(archive, path.stat().st_size):
            raise FeatureError(words, where=path, cure=_AGAIN)


def check_arrays(arrays: dict[str, np.ndarray], conditions: object, path: Path) -> None:
    """Refuse arrays of a file that do not belong together; in place, the features become float32.

    Raises
    ------
    FeatureError
        Other shapes or types than `Features` has, names twice, values that are not finite: it names the file.
    """
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise FeatureError(f"no array {', '.join(missing)}", where=path, cure=_AGAIN)
    kinds = {"names": ("U", 1), "pids": ("iu", 1), "camids": ("iu", 1), "features": ("f", 2)}
    for name, (kind, dimensions) in kinds.items():
        if arrays[name].dtype.kind not in kind or arrays[name].ndim != dimensions:
            raise FeatureError(
                f"array {name} is {arrays[name].dtype} of shape {arrays[name].shape}", where=path, cure=_AGAIN
            )
    if not _is_text(arrays["names"]):
        raise FeatureError("array names holds characters that no text has", where=path, cure=_AGAIN)
    for name in ("pids", "camids"):
        if (beyond := arrays[name] > np.iinfo(np.int64).max).any():
            raise FeatureError(f"array {name} holds {arrays[name][beyond][0]}, no int64", where=path, cure=_AGAIN)
    if not arrays["features"].shape[1]:
        raise FeatureError("its features have no values (width 0)", where=path, cure=_AGAIN)
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise FeatureError(f"arrays of different length: {lengths}", where=path, cure=_AGAIN)
    if not isinstance(conditions, dict):
        raise FeatureError("its conditions are no JSON object", where=path, cure=_AGAIN)
    unique, counts = np.unique(arrays["names"], return_counts=True)
    if (counts > 1).any():
        raise FeatureError(f"{unique[counts > 1][0]} occurs {counts[counts > 1][0]} times", where=path, cure=_AGAIN)
    with np.errstate(over="ignore"):  # a float64 beyond float32 is infinite then
        arrays["features"] = arrays["features"].astype(np.float32, copy=False)
    bad = ~np.isfinite(arrays["features"]).all(axis=1)
    if bad.any():
        raise FeatureError(
            f"{bad.sum()} features are not finite, the first is of {arrays['names'][bad][0]}",
            where=path,
            cure="Check the model's precision and its input normalisation, then extract again.",
        )


def _is_text(names: np.ndarray) -> bool:
    """Whether Python can hold every character; numpy reads any number as one."""
    return not (np.frombuffer(names.astype(names.dtype.newbyteorder("=")).tobytes(), np.uint32) > sys.maxunicode).any()


def check_pair(query: Features, gallery: Features) -> None:
    """Refuse query and gallery of different data sets; warn where different models made them.

    Features without conditions, made elsewhere, are taken as they are.
    """

    def differ(one: str | None, other: str | None) -> bool:
        return None not in (one, other) and one != other

    if differ(query.dataset.sha256, gallery.dataset.sha256):
        files = " and ".join(str(f.dataset.file) for f in (query, gallery))
        raise FeatureError(
            f"features of two data sets ({files})",
            where="query and gallery",
            cure="Take query.npz and gallery.npz of one extraction.",
        )
    if differ(query.session.model_sha256, gallery.session.model_sha256):
        models = " and ".join(str(f.session.model) for f in (query, gallery))
        warnings.warn(
            f"query and gallery were computed by different models ({models}); unless one was converted from "
            "the other, their distances mean nothing",
            stacklevel=2,
        )


def match_rows(a: Features, b: Features, where: str) -> np.ndarray:
    """For every image of `a` its row in `b`, int64; paired by name, with or without ``.jpg``.

    Raises
    ------
    FeatureError
        Other images, or with other labels, or two of one stem; one image is named.
    """
    first, second = (_rows_by_stem(features, where) for features in (a, b))
    for label, features, lacking in (
        ("second", a, [first[name] for name in first.keys() - second.keys()]),
        ("first", b, [second[name] for name in second.keys() - first.keys()]),
    ):
        if lacking:
            more = f", nor {len(lacking) - 1:,} more" if len(lacking) > 1 else ""
            raise FeatureError(
                f"the {label} has no {min(features.names[lacking].tolist())}{more}",
                where=where,
                cure="Extract both from the same data set",
            )
    rows = np.array([second[name] for name in first], dtype=np.int64)
    wrong = np.flatnonzero((a.pids != b.pids[rows]) | (a.camids != b.camids[rows]))
    if len(wrong):
        raise FeatureError(
            f"{a.names[wrong[0]]} has another identity or camera in the second",
            where=where,
            cure="Extract both from the same data set",
        )
    return rows


def _rows_by_stem(features: Features, where: str) -> dict[str, int]:
    """Row of every image, in the order of the rows."""
    rows: dict[str, int] = {}
    for row, name in enumerate(features.names.tolist()):
        if (other := rows.setdefault(stem(name), row)) != row:
            raise FeatureError(
                f"{features.names[other]} and {name} have the same stem",
                where=where,
                cure="Images are paired by the part of the name before its first dot: rename one",
            )
    return rows


def without_junk(features: Features) -> Features:
    """The same without junk (pid -1), which no score counts; features of other tools may hold it."""
    kept = features.pids != JUNK
    if kept.all():
        return features
    names, pids, camids, rows = (getattr(features, name)[kept] for name in ARRAYS)
    return Features(names, pids, camids, rows, features.conditions)


def average_mirrored(features: Features, mirrored: Features) -> Features:
    """The mean of an image's feature and that of its mirror image, the flip test of fast-reid (``TEST.FLIP``).

    Raises
    ------
    FeatureError
        Other images, or another order of them.
    """
    if not np.array_equal(features.names, mirrored.names):
        raise FeatureError(
            "features and mirrored features are not of the same images",
            where="flip test",
            cure="Extract both from the same split of the same data set.",
        )
    mean = (features.features + mirrored.features) / np.float32(2)
    return Features(features.names, features.pids, features.camids, mean, {**features.conditions, "flip": True})
