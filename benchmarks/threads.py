"""Whether the default number of threads suits the host: alone, beside busy neighbours, and under quotas of a core.

The conditions are made here: a busy process on each core; a control group with a quota where one can be made, else a
supervisor that stops the process when it has used up its share of a tenth of a second. In each of them sessions with
the default and with other numbers of threads are timed side by side, in a process of its own. Exit code 1 where the
default reaches less than 0.9 of the best number of threads beside neighbours or under a quota, or features differ.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from command import command, finish, parse, ratio_words, refusals

from osnet_lib.core.cgroup import control_groups
from osnet_lib.core.host import environment, usable_cores
from osnet_lib.core.machine import describe_machine
from osnet_lib.inference import onnxruntime
from osnet_lib.inference.exported import exported_onnx
from osnet_lib.inference.session import open_session
from osnet_lib.inference.side_by_side import paired_ratio, run_side_by_side
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.weights import find_weights

NUMBERS = {"batch-size": 16, "rounds": 20, "seed": 0}
CONDITIONS = {  # neighbours on each core, quota in cores
    "alone": (0, None),
    "a busy neighbour on each core": (1, None),
    "quota of 1.0 cores": (0, 1.0),
    "quota of 0.5 cores": (0, 0.5),
}
DEFAULT, SPINNING = "default", "default, spinning"
NEEDED = 0.9  # of the best number of threads, beside neighbours and under quotas
PERIOD = 0.1  # seconds in which a quota is spent, as by default in the kernel
PAUSE = 0.02  # seconds before a round, longer than threads spin that the one before has left
GROUP, SUPERVISED = "control group", "stopped by a supervisor, for no control group can be made here"

BUSY = "import os\nwhile os.getppid() == int(os.environ['OSNET_BUSY_FOR']):\n    sum(range(10000))"


@contextmanager
def neighbours(each: int) -> Iterator[None]:
    """So many busy processes on each core that this one may use; they end with it."""
    with ExitStack() as stack:
        for core in sorted(os.sched_getaffinity(0)) * each:
            busy = subprocess.Popen([sys.executable, "-c", BUSY], env={"OSNET_BUSY_FOR": str(os.getpid())})
            stack.callback(busy.wait)
            stack.callback(busy.kill)
            os.sched_setaffinity(busy.pid, {core})
        yield


@contextmanager
def quota_group(quota: float | None) -> Iterator[Path | None]:
    """A control group with that quota; None where there is none to make, or none is wanted."""
    around = control_groups("cpu") if quota is not None else []
    group = around[0] / f"osnet-threads-{os.getpid()}" if around else None
    if group is None or quota is None:
        yield None
        return
    made = False
    try:
        group.mkdir()
        made = True
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{round(quota * 1e5)} 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text(str(round(quota * 1e5)))
            (group / "cpu.cfs_period_us").write_text("100000")
    except OSError:  # read-only, not ours, or a group whose processes must stay in it
        if made:
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        group.rmdir()


def supervise(process: subprocess.Popen, quota: float) -> None:
    """Stop a process whenever it has used more than its share of a period, until the next one begins."""
    clock = (~process.pid << 3) | 2  # the processor time of another process, all its threads
    try:
        while process.poll() is None:
            ends, spent = time.monotonic() + PERIOD, time.clock_gettime(clock)
            while time.monotonic() < ends and process.poll() is None:
                if time.clock_gettime(clock) - spent > quota * PERIOD:
                    process.send_signal(signal.SIGSTOP)
                    time.sleep(max(0.0, ends - time.monotonic()))
                    process.send_signal(signal.SIGCONT)
                    break
                time.sleep(0.002)
    except OSError:  # it has ended meanwhile
        return


def measure_condition(options: argparse.Namespace, each: int, quota: float | None) -> dict[str, Any]:
    """One condition, made here, timed in a process of its own."""
    with neighbours(each), quota_group(quota) as group:
        line = [sys.executable, __file__, "--model", str(options.model), "--child", str(group or "")]
        line += [f"--{name}={getattr(options, name.replace('-', '_'))}" for name in NUMBERS]
        supervised = quota is not None and group is None
        line += ["--quota", str(quota)] if supervised else []
        child = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
        if supervised and quota is not None:
            supervise(child, quota)
        output, _ = child.communicate()
        if child.returncode:
            raise SystemExit(child.returncode)
    means = None if quota is None else SUPERVISED if supervised else GROUP
    return {"quota": quota, "quota_by": means, "neighbours": each, **json.loads(output.splitlines()[-1])}


def run_sessions(options: argparse.Namespace) -> dict[str, Any]:
    """In the child: the default, other numbers of threads, and the default with threads that spin."""
    if options.child:
        (Path(options.child) / "cgroup.procs").write_text(str(os.getpid()))
    default = usable_cores()
    if options.quota is not None:  # which a supervisor keeps and no file tells
        default = max(1, min(default, math.ceil(options.quota)))
    counts = sorted({1, 2, default, len(os.sched_getaffinity(0))})
    names = [str(count) for count in counts]
    with ExitStack() as stack:
        sessions = [stack.enter_context(open_session(options.model, threads=count)) for count in counts]
        kept = dict(onnxruntime.THREADING)
        onnxruntime.THREADING.clear()
        try:
            sessions.append(stack.enter_context(open_session(options.model, threads=default)))
        finally:
            onnxruntime.THREADING.update(kept)
        images = np.random.default_rng(options.seed).standard_normal((options.batch_size, 3, 256, 128), np.float32)
        features = [session.run(images) for session in sessions]
        timed = run_side_by_side(
            sessions, options.batch_size, options.rounds, progress=False, seed=options.seed, settle=0, pause=PAUSE
        )
    times = dict(zip([*names, SPINNING], (one.times for one in timed)))
    best = min(names, key=lambda name: float(np.median(times[name])))
    mine = times[str(default)]
    return {
        "default_threads": default,
        "best_threads": int(best),
        "median_ms": {name: float(np.median(some)) for name, some in times.items()},
        "default_against_best": paired_ratio(times[best], mine).values(),
        "default_against_spinning": paired_ratio(times[SPINNING], mine).values(),
        "verdict": str(timed[0].verdict),
        "same": all(np.array_equal(some, features[0]) for some in features),
        "times_ms": {name: some.tolist() for name, some in times.items()},
    }


def report(measured: dict[str, Any]) -> str:
    """What was found in each condition, in lines."""
    facts = measured["conditions"]
    cores = facts["machine"]["cores"]["usable"]
    lines = [f"batch {facts['batch_size']}, {facts['rounds']} rounds of each in turn, {cores} cores; above 1 is faster"]
    for name, found in measured["by_condition"].items():
        best, spin = found["default_against_best"], found["default_against_spinning"]
        by = f" ({found['quota_by']})" if found["quota_by"] else ""
        lines.append(f"{name}{by}: {found['default_threads']} threads by default, {found['best_threads']} are best")
        lines.append(
            f"  default against best {ratio_words(best)}; against the same threads spinning {ratio_words(spin)}"
        )
        lines.append(f"  {found['verdict']}")
    lines.append("same features to the bit" if measured["same"] else "THE FEATURES DIFFER")
    lines.append(f"the default reaches {NEEDED} of the best: {'yes' if measured['fits'] else 'NO'}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command(__doc__ or "", NUMBERS)
    parser.add_argument("--model", default="mini", help="mini, market1501, a checkpoint or an .onnx (default mini)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--quota", type=float, help=argparse.SUPPRESS)
    options = parse(parser, NUMBERS, list(arguments) if arguments is not None else None)
    with refusals(parser):
        path = find_weights(options.model)
        options.model = path if path.suffix == ".onnx" else exported_onnx(load_checkpoint(path))
        if options.child is not None:
            print(json.dumps(run_sessions(options)))
            return 0
    found = {name: measure_condition(options, *condition) for name, condition in CONDITIONS.items()}
    measured = {
        "conditions": {
            "benchmark": "threads",
            **{name.replace("-", "_"): getattr(options, name.replace("-", "_")) for name in NUMBERS},
            "model": Path(options.model).name,
            "environment": environment(),
            "machine": describe_machine(),
        },
        "by_condition": found,
        "same": all(one["same"] for one in found.values()),
        "fits": all(one["default_against_best"]["median"] >= NEEDED for name, one in found.items() if name != "alone"),
    }
    return finish(measured, report, options.json)


if __name__ == "__main__":
    sys.exit(main())
