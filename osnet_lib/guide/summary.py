"""``summary.json`` of ais_infer and ais_bench, the speed of a run, as it was written over the years.

ais_infer (2022) leaves ``sumary.json``, so spelled, in the folder of the features, without `count`; ais_bench leaves
``<run>_summary.json`` beside the folder. The 99th percentile is called ``percentile(99%)``, later ``P99``.
"""

from __future__ import annotations

import itertools
import json
import re
from pathlib import Path

from ..checks import whole_number
from ..errors import ResultError
from .stated_speed import COPY_AGAIN, MEASURE_AGAIN, StatedSpeed, stated_number, summarise

SUMMARY_NAME = re.compile(r".*summ?ary\.json", re.ASCII)
_TIMES = "NPU_compute_time"
_P99 = ("percentile(99%)", "P99", "percentile(99)")


def parse_summary(text: str, where: str | Path = "summary.json") -> StatedSpeed:
    """Read a summary.

    Raises
    ------
    ResultError
        No summary; a number that no measurement gives, such as a negative time (the key is named).
    """
    try:
        summary = json.loads(text)
        npu, throughput = summary[_TIMES], summary["throughput"]
        mean, count = npu["mean"], npu.get("count")
        calls = list(summary.get("npu_compute_time_list") or [])
        options = _options(summary.get("args"))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ResultError(
            f"not a summary of ais_bench ({type(error).__name__}: {str(error)[:80]})",
            where=where,
            cure=COPY_AGAIN,
        ) from error
    throughput, mean = stated_number(throughput, "throughput", where), stated_number(mean, f"{_TIMES}.mean", where)
    stated = {name: _stated(npu, (name,), where) for name in ("min", "median", "max")}
    stated["p99"] = _stated(npu, _P99, where)
    if count is not None:
        whole_number(count, f"{_TIMES}.count", error=ResultError, where=where, cure=MEASURE_AGAIN)
    times = [_call(call, f"npu_compute_time_list[{number}]", where) for number, call in enumerate(calls)]
    # The tool computes throughput = 1000 * batch / mean, so that the batch can be had from the two.
    ratio = throughput * mean / 1000
    batch = round(ratio) if 0.5 < ratio < 1e6 and abs(ratio / round(ratio) - 1) <= 0.01 else None
    model, device = options.get("model"), options.get("device", "0" if options else None)
    return StatedSpeed(
        "ais_bench",
        throughput,
        **summarise(mean, stated, times, where),
        rounds=count if count is not None else len(times) or None,
        model=Path(model).stem if model else None,
        device=int(device) if device is not None and device.isdecimal() and len(device) < 6 else None,
        batch_size=batch,
    )


def _stated(npu: dict, keys: tuple[str, ...], where: str | Path) -> float | None:
    key = next((key for key in keys if npu.get(key) is not None), None)
    return None if key is None else stated_number(npu[key], f"{_TIMES}.{key}", where, zero=True)


def _call(call: object, key: str, where: str | Path) -> float:
    """Milliseconds of a call, which may be given as its begin and end."""
    if not isinstance(call, list):
        return stated_number(call, key, where, zero=True)
    if len(call) != 2:
        raise ResultError(f"{key} holds {len(call)} numbers", where=where, cure=COPY_AGAIN)
    begin, end = (stated_number(moment, key, where, zero=True) for moment in call)
    return stated_number(end - begin, f"{key}, end less begin,", where, zero=True)


def _options(arguments: object) -> dict[str, str]:
    """Model and device of a command line, which a summary may hold as a list of words."""
    arguments = arguments if isinstance(arguments, list) else []
    words = [word for argument in arguments for word in str(argument).split("=", 1)]
    names = {"--model": "model", "-m": "model", "--om-model": "model", "--device": "device", "-d": "device"}
    return {names[word]: following for word, following in itertools.pairwise(words) if word in names}
