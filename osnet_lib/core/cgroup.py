"""What control groups allow a process: processor time, memory, and how often it was stopped; versions 1 and 2.

A limit of a group binds the groups in it, so that the tightest on the way up to the root of the mount counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from .files import read_text

PROC = Path("/proc")


def kernel_text(path: Path) -> str:
    """A file of the kernel's; empty where it cannot be read."""
    try:
        return read_text(path, errors="replace")
    except OSError:
        return ""


def control_groups(controller: str, proc: Path = PROC) -> list[Path]:
    """The folders of this process's group and of those around it, that of the mount last; empty where there is none.

    Parameters
    ----------
    controller : str
        ``"cpu"`` or ``"memory"``. Where version 1 has it, it is taken from there: a controller is in one of the two.
    """
    memberships = {}
    for line in kernel_text(proc / "self" / "cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        memberships.update(dict.fromkeys(controllers.split(","), path))
    found: dict[str, list[Path]] = {}
    for kind, names, root, mount in _mounts(proc):
        key = "" if kind == "cgroup2" else controller
        if key in memberships and (kind == "cgroup2" or controller in names):
            found.setdefault(kind, _way_up(memberships[key], root, mount))
    return found.get("cgroup", found.get("cgroup2", []))


def _mounts(proc: Path) -> Iterator[tuple[str, list[str], str, Path]]:
    """Kind, controllers, root inside the hierarchy and place of every mounted one."""
    for line in kernel_text(proc / "self" / "mountinfo").splitlines():
        place, _, what = line.partition(" - ")
        before, after = place.split(" "), what.split(" ")
        if len(before) > 4 and len(after) > 2 and after[0] in ("cgroup", "cgroup2"):
            root, mount = (re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), text) for text in before[3:5])
            yield after[0], after[2].split(","), root, Path(mount)


def _way_up(path: str, root: str, mount: Path) -> list[Path]:
    """From the group to the mount. In a container the group may lie outside of what is mounted: then the mount."""
    inside = path.removeprefix(root.rstrip("/")) if f"{path}/".startswith(f"{root.rstrip('/')}/") else "/"
    parts = [part for part in inside.split("/") if part]
    if ".." in parts:
        parts = []
    return [mount.joinpath(*parts[:length]) for length in range(len(parts), -1, -1)]


def cpu_quota(proc: Path = PROC) -> float | None:
    """Cores' worth of processor time that control groups allow, such as 0.5; None where they set no limit."""
    quotas = []
    for group in control_groups("cpu", proc):
        text = kernel_text(group / "cpu.max")
        if not text:
            text = f"{kernel_text(group / 'cpu.cfs_quota_us')} {kernel_text(group / 'cpu.cfs_period_us')}"
        if match := re.fullmatch(r"\s*(\d+)\s+([1-9]\d*)\s*", text):  # no limit is "max", in version 1 a quota of -1
            quotas.append(int(match[1]) / int(match[2]))
    return min(quotas, default=None)


def memory_limit(proc: Path = PROC) -> int | None:
    """Bytes of memory that control groups allow; None where they set no limit."""
    limits = []
    for group in control_groups("memory", proc):
        text = (kernel_text(group / "memory.max") or kernel_text(group / "memory.limit_in_bytes")).strip()
        if text.isdecimal() and int(text) < 1 << 60:  # version 1 says "no limit" with the largest number there is
            limits.append(int(text))
    return min(limits, default=None)


def throttled_seconds(proc: Path = PROC) -> float | None:
    """Seconds for which a quota has stopped threads of these groups so far; None where no group tells."""
    total = None
    for group in control_groups("cpu", proc):
        for name, value in re.findall(
            r"^(throttled_usec|throttled_time) (\d+)$", kernel_text(group / "cpu.stat"), re.M
        ):
            total = (total or 0.0) + int(value) / (1e6 if name == "throttled_usec" else 1e9)
    return total
