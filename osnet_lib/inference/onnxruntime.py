"""ONNX Runtime behind a session: the way of a converted model on a CPU or a CUDA device."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from ..conversion.interface import IMAGE_SHAPE
from ..conversion.precision import INT8
from ..core.host import cpu_name
from ..errors import SessionError, first_line
from .engine import SMALLER_BATCH, no_device
from .onnx_model import facts_of, read_model

# How threads share the work of an operator. Threads that spin while they wait take the very cores that the others, or a
# neighbour, need; and a share of the work cut in equal halves lasts as long as the half on the busier core. Blocks that
# get smaller towards the end let the thread that has the core do more of it (benchmarks/threads.py measures both).
THREADING = {"session.intra_op.allow_spinning": "0", "session.dynamic_block_base": "4"}

# The largest batch that a stream computes on one core, others beside it: at 16 a wide network gains nothing more
# (benchmarks/extraction.py), and each takes memory of its own, 12 MB an image.
SMALL = 8


def session_options(threads: int, int8: bool = False) -> Any:
    """How ONNX Runtime runs whatever runs here."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    settings.log_severity_level = 3  # errors; they come as exceptions as well
    for name, value in THREADING.items():
        settings.add_session_config_entry(name, value)
    if int8:
        # x86 without VNNI adds products in 16 bits, which overflow unnoticed; this avoids it at half the speed, and
        # where there is no such danger it gives the same features to the bit.
        settings.add_session_config_entry("session.x64quantprecision", "1")
    return settings


class OnnxRuntimeEngine:
    """ONNX Runtime on a CUDA device where its provider is installed and starts, else on the CPU."""

    input_dtype, simulated = np.dtype(np.float32), False

    def __init__(self, model: Path, device: int, threads: int, precision: str | None = None):
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
        self.facts |= facts_of(found)
        self._threads = threads
        self._network = self._start(self._settings(threads), device)
        self._on_one_core: Any = None  # what `stream` runs, once it is asked for
        self.provider = self._network.get_providers()[0]

    def _settings(self, threads: int) -> Any:
        return session_options(threads, int8=self.precision == INT8)

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
        return self._run(self._network, batch)

    def streams(self, batch_size: int) -> int:
        """How many batches `stream` computes at a time: one on each core, or 1 where all cores share each batch."""
        alone = self.provider == "CPUExecutionProvider" and batch_size <= SMALL
        return self._threads if alone else 1

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """`compute` for each batch; a core that has a batch of its own never waits for another within an operator.

        The features are the same to the bit, for how many threads share an operator changes no sum in it. One more
        session is kept for it, whose runs share the weights; each run has activations of its own.
        """
        batches = iter(batches)
        first = next(batches, None)
        if first is None:
            return
        streams, batches = self.streams(len(first)), chain((first,), batches)
        if streams == 1:
            yield from map(self.compute, batches)
            return
        if self._on_one_core is None:
            self._on_one_core = self._start(self._settings(1), 0)
        running: deque[Future] = deque()
        pool = ThreadPoolExecutor(streams, thread_name_prefix="compute")
        try:
            for batch in batches:
                running.append(pool.submit(self._run, self._on_one_core, batch))
                if len(running) > streams:  # one waits, so that a core which is through has its next at once
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _run(self, network: Any, batch: np.ndarray) -> np.ndarray:
        try:
            return network.run([self.facts["output"]], {self.facts["input"]: batch})[0]
        except Exception as error:
            raise SessionError(
                f"ONNX Runtime failed ({first_line(error)})", where=self.model, cure=SMALLER_BATCH
            ) from error

    def close(self) -> None:
        del self._network, self._on_one_core
