"""Files as a Linux kernel shows them in /proc and in the mounts of control groups, below a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

TICK = 100  # of every Linux that Python runs on


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write files by their paths below a folder, and return it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def control_group_files(folder: Path, version: int, group: str, files: Mapping[str, str], root: str = "/") -> Path:
    """A /proc whose process is in a group, and the mount that holds the group's files; returns the /proc.

    Parameters
    ----------
    group : str
        As in /proc/self/cgroup.
    files : dict
        By path below the mount.
    root : str
        Of the hierarchy, as far as it is mounted.
    """
    mount = folder / "sys fs" / "cgroup"  # with a space, which the kernel escapes
    place = str(mount).replace(" ", r"\040")
    if version == 2:
        membership, kind, names = f"0::{group}\n", "cgroup2", "rw"
    else:
        membership, kind, names = f"4:memory:{group}\n3:cpu,cpuacct:{group}\n0::/\n", "cgroup", "rw,cpu,cpuacct,memory"
    write_files(mount, files)
    mounted = f"22 1 0:2 / / rw - ext4 /dev/vda rw\n31 22 0:28 {root} {place} rw - {kind} {kind} {names}\n"
    return write_files(folder / "proc", {"self/cgroup": membership, "self/mountinfo": mounted})


def machine_files(folder: Path, busy: float, steal: float, processes: Mapping[int, tuple[int, float]]) -> Path:
    """A /proc after so many processor seconds.

    Parameters
    ----------
    processes : dict
        Parent and processor seconds of each process.
    """
    ticks = round(busy * TICK)
    files = {
        "stat": f"cpu  {ticks - 10} 4 3 999999 77 2 1 {round(steal * TICK)} 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n",
        "loadavg": "1.25 0.9 0.7 3/117 6747\n",
    }
    for pid, (parent, seconds) in processes.items():
        used = round(seconds * TICK)
        before = " ".join(["0"] * 9)
        files[f"{pid}/stat"] = f"{pid} (a) odd (name 1) S {parent} {before} {used - 3} 1 1 1 20 0 9 0 5\n"
    return write_files(folder, files)
