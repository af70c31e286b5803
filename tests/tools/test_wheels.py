"""tools/wheels.py: the closure is that of the target, not of this interpreter; pip takes wheels made here."""

from __future__ import annotations

import importlib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture
def wheels(monkeypatch):
    monkeypatch.syspath_prepend(TOOLS)
    return importlib.import_module("wheels")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A function that makes a wheel; pip sees these alone."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))

    def make(name: str, version: str = "1.0", tag: str = "py3-none-any", requires: tuple[str, ...] = ()) -> None:
        head = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        metadata = head + "".join(f"Requires-Dist: {line}\n" for line in requires)
        with zipfile.ZipFile(folder / f"{name}-{version}-{tag}.whl", "w") as archive:
            archive.writestr(f"{name}-{version}.dist-info/METADATA", metadata)
            archive.writestr(f"{name}-{version}.dist-info/WHEEL", f"Wheel-Version: 1.0\nTag: {tag}\n")
            archive.writestr(f"{name}-{version}.dist-info/RECORD", "")

    return make


@pytest.mark.parametrize("marker, arch, python, wanted", [
    ("platform_machine == 'x86_64'", "x86_64", "3.11", True),
    ("platform_machine == 'x86_64'", "aarch64", "3.11", False),
    ("python_version < '3.11'", "aarch64", "3.10", True),
    ("python_version < '3.11'", "aarch64", "3.12", False),
    ("python_full_version < '3.11.3'", "x86_64", "3.11", True),  # true of 3.11.0, which that host may have
    ("python_full_version >= '3.11.3'", "x86_64", "3.11", True),
    ("sys_platform == 'win32'", "x86_64", "3.11", False),
    ("extra == 'test'", "x86_64", "3.11", False),
])  # fmt: skip
def test_markers_are_those_of_the_target(wheels, marker, arch, python, wanted):
    assert wheels.Target(arch, python).wants(Requirement(f"a; {marker}")) is wanted


def test_follows_requirements_extras_and_pins(wheels, index, tmp_path):
    index("first", requires=("second[more]>=1", 'gpu; platform_machine == "x86_64"', 'old; python_version < "3.11"'))
    index("second", "1.0", requires=('third; extra == "more"', 'never; extra == "other"'))
    index("second", "2.0")
    index("third", tag="cp311-cp311-manylinux_2_17_aarch64")
    index("third", tag="cp311-cp311-manylinux_2_17_x86_64")
    index("third", tag="cp312-cp312-manylinux_2_17_aarch64")
    folder = tmp_path / "wheels"
    folder.mkdir()
    target = wheels.Target("aarch64", "3.11")
    for _ in range(2):  # the second time from the folder itself
        found = wheels.collect([Requirement("first")], [Requirement("second==1.0")], target, folder)
        assert found.keys() == {"first", "second", "third"}
        assert sorted(path.name for path in folder.iterdir()) == [
            "first-1.0-py3-none-any.whl",
            "second-1.0-py3-none-any.whl",
            "third-1.0-cp311-cp311-manylinux_2_17_aarch64.whl",
        ]


def test_refuses_what_has_no_wheel_or_does_not_fit(wheels, index, tmp_path):
    index("first", requires=("second<2",))
    index("second", "1.0")
    index("second", "2.0")
    target = wheels.Target("x86_64", "3.11")
    with pytest.raises(wheels.WheelError, match="No matching distribution found for absent"):
        wheels.collect([Requirement("absent")], [], target, tmp_path)
    with pytest.raises(wheels.WheelError, match="second 2.0 does not fit what others require: <2"):
        wheels.collect([Requirement("second"), Requirement("first")], [], target, tmp_path)


def test_an_optional_one_without_a_wheel_stops_nothing(wheels, index, tmp_path, capsys):
    index("first", requires=("second",))
    index("second")
    index("other", tag="cp311-cp311-manylinux_2_35_aarch64")
    target = wheels.Target("aarch64", "3.11")  # whose glibc is 2.28
    wanted = [Requirement("other"), Requirement("first")]
    found = wheels.collect_optional(wanted, [], target, tmp_path)
    assert set(found) == {"first", "second"}
    assert capsys.readouterr().out.startswith("without other, which is optional: ")
