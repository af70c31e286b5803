"""One small interface to whatever computes features: ONNX Runtime, PyTorch, an Ascend NPU."""

from __future__ import annotations

import copy
import importlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .engine import Engine, OnnxRuntimeEngine, TorchEngine
from .errors import SessionError, first_line
from .export import FEATURE_SHAPE
from .machine import package_versions, usable_cores

if TYPE_CHECKING:
    from .checkpoint import Checkpoint


@dataclass(frozen=True)
class Backend:
    """The files a backend reads, what makes its engine, and the package that needs.

    `engine` is called with the model (a path; torch also takes a Checkpoint), the device number and the thread count.
    None stands for a backend that this version does not have yet.
    """

    suffixes: tuple[str, ...]
    engine: Callable[..., Engine] | None = None
    package: str | None = None


BACKENDS = {
    "onnxruntime": Backend((".onnx",), OnnxRuntimeEngine, "onnxruntime"),
    "torch": Backend((".pth", ".pt", ".pth.tar", ".tar", ".safetensors"), TorchEngine, "torch"),
    "ascend": Backend((".om",)),
}


class Session:
    """A network that is loaded and ready; as a context manager it closes itself. Made by `open_session`.

    Attributes
    ----------
    backend : str
        Its name in `BACKENDS`.
    model : Path
        The file it was loaded from.
    input_shape : tuple
        Of a batch, ``(N, 3, 256, 128)``; N is None where any number of images goes.
    input_dtype : numpy.dtype
        What `run` takes.
    """

    def __init__(self, backend: str, engine: Engine, threads: int):
        self.backend, self.model, self.threads = backend, engine.model, threads
        self.input_shape, self.input_dtype = engine.input_shape, engine.input_dtype
        self._engine: Engine | None = engine
        self._facts = {"backend": backend, "provider": engine.provider, "device": engine.device, "threads": threads,
                       "precision": engine.precision, "batch_size": self.batch_size, "model": self.model.name,
                       "model_sha256": engine.sha256, "versions": package_versions(("onnxruntime", "torch", "numpy"))}

    @property
    def batch_size(self) -> int | None:
        """Images per batch of a model with a fixed batch; None where any number goes."""
        return self.input_shape[0]

    def run(self, batch: np.ndarray) -> np.ndarray:
        """Compute the features of a batch.

        Parameters
        ----------
        batch : ndarray of `input_dtype`, shape (n, *input_shape[1:])
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
        if self._engine is None:
            raise SessionError("the session is closed", where=self.model, cure="Open it again with open_session.")
        self._check(batch)
        missing = (self.batch_size or len(batch)) - len(batch)
        full = np.concatenate([batch, np.zeros((missing, *batch.shape[1:]), batch.dtype)]) if missing else batch
        features = self._engine.compute(np.ascontiguousarray(full))
        if features.shape != (len(full), *FEATURE_SHAPE) or features.dtype != np.float32:
            raise SessionError(f"the network gave {features.dtype} {list(features.shape)} for {len(full)} images",
                               where=self.model, cure="Give a model whose output is float32 [N, 512].")
        features = features[:len(batch)]
        if not np.isfinite(features).all():
            raise SessionError(f"the features of rows {_not_finite(features)} of the batch are not finite",
                               where=self.model, cure="Look for damaged weights, or for an overflow in half precision.")
        return features

    def describe(self) -> dict:
        """The conditions of a measurement, ready for JSON.

        Keys: backend, provider, device (its name), threads, precision, batch_size, model (file name), model_sha256, and
        versions of onnxruntime, torch and numpy, as far as installed.
        """
        return copy.deepcopy(self._facts)

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
            raise SessionError(f"a batch of {kind} instead of {self.input_dtype}", where=self.model,
                               cure=f"Give a numpy array {shape}.")
        if batch.ndim != len(self.input_shape) or batch.shape[1:] != self.input_shape[1:] or not len(batch):
            raise SessionError(f"a batch of shape {list(batch.shape)}", where=self.model,
                               cure=f"Give {shape}, at least one image.")
        if self.batch_size and len(batch) > self.batch_size:
            raise SessionError(f"{len(batch)} images, but the model takes {self.batch_size}", where=self.model,
                               cure=f"Give at most {self.batch_size} at a time.")
        if batch.dtype.kind == "f":
            # A sum meets every value and costs less than a mask of them; only when it is not finite are they looked at.
            with np.errstate(all="ignore"):
                suspect = not np.isfinite(batch.sum())
            if suspect and (rows := _not_finite(batch)):
                raise SessionError(f"rows {rows} of the batch hold NaN or infinity", where=self.model,
                                   cure="Check the preprocessing.")


def _not_finite(rows: np.ndarray) -> list[int]:
    return np.flatnonzero(~np.isfinite(rows).reshape(len(rows), -1).all(axis=1)).tolist()


def choose_backend(backend: str = "auto", model: str | Path | None = None) -> str:
    """The backend that a name stands for.

    Parameters
    ----------
    backend : str
        A name in `BACKENDS`, or ``"auto"``: by the suffix of `model`, else the best that runs a converted model here.
    model : path, optional
        Must be a file which that backend reads.

    Raises
    ------
    SessionError
        An unknown name; a backend this version lacks; a file of another backend, or of none.
    """
    known = ", ".join(["auto", *BACKENDS])
    if backend not in ("auto", *BACKENDS):
        raise SessionError(f"{backend!r} is not a backend", where="backend", cure=f"Choose one of {known}.")
    owner = None
    if model is not None:
        owner = next((name for name, b in BACKENDS.items() if str(model).lower().endswith(b.suffixes)), None)
        if owner is None and backend == "auto":
            raise SessionError("its suffix does not tell the backend", where=model, cure=f"Name one of {known}.")
    chosen = (owner or "onnxruntime") if backend == "auto" else backend
    if BACKENDS[chosen].engine is None:
        raise SessionError(f"the {chosen} backend is not in this version", where=model or "backend",
                           cure="Give the .onnx file that an OM is made from, which runs on onnxruntime.")
    if owner not in (None, chosen):
        raise SessionError(f"the {chosen} backend does not read it, {owner} does", where=model,
                           cure=f"Give a {' or '.join(BACKENDS[chosen].suffixes)} file, or backend auto.")
    return chosen


def open_session(model: str | Path | Checkpoint, backend: str = "auto", device: int = 0,
                 threads: int | None = None) -> Session:
    """Load a model on a device.

    Parameters
    ----------
    model : path or Checkpoint
        An ``.onnx`` file or a checkpoint.
    backend : str
        See `choose_backend`; ``"auto"`` goes by the suffix.
    device : int
        Of several accelerators; the CPU is device 0.
    threads : int, optional
        CPU threads of one operator; by default one per core that this process may use.

    Raises
    ------
    SessionError
        An unknown backend, or one that does not read this file or is not installed; no such file, a damaged one,
        another network; no such device; a thread count below 1.
    CheckpointError
        A checkpoint that `load_checkpoint` refuses.
    """
    threads = usable_cores() if threads is None else threads
    for value, least, what in ((device, 0, "device"), (threads, 1, "threads")):
        if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
            raise SessionError(f"{value!r} is not a whole number of {least} or more", where=what,
                               cure=f"Leave it out or give {least}.")
    if isinstance(model, (str, os.PathLike)):
        path = model = Path(model).expanduser()
        name = choose_backend(backend, path)
        if not path.is_file():
            raise SessionError("no such model file", where=path, cure="Give the path of an .onnx file or a checkpoint.")
    else:
        path, name = model.path, choose_backend("torch" if backend == "auto" else backend)
        if name != "torch":
            raise SessionError(f"the {name} backend does not run a Checkpoint", where=path,
                               cure="Export it, or leave the backend out.")
    entry = BACKENDS[name]
    if entry.package:
        try:
            importlib.import_module(entry.package)
        except ImportError as error:
            raise SessionError(f"the {name} backend cannot import {entry.package} ({first_line(error)})", where=path,
                               cure=f"pip install {entry.package}") from error
    return Session(name, entry.engine(model, int(device), int(threads)), int(threads))
