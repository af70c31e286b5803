"""ONNX Runtime behind a session: the way of a converted model on a CPU or a CUDA device."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from ..conversion.interface import IMAGE_SHAPE
from ..conversion.precision import INT8
from ..core.host import cpu_name
from ..errors import SessionError, first_line
from .engine import SMALLER_BATCH, no_device
from .onnx_model import read_model

# How threads share the work of an operator. Threads that spin while they wait take the very cores that the others, or a
# neighbour, need; and a share of the work cut in equal halves lasts as long as the half on the busier core. Blocks that
# get smaller towards the end let the thread that has the core do more of it (benchmarks/threads.py measures both).
THREADING = {"session.intra_op.allow_spinning": "0", "session.dynamic_block_base": "4"}


class OnnxRuntimeEngine:
    """ONNX Runtime on a CUDA device where its provider is installed and starts, else on the CPU."""

    input_dtype, simulated = np.dtype(np.float32), False

    def __init__(self, model: Path, device: int, threads: int, precision: str | None = None):
        import onnxruntime

        found, asked = read_model(model, precision)
        self.facts: dict[str, Any] = {}
        if not found.precision.startswith(asked):  # float16 of a float32 file
            from .exported import float16_onnx

            self.facts = {"exported_from": {"file": model.name, "sha256": found.sha256}}
            found, _ = read_model(float16_onnx(found), asked)
        self.model, self.sha256 = found.path, found.sha256
        self.input_shape: tuple[int | None, ...] = (found.batch_size, *IMAGE_SHAPE)
        self.gears: tuple[int, ...] = (found.batch_size,) if found.batch_size else ()
        self.precision = found.precision
        self.facts |= {"input": found.input_name, "output": found.output_name}
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
        settings.log_severity_level = 3  # errors; they come as exceptions as well
        for name, value in THREADING.items():
            settings.add_session_config_entry(name, value)
        if found.precision == INT8:
            # x86 without VNNI adds products in 16 bits, which overflow unnoticed; this avoids it at half the speed, and
            # where there is no such danger it gives the same features to the bit.
            settings.add_session_config_entry("session.x64quantprecision", "1")
        self._network = self._start(settings, device)
        self.provider = self._network.get_providers()[0]

    def _start(self, settings: Any, device: int) -> Any:
        """The network on its device, which gets its name here."""
        import onnxruntime

        providers: list[str | tuple[str, dict[str, int]]] = ["CPUExecutionProvider"]
        if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
            # TF32 rounds the inputs of a convolution to 10 bits: not the float32 that parity is about.
            providers.insert(0, ("CUDAExecutionProvider", {"device_id": device, "use_tf32": 0}))
        try:
            network = onnxruntime.InferenceSession(str(self.model), settings, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            raise SessionError(
                f"ONNX Runtime cannot load it ({first_line(error)})",
                where=self.model,
                cure="Export it with a lower opset, or update onnxruntime.",
            ) from error
        if network.get_providers()[0] != "CPUExecutionProvider":
            self.device = f"CUDA device {device}"
        elif device == 0:
            self.device = cpu_name()
        else:  # also where CUDA is installed and did not start: nobody asked for the CPU instead
            raise no_device(device, "CPU", 1)
        return network

    def compute(self, batch: np.ndarray) -> np.ndarray:
        try:
            return self._network.run([self.facts["output"]], {self.facts["input"]: batch})[0]
        except Exception as error:
            raise SessionError(
                f"ONNX Runtime failed ({first_line(error)})", where=self.model, cure=SMALLER_BATCH
            ) from error

    def close(self) -> None:
        del self._network
