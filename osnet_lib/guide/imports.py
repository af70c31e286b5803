"""Speeds that Huawei's tools measured on another host, as results of this study, marked with the tool.

Known by their names are ``PureInfer_perf_of_<model>_in_device_<id>.txt`` and
``perf_vision_batchsize_<N>_device_<id>.txt`` of the ``benchmark`` tool, and ``summary.json`` of ais_infer and ais_bench
(`osnet_lib.guide.summary`); any other text is searched for the lines that a tool printed (`osnet_lib.guide.console`).
What neither a file states nor follows from what it states stays empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from ..core.files import read_text, sha256
from ..core.host import PACKAGES
from ..core.results import Result, result_name, write_result
from ..errors import ResultError
from .console import parse_console
from .perf import parse_pure_perf, parse_vision_perf
from .stated_speed import StatedSpeed, stated_number
from .summary import SUMMARY_NAME, parse_summary

NOT_STATED = "not stated"
_NETWORK = re.compile(r"osnet(?:_ibn|_ain)?_x\d_\d+")
_BATCH = re.compile(r"_bs(\d{1,6})(?![^_])", re.ASCII)  # in the name of a model


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
        A file of another kind, or damaged; a number that no measurement gives; an unknown network or batch size; a
        batch size that the file contradicts; two files that would become one result.
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


def _result(path: Path, found: StatedSpeed, network: str | None, batch_size: int | None, chip: str | None) -> Result:
    named = _NETWORK.search(found.model or "")
    network = network or (named and named[0])
    if network is None:
        raise ResultError("does not tell the network", where=path, cure="Give it, such as --network osnet_x1_0.")
    in_name = _BATCH.search(found.model or "")
    stated = int(in_name[1]) if found.batch_size is None and in_name else found.batch_size
    if None not in (batch_size, stated) and batch_size != stated:
        raise ResultError(
            f"was measured at batch {stated}, not {batch_size}", where=path, cure="Leave --batch-size out."
        )
    batch = stated or batch_size
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
    return Result("performance", name, conditions, _values(found, batch))


def _values(found: StatedSpeed, batch: int) -> dict:
    """Values of the result; rate and time per image follow from the time of a call where they are not stated."""
    mean = found.times.get("mean")
    return {
        "throughput": 1000 * batch / mean if found.throughput is None and mean else found.throughput,
        "ave_latency": mean / batch if found.latency is None and mean else found.latency,
        "latency_ms": {"median": None, "p99": None, **found.times},
        "relative_spread": found.spread,
        "rounds": found.rounds,
        **found.more,
    }


def _read(path: Path) -> StatedSpeed:
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ResultError(
            f"cannot be read ({getattr(error, 'strerror', None) or 'no text'})",
            where=path,
            cure="Give a file of Huawei's tools.",
        ) from error
    if match := re.fullmatch(r"PureInfer_perf_of_(.+)_in_device_(\d+)\.txt", path.name, re.ASCII):
        pure = parse_pure_perf(text, str(path))
        return StatedSpeed(
            "benchmark PureInfer",
            stated_number(pure.rate, "ave_throughputRate", path),
            stated_number(pure.latency, "ave_latency", path),
            model=match[1],
            device=int(match[2]),
        )
    if match := re.fullmatch(r"perf_vision_batchsize_(\d+)_device_(\d+)\.txt", path.name, re.ASCII):
        vision = parse_vision_perf(text, str(path))
        return StatedSpeed(
            "benchmark",
            stated_number(vision.interface_rate, "[infer] Interface throughputRate", path),
            device=int(match[2]),
            batch_size=int(match[1]),
            more={"perf_vision": asdict(vision)},
        )
    if SUMMARY_NAME.fullmatch(path.name):
        return parse_summary(text, path)
    return parse_console(text, path)
