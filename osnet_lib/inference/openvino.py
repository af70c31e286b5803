"""OpenVINO behind a session: the same ONNX files as ONNX Runtime, on the CPU, also in bfloat16 where it has that."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion.interface import IMAGE_SHAPE
from ..conversion.precision import INT8
from ..core.host import cpu_name
from ..errors import SessionError
from .engine import SMALLER_BATCH, no_device
from .onnx_model import facts_of, read_model

# What a CPU must name among its capabilities, and the hint for everything that a file does not hold in int8.
CAPABILITIES = {"float32": "FP32", "bfloat16": "BF16", "float16": "FP16", "int8": "INT8"}
_HINT = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}
_EXECUTED = {"f32": "float32", "bf16": "bfloat16", "f16": "float16", "i8": "int8", "u8": "int8"}
_MULTIPLY = ("Convolution", "FullyConnected", "MatMul")  # the layers that take the time


class OpenVinoEngine:
    """An ONNX on the CPU plugin of OpenVINO, as it lies in the file: any batch size where that is dynamic.

    Left alone OpenVINO takes bfloat16 for a float32 file where the CPU has it, takes another precision than it is asked
    for where the CPU lacks that, and says neither. So every one is asked for by name, and what the compiled layers
    compute in is read back. In int8 what the file leaves in float32 is computed in bfloat16 where the CPU has it.

    Raises
    ------
    SessionError
        A precision that this CPU lacks, or that came out otherwise than asked; a float16 file, whose casts OpenVINO
        takes out; a device above 0.
    """

    input_dtype, simulated, provider = np.dtype(np.float32), False, "CPU"

    def __init__(self, model: Path, device: int, threads: int, precision: str | None = None):
        import openvino

        if device:
            raise no_device(device, "openvino", 1)
        found, asked = read_model(model, precision)
        if found.precision.startswith("float16"):
            raise SessionError(
                "holds float16, and OpenVINO takes its casts out and computes in float32",
                where=model,
                cure="Give the float32 file, with precision float16 where the CPU has it.",
            )
        self.model, self.sha256, self.device = model, found.sha256, cpu_name()
        self.input_shape: tuple[int | None, ...] = (found.batch_size, *IMAGE_SHAPE)
        self.gears: tuple[int, ...] = (found.batch_size,) if found.batch_size else ()
        self.facts = facts_of(found)
        core = openvino.Core()
        has = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        if CAPABILITIES[asked] not in has:
            names = ", ".join(name for name, capability in CAPABILITIES.items() if capability in has)
            raise SessionError(f"this CPU has no {asked}", where="precision", cure=f"For OpenVINO it has {names}.")
        rest = asked if asked in _HINT else "bfloat16" if "BF16" in has else "float32"
        try:
            compiled = core.compile_model(core.read_model(model), "CPU", compile_settings(rest, threads))
        except Exception as error:  # RuntimeError and others, which have no base class of their own
            raise SessionError(
                f"OpenVINO cannot load it ({_said(error)})",
                where=model,
                cure="Export it with a lower opset, or choose the backend onnxruntime.",
            ) from error
        self.threads = int(compiled.get_property("INFERENCE_NUM_THREADS"))  # no more than there are cores
        self.precision = _read_back(compiled, asked, model)
        self._request = compiled.create_infer_request()

    def compute(self, batch: np.ndarray) -> np.ndarray:
        try:
            return self._request.infer([batch], share_inputs=True)[0]  # an array of its own
        except Exception as error:
            raise SessionError(f"OpenVINO failed ({_said(error)})", where=self.model, cure=SMALLER_BATCH) from error

    def close(self) -> None:
        del self._request


def compile_settings(precision: str, threads: int) -> dict[str, Any]:
    """How OpenVINO compiles whatever runs here, for everything that a file does not hold in int8."""
    return {
        "INFERENCE_PRECISION_HINT": _HINT[precision],
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,  # all threads on one batch, as the other backends
        "ENABLE_HYPER_THREADING": True,  # or it takes fewer threads than are given
        "ENABLE_CPU_PINNING": False,  # two processes would be pinned to the same cores
    }


def executed(compiled: Any) -> Counter[str]:
    """In what the layers that multiply are computed, and how many in each; OpenVINO's own word where it is another."""
    facts = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    kinds = [(fact["layerType"].astype(str), fact["runtimePrecision"].astype(str)) for fact in facts]
    return Counter(_EXECUTED.get(precision, precision) for layer, precision in kinds if layer in _MULTIPLY)


def _read_back(compiled: Any, asked: str, model: Path) -> str:
    """The precision that came of the one asked for, in words; how many layers have another."""
    layers = executed(compiled)
    others = ", ".join(f"{count} in {name}" for name, count in sorted(layers.items()) if name != asked)
    if not layers[asked]:
        raise SessionError(
            f"OpenVINO does not compute in {asked} here; of the layers that multiply {others or 'it tells nothing'}",
            where=model,
            cure="Leave the precision out, or choose another backend.",
        )
    name = INT8 if asked == "int8" else asked
    return f"{name}; of {layers.total()} layers {others}" if others else name


def _said(error: Exception) -> str:
    """What went wrong: OpenVINO begins with the places in its sources."""
    lines = [line.strip() for line in str(error).splitlines()]
    told = [line for line in lines if line and not line.startswith(("Exception from", "Check '"))]
    return " ".join(told) or type(error).__name__
