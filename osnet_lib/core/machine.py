"""The machine as a condition of a timing: processor, cores, memory, governor, container, date."""

from __future__ import annotations

import os
import platform
import re
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .cgroup import PROC, cpu_quota, kernel_text, memory_limit
from .host import cpu_name, usable_cores

SYS = Path("/sys")
# Of a processor's flags those that decide which kernels a library takes.
_VECTORS = re.compile(r"(avx|amx|sse4|fma|f16c|asimd|sve|sme(?!p)|i8mm|bf16|neon|rvv|altivec|vsx|lsx|lasx).*")


def describe_machine(proc: Path = PROC, sysfs: Path = SYS, root: Path = Path("/")) -> dict[str, Any]:
    """Everything that is known of the machine, ready for JSON; None where it cannot be read.

    Keys: date (UTC), processor, flags (those of vector units), cores (online, affinity, quota, usable),
    memory_bytes (total, limit), governor, container.
    """
    return {
        "date": now(),
        "processor": cpu_name(proc / "cpuinfo"),
        "flags": _flags(proc),
        "cores": {
            "online": os.cpu_count(),
            "affinity": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
            "quota": cpu_quota(proc),
            "usable": usable_cores(proc),
        },
        "memory_bytes": {"total": _memory(proc), "limit": memory_limit(proc)},
        "governor": _governor(sysfs),
        "container": _container(proc, root),
    }


def now() -> str:
    """The time, UTC, to the second."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def machine_facts(machine: dict[str, Any]) -> dict[str, str]:
    """`describe_machine` in words, for a table."""
    cores, memory = machine["cores"], machine["memory_bytes"]
    limits = [f"{cores['affinity']} by affinity"] if cores["affinity"] is not None else []
    limits.append("no quota" if cores["quota"] is None else f"a quota of {cores['quota']:g}")
    bounds = "" if memory["limit"] is None else f", limit {memory['limit'] / 2**30:.1f} GiB"
    return {
        "date": machine["date"],
        "processor": f"{machine['processor']} ({machine['flags'] or 'vector units unknown'})",
        "cores": f"{cores['usable']} usable: {cores['online']} online, {', '.join(limits)}",
        "memory": f"{memory['total'] / 2**30:.1f} GiB{bounds}" if memory["total"] else f"unknown{bounds}",
        "governor": machine["governor"] or "unknown",
        "container": machine["container"] or "none seen",
    }


def _flags(proc: Path) -> str | None:
    # "flags" on x86, "Features" on ARM
    line = re.search(r"^(?:flags|features)\s*:(.*)$", kernel_text(proc / "cpuinfo"), re.MULTILINE | re.IGNORECASE)
    return " ".join(flag for flag in line[1].split() if _VECTORS.fullmatch(flag)) or None if line else None


def _memory(proc: Path) -> int | None:
    if line := re.search(r"^MemTotal:\s*(\d+) kB", kernel_text(proc / "meminfo"), re.MULTILINE):
        return int(line[1]) * 1024
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # not a POSIX system, or one that does not tell
        return None


def _governor(sysfs: Path) -> str | None:
    paths = sorted(sysfs.glob("devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"))
    return ", ".join(sorted({kernel_text(path).strip() for path in paths} - {""})) or None


def _container(proc: Path, root: Path) -> str | None:
    if (root / "run/.containerenv").exists():
        return "podman"
    if (root / ".dockerenv").exists():
        return "docker"
    known = re.search(r"kubepods|docker|containerd|lxc|libpod", kernel_text(proc / "self" / "cgroup"))
    hypervisor = re.search(r"^flags\s*:.*\bhypervisor\b", kernel_text(proc / "cpuinfo"), re.MULTILINE)
    return known[0] if known else f"virtual machine on {platform.system()}" if hypervisor else None
