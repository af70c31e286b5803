"""Extraction: a session over the images of a split, in a way that survives a kill, into a feature file."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

import numpy as np
from tqdm import tqdm

from ..checks import MOST_IMAGES, whole_number
from ..conversion.interface import FEATURE_SHAPE
from ..core.cache import artefact
from ..core.code_digest import code_digest
from ..core.files import fingerprint, lock, open_own, read_json, write_json
from ..core.host import environment
from ..core.results import NOT_MEASURED
from ..datasets.market1501 import Market1501, Sample
from ..datasets.preprocess import iter_batches, mirrored
from ..errors import BusyError, FeatureError, SessionError
from ..features.store import Features, load_features, save_features
from .session import Session, open_session

_ROW = FEATURE_SHAPE[0] * 4  # bytes of one float32 feature


def extraction_conditions(
    session: Session, dataset: Market1501, samples: Sequence[Sample], batch_size: int, flip: bool = False
) -> dict:
    """Everything that features depend on: data, model, session, batch and the code that computes them."""
    return {
        "dataset": dataset.facts.as_dict(),
        "session": session.describe(),
        "batch_size": batch_size,
        "images": len(samples),
        "names": fingerprint([s.name for s in samples]),
        "preprocess": "RGB, bilinear 256x128, ImageNet mean and std" + (", mirrored" if flip else ""),
        "code": code_digest(extract_features, open_session),
    }


def extract_features(
    session: Session,
    dataset: Market1501,
    samples: Sequence[Sample],
    path: str | Path,
    batch_size: int,
    progress: bool = True,
    flip: bool = False,
) -> Features:
    """Run a session over images and write their features to `path`.

    Parameters
    ----------
    session : Session
        Any backend; a session of fixed batch takes at most its own batch.
    samples : sequence of Sample
        The images, e.g. ``dataset.query``.
    batch_size : int
        Images a call.
    flip : bool
        Mirror every image, left to right, as a flip test needs.

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
                yield mirrored(images) if flip else images

        try:
            for features in session.stream(batches()):
                advance(len(waiting.popleft()))
                yield features
        except SessionError as error:
            where = f"{waiting[0][0].name} to {waiting[0][-1].name}" if waiting else error.where
            raise FeatureError(error.what, where=where, cure=error.cure) from error

    return collect_features(
        path,
        samples,
        extraction_conditions(session, dataset, samples, batch_size, flip),
        batch_size,
        compute,
        progress,
        lambda: {"streams": session.streams(batch_size)},
    )


def extract(
    session: Session, dataset: Market1501, *, batch_size: int | None = None, progress: bool = True
) -> tuple[Features, Features]:
    """Features of query and gallery, kept in no file; see `extract_features` for one that survives a kill.

    Parameters
    ----------
    batch_size : int, optional
        Images a call; by default the model's own, else 16.

    Raises
    ------
    DatasetError, FeatureError
        As `extract_features`.
    """
    size = batch_size or session.batch_size or 16
    with TemporaryDirectory(prefix="osnet-extract-") as folder:
        query, gallery = (
            extract_features(session, dataset, samples, Path(folder, f"{split}.npz"), size, progress)
            for split, samples in (("query", dataset.query), ("gallery", dataset.gallery))
        )
    return query, gallery


def kept_features(
    path: Path,
    facts: dict,
    opened: Callable[[], Session],
    dataset: Market1501,
    samples: Sequence[Sample],
    batch_size: int,
    progress: bool = True,
    flip: bool = False,
) -> Features:
    """`extract_features` into a file that is used again while everything that it depends on is the same.

    Parameters
    ----------
    facts : dict
        What tells the network: hashes of model and code, backend.
    opened : callable
        Opens the session; it is not called where the file fits.
    """
    key = {
        **facts,
        "dataset": dataset.digest,
        "names": fingerprint([sample.name for sample in samples]),
        "batch_size": batch_size,
        "flip": flip,
        "versions": environment()["versions"],
        "code": code_digest(extract_features, iter_batches, open_session),
    }

    def make(target: Path) -> None:
        with opened() as session:
            extract_features(session, dataset, samples, target, batch_size, progress, flip)

    return load_features(artefact(path, key, make))


def check_batch_size(session: Session, batch_size: int) -> None:
    """Refuse a batch size that the session does not take; FeatureError."""
    own = session.batch_size
    whole_number(
        batch_size,
        "batch size",
        at_most=own or MOST_IMAGES,
        error=FeatureError,
        where=session.model,
        cure=f"The model's own is {own}." if own else "Give such a number.",
    )


def collect_features(
    path: str | Path,
    samples: Sequence[Sample],
    conditions: dict,
    batch_size: int,
    compute: Callable[[int, Callable[[int], object]], Iterator[np.ndarray]],
    progress: bool = True,
    more_conditions: Callable[[], dict] = dict,
) -> Features:
    """Write features as they come, so that a kill loses none but those of the batches on their way.

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
            for batch in compute(done, bar.update):
                rows.write(batch.astype("<f4", copy=False).tobytes())
                rows.flush()  # what a kill leaves behind is then whole batches, but for the last
        seconds: dict[str, object] = {"seconds": round(time.perf_counter() - started, 3)}
        if conditions["session"].get("simulated"):
            seconds = {"seconds": None, "not_measured": NOT_MEASURED}
        conditions = {**conditions, **seconds, "resumed_at": done, **more_conditions()}
        rows.seek(0)
        matrix = np.fromfile(rows, "<f4").reshape(len(samples), *FEATURE_SHAPE)
    features = Features(
        np.array([s.name for s in samples], str),
        np.array([s.pid for s in samples], np.int64),
        np.array([s.camid for s in samples], np.int64),
        matrix,
        conditions,
    )
    save_features(path, features)
    for file in (part, key):
        file.unlink(missing_ok=True)
    return features


@contextmanager
def _open_alone(part: Path) -> Iterator[BinaryIO]:
    """Open for appending; refuse while another process has it open, for two would mix their rows."""
    part.parent.mkdir(parents=True, exist_ok=True)
    with open_own(part) as rows:
        try:
            lock(rows, wait=False)
        except BlockingIOError as error:
            raise BusyError(
                "another process is extracting into it", where=part, cure="Wait for it, or choose another folder."
            ) from error
        yield rows


def _resume(rows: BinaryIO, key: Path, wanted: str, images: int, batch_size: int) -> int:
    """How many rows of an earlier run can be kept; cuts the file to whole batches of the same conditions."""
    try:
        same = read_json(key) == wanted
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
