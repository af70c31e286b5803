"""What a host must have for an NPU, line by line: driver, devices, permissions, CANN, ATC and the Python it finds."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from ..core.files import read_text
from .atc_errors import atc_error
from .atc_python import atc_environment, find_atc_python, lists_are_known
from .cann import cann_homes, cann_version, find_atc, npu_devices, npu_smi
from .run_program import run_program

GOOD, BAD, UNKNOWN = "good", "bad", "unknown"
INSTALL = "usr/local/Ascend"  # below the root, unless /etc/ascend_install.info names another folder
SET_ENVS = ("cann/set_env.sh", "ascend-toolkit/set_env.sh", "nnrt/set_env.sh")  # from 8.5, to 8.3, run-only hosts
_SHARED_FILES = ("davinci_manager", "devmm_svm", "hisi_hdc")
_CONTAINER = "In a container, pass /dev/davinci0 and so on, and the driver's folder, from the host."


@dataclass(frozen=True)
class Check:
    """One line of the doctor's screen.

    Attributes
    ----------
    name : str
        What was looked at.
    state : {"good", "bad", "unknown"}
    found : str
        What is there, in words.
    cure : str
        What to do; empty where all is good.
    """

    name: str
    state: str
    found: str
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.state:8} {self.name:14} {self.found}{f'. {self.cure}' if self.cure else ''}"


def check_driver(root: Path) -> Check:
    """The driver by its version file, which every installation leaves."""
    folder = _install_folder(root) / "driver"
    if not folder.is_dir():
        cure = f"Install Huawei's driver and firmware of the board; a host that only converts needs none. {_CONTAINER}"
        return Check("driver", BAD, f"no driver in {folder}", cure)
    found = re.search(r"^\s*Version\s*=\s*\[?([\w.+-]+)", _read(folder / "version.info"), re.MULTILINE | re.IGNORECASE)
    if not found:
        return Check(
            "driver", UNKNOWN, f"{folder} has no version.info that tells a version", "npu-smi info may tell it."
        )
    return Check("driver", GOOD, f"{found[1]} in {folder}")


def check_devices(root: Path) -> Check:
    """The devices of ``npu-smi info`` and their health."""
    files = _device_files(root)
    if shutil.which("npu-smi") is None:
        if files:
            cure = "Put it on PATH; it comes with the driver, as a rule in /usr/local/sbin."
            return Check("devices", UNKNOWN, f"/dev has {', '.join(f.name for f in files)}, but no npu-smi tells", cure)
        return Check(
            "devices", BAD, "no npu-smi, and no davinci device in /dev", f"Install the driver first. {_CONTAINER}"
        )
    text = npu_smi()
    devices = npu_devices(text)
    if not devices:
        said = " ".join(text.split())[:120].rstrip(". ")
        cure = f"Look at lspci and dmesg: the board, its driver and its firmware must fit. {_CONTAINER}"
        return Check("devices", BAD, f"npu-smi shows none{f' ({said})' if said and '+--' not in said else ''}", cure)
    words = ", ".join(f"{number} x {name}" for name, number in Counter(name for name, _ in devices).items())
    ill = sorted({health for _, health in devices} - {"OK"})
    if ill:
        state = UNKNOWN if ill == ["Warning"] else BAD
        cure = "npu-smi info -t health -i 0 tells why; restart the host, and see the board's manual."
        return Check("devices", state, f"{words}; health {', '.join(ill)}", cure)
    return Check("devices", GOOD, f"{words}; health OK")


def check_permissions(root: Path) -> Check:
    """Whether this user may open the devices."""
    devices, shared = _device_files(root), [root / "dev" / name for name in _SHARED_FILES]
    if not devices:
        return Check("permissions", UNKNOWN, "no device in /dev to try", "See the lines above.")
    closed = [file for file in [*devices, *shared] if file.exists() and not os.access(file, os.R_OK | os.W_OK)]
    if closed:
        cure = f'Join the group of the driver: sudo usermod -aG {_group(closed[0])} "$USER", then log in again.'
        return Check("permissions", BAD, f"may not open {', '.join(file.name for file in closed)} in /dev", cure)
    if absent := [file.name for file in shared if not file.exists()]:
        cure = f"Some boards need none of them. {_CONTAINER}"
        return Check("permissions", UNKNOWN, f"devices open, but /dev has no {', '.join(absent)}", cure)
    return Check("permissions", GOOD, f"may open {', '.join(file.name for file in devices)}")


def check_cann(root: Path, home: Path) -> Check:
    """The CANN whose environment is sourced."""
    homes = cann_homes()
    places = [folder / name for folder in (root / INSTALL, home / "Ascend") for name in SET_ENVS]
    there = next((place for place in places if place.is_file()), None)
    source = f"source {there}" if there else "Install CANN's toolkit (nnrt for a host that only runs OMs)."
    if not homes:
        found = f"its environment is not sourced; it lies in {there.parent}" if there else "no CANN is found"
        return Check("CANN", BAD, found, source)
    if not homes[0].is_dir():
        return Check("CANN", BAD, f"its environment names {homes[0]}, which is no folder", source)
    version = cann_version()
    if version is None:
        cure = "Look for the version in the folder; what it serves cannot be judged here."
        return Check("CANN", UNKNOWN, f"{homes[0]} has no version.cfg that tells a version", cure)
    return Check("CANN", GOOD, f"{version[0]}.{version[1]} in {homes[0]}")


def check_atc() -> Check:
    """Whether ATC is there and starts, in the environment that it gets."""
    atc = find_atc()
    if atc is None:
        cure = "Source the set_env.sh of a toolkit, or make the OMs on a host that has one."
        return Check("ATC", BAD, "no atc on PATH, so no OM can be made here", cure)
    try:
        with tempfile.TemporaryDirectory() as folder:
            run = run_program(
                (str(atc.absolute()), "--help"),
                folder=Path(folder),
                timeout=60,
                on_line=lambda line: None,
                environ=atc_environment(),
            )
    except TimeoutError:
        return Check("ATC", UNKNOWN, f"{atc} did not answer --help in a minute", "Try it by hand, on an idle host.")
    except OSError as error:
        return Check("ATC", BAD, f"{atc} cannot be started ({error.strerror})", "Install CANN's toolkit again.")
    if run.status:
        failed = atc_error(run, None)
        return Check("ATC", BAD, f"{atc}: {failed.what}", failed.cure or "")
    return Check("ATC", GOOD, str(atc))


def check_atc_python() -> Check:
    """The Python of ATC's operator compiler: version, numpy and packages."""
    atc = find_atc()
    cann, python = cann_version(atc), find_atc_python()
    if python is None:
        return Check(
            "ATC's Python", BAD, "no python3 on PATH outside .venv", "Install one that CANN lists, with its packages."
        )
    if faults := python.faults(cann):
        return Check("ATC's Python", BAD, f"{python} {'; '.join(faults)}", python.cure())
    if doubts := python.unlisted(cann):
        return Check("ATC's Python", UNKNOWN, f"{python} {'; '.join(doubts)}", python.cure())
    if not lists_are_known(cann):
        name = f"of CANN {cann[0]}.{cann[1]}" if cann else "without a CANN of known version"
        cure = "Compare it with the page of your CANN on its installation."
        return Check("ATC's Python", UNKNOWN, f"{python} has all packages; the list {name} is not known here", cure)
    return Check("ATC's Python", GOOD, f"{python} has all packages")


def _install_folder(root: Path) -> Path:
    named = re.search(r"^Driver_Install_Path_Param=(.+)$", _read(root / "etc" / "ascend_install.info"), re.MULTILINE)
    return root / (named[1].strip().lstrip("/") if named else INSTALL)


def _device_files(root: Path) -> list[Path]:
    files = (root / "dev").glob("davinci*")
    return sorted((file for file in files if re.fullmatch(r"davinci\d+", file.name)), key=lambda f: int(f.name[7:]))


def _group(file: Path) -> str:
    try:
        return file.group()
    except (OSError, KeyError):
        return "HwHiAiUser"


def _read(path: Path) -> str:
    try:
        return read_text(path, errors="replace")
    except OSError:
        return ""
