"""One small interface to whatever computes features: ONNX Runtime, OpenVINO, PyTorch, an Ascend NPU."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import MOST_THREADS, whole_number
from ..conversion.interface import FEATURE_SHAPE
from ..core.conditions import SessionFacts
from ..core.file_kind import file_kind
from ..core.files import absolute, sha256, special
from ..core.host import package_versions, usable_cores
from ..core.imports import ForeignNumpyError, import_compiled, install_command
from ..core.line import one_line
from ..errors import SessionError, first_line
from ..network.weights import NAMED, find_weights
from .backends import BACKENDS, check_precision, choose_backend, is_checkpoint
from .engine import LIBRARIES, Engine
from .exported import exported_onnx, quickest
from .tuned import TUNED, read_tuning

if TYPE_CHECKING:
    from ..network.checkpoint import Checkpoint


class Session:
    """A network that is loaded and ready; as a context manager it closes itself. Made by `open_session`.

    Attributes
    ----------
    backend : str
        Its name in `BACKENDS`.
    model : Path
        The file it was loaded from.
    input_shape : tuple
        Of a batch, ``(N, 3, 256, 128)``; N is None where any number of images goes. Of a model that normalises on
        the device, ``(N, 256, 128, 3)``.
    input_dtype : numpy.dtype
        What `run` takes; uint8 for a model that normalises on the device.
    gears : tuple of int
        The batch sizes the model computes; a batch is padded to the smallest that holds it. None where any goes.
    facts : SessionFacts
        The conditions of a measurement.
    """

    def __init__(
        self,
        backend: str,
        engine: Engine,
        threads: int,
        source: Checkpoint | None = None,
        options: Mapping[str, Any] | None = None,
    ):
        self.backend, self.model, self.threads = backend, engine.model, getattr(engine, "threads", threads)
        self.input_shape, self.input_dtype, self.gears = engine.input_shape, engine.input_dtype, engine.gears
        self._engine: Engine | None = engine
        self.facts = SessionFacts(
            backend=backend,
            provider=engine.provider,
            device=engine.device,
            threads=self.threads,
            precision=engine.precision,
            simulated=engine.simulated,
            batch_size=self.batch_size,
            model=self.model.name,
            model_sha256=engine.sha256,
            versions=package_versions(LIBRARIES),
            options=dict(options or {}),
            **getattr(engine, "facts", {}),
        )
        if source is not None:
            exported_from = {"file": source.path.name, "sha256": source.sha256}
            self.facts = replace(self.facts, exported_from=exported_from, checkpoint=source.origin)

    def __repr__(self) -> str:
        facts, batch = self.facts, "any batch" if self.batch_size is None else f"batch {self.batch_size}"
        return one_line(
            f"{facts.model}, {batch}, on {facts.device}{' (simulated)' * bool(facts.simulated)}: {facts.backend}, "
            f"{facts.precision}, {facts.threads} threads{', closed' * (self._engine is None)}"
        )

    @property
    def batch_size(self) -> int | None:
        """Images per batch of a model with a fixed batch; None where any number goes."""
        return self.input_shape[0]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Compute the features of a batch.

        Parameters
        ----------
        batch : ndarray of `input_dtype`, shape ``(n, *input_shape[1:])``
            n from 1 to the batch size. A batch that is not full is padded with zeros, and the rows of the padding are
            dropped again; the others do not depend on them.

        Returns
        -------
        ndarray of float32, [n, 512]
            The caller's to keep.

        Raises
        ------
        SessionError
            A closed session; another dtype or shape; too many images; values that are not finite, in or out; a
            device that failed.
        """
        engine = self._open_engine()
        return self._checked(engine.compute(self._full(batch)), len(batch))

    def streams(self, batch_size: int) -> int:
        """How many batches of that size `stream` computes at a time, each on one core; 1 where all share each batch."""
        return getattr(self._open_engine(), "streams", lambda _: 1)(batch_size)

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`run` for many batches, faster where the device copies and computes at the same time.

        Parameters
        ----------
        batches : iterable of ndarray
            Each as `run` takes it. It is asked for a few batches more than were given back.

        Yields
        ------
        ndarray of float32, [n, 512]
            The features of each batch in turn.

        Raises
        ------
        SessionError
            As `run`. Where a batch is refused, or `batches` itself raises, the features of all batches before it come
            first; where the device fails, those that were on their way are lost.
        """
        engine = self._open_engine()
        compute_all = getattr(engine, "stream", None) or (lambda full: map(engine.compute, full))
        return self._streamed(compute_all, batches)

    def _streamed(self, compute_all: Callable, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        counts: deque[int] = deque()
        ended: list[Exception] = []

        def full() -> Iterator[np.ndarray]:
            try:
                for batch in batches:
                    padded = self._full(batch)
                    counts.append(len(batch))
                    yield padded
            except Exception as error:  # any, as it is raised again once the batches before are through
                ended.append(error)

        for features in compute_all(full()):
            yield self._checked(features, counts.popleft())
            self._open_engine()  # refuses where it was closed meanwhile
        if ended:
            raise ended[0]

    def _open_engine(self) -> Engine:
        if self._engine is None:
            raise SessionError("the session is closed", where=self.model, cure="Open it again with open_session.")
        return self._engine

    def _full(self, batch: np.ndarray) -> np.ndarray:
        """The batch, checked, contiguous and padded to the smallest gear that holds it."""
        self._check(batch)
        missing = next((gear for gear in self.gears if gear >= len(batch)), len(batch)) - len(batch)
        if missing:
            batch = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)])
        return np.ascontiguousarray(batch)

    def _checked(self, features: np.ndarray, images: int) -> np.ndarray:
        """The rows that belong to images."""
        expected = next((gear for gear in self.gears if gear >= images), images)
        if features.shape != (expected, *FEATURE_SHAPE) or features.dtype != np.float32:
            raise SessionError(
                f"the network gave {features.dtype} {list(features.shape)} for {expected} images",
                where=self.model,
                cure="Give a model whose output is float32 [N, 512].",
            )
        features = features[:images]
        if not np.isfinite(features).all():
            raise SessionError(
                f"the features of rows {_not_finite(features)} of the batch are not finite",
                where=self.model,
                cure="Look for damaged weights, or for an overflow in half precision.",
            )
        return features

    def describe(self) -> dict:
        """The conditions of a measurement, ready for JSON: `facts` under their names, see `SessionFacts`."""
        return self.facts.as_dict()

    def close(self) -> None:
        """Free the network; harmless when repeated."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            engine.close()

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _check(self, batch: np.ndarray) -> None:
        shape = f"[{', '.join(str(n) for n in (self.batch_size or 'n', *self.input_shape[1:]))}] of {self.input_dtype}"
        if not isinstance(batch, np.ndarray) or batch.dtype != self.input_dtype:
            kind = batch.dtype if isinstance(batch, np.ndarray) else type(batch).__name__
            raise SessionError(
                f"a batch of {kind} instead of {self.input_dtype}",
                where=self.model,
                cure=f"Give a numpy array {shape}.",
            )
        if batch.ndim != len(self.input_shape) or batch.shape[1:] != self.input_shape[1:] or not len(batch):
            raise SessionError(
                f"a batch of shape {list(batch.shape)}", where=self.model, cure=f"Give {shape}, at least one image."
            )
        if self.batch_size and len(batch) > self.batch_size:
            raise SessionError(
                f"{len(batch)} images, but the model takes {self.batch_size}",
                where=self.model,
                cure=f"Give at most {self.batch_size} at a time.",
            )
        if batch.dtype.kind == "f":
            # A sum meets every value and costs less than a mask of them; only when it is not finite are they looked at.
            with np.errstate(all="ignore"):
                suspect = not np.isfinite(batch.sum())
            if suspect and (rows := _not_finite(batch)):
                raise SessionError(
                    f"rows {rows} of the batch hold NaN or infinity", where=self.model, cure="Check the preprocessing."
                )


def _not_finite(rows: np.ndarray) -> list[int]:
    return np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)).tolist()


def open_session(
    model: str | Path | Checkpoint,
    backend: str = "auto",
    device: int = 0,
    threads: int | None = None,
    *,
    key: str | None = None,
    options: Mapping[str, Any] | None = None,
    precision: str | None = None,
) -> Session:
    """Load a model on a device.

    Parameters
    ----------
    model : str, path or Checkpoint
        ``"mini"`` or ``"market1501"``, see `osnet_lib.network.weights.find_weights`; an ONNX file, an OM or
        a checkpoint.
    backend : str
        See `choose_backend`; ``"auto"`` goes by the content. It and the backends that read ONNX run a checkpoint as the
        ONNX that `osnet_lib.inference.exported` keeps of it. ``"torch"`` is the reference. ``"tuned"`` opens what
        ``osnet tune`` recommended for this very file, see `osnet_lib.inference.tuned`.
    device : int
        Of several accelerators; the CPU is device 0.
    threads : int, optional
        CPU threads of one operator; by default one per core that this process may use, see `usable_cores`.
    key : str, optional
        Which network of a checkpoint that holds several.
    options : mapping, optional
        Of the backend cann: those of ONNX Runtime's provider, such as ``{"precision_mode": "force_fp32"}``.
    precision : {"float32", "bfloat16", "float16", "int8"}, optional
        In which to compute, by default that of the file; the backend and this machine must have it, see
        `osnet_lib.inference.backends.Backend`. int8 takes a file that holds it. What came of it stands in the facts.

    Raises
    ------
    SessionError
        An unknown backend, or one that does not read this file, is not installed or has no such option or precision; a
        model that was not tuned, or whose tuning is stale; no such file, a damaged one, another network; no such
        device; a thread count below 1. AclError where a call of pyACL fails.
    CheckpointError
        A checkpoint that `load_checkpoint` refuses.
    ParityError
        An export of the checkpoint that does not compute the same.
    """
    if backend == TUNED:
        chosen_there = {"threads": threads, "key": key, "options": options or None, "precision": precision}
        names = [name for name, value in chosen_there.items() if value is not None] + ["device"] * (device != 0)
        return _open_tuned(model, names)
    threads = usable_cores() if threads is None else threads
    device = whole_number(device, "device", at_least=0, cure="Leave it out or give 0.")
    threads = whole_number(threads, "threads", at_most=MOST_THREADS, cure="Leave it out or give 1.")
    if isinstance(model, (str, os.PathLike)):
        path = model = _found(model, missing_ok=backend not in ("auto", *BACKENDS))
        name = choose_backend(backend, path)
        loadable = BACKENDS[name].reads_checkpoints or is_checkpoint(path)
    else:
        path, name, loadable = model.path, choose_backend("torch" if backend == "auto" else backend), True
        if not (BACKENDS[name].reads_checkpoints or BACKENDS[name].reads_onnx):
            raise SessionError(
                f"the {name} backend does not run a Checkpoint", where=path, cure="Export it, or leave the backend out."
            )
    if key is not None and (not loadable or path is not model):
        raise SessionError("a key chooses among the networks of a checkpoint file", where=path, cure="Leave it out.")
    options = dict(options or {})
    _check_options(name, options)
    _require(name, path)
    source = None
    exported = loadable and not BACKENDS[name].reads_checkpoints
    if loadable and (backend == "auto" or key is not None or exported):
        from ..network.checkpoint import Checkpoint, load_checkpoint  # takes torch, which other models do not need

        model = model if isinstance(model, Checkpoint) else load_checkpoint(path, key)
        if backend == "auto":
            source = model
            name, model = quickest(source)
            _require(name, path)
        elif exported:
            source, model = model, exported_onnx(model)
    given: dict[str, Any] = {"options": options} if options else {}
    if precision is not None:
        check_precision(name, precision)
        given["precision"] = precision
    engine = BACKENDS[name].engine(model, device, threads, **given)
    return Session(name, engine, threads, source if not BACKENDS[name].reads_checkpoints else None, options)


def _found(model: str | os.PathLike[str], missing_ok: bool = False) -> Path:
    """The model file behind a name or path."""
    path = find_weights(model) if str(model) in NAMED else absolute(model)
    if not missing_ok and not path.is_file():
        where_there = file_kind(path) if path.is_dir() or special(path) else None
        raise SessionError(
            f"no such model file{f': it is {where_there.what}' if where_there else ''}",
            where=path,
            cure=where_there.cure if where_there else "Give the path of an .onnx file, an .om or a checkpoint.",
        )
    return path


def _open_tuned(model: str | Path | Checkpoint, given: list[str]) -> Session:
    """The session that was recommended for a model file, `given` nothing that the recommendation chooses."""
    if not isinstance(model, (str, os.PathLike)):
        raise SessionError("the tuned backend opens a file", where=model.path, cure="Give the path of the checkpoint.")
    if given:
        cure = "Leave it out, or name a backend."
        raise SessionError(f"the tuned backend chooses the {', '.join(given)} itself", where="backend", cure=cure)
    path = _found(model)
    choice = read_tuning(path)
    session = open_session(choice.file, choice.backend, threads=choice.threads, precision=choice.precision)
    if choice.file != path:
        session.facts = replace(session.facts, exported_from={"file": path.name, "sha256": sha256(path)})
    return session


def _check_options(backend: str, options: dict[str, Any]) -> None:
    known = BACKENDS[backend].options
    if unknown := sorted(set(options) - set(known)):
        has = f"It has {', '.join(known)}." if known else "It has none: leave them out."
        raise SessionError(f"the {backend} backend has no {', '.join(unknown)}", where="options", cure=has)


def _require(backend: str, model: Path) -> None:
    """Refuse a backend whose package is not installed, or does not load."""
    package = BACKENDS[backend].package
    if not package:
        return
    try:
        import_compiled(package)
    except MemoryError:
        raise
    except Exception as error:  # an extension that a package loads may raise anything
        what, cure = first_line(error), install_command(package)
        if isinstance(error, ForeignNumpyError):
            cure = error.cure
        elif not isinstance(error, ImportError):
            cure = "Set TORCH_DEVICE_BACKEND_AUTOLOAD=0, or source CANN's set_env.sh first."
        raise SessionError(f"the {backend} backend cannot import {package} ({what})", where=model, cure=cure) from error
