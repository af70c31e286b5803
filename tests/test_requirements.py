"""The files that name versions agree with each other."""

from __future__ import annotations

from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


def read(name: str, python: str) -> dict[str, Requirement]:
    """The lines of a requirements file that hold for a Python version, by package."""
    lines = [line.partition("#")[0].strip() for line in (ROOT / name).read_text("utf-8").splitlines()]
    found = [Requirement(line) for line in lines if line]
    found = [r for r in found if r.marker is None or r.marker.evaluate({"python_version": python})]
    by_name = {canonicalize_name(r.name): r for r in found}
    assert len(by_name) == len(found), "a package stands there twice"
    return by_name


def pins(name: str, python: str) -> dict[str, str]:
    return {package: str(requirement.specifier) for package, requirement in read(name, python).items()}


@pytest.mark.parametrize("python", PYTHONS)
def test_direct_requirements_have_the_pins_of_the_closure(python):
    closure = pins("constraints.txt", python)
    for package, specifier in pins("requirements.txt", python).items():
        assert package in closure and specifier in ("", closure[package]), package


@pytest.mark.parametrize("python", PYTHONS)
def test_optional_requirements_are_extras_with_the_pins_of_the_closure(python):
    closure = pins("constraints.txt", python)
    optional = pins("requirements-optional.txt", python)
    assert {"openvino", "ray"} <= optional.keys() and not optional.keys() & pins("requirements.txt", python).keys()
    for package, specifier in optional.items():
        assert closure[package] == specifier
        assert f'\n    "{package}>=' in (ROOT / "pyproject.toml").read_text("utf-8")


@pytest.mark.parametrize("python", PYTHONS)
def test_only_numpy_and_ml_dtypes_differ_with_numpy_1(python):
    usual, other = pins("constraints.txt", python), pins("constraints-numpy1.txt", python)
    assert usual.keys() == other.keys()
    assert {name for name in usual if usual[name] != other[name]} == {"numpy", "ml-dtypes"}
    assert other["numpy"].startswith("==1.26.") and pins("requirements.txt", python)["numpy"] == ""


@pytest.mark.parametrize("constraints", ["constraints.txt", "constraints-numpy1.txt"])
@pytest.mark.parametrize("python", PYTHONS)
def test_every_pin_lies_in_the_range_of_the_package(python, constraints):
    # tomllib came with Python 3.11; the arrays of pyproject.toml hold one quoted requirement a line
    lines = (ROOT / "pyproject.toml").read_text("utf-8").partition("[project.scripts]")[0].splitlines()
    quoted = [line.strip().strip('",') for line in lines if line.startswith('    "') and "::" not in line]
    ranges = [Requirement(line) for line in quoted]
    ranges = [r for r in ranges if r.name != "osnet-ascend-study"]  # an extra that takes in others
    closure = pins(constraints, python)
    assert len(ranges) > 10
    for requirement in ranges:
        version = closure[canonicalize_name(requirement.name)].removeprefix("==")
        assert requirement.specifier.contains(version), requirement
