"""The backends by name, and which one a model or a machine calls for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..ascend.acl import count_devices
from ..core.file_kind import CHECKPOINT, OM, ONNX, PICKLE, SAFETENSORS, UNRECOGNISED, file_kind
from ..errors import SessionError
from .ascend import AscendEngine
from .engine import Engine
from .onnxruntime import OnnxRuntimeEngine
from .torch import TorchEngine


@dataclass(frozen=True)
class Backend:
    """The files a backend reads, by content and by suffix, what makes its engine, and the package that needs.

    `engine` is called with the model (a path; torch also takes a Checkpoint), the device number and the thread count.
    """

    kinds: tuple[str, ...]
    suffixes: tuple[str, ...]
    engine: Callable[..., Engine]
    package: str | None = None


BACKENDS = {
    "onnxruntime": Backend((ONNX,), (".onnx",), OnnxRuntimeEngine, "onnxruntime"),
    "torch": Backend(
        (CHECKPOINT, SAFETENSORS, PICKLE), (".pth", ".pt", ".pth.tar", ".tar", ".safetensors"), TorchEngine, "torch"
    ),
    "ascend": Backend(
        (OM,), (".om",), AscendEngine
    ),  # which looks for pyACL itself: more than its absence can be wrong
}


def choose_backend(backend: str = "auto", model: str | Path | None = None) -> str:
    """The backend that a name stands for.

    Parameters
    ----------
    backend : str
        A name in `BACKENDS`, or ``"auto"``: by the content of `model`, by its suffix where that tells nothing, and
        without a model the best that runs a converted one here, which is ascend where pyACL works and sees a device,
        else onnxruntime (on CUDA where it can, else on the CPU).
    model : path, optional
        Must be a file which that backend reads.

    Raises
    ------
    SessionError
        An unknown name; a file of another backend, or of none.
    """
    known = ", ".join(["auto", *BACKENDS])
    if backend not in ("auto", *BACKENDS):
        raise SessionError(f"{backend!r} is not a backend", where="backend", cure=f"Choose one of {known}.")
    owner = None
    if model is not None:
        owner = _owner(Path(model), backend)
    chosen = backend
    if backend == "auto":
        chosen = owner or ("ascend" if count_devices() else "onnxruntime")
    if owner not in (None, chosen):
        raise SessionError(
            f"the {chosen} backend does not read it, {owner} does",
            where=model,
            cure=f"Give a {' or '.join(BACKENDS[chosen].suffixes)} file, or backend auto.",
        )
    return chosen


def _owner(model: Path, backend: str) -> str | None:
    """The backend that reads a file; None where nothing tells it and one is asked for by name."""
    kind = file_kind(model) if model.is_file() else None
    for name, one in BACKENDS.items():
        if kind and kind.name in one.kinds:
            return name
    owner = next((name for name, one in BACKENDS.items() if model.name.lower().endswith(one.suffixes)), None)
    if owner is None and backend == "auto":
        if kind and kind.name != UNRECOGNISED:
            raise SessionError(f"no model that a backend reads: it is {kind.what}", where=model, cure=kind.cure)
        raise SessionError(
            "neither its content nor its suffix tells the backend",
            where=model,
            cure=f"Name one of {', '.join(BACKENDS)}, or copy the file again.",
        )
    return owner
