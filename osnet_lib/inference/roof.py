"""The roof of an engine on this machine: how fast its library multiplies two large matrices in a precision."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tqdm import tqdm

from ..errors import SessionError, first_line
from .backends import BACKENDS
from .onnxruntime import session_options
from .openvino import CAPABILITIES, compile_settings

ROOF_SIZE = 2048  # rows and columns: large enough that the arithmetic takes the time, and not the memory
CALLS = 8  # of which the fastest counts: a roof is what the machine can do when nothing is in its way
ENOUGH = 2.0  # seconds after which it is not called again

_OPSET = 13


@dataclass(frozen=True)
class Roof:
    """Operations a second, in 1e9, of a matrix product; or in `reason` why there is none."""

    backend: str
    precision: str
    gflops: float | None
    reason: str | None = None


def measure_roofs(
    engines: list[tuple[str, str]], threads: int, size: int = ROOF_SIZE, progress: bool = True
) -> list[Roof]:
    """The roof of each backend and precision: ``2 size³`` operations over the time of the fastest call.

    In int8 the activations are quantised on the way in and the result on the way out, as in the network; weights are
    constant in every precision, as a library may lay them out beforehand.
    """
    shown = tqdm(engines, desc="roofs", unit="engine", disable=not progress)
    return [_roof(backend, precision, threads, size) for backend, precision in shown]


def _roof(backend: str, precision: str, threads: int, size: int) -> Roof:
    start = _STARTS.get(backend)
    if start is None or precision not in BACKENDS[backend].precisions:
        return Roof(backend, precision, None, "no product of matrices is timed by it")
    try:
        call = start(precision, threads, size)
        seconds = _seconds(call)
        for _ in range(min(CALLS, int(ENOUGH / seconds))):
            seconds = min(seconds, _seconds(call))
    except SessionError as error:
        return Roof(backend, precision, None, error.what)
    except Exception as error:  # each library raises its own
        return Roof(backend, precision, None, first_line(error))
    return Roof(backend, precision, 2 * size**3 / seconds / 1e9)


def _seconds(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _matrices(size: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    return tuple(random.uniform(-1, 1, (size, size)).astype(np.float32) for _ in range(2))  # type: ignore[return-value]


def product_model(precision: str, size: int) -> onnx.ModelProto:
    """``a [size, size]`` times constant weights as ONNX: in float32, or in int8 in QDQ form."""
    weights = _matrices(size)[1]
    if precision == "int8":
        constants = {
            "scale": np.float32(1 / 127),
            "zero": np.uint8(128),
            "out_scale": np.float32(2 * size**0.5 / 127),
            "w_scale": np.full(size, 1 / 127, np.float32),
            "w_zero": np.zeros(size, np.int8),
            "w": np.round(weights * 127).astype(np.int8),
        }
        nodes = [
            helper.make_node("QuantizeLinear", ["a", "scale", "zero"], ["q"]),
            helper.make_node("DequantizeLinear", ["q", "scale", "zero"], ["left"]),
            helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["right"], axis=1),
            helper.make_node("MatMul", ["left", "right"], ["product"]),
            helper.make_node("QuantizeLinear", ["product", "out_scale", "zero"], ["p"]),
            helper.make_node("DequantizeLinear", ["p", "out_scale", "zero"], ["out"]),
        ]
    else:
        constants = {"w": weights}
        nodes = [helper.make_node("MatMul", ["a", "w"], ["out"])]
    graph = helper.make_graph(
        nodes,
        "product",
        [helper.make_tensor_value_info("a", TensorProto.FLOAT, [size, size])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, [size, size])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=8)


def _onnxruntime(precision: str, threads: int, size: int) -> Callable[[], object]:
    import onnxruntime

    if precision == "float16":
        raise SessionError("its float16 adds in float32, whose roof is the one to look at")
    model = product_model(precision, size).SerializeToString()
    options = session_options(threads, int8=precision == "int8")
    network = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    given = {"a": _matrices(size)[0]}
    return lambda: network.run(["out"], given)


def _openvino(precision: str, threads: int, size: int) -> Callable[[], object]:
    import openvino

    core = openvino.Core()
    if CAPABILITIES[precision] not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise SessionError(f"this CPU has no {precision}")
    model = core.read_model(product_model(precision, size).SerializeToString())
    rest = "float32" if precision == "int8" else precision
    request = core.compile_model(model, "CPU", compile_settings(rest, threads)).create_infer_request()
    given = [_matrices(size)[0]]
    return lambda: request.infer(given, share_inputs=True)


def _torch(precision: str, threads: int, size: int) -> Callable[[], object]:
    import torch

    a, w = (torch.from_numpy(one).to(getattr(torch, precision)) for one in _matrices(size))

    def call() -> object:
        before = torch.get_num_threads()
        torch.set_num_threads(threads)
        try:
            with torch.inference_mode():
                return a @ w
        finally:
            torch.set_num_threads(before)

    return call


_STARTS: dict[str, Callable[[str, int, int], Callable[[], object]]] = {
    "onnxruntime": _onnxruntime,
    "openvino": _openvino,
    "torch": _torch,
}
