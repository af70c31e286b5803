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
from .engine import PRECISIONS, Engine
from .onnxruntime import OnnxRuntimeEngine
from .openvino import OpenVinoEngine
from .torch import TorchEngine
from .torch_npu import TorchNpuEngine
from .tuned import TUNED


@dataclass(frozen=True)
class Backend:
    """The files a backend reads, by content and by suffix, what makes its engine, and the package that needs.

    `engine` is called with the model (a path; where checkpoints are read also a Checkpoint), the device number and the
    thread count, and with a mapping of `options` and one of `precisions` where they are given.
    """

    kinds: tuple[str, ...]
    suffixes: tuple[str, ...]
    engine: Callable[..., Engine]
    package: str | None = None
    options: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()

    @property
    def reads_checkpoints(self) -> bool:
        return self.suffixes == _CHECKPOINTS

    @property
    def reads_onnx(self) -> bool:
        """Which is a way to run checkpoints too: as the ONNX that `osnet_lib.inference.exported` keeps of them."""
        return self.kinds == (ONNX,)


_CHECKPOINTS = (".pth", ".pt", ".pth.tar", ".tar", ".safetensors")
_CHECKPOINT_KINDS = (CHECKPOINT, SAFETENSORS, PICKLE)
_CHOSEN_ELSEWHERE = {  # where the precision of a backend is chosen that takes none
    "ascend": "Leave it out: an OM computes as it was converted, see osnet convert --precision-mode",
    "cann": "Leave it out, or give --option precision_mode=force_fp32",
}
BACKENDS = {  # of two that read a file the first is the one that is meant by auto
    "onnxruntime": Backend(
        (ONNX,), (".onnx",), OnnxRuntimeEngine, "onnxruntime", precisions=("float32", "float16", "int8")
    ),
    "torch": Backend(
        _CHECKPOINT_KINDS, _CHECKPOINTS, TorchEngine, "torch", precisions=("float32", "bfloat16", "float16")
    ),
    "openvino": Backend((ONNX,), (".onnx",), OpenVinoEngine, "openvino", precisions=PRECISIONS),
    "ascend": Backend(
        (OM,), (".om",), AscendEngine
    ),  # which looks for pyACL itself: more than its absence can be wrong
    "cann": Backend((ONNX,), (".onnx",), CannEngine, "onnxruntime", CANN_OPTIONS),
    "torch_npu": Backend(
        _CHECKPOINT_KINDS, _CHECKPOINTS, TorchNpuEngine, "torch", precisions=("float32",)
    ),  # as ascend, for torch_npu
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
        Must be a file which that backend reads, or a checkpoint for one that reads ONNX.

    Raises
    ------
    SessionError
        An unknown name; a file of another backend, or of none.
    """
    known = ", ".join(["auto", *BACKENDS])
    if backend == TUNED:
        cure = "Name the backend and the precision that osnet tune recommends."
        raise SessionError("tuned stands for what one file is opened with, and cannot here", where="backend", cure=cure)
    if backend not in ("auto", *BACKENDS):
        raise SessionError(f"{backend!r} is not a backend", where="backend", cure=f"Choose one of {known}.")
    readers: list[str] = []
    if model is not None:
        readers = _readers(Path(model), backend)
    chosen = backend
    if backend == "auto":
        chosen = readers[0] if readers else "ascend" if count_devices() else "onnxruntime"
    exported = bool(readers) and BACKENDS[readers[0]].reads_checkpoints and BACKENDS[chosen].reads_onnx
    if readers and chosen not in readers and not exported:
        raise SessionError(
            f"the {chosen} backend does not read it, {readers[0]} does",
            where=model,
            cure=f"Give a {' or '.join(BACKENDS[chosen].suffixes)} file, or backend auto.",
        )
    return chosen


def parse_engine(text: str) -> tuple[str, str | None]:
    """Backend and precision from ``"openvino:bfloat16"``, or ``"torch"``, which leaves the precision to the file.

    Whether there are such, `open_session` says.
    """
    backend, colon, precision = text.partition(":")
    return backend, precision if colon else None


def is_checkpoint(model: Path) -> bool:
    """Whether a file is one of torch.save or safetensors, by its content or else its suffix."""
    return any(BACKENDS[name].reads_checkpoints for name in _readers(model, "named"))


def check_precision(backend: str, precision: str) -> None:
    """Refuse a precision that a backend of `BACKENDS` does not take; whether this machine has it, its engine knows.

    Raises
    ------
    SessionError
        No precision, or one of other backends, which it names.
    """
    if precision not in PRECISIONS:
        cure = f"Choose one of {', '.join(PRECISIONS)}."
        raise SessionError(f"{precision!r} is not a precision", where="precision", cure=cure)
    has = BACKENDS[backend].precisions
    if precision not in has:
        others = ", ".join(name for name, one in BACKENDS.items() if precision in one.precisions)
        here = f"It has {', '.join(has)}" if has else _CHOSEN_ELSEWHERE[backend]
        raise SessionError(
            f"the {backend} backend does not compute in {precision} on request",
            where="precision",
            cure=f"{here}; {precision} have the backends {others}.",
        )


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
