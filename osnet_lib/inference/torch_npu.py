"""PyTorch on an Ascend NPU: the checkpoint's own graph in float32, by way of torch_npu."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..core.imports import ForeignNumpyError, import_compiled
from ..errors import SessionError, first_line
from .engine import no_device
from .torch import TorchEngine

_ENVIRONMENT = "Source CANN's set_env.sh first, and take the torch_npu of this torch's version."


class TorchNpuEngine(TorchEngine):
    """The reference on ``npu:N``.

    torch loads an extension that is installed by itself, and where CANN is not there `import torch` then fails. So
    `osnet_lib` turns that off (TORCH_DEVICE_BACKEND_AUTOLOAD), and this engine, which needs it, imports it by name.

    Raises
    ------
    SessionError
        torch_npu is not there, does not load, or sees no such device.
    """

    provider = "npu"

    def _find(self, device: int) -> str:
        try:
            import_compiled("torch_npu")
        except ForeignNumpyError as error:
            raise self._refusal(str(error), error.cure) from error
        except ModuleNotFoundError as error:
            if error.name == "torch_npu":
                raise self._refusal(
                    "there is no torch_npu", f"pip install torch-npu=={self._torch.__version__.partition('+')[0]}"
                ) from error
            raise self._refusal(f"torch_npu does not load ({first_line(error)})", _ENVIRONMENT) from error
        except Exception as error:  # libraries of CANN that are missing, versions that do not fit
            raise self._refusal(f"torch_npu does not load ({first_line(error)})", _ENVIRONMENT) from error
        try:
            count = self._npu.device_count()
            if count == 0:
                raise self._refusal(
                    "torch_npu sees no device", "Check driver, permissions and container with npu-smi info."
                )
            if device >= count:
                raise no_device(device, "torch_npu", count)
            return f"{self._npu.get_device_name(device)} device {device}"
        except RuntimeError as error:
            raise self._refusal(f"torch_npu does not start ({first_line(error)})", _ENVIRONMENT) from error

    @property
    def _npu(self) -> Any:
        return self._torch.npu  # which the import of torch_npu added

    def _refusal(self, what: str, cure: str) -> SessionError:
        return SessionError(what, where=self.model, cure=cure)

    @contextmanager
    def _float32(self) -> Iterator[None]:
        """The device in this thread, which a new one does not have; and no HF32, which rounds what comes in."""
        self._npu.set_device(self._place)
        units = (self._npu.conv, self._npu.matmul)
        before = [unit.allow_hf32 for unit in units]
        for unit in units:
            unit.allow_hf32 = False
        try:
            yield
        finally:
            for unit, allowed in zip(units, before, strict=True):
                unit.allow_hf32 = allowed
