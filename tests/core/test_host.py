"""What the host tells, from files as they look on x86, on ARM and where there are none."""

from __future__ import annotations

import os
import platform

import numpy as np
import pytest

from osnet_lib.core.host import cpu_name, package_versions, usable_cores


@pytest.mark.parametrize(
    "text, name",
    [
        (
            "processor\t: 0\nvendor_id\t: GenuineIntel\nmodel\t\t: 85\nmodel name\t: Intel(R) Xeon(R) Gold 6248 CPU\n",
            "Intel(R) Xeon(R) Gold 6248 CPU",
        ),
        ("processor\t: 0\nBogoMIPS\t: 108.00\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B\n", "BCM2835"),
        ("processor\t: 0\nBogoMIPS\t: 200.00\nCPU implementer\t: 0x48\n", platform.processor() or platform.machine()),
        ("model name\t:\n", platform.processor() or platform.machine()),
        (None, platform.processor() or platform.machine()),
    ],
)
def test_cpu_name(tmp_path, text, name):
    path = tmp_path / "cpuinfo"
    if text is not None:
        path.write_text(text)
    assert cpu_name(path) == name and name


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="affinity is a Linux notion")
def test_usable_cores_respects_affinity():
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
    assert usable_cores() == len(allowed)


def test_package_versions_leaves_out_what_is_not_there():
    assert package_versions(["numpy", "no-such-package-of-anyone"]) == {"numpy": np.__version__}
