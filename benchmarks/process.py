"""Measurements in processes of their own: nothing that ran before is in their memory or in their caches."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def peak_rss() -> int:
    """The most memory that this process held so far, in bytes, everything included."""
    try:  # ru_maxrss of a child starts at what its parent held
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    except (OSError, StopIteration):
        import resource  # absent on Windows

        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most * 1024


def run_child(script: str, arguments: Sequence[object]) -> dict[str, Any]:
    """Run a script of this folder and return the JSON of its last line; its messages pass through."""
    command = [sys.executable, str(Path(__file__).parent / script), *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout.splitlines()[-1])


def summary(seconds: Sequence[float], processor: Sequence[float]) -> dict[str, Any]:
    """Median and range of wall-clock seconds, and the median of processor seconds, with every round."""
    return {
        "median": statistics.median(seconds),
        "min": min(seconds),
        "max": max(seconds),
        "processor_median": statistics.median(processor),
        "rounds": list(seconds),
        "processor_rounds": list(processor),
    }
