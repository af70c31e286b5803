"""The speed files of Huawei's ``benchmark`` tool: read, and written in the same form.

Numbers have six significant digits, the default of C++ streams, as every published line has.
"""

from __future__ import annotations

import math
import re
from dataclasses import astuple, dataclass

from ..errors import ResultError

_NUMBER = r"(\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)"
_PURE = re.compile(rf"ave_throughputRate = {_NUMBER}samples/s, ave_latency = {_NUMBER}ms", re.ASCII)
_VISION = (
    "[e2e] throughputRate: {}, latency: {}",
    "[data read] throughputRate: {}, moduleLatency: {}",
    "[preprocess] throughputRate: {}, moduleLatency: {}",
    "[infer] throughputRate: {}, Interface throughputRate: {}, moduleLatency: {}",
    "[post] throughputRate: {}, moduleLatency: {}",
)
_VISION_TEXT = re.compile(r"\s+".join(re.escape(line).replace(r"\{\}", _NUMBER) for line in _VISION), re.ASCII)


@dataclass(frozen=True)
class PurePerf:
    """A ``PureInfer_perf_of_…txt``: the mean of each round's samples/s, and milliseconds per sample."""

    rate: float
    latency: float

    def __str__(self) -> str:
        return f"ave_throughputRate = {self.rate:.6g}samples/s, ave_latency = {self.latency:.6g}ms\n"


@dataclass(frozen=True)
class VisionPerf:
    """A ``perf_vision_batchsize_…txt`` of a run over images; the fields in the order of the file.

    Rates are images per second (of `post`: batches), latencies milliseconds, that of `e2e` for the whole run.
    `interface_rate` is the rate of the model alone: the eighth number, which the model zoo's scripts take.
    """

    e2e_rate: float
    e2e_latency: float
    read_rate: float
    read_latency: float
    preprocess_rate: float
    preprocess_latency: float
    infer_rate: float
    interface_rate: float
    infer_latency: float
    post_rate: float
    post_latency: float

    def __str__(self) -> str:
        return "".join(f"{line}\n" for line in _VISION).format(*(f"{value:.6g}" for value in astuple(self)))


def pure_perf_name(model: str, device: int) -> str:
    """The file name for a model's stem on a device."""
    return f"PureInfer_perf_of_{model}_in_device_{device}.txt"


def vision_perf_name(batch_size: int, device: int) -> str:
    """The file name for a run over images."""
    return f"perf_vision_batchsize_{batch_size}_device_{device}.txt"


def parse_pure_perf(text: str, where: str = "PureInfer_perf") -> PurePerf:
    """Read a ``PureInfer_perf_of_…txt``; raises ResultError where it is something else."""
    return PurePerf(*_parse(_PURE, text, where))


def parse_vision_perf(text: str, where: str = "perf_vision") -> VisionPerf:
    """Read a ``perf_vision_batchsize_…txt``; raises ResultError where it is something else."""
    return VisionPerf(*_parse(_VISION_TEXT, text, where))


def _parse(pattern: re.Pattern, text: str, where: str) -> list[float]:
    match = pattern.fullmatch(text.strip())
    values = [float(value) for value in match.groups()] if match else []
    if not match or not all(map(math.isfinite, values)):
        raise ResultError("not in the form of the benchmark tool", where=where, cure="Copy the file again, unchanged.")
    return values
