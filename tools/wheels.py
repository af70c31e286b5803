"""Collect every wheel that a Linux host without network needs: the closure of requirements.txt and the package itself.

Run by ``make wheels``. pip takes the wheels of any host that it is told of, but decides for its own interpreter which
requirements apply (a marker such as ``platform_machine == "x86_64"``). So the closure is walked here, with the markers
of the target, and pip fetches without looking at dependencies.
"""

from __future__ import annotations

import argparse
import email
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name, parse_wheel_filename

ROOT = Path(__file__).resolve().parents[1]
PROJECT = ("osnet_lib", "pyproject.toml", "README.md", "LICENSE")  # what the package's own wheel is built from
ARCHES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "aarch64"}
# What a wheel may be built for: glibc 2.28, which torch wants, and every older one by its number or its old name.
GLIBC = (*(f"manylinux_2_{minor}" for minor in range(28, 16, -1)), "manylinux2014", "linux")
OLDER_GLIBC = (*(f"manylinux_2_{minor}" for minor in range(16, 4, -1)), "manylinux2010", "manylinux1")  # x86-64 only


class WheelError(Exception):
    """A wheel that is not to be had, or does not fit."""


@dataclass(frozen=True)
class Target:
    """A Linux host: its architecture as `uname -m` names it, and its Python version such as 3.11."""

    arch: str
    python: str

    def pip_options(self) -> list[str]:
        levels = (*GLIBC, *OLDER_GLIBC) if self.arch == "x86_64" else GLIBC
        platforms = [f"--platform={level}_{self.arch}" for level in levels]
        return [*platforms, f"--python-version={self.python}", "--implementation=cp", "--only-binary=:all:"]

    def wants(self, requirement: Requirement, extra: str = "") -> bool:
        """Whether the requirement holds there, for the first or the last patch release of its Python."""
        if requirement.marker is None:
            return True
        facts = {
            "implementation_name": "cpython", "platform_python_implementation": "CPython", "os_name": "posix",
            "sys_platform": "linux", "platform_system": "Linux", "platform_machine": self.arch,
            "platform_release": "", "platform_version": "", "python_version": self.python, "extra": extra,
        }  # fmt: skip
        full = [f"{self.python}.{patch}" for patch in (0, 99)]
        return any(
            requirement.marker.evaluate({**facts, "python_full_version": version, "implementation_version": version})
            for version in full
        )


def read_requirements(path: Path, target: Target) -> list[Requirement]:
    """The lines of a requirements or constraints file that hold for the target."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line]
    return [requirement for requirement in found if target.wants(requirement)]


def requires(wheel: Path) -> list[Requirement]:
    """What a wheel says that it requires."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name))
        metadata = email.message_from_bytes(archive.read(name))
    return [Requirement(line) for line in metadata.get_all("Requires-Dist", [])]


def pip(*arguments: object) -> str:
    """Run pip; return what it had to say against it, empty where it succeeded."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    errors = [line for line in done.stdout.splitlines() if line.startswith("ERROR")] or done.stdout.splitlines()[-1:]
    return "" if done.returncode == 0 else " ".join(errors) or f"exit code {done.returncode}"


def download(wanted: dict[str, str], target: Target, folder: Path) -> dict[str, Path]:
    """Bring wheels, given as requirements by package, into the folder, without dependencies; their paths by package."""
    options = ["--no-deps", "--quiet", "--progress-bar=off", f"--find-links={folder}"]
    wanted, found = dict(wanted), {}
    with tempfile.TemporaryDirectory(dir=folder) as fresh:
        fetch = ("download", *options, "--dest", fresh, *target.pip_options())
        while wanted and (problem := pip(*fetch, *wanted.values())):
            absent = re.search(r"No matching distribution found for ([\w.-]+)", problem)
            name = canonicalize_name(absent[1]) if absent else ""
            # no wheel for that host: one of pure Python can be built here from its source
            build = ("wheel", *options, f"--no-binary={name}", "--wheel-dir", fresh)
            if name not in wanted or pip(*build, wanted.pop(name)):
                raise WheelError(problem)
        for wheel in sorted(Path(fresh).glob("*.whl")):
            name, _, _, tags = parse_wheel_filename(wheel.name)
            if not any(tag.platform == "any" or tag.platform.endswith(target.arch) for tag in tags):
                raise WheelError(f"{name} has no wheel, and its source builds only for this machine ({wheel.name})")
            found[name] = wheel.replace(folder / wheel.name)
    return found


def collect(requirements: list[Requirement], pins: list[Requirement], target: Target, folder: Path) -> dict[str, Path]:
    """The wheels of all that the requirements need, directly or not, by package."""
    specifiers = defaultdict(SpecifierSet, {canonicalize_name(pin.name): pin.specifier for pin in pins})
    found: dict[str, Path] = {}
    seen = defaultdict(set)  # the extras that were asked of a package; "" is the package alone
    while requirements:
        asked = defaultdict(set)
        for requirement in requirements:
            name = canonicalize_name(requirement.name)
            specifiers[name] &= requirement.specifier
            asked[name] |= {"", *requirement.extras} - seen[name]
            seen[name] |= asked[name]
        missing = {name: f"{name}{specifiers[name]}" for name in asked if name not in found}
        found |= download(missing, target, folder)
        print(f"{len(found)} wheels", flush=True)
        requirements = [
            requirement
            for name, extras in asked.items()
            for extra in extras
            for requirement in requires(found[name])
            if target.wants(requirement, extra)
        ]
    for name, wheel in found.items():
        version = parse_wheel_filename(wheel.name)[1]
        if not specifiers[name].contains(version, prereleases=True):
            raise WheelError(f"{name} {version} does not fit what others require: {specifiers[name]}")
    return found


def collect_optional(
    requirements: list[Requirement], pins: list[Requirement], target: Target, folder: Path
) -> dict[str, Path]:
    """`collect` for each alone; one that has no wheel for the target is told and left out."""
    found: dict[str, Path] = {}
    for requirement in requirements:
        try:
            found |= collect([requirement], pins, target, folder)
        except WheelError as error:
            print(f"without {requirement.name}, which is optional: {error}", flush=True)
    return found


def build_project(folder: Path) -> Path:
    """Build the package's own wheel, in a copy, so that nothing of an earlier build gets into it."""
    with tempfile.TemporaryDirectory(dir=folder) as made, tempfile.TemporaryDirectory() as copy:
        for name in PROJECT:
            if (ROOT / name).is_dir():
                shutil.copytree(ROOT / name, Path(copy) / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / name, copy)
        if problem := pip("wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", made, copy):
            raise WheelError(f"the package itself: {problem}")
        (wheel,) = Path(made).glob("*.whl")
        return wheel.replace(folder / wheel.name)


def main() -> None:
    """Collect the wheels that the command line asks for."""
    parser = argparse.ArgumentParser(description="Collect every wheel that a Linux host without network needs.")
    parser.add_argument("--arch", help="x86_64 or aarch64 (default: of this machine)")
    parser.add_argument("--python", help="Python version of that host, such as 3.11 (default: of this interpreter)")
    parser.add_argument("--constraints", type=Path, default=ROOT / "constraints.txt")
    parser.add_argument("--folder", type=Path, default=ROOT / "wheels")
    options = parser.parse_args()
    arch = ARCHES.get((options.arch or platform.machine()).lower())
    python = options.python or "{}.{}".format(*sys.version_info)
    if arch is None or not re.fullmatch(r"3\.\d+", python):
        parser.error("give --arch x86_64 or aarch64, and --python as in 3.11")
    target = Target(arch, python)
    options.folder.mkdir(parents=True, exist_ok=True)
    try:
        pins = read_requirements(options.constraints, target)
        found = collect(read_requirements(ROOT / "requirements.txt", target), pins, target, options.folder)
        found |= collect_optional(
            read_requirements(ROOT / "requirements-optional.txt", target), pins, target, options.folder
        )
        own = build_project(options.folder)
    except WheelError as error:
        sys.exit(f"error: {error}")
    size = sum(path.stat().st_size for path in (*found.values(), own))
    print(f"{len(found) + 1} wheels, {size / 1e6:,.0f} MB, for Linux {arch} with Python {python} in {options.folder}")


if __name__ == "__main__":
    main()
