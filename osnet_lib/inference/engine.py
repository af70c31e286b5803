"""What a session asks of whatever computes behind it; each engine has its own module, `session` checks their input."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

from ..errors import SessionError

SMALLER_BATCH = "Try a smaller batch."  # what helps where memory ran out
LIBRARIES = ("onnxruntime", "onnxruntime-cann", "openvino", "torch", "torch-npu", "numpy")  # that compute
PRECISIONS = ("float32", "bfloat16", "float16", "int8")  # that can be asked for, see `Backend.precisions`


class Engine(Protocol):
    """A loaded network on a device.

    Attributes
    ----------
    model : Path
        The file it was loaded from, and in `sha256` the hash of that file.
    input_shape : tuple
        Of a batch; the first number is None where any batch size goes.
    input_dtype : numpy.dtype
    gears : tuple of int
        The batch sizes it computes, ascending; one where that is fixed, none where any goes.
    precision, provider, device : str
        In what it computes, read back from the library where that tells (it begins with one of `PRECISIONS`); by which
        library path; on what (a name a reader knows).
    simulated : bool
        True where no such device exists and something stands in for it, so that times mean nothing.

    An engine that knows more of its model has ``facts``, a dict of further `SessionFacts`; one whose library may take
    fewer threads than it was given has ``threads``, those it took. One that can overlap copies and execution, or
    several batches, also has ``stream(batches)``: `compute` for each, in order. One that computes several batches at a
    time also has ``streams(batch_size)``, which says how many.
    """

    model: Path
    sha256: str
    input_shape: tuple[int | None, ...]
    input_dtype: np.dtype
    gears: tuple[int, ...]
    precision: str
    provider: str
    device: str
    simulated: bool

    def compute(self, batch: np.ndarray) -> np.ndarray:
        """Features of a contiguous batch, in an array of their own; SessionError where it fails.

        The batch has the shape `input_shape`, with one of `gears` for its length where there are some.
        """

    def close(self) -> None:
        """Give back memory and device; called once."""


def no_device(device: int, kind: str, count: int) -> SessionError:
    """The refusal of a device number."""
    cure = "Give device 0." if count == 1 else f"Give a device from 0 to {count - 1}."
    return SessionError(f"device {device} does not exist, the {kind} backend sees {count}", where="device", cure=cure)
