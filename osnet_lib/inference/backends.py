"""The backends by name, and which one a model or a machine calls for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from ..ascend.acl import count_devices
from ..core.file_kind import CHECKPOINT, OM, ONNX, PICKLE, SAFETENSORS, UNRECOGNISED, file_kind
from ..errors import SessionError
from .ascend import AscendEngine
from .cann import CANN_OPTIONS, CannEngine
from .engine import Engine
from .onnxruntime import OnnxRuntimeEngine
from .torch import TorchEngine
from .torch_npu import TorchNpuEngine


@dataclass(frozen=True)
class Backend:
    """The files a backend reads, by content and by suffix, what makes its engine, and the package that needs.

    `engine` is called with the model (a path; where checkpoints are read also a Checkpoint), the device number and the
    thread count, and with a mapping of `options` where they are given.
    """

    kinds: tuple[str, ...]
    suffixes: tuple[str, ...]
    engine: Callable[..., Engine]
    package: str | None = None
    options: tuple[str, ...] = ()

    @property
    def reads_checkpoints(self) -> bool:
        return self.suffixes == _CHECKPOINTS


_CHECKPOINTS = (".pth", ".pt", ".pth.tar", ".tar", ".safetensors")
_CHECKPOINT_KINDS = (CHECKPOINT, SAFETENSORS, PICKLE)
BACKENDS = {  # of two that read a file the first is the one that is meant by auto
    "onnxruntime": Backend((ONNX,), (".onnx",), OnnxRuntimeEngine, "onnxruntime"),
    "torch": Backend(_CHECKPOINT_KINDS, _CHECKPOINTS, TorchEngine, "torch"),
    "ascend": Backend(
        (OM,), (".om",), AscendEngine
    ),  # which looks for pyACL itself: more than its absence can be wrong
    "cann": Backend((ONNX,), (".onnx",), CannEngine, "onnxruntime", CANN_OPTIONS),
    "torch_npu": Backend(_CHECKPOINT_KINDS, _CHECKPOINTS, TorchNpuEngine, "torch"),  # as ascend, for torch_npu
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
    readers: list[str] = []
    if model is not None:
        readers = _readers(Path(model), backend)
    chosen = backend
    if backend == "auto":
        chosen = readers[0] if readers else "ascend" if count_devices() else "onnxruntime"
    if readers and chosen not in readers:
        raise SessionError(
            f"the {chosen} backend does not read it, {readers[0]} does",
            where=model,
            cure=f"Give a {' or '.join(BACKENDS[chosen].suffixes)} file, or backend auto.",
        )
    return chosen


def _readers(model: Path, backend: str) -> list[str]:
    """The backends that read a file; none where nothing tells it and one is asked for by name."""
    kind = file_kind(model) if model.is_file() else None
    if kind and (readers := [name for name, one in BACKENDS.items() if kind.name in one.kinds]):
        return readers
    readers = [name for name, one in BACKENDS.items() if model.name.lower().endswith(one.suffixes)]
    if not readers and backend == "auto":
        if kind and kind.name != UNRECOGNISED:
            raise SessionError(f"no model that a backend reads: it is {kind.what}", where=model, cure=kind.cure)
        raise SessionError(
            "neither its content nor its suffix tells the backend",
            where=model,
            cure=f"Name one of {', '.join(BACKENDS)}, or copy the file again.",
        )
    return readers
