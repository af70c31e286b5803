"""Quotas of control groups, from files as versions 1 and 2 write them."""

from __future__ import annotations

import pytest

from helpers.kernel_files import control_group_files, write_files
from osnet_lib.core.cgroup import control_groups, cpu_quota, memory_limit, throttled_seconds
from osnet_lib.core.host import usable_cores


def v1(quota: int, period: int = 100_000) -> dict[str, str]:
    return {"cpu.cfs_quota_us": f"{quota}\n", "cpu.cfs_period_us": f"{period}\n"}


def inside(folder: str, files: dict[str, str]) -> dict[str, str]:
    return {f"{folder}/{name}": text for name, text in files.items()}


QUOTAS = {
    "version 2, half a core": (2, "/job", "/", {"job/cpu.max": "50000 100000\n"}, 0.5),
    "version 2, no limit": (2, "/job", "/", {"job/cpu.max": "max 100000\n"}, None),
    "version 2, the tighter one around it": (
        2,
        "/slice/job",
        "/",
        {"slice/job/cpu.max": "400000 100000\n", "slice/cpu.max": "150000 100000\n"},
        1.5,
    ),
    "version 2, in a namespace of its own": (2, "/", "/", {"cpu.max": "200000 100000\n"}, 2.0),
    "version 2, mounted from the group on": (2, "/docker/ab", "/docker/ab", {"cpu.max": "100000 100000\n"}, 1.0),
    "version 2, a group outside of the mount": (2, "/../../other", "/", {"cpu.max": "100000 100000\n"}, 1.0),
    "version 2, a name that only begins alike": (2, "/docker/abc", "/docker/ab", {"cpu.max": "75000 100000\n"}, 0.75),
    "version 1, one core": (1, "/job", "/", inside("job", v1(100_000)), 1.0),
    "version 1, another period": (1, "/job", "/", inside("job", v1(5_000, 20_000)), 0.25),
    "version 1, no limit": (1, "/job", "/", inside("job", v1(-1)), None),
    "damaged": (2, "/job", "/", {"job/cpu.max": "many\n"}, None),
    "no period": (2, "/job", "/", {"job/cpu.max": "100 0\n"}, None),
    "no files": (2, "/job", "/", {}, None),
}


@pytest.mark.parametrize("version, group, root, files, quota", QUOTAS.values(), ids=QUOTAS)
def test_the_quota_is_read(tmp_path, version, group, root, files, quota):
    proc = control_group_files(tmp_path, version, group, files, root)
    assert cpu_quota(proc) == quota
    affinity = usable_cores(tmp_path / "nothing")
    assert usable_cores(proc) == (affinity if quota is None else min(affinity, 2 if quota > 1 else 1))


def test_both_versions_at_once_take_the_controller_from_where_it_is(tmp_path):
    proc = control_group_files(tmp_path, 1, "/job", inside("job", v1(50_000)))
    unified = tmp_path / "unified"
    with open(proc / "self" / "mountinfo", "a") as mounts:
        mounts.write(f"41 31 0:38 / {unified} rw - cgroup2 cgroup2 rw\n")
    write_files(unified, {"cpu.max": "900000 100000\n"})
    assert cpu_quota(proc) == 0.5


def test_without_proc_nothing_is_known(tmp_path):
    assert control_groups("cpu", tmp_path) == []
    assert (cpu_quota(tmp_path), memory_limit(tmp_path), throttled_seconds(tmp_path)) == (None, None, None)


@pytest.mark.parametrize(
    "version, files, limit",
    [
        (2, {"job/memory.max": "1073741824\n", "memory.max": "max\n"}, 2**30),
        (2, {"job/memory.max": "max\n"}, None),
        (1, {"job/memory.limit_in_bytes": "536870912\n", "memory.limit_in_bytes": "9223372036854771712\n"}, 2**29),
        (1, {"job/memory.limit_in_bytes": "9223372036854771712\n"}, None),
    ],
)
def test_the_limit_of_memory_is_read(tmp_path, version, files, limit):
    assert memory_limit(control_group_files(tmp_path, version, "/job", files)) == limit


@pytest.mark.parametrize(
    "version, text, seconds",
    [
        (2, "usage_usec 5\nnr_throttled 3\nthrottled_usec 2500000\n", 2.5),
        (1, "nr_periods 9\nnr_throttled 3\nthrottled_time 2500000000\n", 2.5),
        (2, "usage_usec 5\n", None),
    ],
)
def test_stops_are_counted(tmp_path, version, text, seconds):
    assert throttled_seconds(control_group_files(tmp_path, version, "/job", {"job/cpu.stat": text})) == seconds
