"""Version and chip of a host, in the words of its own tools."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from osnet_lib.ascend.cann import cann_version, detect_soc_version, parse_npu_smi
from osnet_lib.errors import ConvertError

TABLE = """
+--------------------------------------------------------------------------------------------------------+
| npu-smi 23.0.0                                   Version: 23.0.0                                       |
+-------------------------------+-----------------+------------------------------------------------------+
| NPU     Name                  | Health          | Power(W)     Temp(C)           Hugepages-Usage(page) |
| Chip    Device                | Bus-Id          | AICore(%)    Memory-Usage(MB)                        |
+===============================+=================+======================================================+
| {id}      {name}                 | OK              | NA           29                0     / 0             |
| 0       0                     | 0000:04:00.0    | 0            1832 / 21527                            |
+===============================+=================+======================================================+
"""
SECOND = """| 1       310P3                 | Warning         | NA           29                0     / 0             |
| 0       1                     | 0000:05:00.0    | 0            1832 / 21527                            |
"""
PROCESSES = """
| NPU     Chip                  | Process id      | Process name             | Process memory(MB)        |
+===============================+=================+======================================================+
| 0       310                   | 4711            | python                   | 77                        |
"""


@pytest.mark.parametrize(
    "text, names",
    [
        (TABLE.format(id=24, name="310P3") + PROCESSES, ["Ascend310P3"]),
        (TABLE.format(id=0, name="310  "), ["Ascend310"]),
        (TABLE.format(id=0, name="310P3") + SECOND, ["Ascend310P3"]),
        (TABLE.format(id=0, name="310B4") + SECOND, ["Ascend310B4", "Ascend310P3"]),
        (TABLE.format(id=0, name="Ascend910B4"), ["Ascend910B4"]),
        (TABLE.format(id=0, name="910B4-1"), ["Ascend910B4-1"]),
        (TABLE.format(id=0, name="910B4-1") + SECOND, ["Ascend910B4-1", "Ascend310P3"]),
        (TABLE.format(id=0, name="Ascend910"), ["Ascend910"]),
        (TABLE.format(id=32896, name="910_9391"), ["Ascend910_9391"]),
        (TABLE.replace("{id}", "0").replace("{name}", "NA   "), []),
        ("dcmi model initialized failed, because the device is used. ret is -8020", []),
        ("", []),
    ],
)
def test_names_of_npu_smi(text, names):
    assert parse_npu_smi(text) == names


@pytest.fixture
def host(monkeypatch, tmp_path):
    """A function that makes a host: the module `acl`, and what npu-smi prints and its exit status."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "acl", None)  # an import error

    def make(acl: dict | None = None, npu_smi: str | None = None, status: int = 0) -> None:
        if acl is not None:
            module = ModuleType("acl")
            vars(module).update(acl)
            monkeypatch.setitem(sys.modules, "acl", module)
        if npu_smi is not None:
            (tmp_path / "table").write_text(npu_smi)
            program = tmp_path / "npu-smi"
            program.write_text(f"#!/bin/sh\n[ $1 = info ] && /bin/cat '{tmp_path}/table'\nexit {status}\n")
            program.chmod(0o755)

    return make


def fail():
    raise RuntimeError("no driver")


PYACL = {"mdl": ModuleType("acl.mdl"), "rt": ModuleType("acl.rt")}
SMI = TABLE.format(id=0, name="310B4")


@pytest.mark.parametrize(
    "acl, npu_smi, name",
    [
        ({**PYACL, "get_soc_name": lambda: "Ascend310"}, SMI, "Ascend310"),
        ({**PYACL, "get_soc_name": lambda: "Ascend310"}, None, "Ascend310"),
        ({**PYACL, "get_soc_name": lambda: "Ascend910_9391"}, TABLE.format(id=0, name="Ascend910"), "Ascend910_9391"),
        ({**PYACL, "get_soc_name": lambda: "Ascend910B4-1"}, None, "Ascend910B4-1"),
        ({**PYACL, "get_soc_name": lambda: None}, SMI, "Ascend310B4"),
        ({**PYACL, "get_soc_name": fail}, SMI, "Ascend310B4"),
        ({"get_soc_name": lambda: "Ascend310"}, SMI, "Ascend310B4"),  # not pyACL
        ({"ACL": object, "mdl": 1}, SMI, "Ascend310B4"),  # the registry's package of access control lists
        ({}, SMI, "Ascend310B4"),
        (None, SMI, "Ascend310B4"),
    ],
)
def test_the_chip_of_this_host(host, acl, npu_smi, name):
    host(acl, npu_smi)
    assert detect_soc_version() == name


@pytest.mark.parametrize(
    "npu_smi, status, words",
    [
        (None, 0, "no NPU is found .* must be given. Write Ascend and the Name"),
        ("no device", 0, "no NPU is found"),
        (SMI, 3, "no NPU is found"),
        (SMI + SECOND, 0, r"several kinds \(Ascend310B4, Ascend310P3\)"),
        (TABLE.format(id=0, name="Ascend910"), 0, r"Ascend910 alone: which 910 is it\?\. .*NPU Name"),
    ],
)
def test_a_chip_that_must_be_given(host, npu_smi, status, words):
    host(None, npu_smi, status)
    with pytest.raises(ConvertError, match=f"^soc_version: .*{words}"):
        detect_soc_version()


@pytest.mark.parametrize(
    "content, version",
    [
        ("# version: 1.0\nruntime_running_version=[7.6.0.1.220:8.0.0]\ntoolkit_upgrade_version=[1:9.9]\n", (8, 0)),
        ("toolkit_running_version=[7.5.0.1.129:8.1.RC1]\n", (8, 1)),
        ("toolkit_running_version=[1.84.15.1.310:6.0.1]\n", (6, 0)),
        ("toolkit_running_version=[1.77.22.6.220:5.0.4.alpha002]\n", (5, 0)),
        ("toolkit_running_version=[7.5.0:8.RC3]\n", (8, 3)),
        ("toolkit_running_version=[8.5.2]\n", (8, 5)),
        ("runtime_running_version=[9.0.0-beta.1]\n", (9, 0)),
        ("runtime_running_version=[8.2.RC1]\n", (8, 2)),
        ("runtime_running_version=[7.0.0:8.1.0-beta.2]\n", (8, 1)),
        ("runtime_running_version=[]\ncompiler_running_version=[8.5.0]\n", (8, 5)),
        ("runtime_running_version=[8.5.0\n", None),
        ("runtime_running_version=[1.83.T8.0.B128:CANN-1.83]\n", None),
        ("something else\n", None),
    ],
)
@pytest.mark.parametrize("layout", ["latest/bin", "8.0.0/x86_64-linux/bin"])
def test_version_of_cann(tmp_path, monkeypatch, content, version, layout):
    monkeypatch.delenv("ASCEND_TOOLKIT_HOME", raising=False)
    monkeypatch.delenv("ASCEND_HOME_PATH", raising=False)
    atc = tmp_path / layout / "atc"
    atc.parent.mkdir(parents=True)
    atc.touch()
    (tmp_path / layout.split("/")[0] / "version.cfg").write_text(content)
    assert cann_version(atc) == version


def test_version_of_cann_by_its_environment(tmp_path, monkeypatch):
    (tmp_path / "version.cfg").write_text("toolkit_running_version=[7.6.0.1.220:8.0.0]\n")
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(tmp_path))
    assert cann_version(tmp_path / "elsewhere" / "atc") == (8, 0)
    assert cann_version() == (8, 0)
    monkeypatch.setenv("ASCEND_TOOLKIT_HOME", str(tmp_path / "gone"))
    assert cann_version(tmp_path / "a" / "b" / "c" / "d" / "e" / "atc") is None
