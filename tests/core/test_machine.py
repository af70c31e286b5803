"""The machine as a condition, from files as they look on x86, on ARM, in containers and where there are none."""

from __future__ import annotations

import json
import re

import pytest

from helpers.kernel_files import control_group_files, write_files
from osnet_lib.core.machine import describe_machine, machine_facts

X86 = "model name\t: Some CPU\nflags\t\t: fpu sse2 smep sse4_2 avx2 fma avx512_vnni\n"
ARM = "Hardware\t: Board\nFeatures\t: fp asimd aes asimddp sve\n"


@pytest.mark.parametrize(
    "text, flags",
    [(X86, "sse4_2 avx2 fma avx512_vnni"), (ARM, "asimd asimddp sve"), ("flags : fpu smep\n", None), ("", None)],
)
def test_flags_are_those_of_vector_units(tmp_path, text, flags):
    found = describe_machine(write_files(tmp_path / "proc", {"cpuinfo": text}), tmp_path / "sys", tmp_path)
    assert found["flags"] == flags


def test_everything_that_can_be_read_is_told(tmp_path):
    proc = control_group_files(
        tmp_path,
        2,
        "/kubepods/pod1",
        {"kubepods/pod1/cpu.max": "50000 100000", "kubepods/pod1/memory.max": "2147483648"},
    )
    write_files(proc, {"cpuinfo": X86, "meminfo": "MemTotal:  8388608 kB\nMemFree: 1 kB\n"})
    governors = {f"devices/system/cpu/cpu{n}/cpufreq/scaling_governor": "powersave\n" for n in (0, 1)}
    found = describe_machine(proc, write_files(tmp_path / "sys", governors), tmp_path)
    assert json.loads(json.dumps(found)) == found and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\+00:00", found["date"])
    assert found["cores"]["quota"] == 0.5 and found["cores"]["usable"] == 1
    assert found["memory_bytes"] == {"total": 8 * 2**30, "limit": 2 * 2**30}
    assert (found["governor"], found["container"], found["processor"]) == ("powersave", "kubepods", "Some CPU")
    facts = machine_facts(found)
    assert "a quota of 0.5" in facts["cores"] and facts["memory"] == "8.0 GiB, limit 2.0 GiB"


def test_a_machine_that_tells_nothing_is_said_to(tmp_path):
    found = describe_machine(tmp_path, tmp_path, tmp_path)
    assert (found["flags"], found["governor"], found["container"], found["cores"]["quota"]) == (None,) * 4
    facts = machine_facts(found)
    assert facts["governor"] == "unknown" and "vector units unknown" in facts["processor"]
    assert "no quota" in facts["cores"] and facts["container"] == "none seen"


@pytest.mark.parametrize(
    "file, container", [("run/.containerenv", "podman"), (".dockerenv", "docker"), ("etc/hosts", None)]
)
def test_containers_are_known_by_their_files(tmp_path, file, container):
    root = write_files(tmp_path / "root", {file: ""})
    assert describe_machine(tmp_path / "proc", tmp_path / "sys", root)["container"] == container
