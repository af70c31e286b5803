"""The ``osnet benchmark`` command: one model, several devices together, or several models and engines in turn."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..inference.benchmark import Benchmark


def add_benchmark_command(
    command: Callable[..., argparse.ArgumentParser], session_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the command; see `guide.add_guide_commands`."""
    p = command("benchmark", _benchmark, "pure inference speed", "benchmark osnet_x1_0_bs16_sim.onnx --batch-size 16")
    p.add_argument("model", help="mini, market1501, a checkpoint, an .onnx or an .om")
    p.add_argument("others", nargs="*", help="models to compare with it: the rounds of all alternate")
    p.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="BACKEND[:PRECISION]",
        help="another engine for the same models, such as openvino:bfloat16: rounds alternate; may be repeated",
    )
    p.add_argument("--batch-size", type=int, required=True, help="images a round")
    p.add_argument("--rounds", type=int, default=50, help="timed rounds (default 50)")
    p.add_argument(
        "--warmup", type=int, default=5, help="rounds before them at least, until times settle (default 5; 0: none)"
    )
    p.add_argument("--devices", metavar="0,1,…", help="several devices, measured together (in place of --device)")
    p.add_argument(
        "--output",
        default="./result",
        help="receives PureInfer_perf_of_<model>_in_device_<number>.txt (default ./result)",
    )
    p.add_argument("--json", metavar="FILE", help="also write every figure and condition to FILE")
    session_options(p)


def _benchmark(o: argparse.Namespace) -> None:
    if o.others or o.against:
        return _compare_speeds(o)
    from ..core.files import write_json
    from ..core.host import environment
    from ..core.machine import describe_machine
    from ..core.results import NOT_MEASURED
    from ..inference.benchmark import sum_throughput
    from ..inference.devices import benchmark_devices, parse_devices
    from ..inference.session import open_session
    from ..network.weights import find_weights

    devices, model = parse_devices(o.device if o.devices is None else o.devices), find_weights(o.model)

    def measure(some: tuple[int, ...]) -> list[Benchmark]:
        opener = partial(open_session, options=dict(o.option), precision=o.precision)
        return benchmark_devices(
            model, o.batch_size, some, o.rounds, o.warmup, o.backend, threads=o.threads, opener=opener
        )

    measured = measure(devices)
    for one in measured:
        _print_benchmark(one, model.stem, o.output)
    card = {}
    if len(devices) > 1 and not measured[0].simulated:
        alone = measure(devices[:1])[0]  # as the guide does it; together they may hold each other up
        card = {
            "together": sum_throughput(measured),
            "alone": alone.ave_throughput_rate,
            "multiplied": len(devices) * alone.ave_throughput_rate,
        }
        print(f"card, {len(devices)} devices measured together: {card['together']:.3f} images/s")
        print(
            f"the guide's way, device {devices[0]} alone times {len(devices)}: "
            f"{card['alone']:.3f} x {len(devices)} = {card['multiplied']:.3f} samples/s"
        )
    elif len(devices) > 1:
        print(f"card, {len(devices)} devices: {NOT_MEASURED}")
    if o.json:
        first, values = measured[0], [one.values() for one in measured]
        conditions = {
            "session": first.conditions,
            "batch_size": o.batch_size,
            "warmup": o.warmup,
            "devices": devices,
            "environment": environment(),
            "machine": describe_machine(),
        }
        print(
            write_json(
                o.json,
                {
                    "conditions": conditions,
                    "values": values[0] if len(values) == 1 else {"devices": values, "card": card},
                },
            )
        )


def _print_benchmark(measured: Benchmark, model: str, output: str) -> None:
    """The lines and the file of Huawei's tool, and below them what it leaves out."""
    from ..core.files import write_text
    from ..guide.perf import PurePerf, pure_perf_name

    if not measured.simulated:
        path = os.path.join(output, pure_perf_name(model, measured.device or 0))
        write_text(path, str(PurePerf(measured.ave_throughput_rate, measured.ave_latency)))
        print(f"[INFO] Dataset number: {len(measured.times) - 1} finished cost {measured.times[-1]:.3f}ms")
        print(f"[INFO] PureInfer result saved in {path}")
    print(measured.summary())
    print(measured.details())
    if measured.verdict:
        print(measured.verdict)


def _compare_speeds(o: argparse.Namespace) -> None:
    """Several models, each on several engines, in turn: the lines of each, and how much faster than the first."""
    from contextlib import ExitStack

    from ..core.files import write_json
    from ..core.host import environment
    from ..core.machine import describe_machine
    from ..errors import SessionError
    from ..inference.backends import parse_engine
    from ..inference.devices import parse_devices
    from ..inference.session import open_session
    from ..inference.side_by_side import paired_ratio, run_side_by_side
    from ..network.weights import find_weights

    paths, devices = [find_weights(model) for model in (o.model, *o.others)], parse_devices(o.devices or o.device)
    if len(devices) > 1:
        cure = "Give one device, or one model and one engine."
        raise SessionError("several models on several devices are not timed together", where="devices", cure=cure)
    if twice := next((path for index, path in enumerate(paths) if path.stem in {p.stem for p in paths[:index]}), None):
        cure = "Rename one; their results would be one file."
        raise SessionError("has the name of another model", where=twice, cure=cure)
    if twice := next((text for index, text in enumerate(o.against) if text in o.against[:index]), None):
        raise SessionError("is given twice", where=f"--against {twice}", cure="Name each engine once.")
    engines = {"": (o.backend, o.precision), **{text: parse_engine(text) for text in o.against}}
    runs = [(path, engine) for engine in engines for path in paths]
    names = [f"{path.name} on {engine}" if engine else path.name for path, engine in runs]
    with ExitStack() as stack:
        sessions = []
        for path, engine in runs:
            backend, precision = engines[engine]
            opened = partial(open_session, options={} if engine else dict(o.option), precision=precision)
            sessions.append(stack.enter_context(opened(path, backend, devices[0], o.threads)))
        measured = [
            replace(one, device=devices[0]) for one in run_side_by_side(sessions, o.batch_size, o.rounds, o.warmup)
        ]
    for (path, engine), one in zip(runs, measured):
        _print_benchmark(one, "-".join([path.stem, *engine.split(":")]) if engine else path.stem, o.output)
    ratios = {name: paired_ratio(measured[0].times, one.times) for name, one in zip(names[1:], measured[1:])}
    for name, ratio in ratios.items():
        print(f"{name} against {names[0]}: {ratio}")
    if o.json:
        conditions = {
            "sessions": {name: one.conditions for name, one in zip(names, measured)},
            "batch_size": o.batch_size,
            "warmup": o.warmup,
            "devices": devices,
            "environment": environment(),
            "machine": describe_machine(),
        }
        values = {
            "models": {name: one.values() for name, one in zip(names, measured)},
            "against": names[0],
            "ratios": {name: ratio.values() for name, ratio in ratios.items()},
        }
        print(write_json(o.json, {"conditions": conditions, "values": values}))
