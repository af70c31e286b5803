"""What a machine has counted so far: processor time of everybody and of our own processes, steal, switches, stops.

All counters only grow, so that two readings tell what happened in between. None stands for what a system does not tell.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

from .cgroup import PROC, kernel_text, throttled_seconds


@dataclass(frozen=True)
class Counters:
    """One reading.

    Attributes
    ----------
    at : float
        Seconds of a clock that never goes back.
    busy, own, steal : float, optional
        Processor seconds of all cores at work, of our tree of processes, and those that a hypervisor gave to others.
    switches : int, optional
        How often this process was taken off a core that it wanted to keep.
    throttled : float, optional
        Seconds for which a quota stopped threads.
    load : float, optional
        The mean of running tasks over the last minute, our own among them. No counter, but of the same moment.
    """

    at: float
    busy: float | None = None
    own: float | None = None
    steal: float | None = None
    switches: int | None = None
    throttled: float | None = None
    load: float | None = None


def read_counters(tree: int | None = None, proc: Path = PROC) -> Counters:
    """Read all counters now.

    Parameters
    ----------
    tree : int, optional
        The process whose descendants, and itself, are our own; by default this one.
    """
    tick = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
    busy, steal = _whole_machine(proc, tick)
    load = kernel_text(proc / "loadavg").split()
    return Counters(
        time.monotonic(),
        busy,
        _tree_seconds(tree or os.getpid(), proc, tick),
        steal,
        _involuntary_switches(),
        throttled_seconds(proc),
        float(load[0]) if load else None,
    )


def _whole_machine(proc: Path, tick: int) -> tuple[float | None, float | None]:
    """Seconds of work and of steal since the machine started, summed over its cores."""
    first = kernel_text(proc / "stat").partition("\n")[0].split()
    if not first or first[0] != "cpu":
        return None, None
    user, nice, system, _idle, _wait, interrupts, soft, steal = ([int(n) for n in first[1:]] + [0] * 8)[:8]
    return (user + nice + system + interrupts + soft) / tick, steal / tick


def _tree_seconds(root: int, proc: Path, tick: int) -> float | None:
    """Processor seconds of a process, of its living descendants, and of those that ended and were waited for."""
    parents, spent = {}, {}
    for folder in proc.glob("[0-9]*"):
        # The name in parentheses may hold anything; then come state, parent, and at 11 to 14 the times.
        fields = kernel_text(folder / "stat").rpartition(")")[2].split()
        if len(fields) > 14:
            pid = int(folder.name)
            parents[pid], spent[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    if root not in spent:
        return None
    ours: set[int] = set()
    found = {root}
    while found:
        ours |= found
        found = {pid for pid, parent in parents.items() if parent in ours and pid not in ours}
    return sum(spent[pid] for pid in ours) / tick


def _involuntary_switches() -> int | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw
