"""Each line about a host with an NPU, in each state, on a host made for the test."""

from __future__ import annotations

import os

import pytest

from osnet_lib.ascend import checkup
from osnet_lib.ascend.checkup import (
    BAD,
    GOOD,
    UNKNOWN,
    Check,
    check_atc,
    check_atc_python,
    check_cann,
    check_devices,
    check_driver,
    check_permissions,
)
from stand_ins.host import add_program, add_python, smi_table

INSTALL = "usr/local/Ascend"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """An empty host: nothing on PATH but its bin, nothing sourced; its root."""
    for name in [name for name in os.environ if name.startswith("ASCEND_")]:
        monkeypatch.delenv(name)
    (tmp_path / "bin").mkdir()
    (tmp_path / "dev").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.delenv("VIRTUAL_ENV", raising=False)
    return tmp_path


def write(path, text=""):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def is_line(check: Check, name: str, state: str, words: str, cure: str) -> None:
    assert (check.name, check.state) == (name, state), check
    assert words in check.found and cure in check.cure and (check.state == GOOD) == (not check.cure), check
    assert len(str(check).splitlines()) == 1 and str(check).startswith(f"{state:8} {name}")


@pytest.mark.parametrize(
    "files, state, words, cure",
    [
        ({f"{INSTALL}/driver/version.info": "Version=23.0.3\nfirmware_version=1\n"}, GOOD, "23.0.3 in ", ""),
        ({f"{INSTALL}/driver/version.info": "package\nversion=[7.1.0.3.220]\n"}, GOOD, "7.1.0.3.220", ""),
        (
            {
                "etc/ascend_install.info": "A=1\nDriver_Install_Path_Param=/opt/hw\n",
                "opt/hw/driver/version.info": "Version=1",
            },
            GOOD,
            "opt/hw/driver",
            "",
        ),
        ({}, BAD, "no driver in ", "a host that only converts needs none. In a container"),
        ({f"{INSTALL}/driver/version.info": "nothing"}, UNKNOWN, "has no version.info that tells", "npu-smi info"),
        ({f"{INSTALL}/driver/tools/x": ""}, UNKNOWN, "has no version.info", "npu-smi info"),
    ],
)
def test_driver(host, files, state, words, cure):
    for name, text in files.items():
        write(host / name, text)
    is_line(check_driver(host), "driver", state, words, cure)


@pytest.mark.parametrize(
    "table, status, files, state, words, cure",
    [
        (smi_table("310P3"), 0, [], GOOD, "1 x Ascend310P3; health OK", ""),
        (smi_table("310", "310", "310B4"), 0, [], GOOD, "2 x Ascend310, 1 x Ascend310B4; health OK", ""),
        (smi_table("910B4-1"), 0, [], GOOD, "1 x Ascend910B4-1", ""),
        (smi_table("310", health="Alarm"), 0, [], BAD, "health Alarm", "npu-smi info -t health"),
        (smi_table("310", health="Warning"), 0, [], UNKNOWN, "health Warning", "npu-smi info -t health"),
        (smi_table(), 0, [], BAD, "npu-smi shows none", "the board, its driver and its firmware"),
        ("dcmi model initialized failed, ret is -8005\n", 255, [], BAD, "(dcmi model initialized failed", "dmesg"),
        (None, 0, ["davinci0"], UNKNOWN, "/dev has davinci0, but no npu-smi", "/usr/local/sbin"),
        (None, 0, ["davinci10", "davinci2", "davinci_manager"], UNKNOWN, "davinci2, davinci10,", "PATH"),
        (None, 0, ["davinci_manager"], BAD, "no npu-smi, and no davinci device", "Install the driver first"),
    ],
)
def test_devices(host, table, status, files, state, words, cure):
    for name in files:
        (host / "dev" / name).touch()
    if table is not None:
        write(host / "table", table)
        add_program(host / "bin", "npu-smi", f"/bin/cat '{host}/table'; exit {status}")
    is_line(check_devices(host), "devices", state, words, cure)


SHARED = ["davinci_manager", "devmm_svm", "hisi_hdc"]


@pytest.mark.parametrize(
    "files, closed, state, words, cure",
    [
        (["davinci0", "davinci1", *SHARED], [], GOOD, "may open davinci0, davinci1", ""),
        (["davinci0", *SHARED], ["davinci0"], BAD, "may not open davinci0 in /dev", "sudo usermod -aG "),
        (["davinci0", *SHARED], ["hisi_hdc"], BAD, "may not open hisi_hdc", "log in again"),
        (["davinci0", "davinci_manager"], [], UNKNOWN, "/dev has no devmm_svm, hisi_hdc", "In a container"),
        (SHARED, [], UNKNOWN, "no device in /dev to try", "lines above"),
    ],
)
def test_permissions(host, monkeypatch, files, closed, state, words, cure):
    for name in files:
        (host / "dev" / name).touch()
    monkeypatch.setattr(checkup.os, "access", lambda path, mode: path.name not in closed)  # root may open all
    is_line(check_permissions(host), "permissions", state, words, cure)


@pytest.mark.parametrize(
    "sourced, files, state, words, cure",
    [
        ("cann", {"cann/version.cfg": "toolkit_running_version=[8.5.2]"}, GOOD, "8.5 in ", ""),
        ("cann", {"cann/other": ""}, UNKNOWN, "no version.cfg that tells a version", "Look for the version"),
        ("gone", {}, BAD, "gone, which is no folder", "Install CANN"),
        (None, {}, BAD, "no CANN is found", "Install CANN's toolkit"),
        (
            None,
            {f"{INSTALL}/ascend-toolkit/set_env.sh": ""},
            BAD,
            "is not sourced; it lies in ",
            "ascend-toolkit/set_env.sh",
        ),
        (
            None,
            {f"{INSTALL}/nnrt/set_env.sh": "", f"{INSTALL}/cann/set_env.sh": ""},
            BAD,
            "Ascend/cann",
            "cann/set_env.sh",
        ),
        (None, {"home/Ascend/cann/set_env.sh": ""}, BAD, "home/Ascend/cann", "source "),
    ],
)
def test_cann(host, monkeypatch, sourced, files, state, words, cure):
    for name, text in files.items():
        write(host / name, text)
    if sourced:
        monkeypatch.setenv("ASCEND_HOME_PATH", str(host / sourced))
    is_line(check_cann(host, host / "home"), "CANN", state, words, cure)


@pytest.mark.parametrize(
    "script, state, words, cure",
    [
        ("[ $1 = --help ] && exit 0", GOOD, "bin/atc", ""),
        (None, BAD, "no atc on PATH", "make the OMs on a host that has one"),
        (
            "echo 'atc.bin: libascend_hal.so: cannot open shared object file'; exit 127",
            BAD,
            "libascend_hal.so",
            "devlib",
        ),
        ("exit 1", BAD, "no error text", "ascend/log"),
    ],
)
def test_atc(host, script, state, words, cure):
    if script is not None:
        add_program(host / "bin", "atc", script)
    is_line(check_atc(), "ATC", state, words, cure)


def test_an_atc_that_cannot_be_started(host):
    write(host / "bin" / "atc", "no program").chmod(0o755)
    is_line(check_atc(), "ATC", BAD, "cannot be started", "again")


def test_an_atc_that_does_not_answer(host, late_clock):
    add_program(host / "bin", "atc", "exec /bin/sleep 600")
    looks = iter([0])
    late_clock("osnet_lib.ascend.run_program", lambda: next(looks, 61))  # a minute is over after the first look
    is_line(check_atc(), "ATC", UNKNOWN, "did not answer --help in a minute", "by hand")


@pytest.mark.parametrize(
    "python, cann, state, words, cure",
    [
        ({}, "8.1.RC1", GOOD, "(Python 3.10.9, numpy 1.22.0) has all packages", ""),
        ({"numpy": "2.1.0"}, "8.1.RC1", BAD, "np.float_", "pip install 'numpy>=1.19.2"),
        ({"missing": ["yaml", "absl"]}, "8.1.RC1", BAD, "lacks pyyaml, absl-py", "pip install pyyaml absl-py"),
        (None, "8.1.RC1", BAD, "no python3 on PATH outside .venv", "Install one"),
        ({"version": [3, 12, 1], "numpy": "1.26.4"}, "8.2", UNKNOWN, "where CANN lists 3.7 to 3.11.4", "first on PATH"),
        ({}, "8.5.2", UNKNOWN, "the list of CANN 8.5 is not known here", "page of your CANN"),
        ({}, None, UNKNOWN, "the list without a CANN of known version", "page of your CANN"),
    ],
)
def test_python_of_atc(host, monkeypatch, python, cann, state, words, cure):
    if python is not None:
        add_python(host / "bin", **python)
    if cann:
        write(host / "cann" / "version.cfg", f"toolkit_running_version=[{cann}]")
        monkeypatch.setenv("ASCEND_HOME_PATH", str(host / "cann"))
    is_line(check_atc_python(), "ATC's Python", state, words, cure)
