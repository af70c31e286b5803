"""The doctor: whether this host can do what a backend needs, each line good, bad or unknown, with its cure."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..ascend.acl import count_devices, load_acl
from ..ascend.atc_python import ask_python, lists_are_known
from ..ascend.cann import cann_homes, cann_version, find_atc
from ..ascend.checkup import (
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
from ..core.host import package_versions, usable_cores
from ..core.imports import install_command
from ..errors import SessionError, first_line
from ..version import __version__
from .openvino import CAPABILITIES

_NPU = ("driver", "devices", "permissions", "CANN")
# The lines that must not be bad for a backend; without ATC an NPU still runs OMs that were made elsewhere.
NEEDS = {
    "ascend": (*_NPU, "acl"),
    "cann": (*_NPU, "onnxruntime", "CANN provider"),
    "onnxruntime": ("Python", "onnxruntime", "disk"),
    "openvino": ("Python", "openvino", "disk"),
    "torch": ("Python", "torch", "disk"),
    "torch_npu": (*_NPU, "torch", "torch_npu"),
}
_RUNTIMES = ("onnxruntime", "onnxruntime-gpu", "onnxruntime-cann", "onnxruntime-openvino", "onnxruntime-directml")
_PLENTY, _LITTLE = 5e9, 1e9  # bytes: weights, models, features and a book of Market-1501 leave room in 5 GB


def examine(root: Path = Path("/"), home: Path | None = None, workspace: Path | None = None) -> list[Check]:
    """Look at everything, in the order in which one thing needs the other.

    Parameters
    ----------
    root : Path
        Where ``/dev``, ``/etc`` and ``/usr/local/Ascend`` are looked for.
    home, workspace : Path, optional
        Folders whose disk must have room; home also may hold a CANN of the user's own.

    Notes
    -----
    Nothing here raises: what cannot be found out is a line of its own.
    """
    home = home or Path.home()
    looks: list[Callable[[], Check]] = [
        lambda: check_driver(root),
        lambda: check_devices(root),
        lambda: check_permissions(root),
        lambda: check_cann(root, home),
        check_acl,
        check_python,
        check_atc,
        check_atc_python,
        check_onnxruntime,
        check_cann_provider,
        check_openvino,
        check_torch,
        check_torch_npu,
        lambda: check_disk([workspace or Path.cwd(), home, Path(tempfile.gettempdir())]),
    ]
    return [look() for look in looks]


def failing(checks: Sequence[Check], backend: str) -> list[str]:
    """The lines that keep a backend of `NEEDS` from working."""
    return [check.name for check in checks if check.name in NEEDS[backend] and check.state == BAD]


def screen(checks: Sequence[Check]) -> str:
    """All lines, and what can work here."""
    head = f"osnet {__version__} on {platform.system()} {platform.machine()}, {usable_cores()} cores"
    able = [backend for backend in NEEDS if not failing(checks, backend)]
    unable = [f"{backend} ({', '.join(failing(checks, backend))})" for backend in NEEDS if failing(checks, backend)]
    return "\n".join(
        [
            head,
            *map(str, checks),
            f"nothing keeps these from working: {', '.join(able) or 'none'}",
            f"cannot work: {', '.join(unable) or 'none'}",
        ]
    )


def require_backend(checks: Sequence[Check], backend: str) -> None:
    """Refuse a backend that cannot work here.

    Raises
    ------
    SessionError
        A line that it needs is bad; for ``"auto"``, of every backend.
    """
    asked = list(NEEDS) if backend == "auto" else [backend]
    if all(failing(checks, one) for one in asked):
        lines = dict.fromkeys(name for one in asked for name in failing(checks, one))
        raise SessionError(f"cannot work here: {', '.join(lines)}", where=backend, cure="Cure the lines marked bad.")


def check_acl() -> Check:
    """The module of pyACL, and whether it sees a device."""
    try:
        acl = load_acl()
    except SessionError as error:
        return Check("acl", BAD, error.what, error.cure or "")
    place = getattr(acl, "__file__", None) or "a place that it does not tell"
    devices = count_devices()
    if not devices:
        return Check("acl", BAD, f"pyACL loads from {place}, but sees no device", "See the lines above.")
    return Check("acl", GOOD, f"pyACL from {place} sees {devices} device{'s'[: devices > 1]}")


def check_python() -> Check:
    """Our own Python and numpy, against what CANN lists."""
    ours, cann = ask_python(sys.executable, os.environ), cann_version(find_atc())
    if ours is None or ours.numpy is None:
        found = f"{ours or sys.executable}: it has no numpy that can be imported"
        return Check("Python", BAD, found, "Make the environment again: remove .venv, then make book.")
    doubts = ours.unlisted(cann)
    if cann_homes() and not lists_are_known(cann):
        name = f"CANN {cann[0]}.{cann[1]}" if cann else "this CANN"
        doubts = [f"cannot be compared, for what {name} lists is not known here"]
    if doubts:
        cure = (
            "Inferred to be harmless, for the study passes bytes and no arrays to pyACL; where acl does not load, take "
            "PYTHON=python3.11 and CONSTRAINTS=constraints-numpy1.txt with make."
        )
        return Check("Python", UNKNOWN, f"{ours} {'; '.join(doubts)}", cure)
    return Check("Python", GOOD, f"{ours}{'' if cann_homes() else ', and no CANN to compare with'}")


def _providers() -> tuple[list[str], str]:
    """ONNX Runtime's providers, or none and why."""
    try:
        import onnxruntime

        return list(onnxruntime.get_available_providers()), ""
    except Exception as error:  # a library that is missing or of another processor may raise anything
        return [], f"{type(error).__name__}: {first_line(error)}"


def check_onnxruntime() -> Check:
    """ONNX Runtime: one package, and its providers."""
    providers, why = _providers()
    installed = package_versions(_RUNTIMES)
    if why:
        return Check("onnxruntime", BAD, f"does not load ({why})", "Install one of its packages: onnxruntime.")
    names = ", ".join(f"{name} {version}" for name, version in installed.items())
    if len(installed) > 1:
        cure = "They share one import name: uninstall all of them, then install the one wanted."
        return Check("onnxruntime", UNKNOWN, f"{names} are installed, and which one loads is chance", cure)
    return Check("onnxruntime", GOOD, f"{names or 'of no package that pip knows'}: {', '.join(providers)}")


def check_cann_provider() -> Check:
    """ONNX Runtime's own way onto the NPU, which needs no ATC."""
    name, (providers, why) = "CANNExecutionProvider", _providers()
    if why:
        return Check("CANN provider", UNKNOWN, "onnxruntime does not load", "See the line above.")
    if name not in providers:
        cure = (
            "Only for ONNX Runtime on the NPU: onnxruntime-cann in place of onnxruntime, in an environment of its own."
        )
        return Check("CANN provider", BAD, "this onnxruntime has none", cure)
    if not cann_homes():
        cure = "Source CANN's set_env.sh: without it a session runs on the CPU and only prints that."
        return Check("CANN provider", BAD, "listed, as it always is, but no CANN is sourced", cure)
    return Check("CANN provider", GOOD, "listed, and CANN is sourced; whether it starts, a session shows")


def check_openvino() -> Check:
    """OpenVINO, and what it computes in on this CPU."""
    found = package_versions(["openvino"])
    if "openvino" not in found:
        cure = f"It is optional: {install_command('openvino')}; no wheel for glibc before 2.28, on Arm before 2.35."
        return Check("openvino", BAD, "not installed", cure)
    try:
        import openvino

        has = openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    except Exception as error:  # a library that is missing or of another processor may raise anything
        why = f"does not load ({type(error).__name__}: {first_line(error)})"
        return Check("openvino", BAD, why, f"Install it again: {install_command('openvino')}.")
    known = [name for name, capability in CAPABILITIES.items() if capability in has]
    return Check("openvino", GOOD, f"{found['openvino']}, on this CPU in {', '.join(known)}")


def check_torch() -> Check:
    """PyTorch, by its package: importing it takes seconds."""
    found = package_versions(["torch", "torch-npu"])
    if "torch" not in found:
        return Check("torch", BAD, "not installed", "Make the environment again: remove .venv, then make book.")
    if "torch-npu" in found and not cann_homes():
        cure = "Source CANN's set_env.sh, or set TORCH_DEVICE_BACKEND_AUTOLOAD=0."
        return Check("torch", UNKNOWN, f"{found['torch']}; torch_npu without CANN breaks its import", cure)
    return Check("torch", GOOD, found["torch"])


def check_torch_npu() -> Check:
    """PyTorch's plug-in for the NPU, which must be of torch's own version."""
    found = package_versions(["torch", "torch-npu"])
    if "torch-npu" not in found:
        return Check("torch_npu", BAD, "not installed", "Only for torch on the NPU: torch-npu of torch's version.")
    ours, theirs = found.get("torch"), found["torch-npu"]
    if ours is None:
        return Check("torch_npu", UNKNOWN, f"{theirs}, and no torch to compare with", "See the line above.")
    if _release(ours) != _release(theirs):
        return Check("torch_npu", BAD, f"{theirs} with torch {ours}", f"Install torch-npu=={_release(ours)}.")
    if not cann_homes():
        return Check("torch_npu", BAD, f"{theirs}, and no CANN is sourced", "Source CANN's set_env.sh.")
    return Check("torch_npu", GOOD, f"{theirs} with torch {ours}")


def _release(version: str) -> str:
    return ".".join(version.split("+")[0].split(".")[:3])


def check_disk(folders: Sequence[Path]) -> Check:
    """The least room among the folders that are written to."""
    try:
        free = {folder: shutil.disk_usage(folder).free for folder in folders}
    except OSError as error:
        return Check("disk", UNKNOWN, f"{error.filename}: {error.strerror}", "Choose a workspace that exists.")
    least = min(free, key=lambda folder: free[folder])
    found = f"{free[least] / 1e9:.1f} GB free in {least}"
    if free[least] < _LITTLE:
        return Check("disk", BAD, found, "Free 1 GB at least; a study of Market-1501 wants 5.")
    if free[least] < _PLENTY:
        return Check("disk", UNKNOWN, f"{found}, which may do", "A study of Market-1501 wants 5 GB.")
    return Check("disk", GOOD, found)
