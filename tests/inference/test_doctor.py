"""The doctor's own lines in each state, its screen, and what a backend needs."""

from __future__ import annotations

import os
import shutil
import sys
from collections import namedtuple
from types import ModuleType

import pytest

from helpers.npu import PYACL
from osnet_lib.ascend.atc_python import HostPython
from osnet_lib.ascend.checkup import BAD, GOOD, UNKNOWN, Check
from osnet_lib.errors import SessionError
from osnet_lib.inference import doctor
from osnet_lib.inference.backends import BACKENDS
from osnet_lib.inference.doctor import (
    NEEDS,
    check_acl,
    check_cann_provider,
    check_disk,
    check_onnxruntime,
    check_python,
    check_torch,
    check_torch_npu,
    examine,
    failing,
    require_backend,
    screen,
)
from stand_ins.host import smi_table


@pytest.fixture(autouse=True)
def nothing_sourced(monkeypatch):
    for name in [name for name in os.environ if name.startswith("ASCEND_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def source(monkeypatch, tmp_path):
    """A function that sources a CANN of a version."""

    def make(version: str) -> None:
        (tmp_path / "version.cfg").write_text(f"toolkit_running_version=[{version}]")
        monkeypatch.setenv("ASCEND_HOME_PATH", str(tmp_path))

    return make


def is_line(check: Check, name: str, state: str, words: str, cure: str) -> None:
    assert (check.name, check.state) == (name, state), check
    assert words in check.found and cure in check.cure and (check.state == GOOD) == (not check.cure), check


def test_acl_good(npu):
    is_line(check_acl(), "acl", GOOD, f"pyACL from {PYACL}", "")
    assert "sees 1 device" in check_acl().found


def test_acl_without_a_device(npu):
    npu.restart(devices=0)
    is_line(check_acl(), "acl", BAD, "sees no device", "lines above")


@pytest.mark.parametrize(
    "module, words, cure",
    [
        (None, "no module acl (pyACL)", "set_env.sh"),
        (ModuleType("acl"), "not CANN's pyACL", "pip uninstall pyacl acl"),  # access control lists, by the same name
    ],
)
def test_acl_bad(monkeypatch, module, words, cure):
    monkeypatch.setitem(sys.modules, "acl", module)
    is_line(check_acl(), "acl", BAD, words, cure)


@pytest.mark.parametrize(
    "ours, cann, state, words, cure",
    [
        (HostPython("p", (3, 10, 4), "1.24.0"), "8.1", GOOD, "Python 3.10.4, numpy 1.24.0", ""),
        (HostPython("p", (3, 13, 4), "2.4.0", ("cffi",)), None, GOOD, "no CANN to compare with", ""),
        (
            HostPython("p", (3, 11, 7), "2.4.0"),
            "8.2",
            UNKNOWN,
            "has numpy 2.4.0, where CANN lists",
            "Inferred to be harmless",
        ),
        (HostPython("p", (3, 11, 7), "2.4.0"), "9.0.0-beta.1", UNKNOWN, "what CANN 9.0 lists is not known", "numpy1"),
        (HostPython("p", (3, 11, 7), None), "8.2", BAD, "no numpy that can be imported", "remove .venv"),
        (None, None, BAD, "no numpy that can be imported", "remove .venv"),
    ],
)
def test_python(monkeypatch, source, ours, cann, state, words, cure):
    monkeypatch.setattr(doctor, "ask_python", lambda program, environ: ours)
    if cann:
        source(cann)
    is_line(check_python(), "Python", state, words, cure)


def fake_packages(monkeypatch, **versions: str) -> None:
    """What pip knows to be installed."""
    known = {name.replace("_", "-"): version for name, version in versions.items()}
    monkeypatch.setattr(doctor, "package_versions", lambda names: {n: known[n] for n in names if n in known})


def fake_runtime(monkeypatch, *providers: str) -> None:
    module = ModuleType("onnxruntime")
    module.get_available_providers = lambda: list(providers)
    monkeypatch.setitem(sys.modules, "onnxruntime", module)


def test_onnxruntime(monkeypatch):
    fake_runtime(monkeypatch, "CPUExecutionProvider")
    fake_packages(monkeypatch, onnxruntime="1.24.4")
    is_line(check_onnxruntime(), "onnxruntime", GOOD, "onnxruntime 1.24.4: CPUExecutionProvider", "")
    fake_packages(monkeypatch, onnxruntime="1.24.4", onnxruntime_cann="1.24.4")
    is_line(check_onnxruntime(), "onnxruntime", UNKNOWN, "onnxruntime-cann 1.24.4 are installed", "uninstall all")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    is_line(check_onnxruntime(), "onnxruntime", BAD, "does not load (ModuleNotFoundError", "Install one")


def test_cann_provider(monkeypatch, source):
    fake_runtime(monkeypatch, "CPUExecutionProvider")
    is_line(check_cann_provider(), "CANN provider", BAD, "has none", "onnxruntime-cann")
    fake_runtime(monkeypatch, "CANNExecutionProvider", "CPUExecutionProvider")
    is_line(check_cann_provider(), "CANN provider", BAD, "as it always is, but no CANN", "runs on the CPU")
    source("8.2")
    is_line(check_cann_provider(), "CANN provider", GOOD, "whether it starts, a session shows", "")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    is_line(check_cann_provider(), "CANN provider", UNKNOWN, "does not load", "line above")


@pytest.mark.parametrize(
    "versions, cann, torch, npu",
    [
        ({"torch": "2.13.0+cpu"}, None, (GOOD, "2.13.0+cpu", ""), (BAD, "not installed", "Only for torch on the NPU")),
        ({}, None, (BAD, "not installed", "remove .venv"), (BAD, "not installed", "torch's version")),
        (
            {"torch": "2.13.0+cpu", "torch_npu": "2.13.0.post1"},
            "8.5",
            (GOOD, "2.13.0", ""),
            (GOOD, "2.13.0.post1 with torch 2.13.0+cpu", ""),
        ),
        (
            {"torch": "2.13.0", "torch_npu": "2.13.0"},
            None,
            (UNKNOWN, "without CANN breaks its import", "TORCH_DEVICE_BACKEND_AUTOLOAD=0"),
            (BAD, "no CANN is sourced", "set_env.sh"),
        ),
        (
            {"torch": "2.12.1", "torch_npu": "2.13.0"},
            "8.5",
            (GOOD, "2.12.1", ""),
            (BAD, "2.13.0 with torch 2.12.1", "torch-npu==2.12.1"),
        ),
        ({"torch_npu": "2.13.0"}, "8.5", (BAD, "not installed", ""), (UNKNOWN, "no torch to compare", "line above")),
    ],
)
def test_torch_and_its_plug_in(monkeypatch, source, versions, cann, torch, npu):
    fake_packages(monkeypatch, **versions)
    if cann:
        source(cann)
    is_line(check_torch(), "torch", *torch)
    is_line(check_torch_npu(), "torch_npu", *npu)


@pytest.mark.parametrize(
    "free, state", [(60e9, GOOD), (5e9, GOOD), (4.9e9, UNKNOWN), (1e9, UNKNOWN), (0.9e9, BAD), (0, BAD)]
)
def test_disk(monkeypatch, tmp_path, free, state):
    usage = namedtuple("usage", "total used free")
    room = {tmp_path: free, tmp_path / "other": 1e12}
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(1e12, 0, room[folder]))
    is_line(
        check_disk(list(room)), "disk", state, f"{free / 1e9:.1f} GB free in {tmp_path}", "" if state == GOOD else "5"
    )


def test_disk_that_cannot_be_asked(tmp_path):
    is_line(check_disk([tmp_path / "gone"]), "disk", UNKNOWN, "No such file", "workspace that exists")


def checks(**states: str) -> list[Check]:
    """All lines good but for those named."""
    names = [name for needed in NEEDS.values() for name in needed]
    return [Check(name, states.get(name, GOOD), "x", "y") for name in dict.fromkeys([*names, "ATC", "ATC's Python"])]


@pytest.mark.parametrize(
    "states, unable",
    [
        ({}, set()),
        ({"driver": BAD}, {"ascend", "cann", "torch_npu"}),
        ({"acl": BAD}, {"ascend"}),
        ({"acl": UNKNOWN, "devices": UNKNOWN}, set()),
        ({"ATC": BAD, "ATC's Python": BAD}, set()),  # OMs may come from elsewhere
        ({"onnxruntime": BAD}, {"onnxruntime", "cann"}),
        ({"torch": BAD}, {"torch", "torch_npu"}),
        ({"openvino": BAD}, {"openvino"}),
        ({"disk": BAD}, {"onnxruntime", "openvino", "torch"}),
    ],
)
def test_what_a_backend_needs(states, unable):
    found = checks(**states)
    assert {backend for backend in NEEDS if failing(found, backend)} == unable
    for backend in NEEDS:
        if backend in unable:
            with pytest.raises(SessionError, match=f"^{backend}: cannot work here: .*lines marked bad"):
                require_backend(found, backend)
        else:
            require_backend(found, backend)
    require_backend(found, "auto")


def test_nothing_works():
    with pytest.raises(SessionError, match="^auto: cannot work here: driver, onnxruntime, openvino, torch"):
        require_backend(checks(driver=BAD, onnxruntime=BAD, openvino=BAD, torch=BAD), "auto")


def test_every_backend_has_its_needs():
    assert set(BACKENDS) <= set(NEEDS)
    assert {name for needed in NEEDS.values() for name in needed} <= {check.name for check in examine()}


def test_a_host_on_which_all_is_well(npu, monkeypatch, tmp_path, source):
    """The screen names every line once, in order, with its state."""
    from stand_ins.host import add_program, add_python

    source("8.1")
    for name in ("davinci0", "davinci_manager", "devmm_svm", "hisi_hdc"):
        (tmp_path / "dev").mkdir(exist_ok=True)
        (tmp_path / "dev" / name).touch()
    (tmp_path / "usr/local/Ascend/driver").mkdir(parents=True)
    (tmp_path / "usr/local/Ascend/driver/version.info").write_text("Version=24.1.0\n")
    (tmp_path / "table").write_text(smi_table("310"))
    add_program(tmp_path / "bin", "npu-smi", f"/bin/cat '{tmp_path}/table'")
    add_program(tmp_path / "bin", "atc", "exit 0")
    add_python(tmp_path / "bin")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    found = examine(tmp_path, tmp_path, tmp_path)
    state = {check.name: check.state for check in found}
    assert all(
        state[name] == GOOD for name in ("driver", "devices", "permissions", "CANN", "acl", "ATC", "ATC's Python")
    )
    lines = screen(found).splitlines()
    assert lines[0].startswith("osnet ") and [line.split()[0] for line in lines[1:-2]] == list(state.values())
    assert "ascend" in lines[-2].split(": ")[1] and "ascend" not in lines[-1] and "torch_npu" in lines[-1]
    require_backend(found, "ascend")
