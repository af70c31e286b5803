"""What computes behind a session: ONNX Runtime and PyTorch here, an NPU in `ascend`. `session` checks their input."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from .errors import ExportError, SessionError, first_line
from .core.host import cpu_name
from .conversion.onnx_file import IMAGE_SHAPE, INPUT, OUTPUT, inspect_onnx
from .conversion.precision import INT8

if TYPE_CHECKING:
    from .network.checkpoint import Checkpoint

_SMALLER = "Try a smaller batch."


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
        In what it computes, by which library path, on what (a name a reader knows).
    simulated : bool
        True where no such device exists and something stands in for it, so that times mean nothing.

    An engine that can overlap copies and execution also has ``stream(batches)``: `compute` for each, in order.
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


class OnnxRuntimeEngine:
    """ONNX Runtime on a CUDA device where its provider is installed and starts, else on the CPU."""

    input_dtype, simulated = np.dtype(np.float32), False

    def __init__(self, model: Path, device: int, threads: int):
        import onnxruntime

        try:
            found = inspect_onnx(model, expect_osnet=True)
        except ExportError as error:
            raise SessionError(error.what, where=model, cure=error.cure) from error
        self.model, self.sha256, self.input_shape = model, found.sha256, (found.batch_size, *IMAGE_SHAPE)
        self.gears = (found.batch_size,) if found.batch_size else ()
        self.precision = found.precision
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3  # errors; they come as exceptions as well
        if found.precision == INT8:
            # x86 without VNNI adds products in 16 bits, which overflow unnoticed; this avoids it at half the speed, and
            # where there is no such danger it gives the same features to the bit.
            options.add_session_config_entry("session.x64quantprecision", "1")
        providers = ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            # TF32 rounds the inputs of a convolution to 10 bits: not the float32 that parity is about.
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device, "use_tf32": 0}))
        try:
            self._network = onnxruntime.InferenceSession(str(model), options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise SessionError(f"ONNX Runtime cannot load it ({first_line(error)})", where=model,
                               cure="Export it with a lower opset, or update onnxruntime.") from error
        self.provider = self._network.get_providers()[0]
        if self.provider != "CPUExecutionProvider":
            self.device = f"CUDA device {device}"
        elif device == 0:
            self.device = cpu_name()
        else:  # also where CUDA is installed and did not start: nobody asked for the CPU instead
            raise no_device(device, "CPU", 1)

    def compute(self, batch: np.ndarray) -> np.ndarray:
        try:
            return self._network.run([OUTPUT], {INPUT: batch})[0]
        except Exception as error:
            raise SessionError(f"ONNX Runtime failed ({first_line(error)})", where=self.model, cure=_SMALLER) from error

    def close(self) -> None:
        del self._network


class TorchEngine:
    """The reference: the checkpoint's own graph in float32, any batch size, on CUDA where torch has it."""

    input_shape, input_dtype, precision = (None, *IMAGE_SHAPE), np.dtype(np.float32), "float32"
    gears, simulated = (), False

    def __init__(self, model: Path | Checkpoint, device: int, threads: int):
        import torch

        from .network.checkpoint import Checkpoint, load_checkpoint

        checkpoint = model if isinstance(model, Checkpoint) else load_checkpoint(model)
        self.model, self.sha256 = checkpoint.path, checkpoint.sha256
        self.provider = "cuda" if torch.cuda.is_available() else "cpu"
        devices = torch.cuda.device_count() if self.provider == "cuda" else 1
        if device >= devices:
            raise no_device(device, self.provider.upper(), devices)
        self._torch, self._threads = torch, threads
        self._place = torch.device(self.provider, device)
        self._network = copy.deepcopy(checkpoint.model).eval().to(self._place)  # the caller may go on with theirs
        self.device = torch.cuda.get_device_name(device) if self.provider == "cuda" else cpu_name()

    def compute(self, batch: np.ndarray) -> np.ndarray:
        torch, before = self._torch, self._torch.get_num_threads()
        torch.set_num_threads(self._threads)  # a setting of the whole process, hence given back
        try:
            with torch.inference_mode(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                writeable = batch if batch.flags.writeable else batch.copy()  # torch warns of read-only memory
                return self._network(torch.from_numpy(writeable).to(self._place)).cpu().numpy()
        except RuntimeError as error:
            raise SessionError(f"PyTorch failed ({first_line(error)})", where=self.model, cure=_SMALLER) from error
        finally:
            torch.set_num_threads(before)

    def close(self) -> None:
        del self._network


def no_device(device: int, kind: str, count: int) -> SessionError:
    """The refusal of a device number."""
    cure = "Give device 0." if count == 1 else f"Give a device from 0 to {count - 1}."
    return SessionError(f"device {device} does not exist, the {kind} backend sees {count}", where="device", cure=cure)
