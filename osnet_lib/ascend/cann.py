"""What CANN and the driver say about this host: the version of CANN, and the chip."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from ..core.files import read_text
from ..errors import ConvertError
from .acl import load_acl

SOC_VERSION = re.compile(r"Ascend\d{3}\w*", re.ASCII)
SOC_CURE = "Write Ascend and the Name in npu-smi info, such as Ascend310 or Ascend310P3."

_HOMES = ("ASCEND_TOOLKIT_HOME", "ASCEND_HOME_PATH")  # set by CANN's set_env.sh
_VERSION = re.compile(r"_running_version=\[[^:\]]*:(\d+)\.(\d+|RC\d+)", re.IGNORECASE)


def cann_version(atc: Path) -> tuple[int, int] | None:
    """Major and minor version of the CANN that an ATC belongs to; None where its ``version.cfg`` is not found.

    The file holds lines such as ``toolkit_running_version=[7.6.0.1.220:8.0.0]``; what is behind the colon counts.
    """
    homes = [Path(os.environ[name]) for name in _HOMES if os.environ.get(name)]
    for folder in [*list(atc.absolute().parents)[:4], *list(atc.resolve().parents)[:4], *homes]:
        try:
            found = _VERSION.search(read_text(folder / "version.cfg", errors="replace"))
        except OSError:
            continue
        if found:
            return int(found[1]), int(re.sub(r"\D", "", found[2]))
    return None


def detect_soc_version() -> str:
    """The soc_version of this host's NPU, from pyACL, else from ``npu-smi info``.

    Raises
    ------
    ConvertError
        No NPU, or chips of several kinds.
    """
    names = [name for name in [_acl_soc_name()] if name] or parse_npu_smi(_npu_smi())
    if len(names) == 1:
        return names[0]
    if names:
        raise ConvertError(
            f"this host has chips of several kinds ({', '.join(names)})",
            where="soc_version",
            cure="Give the one that will run the OM.",
        )
    raise ConvertError("no NPU is found on this host, so the chip must be given", where="soc_version", cure=SOC_CURE)


def parse_npu_smi(text: str) -> list[str]:
    """The distinct soc_versions in the Name column of ``npu-smi info``, in order.

    Each device has two rows, ``| 0  310P3 | OK | …`` and ``| 0  0 | 0000:86:00.0 | …``; the first names the chip.
    """
    devices = text.partition("Process id")[0]
    names = re.findall(r"^\s*\|\s*\d+\s+(?:Ascend)?(\d{3}\w*)\s*\|", devices, re.MULTILINE | re.ASCII)
    return [f"Ascend{name}" for name in dict.fromkeys(names)]


def _acl_soc_name() -> str | None:
    """From pyACL; None where there is none, whatever bears its name, or where no NPU answers."""
    try:
        name = load_acl().get_soc_name()
    except Exception:  # SessionError above all; a half-installed module raises anything
        return None
    return name if isinstance(name, str) and SOC_VERSION.fullmatch(name) else None


def _npu_smi() -> str:
    """Output of ``npu-smi info``; empty where it is missing or fails."""
    program = shutil.which("npu-smi")
    if program is None:
        return ""
    try:
        done = subprocess.run([program, "info"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace")
