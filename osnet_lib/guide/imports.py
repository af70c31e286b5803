"""Speeds that Huawei's tools measured on another host, as results of this study, marked with the tool.

Three kinds of file are known, by their names: ``PureInfer_perf_of_<model>_in_device_<id>.txt`` and
``perf_vision_batchsize_<N>_device_<id>.txt`` of the ``benchmark`` tool, and ``<run>_summary.json`` of ais_bench. What
neither a file states nor follows from what it states stays empty.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ..core.files import read_text, sha256
from ..core.host import PACKAGES
from ..core.results import Result, result_name, write_result
from ..errors import ResultError
from .perf import parse_pure_perf, parse_vision_perf

NOT_STATED = "not stated"
_NETWORK = re.compile(r"osnet(?:_ibn|_ain)?_x\d_\d+")


@dataclass(frozen=True)
class _Measured:
    """What a file says; None where it says nothing."""

    tool: str
    values: dict
    model: str | None = None
    device: int | None = None
    batch_size: int | None = None


def import_results(
    paths: Iterable[str | Path],
    folder: Path,
    *,
    network: str | None = None,
    batch_size: int | None = None,
    chip: str | None = None,
) -> list[Path]:
    """Write a performance result for each file of Huawei's tools, all or none, and return their paths.

    Parameters
    ----------
    paths : iterable of path
    folder : Path
        The results folder; importing a file again replaces its result.
    network, batch_size : optional
        Needed where neither the name nor the content of a file tells them.
    chip : str, optional
        Such as ``Ascend310P3``; no file states it.

    Raises
    ------
    ResultError
        A file of another kind, or damaged; an unknown network or batch size; a batch size that the file contradicts;
        two files that would become one result.
    """
    results: dict[str, Path] = {}
    made = []
    for path in map(Path, paths):
        result = _result(path, _read(path), network, batch_size, chip)
        if result.name in results:
            raise ResultError(
                f"measures the same as {results[result.name]}",
                where=path,
                cure="Import one of them; name the chips with --chip where they differ.",
            )
        results[result.name] = path
        made.append(result)
    return [write_result(folder, result) for result in made]


def _result(path: Path, found: _Measured, network: str | None, batch_size: int | None, chip: str | None) -> Result:
    named = _NETWORK.search(found.model or "")
    network = network or (named and named[0])
    if network is None:
        raise ResultError("does not tell the network", where=path, cure="Give it, such as --network osnet_x1_0.")
    if None not in (batch_size, found.batch_size) and batch_size != found.batch_size:
        raise ResultError(
            f"was measured at batch {found.batch_size}, not {batch_size}", where=path, cure="Leave --batch-size out."
        )
    batch = found.batch_size or batch_size
    if batch is None or batch < 1:
        raise ResultError("does not tell the batch size", where=path, cure="Give --batch-size, at least 1.")
    session = {
        "backend": found.tool,
        "provider": found.tool,
        "device": chip or f"chip {NOT_STATED}",
        "device_id": found.device,
        "precision": f"precision {NOT_STATED}",
        "threads": None,
        "batch_size": batch,
        "model": found.model or NOT_STATED,
    }
    conditions = {
        "model": {"architecture": network, "sha256": "unknown"},
        "session": session,
        "batch_size": batch,
        "imported": {"tool": found.tool, "file": path.name, "sha256": sha256(path)},
        "environment": {"python": None, "versions": dict.fromkeys(PACKAGES)},
    }  # of that host: not known
    name = result_name(
        network, found.tool, chip or NOT_STATED, found.model or "model", f"d{found.device}", f"bs{batch}"
    )
    return Result("performance", name, conditions, found.values)


def _read(path: Path) -> _Measured:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(
            f"cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            where=path,
            cure="Give a file of Huawei's tools.",
        ) from error
    if match := re.fullmatch(r"PureInfer_perf_of_(.+)_in_device_(\d+)\.txt", path.name, re.ASCII):
        perf, model = parse_pure_perf(text, str(path)), match[1]
        batch = re.search(r"_bs(\d+)(?![^_])", model, re.ASCII)
        return _Measured(
            "benchmark PureInfer",
            _values(perf.rate, perf.latency, path),
            model,
            int(match[2]),
            int(batch[1]) if batch else None,
        )
    if match := re.fullmatch(r"perf_vision_batchsize_(\d+)_device_(\d+)\.txt", path.name, re.ASCII):
        vision = parse_vision_perf(text, str(path))
        return _Measured(
            "benchmark",
            {**_values(vision.interface_rate, None, path), "perf_vision": asdict(vision)},
            None,
            int(match[2]),
            int(match[1]),
        )
    if path.name.endswith("summary.json"):
        return _ais_bench(text, path)
    raise ResultError(
        "not named like a file of Huawei's tools",
        where=path,
        cure="Known are PureInfer_perf_of_*.txt, perf_vision_batchsize_*.txt and *_summary.json.",
    )


def _ais_bench(text: str, path: Path) -> _Measured:
    try:
        summary = json.loads(text)
        npu, throughput = summary["NPU_compute_time"], float(summary["throughput"])
        mean, count = float(npu["mean"]), int(npu["count"])
        stated = {
            ours: npu.get(theirs) if npu.get(theirs) is None else float(npu[theirs])
            for ours, theirs in {"median": "median", "p99": "percentile(99%)", "min": "min", "max": "max"}.items()
        }
        times = np.array(summary.get("npu_compute_time_list") or [], np.float64)
        if times.ndim != 1:
            times = times[:, 1] - times[:, 0]  # pairs of begin and end
        options = _options(summary.get("args"))
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ResultError(
            f"not a summary of ais_bench ({type(error).__name__}: {error})",
            where=path,
            cure="Copy the file again, unchanged.",
        ) from error
    values = _values(throughput, None, path)
    if not (mean > 0 and math.isfinite(mean)):
        raise ResultError(f"a mean time of {mean} ms", where=path, cure="Measure again: this run failed.")
    # The tool computes throughput = 1000 * batch / mean, so that the batch can be had from the two.
    nearest = round(throughput * mean / 1000)
    batch = nearest if nearest >= 1 and abs(throughput * mean / 1000 / nearest - 1) <= 0.01 else None
    spread = float(times.std(ddof=1) / times.mean()) if len(times) > 1 else None
    values |= {
        "ave_latency": mean / batch if batch else None,
        "latency_ms": {"mean": mean, **stated},
        "rounds": count,
        "relative_spread": spread,
    }
    model, device = options.get("model"), options.get("device", "0" if options else None)
    return _Measured(
        "ais_bench",
        values,
        Path(model).stem if model else None,
        int(device) if device is not None and device.isdecimal() else None,
        batch,
    )


def _options(arguments: object) -> dict[str, str]:
    """Model and device of a command line, which a summary may hold as a list of words."""
    arguments = arguments if isinstance(arguments, list) else []
    words = [word for argument in arguments for word in str(argument).split("=", 1)]
    names = {"--model": "model", "-m": "model", "--om-model": "model", "--device": "device", "-d": "device"}
    return {names[word]: following for word, following in itertools.pairwise(words) if word in names}


def _values(throughput: float, latency: float | None, path: Path) -> dict:
    if not (throughput > 0 and math.isfinite(throughput)):
        raise ResultError(f"a throughput of {throughput}", where=path, cure="Measure again: this run failed.")
    return {
        "throughput": throughput,
        "ave_latency": latency,
        "latency_ms": {"median": None, "p99": None},
        "relative_spread": None,
        "rounds": None,
    }
