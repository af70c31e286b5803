"""What CANN and the driver say about this host: where ATC is, the version of CANN, and the chip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ..core.files import read_text
from ..errors import ConvertError
from .acl import load_acl

SOC_VERSION = re.compile(r"Ascend\d{3}\w*(?:-\d+)?", re.ASCII)
SOC_CURE = "Write Ascend and the Name in npu-smi info, such as Ascend310, Ascend310P3 or Ascend910B4-1."
BARE_910 = "Ascend910"  # what A3 boards, and many others, call themselves; ATC wants to know which
BARE_910_CURE = (
    "On the host with the NPU, npu-smi info -t board -i 0 -c 0 shows Chip Name and NPU Name: write the two joined "
    "by an underscore, such as Ascend910_9391; older boards are Ascend910A, Ascend910ProB or Ascend910B4."
)

_HOMES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")  # set by CANN's set_env.sh
# With a colon what is behind it counts; without one the whole is the version.
_VERSION = re.compile(r"_running_version=\[(?:[^:\]]*:(\d+)\.(\d+|RC\d+)|(\d+)\.(\d+|RC\d+)[^:\]]*\])", re.IGNORECASE)


def find_atc() -> Path | None:
    """Where ATC is on this machine; None without CANN."""
    found = shutil.which("atc")
    return Path(found) if found else None


def cann_homes() -> list[Path]:
    """The folders that CANN's environment names; none where its set_env.sh was not sourced."""
    return list(dict.fromkeys(Path(os.environ[name]) for name in _HOMES if os.environ.get(name)))


def cann_version(atc: Path | None = None) -> tuple[int, int] | None:
    """Major and minor version of the CANN that an ATC belongs to, else of the one whose environment is sourced.

    Its ``version.cfg`` holds lines such as ``toolkit_running_version=[7.6.0.1.220:8.0.0]`` or ``=[8.5.2]``. None where
    there is no such file.
    """
    folders = [*list(atc.absolute().parents)[:4], *list(atc.resolve().parents)[:4]] if atc else []
    for folder in [*folders, *cann_homes()]:
        try:
            found = _VERSION.search(read_text(folder / "version.cfg", errors="replace"))
        except OSError:
            continue
        if found:
            major, minor = found[1] or found[3], found[2] or found[4]
            return int(major), int(re.sub(r"\D", "", minor))
    return None


def require_soc_version(name: str) -> str:
    """The chip's name, as ATC takes it.

    Raises
    ------
    ConvertError
        No such form; or ``Ascend910`` alone, which leaves open which of many chips it is.
    """
    if name == BARE_910:
        raise ConvertError("Ascend910 alone: which 910 is it?", where="soc_version", cure=BARE_910_CURE)
    if not SOC_VERSION.fullmatch(str(name)):
        raise ConvertError(f"{name!r} is no soc_version", where="soc_version", cure=SOC_CURE)
    return name


def soc_versions() -> list[str]:
    """The chips of this host by their own names, from pyACL, else from ``npu-smi info``; none without an NPU."""
    return [name for name in [_acl_soc_name()] if name] or parse_npu_smi(npu_smi())


def detect_soc_version() -> str:
    """The soc_version of this host's NPU, from pyACL, else from ``npu-smi info``.

    Raises
    ------
    ConvertError
        No NPU, chips of several kinds, or one that calls itself ``Ascend910`` only.
    """
    names = soc_versions()
    if len(names) == 1:
        return require_soc_version(names[0])
    if names:
        raise ConvertError(
            f"this host has chips of several kinds ({', '.join(names)})",
            where="soc_version",
            cure="Give the one that will run the OM.",
        )
    raise ConvertError("no NPU is found on this host, so the chip must be given", where="soc_version", cure=SOC_CURE)


def parse_npu_smi(text: str) -> list[str]:
    """The distinct soc_versions in the Name column of ``npu-smi info``, in order."""
    return list(dict.fromkeys(name for name, _ in npu_devices(text)))


def npu_devices(text: str) -> list[tuple[str, str]]:
    """The soc_version and the health of each device in ``npu-smi info``.

    Each device has two rows, ``| 0  310P3 | OK | …`` and ``| 0  0 | 0000:86:00.0 | …``; the first names the chip.
    """
    devices = text.partition("Process id")[0]
    rows = re.findall(
        r"^\s*\|\s*\d+\s+(?:Ascend)?(\d{3}\w*(?:-\d+)?)\s*\|\s*(\S*)[^|\n]*\|", devices, re.MULTILINE | re.ASCII
    )
    return [(f"Ascend{name}", health) for name, health in rows]


def _acl_soc_name() -> str | None:
    """From pyACL; None where there is none, whatever bears its name, or where no NPU answers."""
    try:
        name = load_acl().get_soc_name()
    except Exception:  # SessionError above all; a half-installed module raises anything
        return None
    return name if isinstance(name, str) and SOC_VERSION.fullmatch(name) else None


def npu_smi() -> str:
    """Output of ``npu-smi info``; where it fails, what it said about that; empty where it is missing or silent."""
    program = shutil.which("npu-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run([program, "info"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.SubprocessError):
        return ""
    printed, complaint = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
    if done.returncode == 0:
        return printed
    return (complaint.strip() or printed.strip()).splitlines()[-1] if complaint.strip() or printed.strip() else ""
