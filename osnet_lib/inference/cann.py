"""ONNX Runtime's CANN provider behind a session: an ONNX on an Ascend NPU, without ATC."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from ..ascend.acl import count_devices
from ..errors import SessionError, first_line
from .engine import no_device
from .onnxruntime import OnnxRuntimeEngine

PROVIDER = "CANNExecutionProvider"
CANN_OPTIONS = (  # of the provider, beside device_id
    "npu_mem_limit",
    "arena_extend_strategy",
    "enable_cann_graph",
    "enable_cann_subgraph",
    "dump_graphs",
    "dump_om_model",
    "precision_mode",
    "op_select_impl_mode",
    "optypelist_for_implmode",
)
_WHEEL = "pip uninstall -y onnxruntime onnxruntime-cann, then pip install onnxruntime-cann"
_SOURCE = (
    "Source set_env.sh of the CANN that the wheel was built for, and look at npu-smi info; or take backend ascend."
)


class CannEngine(OnnxRuntimeEngine):
    """An ONNX on one Ascend device; what the provider does not know it leaves to the CPU, and does not say so.

    Parameters
    ----------
    options : mapping, optional
        Of the provider, see `CANN_OPTIONS`.

    Raises
    ------
    SessionError
        An ONNX Runtime without this provider; one whose provider does not start, or is not the first to get the
        network: it would run on the CPU. No such device.
    """

    def __init__(self, model: Path, device: int, threads: int, options: Mapping[str, Any] | None = None):
        self._options = dict(options or {})
        super().__init__(model, device, threads)

    def _start(self, settings: Any, device: int) -> Any:
        import onnxruntime

        if PROVIDER not in onnxruntime.get_available_providers():
            raise self._refusal(f"the ONNX Runtime that is installed ({_wheels()}) has no CANN provider", f"{_WHEEL}.")
        if missing := _missing_library(Path(onnxruntime.__file__)):
            raise self._refusal(f"ONNX Runtime's CANN provider does not load ({missing})", _SOURCE)
        devices = count_devices()  # 0 where pyACL is not there to tell
        if devices and device >= devices:
            raise no_device(device, "cann", devices)
        # Without this every model leaves an OM in the working folder.
        options = {"dump_om_model": 0, **self._options, "device_id": device}
        try:
            network = onnxruntime.InferenceSession(
                str(self.model), settings, providers=[(PROVIDER, options), "CPUExecutionProvider"], enable_fallback=0
            )
        except Exception as error:  # ONNX Runtime's exceptions have no base class of their own
            if "CANN" not in str(error):
                cure = "Export it with a lower opset."
                raise self._refusal(f"ONNX Runtime cannot load it ({first_line(error)})", cure) from error
            said = first_line(RuntimeError(str(error).rpartition("&) ")[2]))  # behind the name of a C++ function
            raise self._refusal(f"ONNX Runtime's CANN provider does not start ({said})", _SOURCE) from error
        if network.get_providers()[0] != PROVIDER:
            raise self._refusal("ONNX Runtime gave the network to the CPU in place of CANN", _SOURCE)
        mode = network.get_provider_options().get(PROVIDER, {}).get("precision_mode")
        self.precision = f"CANN's {mode}" if mode else "chosen by CANN"
        self.device = f"Ascend device {device}"
        return network

    def _refusal(self, what: str, cure: str) -> SessionError:
        return SessionError(what, where=self.model, cure=cure)


def _wheels() -> str:
    names = sorted(set(packages_distributions().get("onnxruntime", [])))
    return " and ".join(names) or "by no package that pip knows of"


def _missing_library(package: Path) -> str:
    """The library that the provider's own needs and the loader does not find; empty where it finds all.

    ONNX Runtime would write it into a log line, and raise an error without it.
    """
    library = package.parent / "capi" / "libonnxruntime_providers_cann.so"
    try:
        if library.is_file():
            ctypes.CDLL(str(library))
    except OSError as error:
        if "cannot open shared object file" in str(error):
            return first_line(error)
    return ""
