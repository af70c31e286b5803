"""What Huawei's tools print at the end of a run, read from a text into which somebody pasted it, whatever is around it.

::

    ave_throughputRate: 240.622samples/s, ave_latency: 4.24716ms                              benchmark
    NPU_compute_time (ms): min = 1.1, max = 1.4, mean = 1.2, median = 1.2, percentile(99%) = 1.39    ais_bench
    throughput 1000*batchsize.mean(8)/NPU_compute_time.mean(1.2): 6666.67
    Inference average time without first time: 2.41 ms                                        msame

msame tells the time of a call and not the batch, so that its rate follows only where that is known.
"""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import ResultError
from .stated_speed import StatedSpeed, stated_number, summarise

_N = r"([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?(?![\d.])|(?:nan|inf)(?!\w)))"
_FLAGS = re.IGNORECASE | re.ASCII
_PURE = re.compile(rf"ave_throughputRate ?[:=] ?{_N} ?samples/s, ?ave_latency ?[:=] ?{_N} ?ms", _FLAGS)
_RATE = re.compile(rf"throughput 1000\*batchsize(?:\.mean)?\({_N}\)/NPU_compute_time(?:\.mean)?\({_N}\): ?{_N}", _FLAGS)
_SPLIT = re.compile(
    rf"NPU_compute_time \(ms\): ?min = {_N}, max = {_N}, mean = {_N}, median = {_N}, (?:percentile\(99%\)|P99) = {_N}",
    _FLAGS,
)
_MSAME = re.compile(rf"Inference average time(?: without first time)? ?: ?{_N} ?ms", _FLAGS)
_CALL = re.compile(rf"Inference time ?: ?{_N} ?ms", _FLAGS)
_MODEL = re.compile(r"(?<![\w.-])([\w.-]+)\.om\b", re.ASCII)
_DEVICE = re.compile(r"(?<![\w-])(?:--device|-d|-?-device_id)[ =\"']+(\d{1,4})(?![\d,])", re.ASCII)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def parse_console(text: str, where: str | Path = "console") -> StatedSpeed:
    """Read the one measurement in a text.

    Raises
    ------
    ResultError
        None or several of them; a number that no measurement gives.
    """
    text = _COLOURS.sub("", text)
    found = [read(match, text, where) for pattern, read in _READERS for match in _matches(pattern, text)]
    if len(found) != 1:
        raise ResultError(
            f"holds {len(found) or 'no'} measurements of Huawei's tools",
            where=where,
            cure="Give a text for each run, with the lines that the tool printed at its end, unchanged.",
        )
    return found[0]


def _matches(pattern: re.Pattern, text: str) -> list[re.Match]:
    """Of msame, which prints two means, the last of each run."""
    found = list(pattern.finditer(text))
    if pattern is not _MSAME:
        return found
    with_first = [match for match in found if "without" not in match[0]]
    without = [match for match in found if "without" in match[0]]
    return without if len(without) >= len(with_first) else with_first


def _number(match: re.Match, group: int, key: str, where: str | Path, zero: bool = False) -> float:
    return stated_number(float(match[group]), key, where, zero=zero)


def _named(text: str) -> dict:
    """Model and device, where the text names one of each."""
    models, devices = set(_MODEL.findall(text)), set(_DEVICE.findall(text))
    return {
        "model": models.pop() if len(models) == 1 else None,
        "device": int(devices.pop()) if len(devices) == 1 else None,
    }


def _pure(match: re.Match, text: str, where: str | Path) -> StatedSpeed:
    rate, latency = _number(match, 1, "ave_throughputRate", where), _number(match, 2, "ave_latency", where)
    return StatedSpeed("benchmark PureInfer", rate, latency, **_named(text))


def _ais_bench(match: re.Match, text: str, where: str | Path) -> StatedSpeed:
    batch, mean = _number(match, 1, "batchsize", where), _number(match, 2, "NPU_compute_time.mean", where)
    stated: dict[str, float | None] = {}
    if len(lines := list(_SPLIT.finditer(text))) == 1:
        for group, name in enumerate(("min", "max", "mean", "median", "p99"), 1):
            if name != "mean":
                stated[name] = _number(lines[0], group, f"NPU_compute_time, {name}", where, zero=True)
    return StatedSpeed(
        "ais_bench",
        _number(match, 3, "throughput", where),
        **summarise(mean, stated, [], where),
        **_named(text),
        batch_size=int(batch) if batch.is_integer() and batch < 1e6 else None,
    )


def _msame(match: re.Match, text: str, where: str | Path) -> StatedSpeed:
    mean = _number(match, 1, "Inference average time", where)
    calls = [_number(call, 1, "Inference time", where, zero=True) for call in _CALL.finditer(text)]
    return StatedSpeed("msame", **summarise(mean, {}, calls, where), rounds=len(calls) or None, **_named(text))


_READERS = ((_PURE, _pure), (_RATE, _ais_bench), (_MSAME, _msame))
