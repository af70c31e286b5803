"""From images to features: extraction that survives a kill, and the ``.npz`` it leaves."""

from __future__ import annotations

import json
import os
import time
import warnings
from collections import deque
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Callable, Iterator, Sequence

import numpy as np
from tqdm import tqdm

from .errors import FeatureError, SessionError
from .export import FEATURE_SHAPE
from .files import atomic_path, fingerprint, write_json
from .lineage import code_digest
from .market1501 import Market1501, Sample
from .preprocess import iter_batches
from .results import NOT_MEASURED
from .session import Session, open_session

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

ARRAYS = ("names", "pids", "camids", "features")
_ROW = FEATURE_SHAPE[0] * 4  # bytes of one float32 feature
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
        Model, data set, session, batch: see `extract_features`.
    """

    names: np.ndarray
    pids: np.ndarray
    camids: np.ndarray
    features: np.ndarray
    conditions: dict = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.names)


def save_features(path: str | Path, features: Features) -> Path:
    """Write a ``.npz`` with arrays names, pids, camids, features and the conditions as JSON."""
    with atomic_path(path) as temporary:
        np.savez(temporary, conditions=np.array(json.dumps(features.conditions)),
                 **{name: getattr(features, name) for name in ARRAYS})
    return Path(path)


def load_features(path: str | Path) -> Features:
    """Read a feature file and check that its arrays belong together.

    Raises
    ------
    FeatureError
        No such file, not a feature file, arrays of another kind or of different length, double
        names, non-finite features (the image is named).
    """
    path = Path(path)
    if not path.is_file():
        raise FeatureError("no such feature file", where=path, cure="Make it with: osnet extract MODEL DATASET OUTDIR")
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: np.asarray(stored[name]) for name in (*ARRAYS, "conditions") if name in stored}
        conditions = json.loads(str(arrays.pop("conditions", "{}")))
    except Exception as error:  # numpy and zipfile raise many kinds for one cause
        raise FeatureError("damaged, or not a feature file", where=path, cure=_AGAIN) from error
    _check(arrays, conditions, path)
    names, pids, camids, features = (arrays[name] for name in ARRAYS)
    return Features(names, pids.astype(np.int64), camids.astype(np.int64), features.astype(np.float32, copy=False),
                    conditions)


def _check(arrays: dict[str, np.ndarray], conditions: object, path: Path) -> None:
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise FeatureError(f"no array {', '.join(missing)}", where=path, cure=_AGAIN)
    kinds = {"names": ("U", 1), "pids": ("iu", 1), "camids": ("iu", 1), "features": ("f", 2)}
    for name, (kind, dimensions) in kinds.items():
        if arrays[name].dtype.kind not in kind or arrays[name].ndim != dimensions:
            raise FeatureError(f"array {name} is {arrays[name].dtype} of shape {arrays[name].shape}", where=path,
                               cure=_AGAIN)
    if len({len(array) for array in arrays.values()}) > 1:
        lengths = ", ".join(f"{name} {len(array)}" for name, array in arrays.items())
        raise FeatureError(f"arrays of different length: {lengths}", where=path, cure=_AGAIN)
    if not isinstance(conditions, dict):
        raise FeatureError("its conditions are no JSON object", where=path, cure=_AGAIN)
    unique, counts = np.unique(arrays["names"], return_counts=True)
    if (counts > 1).any():
        raise FeatureError(f"{unique[counts > 1][0]} occurs {counts[counts > 1][0]} times", where=path, cure=_AGAIN)
    bad = ~np.isfinite(arrays["features"]).all(axis=1)
    if bad.any():
        raise FeatureError(f"{bad.sum()} features are not finite, the first is of {arrays['names'][bad][0]}",
                           where=path,
                           cure="Check the model's precision and its input normalisation, then extract again.")


def check_pair(query: Features, gallery: Features) -> None:
    """Refuse query and gallery of different data sets; warn where different models made them.

    Features without conditions, made elsewhere, are taken as they are.
    """

    def differ(part: str, fact: str) -> bool:
        parts = [f.conditions.get(part) for f in (query, gallery)]
        facts = [found.get(fact) if isinstance(found, dict) else None for found in parts]
        return None not in facts and facts[0] != facts[1]

    if differ("dataset", "sha256"):
        files = " and ".join(str(f.conditions["dataset"].get("file")) for f in (query, gallery))
        raise FeatureError(f"features of two data sets ({files})", where="query and gallery",
                           cure="Take query.npz and gallery.npz of one extraction.")
    if differ("session", "model_sha256"):
        models = " and ".join(str(f.conditions["session"].get("model")) for f in (query, gallery))
        warnings.warn(f"query and gallery were computed by different models ({models}); unless one was converted from "
                      "the other, their distances mean nothing", stacklevel=2)


def extraction_conditions(session: Session, dataset: Market1501, samples: Sequence[Sample], batch_size: int) -> dict:
    """Everything that features depend on: data, model, session, batch and the code that computes them."""
    return {"dataset": {"file": dataset.path.name, "sha256": dataset.digest}, "session": session.describe(),
            "batch_size": batch_size, "images": len(samples), "names": fingerprint([s.name for s in samples]),
            "preprocess": "RGB, bilinear 256x128, ImageNet mean and std",
            "code": code_digest(extract_features, open_session)}


def extract_features(session: Session, dataset: Market1501, samples: Sequence[Sample], path: str | Path,
                     batch_size: int, progress: bool = True) -> Features:
    """Run a session over images and write their features to `path`.

    Parameters
    ----------
    session : Session
        Any backend; a session of fixed batch takes at most its own batch.
    samples : sequence of Sample
        The images, e.g. ``dataset.query``.
    batch_size : int
        Images a call.

    Returns
    -------
    Features
        In the order of `samples`. A run that was killed left whole rows in ``<path>.part``; the
        next run with the same conditions goes on behind them.

    Raises
    ------
    DatasetError
        An image that cannot be decoded (named).
    FeatureError
        A batch size that the session does not take; a batch that it could not compute (its images
        are named); another process that extracts into the same file.
    """
    check_batch_size(session, batch_size)

    def compute(done: int, advance: Callable[[int], object]) -> Iterator[np.ndarray]:
        waiting: deque[tuple[Sample, ...]] = deque()  # batches that were handed over, oldest first

        def batches() -> Iterator[np.ndarray]:
            for batch, images in iter_batches(dataset, samples[done:], batch_size, dtype=session.input_dtype):
                waiting.append(batch)
                yield images

        try:
            for features in session.stream(batches()):
                advance(len(waiting.popleft()))
                yield features
        except SessionError as error:
            where = f"{waiting[0][0].name} to {waiting[0][-1].name}" if waiting else error.where
            raise FeatureError(error.what, where=where, cure=error.cure) from error

    return collect_features(path, samples, extraction_conditions(session, dataset, samples, batch_size), batch_size,
                            compute, progress)


def check_batch_size(session: Session, batch_size: int) -> None:
    """Refuse a batch size that the session does not take; FeatureError."""
    limit = session.batch_size or batch_size
    if not 1 <= batch_size <= limit:
        raise FeatureError(f"batch size {batch_size}", where=session.model,
                           cure=f"Give 1 to {limit}, the model's own." if session.batch_size else "Give at least 1.")


def collect_features(path: str | Path, samples: Sequence[Sample], conditions: dict, batch_size: int,
                     compute: Callable[[int, Callable[[int], object]], Iterator[np.ndarray]], progress: bool = True,
                     more_conditions: Callable[[], dict] = dict) -> Features:
    """Write features as they come, so that a kill loses none but those of the last batch.

    Parameters
    ----------
    conditions : dict
        What the features depend on; rows of an earlier run are kept when its conditions were the same.
    compute : callable
        ``compute(done, advance)`` yields float32 ``[n, 512]`` for ``samples[done:]`` in their order, in batches of
        `batch_size`, and calls ``advance(n)`` when n images more are computed.
    more_conditions : callable
        What is known at the end only, and on which the features do not depend.
    """
    path = Path(path)
    part, key = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.json")
    with _open_alone(part) as rows:
        done = _resume(rows, key, fingerprint(conditions), len(samples), batch_size)
        started = time.perf_counter()
        with tqdm(total=len(samples), initial=done, desc=path.stem, unit="image", disable=not progress) as bar:
            for features in compute(done, bar.update):
                rows.write(features.astype("<f4", copy=False).tobytes())
                rows.flush()  # what a kill leaves behind is then whole batches, but for the last
        seconds = {"seconds": round(time.perf_counter() - started, 3)}
        if conditions["session"].get("simulated"):
            seconds = {"seconds": None, "not_measured": NOT_MEASURED}
        conditions = {**conditions, **seconds, "resumed_at": done, **more_conditions()}
        rows.seek(0)
        matrix = np.fromfile(rows, "<f4").reshape(len(samples), *FEATURE_SHAPE)
    features = Features(np.array([s.name for s in samples], str), np.array([s.pid for s in samples], np.int64),
                        np.array([s.camid for s in samples], np.int64), matrix, conditions)
    save_features(path, features)
    for file in (part, key):
        file.unlink(missing_ok=True)
    return features


@contextmanager
def _open_alone(part: Path) -> Iterator[BinaryIO]:
    """Open for appending; refuse while another process has it open, for two would mix their rows."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with open(part, "a+b") as rows:
        if fcntl:
            try:
                fcntl.flock(rows, fcntl.LOCK_EX | fcntl.LOCK_NB)  # gone with the process, however it ends
            except BlockingIOError as error:
                raise FeatureError("another process is extracting into it", where=part,
                                   cure="Wait for it, or choose another folder.") from error
        yield rows


def _resume(rows: BinaryIO, key: Path, wanted: str, images: int, batch_size: int) -> int:
    """How many rows of an earlier run can be kept; cuts the file to whole batches of the same conditions."""
    try:
        same = json.loads(key.read_text("utf-8")) == wanted
    except (FileNotFoundError, ValueError):
        same = False
    held, odd = divmod(rows.seek(0, os.SEEK_END), _ROW) if same else (0, 0)
    if (held, odd) == (images, 0):
        done = images
    else:
        done = held // batch_size * batch_size if held < images else 0
    rows.truncate(done * _ROW)
    write_json(key, wanted)
    return done
