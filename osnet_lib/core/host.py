"""What the host tells about itself."""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .cgroup import PROC, cpu_quota
from .conditions import Environment
from .files import read_text

PACKAGES = ("numpy", "scipy", "torch", "onnx", "onnxsim", "onnxruntime", "pillow")
_BESIDE = ("onnxruntime-cann", "openvino", "torch-npu")  # listed where they are installed: few hosts have them


def usable_cores(proc: Path = PROC) -> int:
    """Cores this process may use: those of its affinity, and no more than the quota of its control groups fills.

    A quota of 1.5 cores counts as two: the second thread then works for half of the time, which is more than nothing.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota(proc)
    return cores if quota is None else max(1, min(cores, math.ceil(quota)))


def cpu_name(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model name as Linux gives it, else what Python knows (the architecture at least)."""
    try:
        lines = read_text(cpuinfo, errors="replace").splitlines()
    except OSError:
        lines = []
    # "model name" on x86, "Model" or "Hardware" on many ARM boards
    for key in ("model name", "hardware", "model"):
        for line in lines:
            name, _, value = line.partition(":")
            if name.strip().lower() == key and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


def package_versions(packages: Iterable[str]) -> dict[str, str]:
    """Versions of those packages that are installed, without importing them."""
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict[str, Any]:
    """The `Environment` here, with versions of the packages a figure can depend on, ready for JSON."""
    return Environment(
        python=platform.python_version(),
        system=platform.system(),
        machine=platform.machine(),
        cores=usable_cores(),
        versions=dict.fromkeys(PACKAGES) | package_versions((*PACKAGES, *_BESIDE)),
    ).as_dict()
