"""PyTorch behind a session: the reference that converted models are compared with."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..conversion.interface import IMAGE_SHAPE
from ..core.host import cpu_name
from ..errors import SessionError, first_line
from .engine import SMALLER_BATCH, no_device

if TYPE_CHECKING:
    from ..network.checkpoint import Checkpoint


class TorchEngine:
    """The reference: the checkpoint's own graph, in float32 unless asked otherwise, on CUDA where torch has it."""

    input_shape: tuple[int | None, ...] = (None, *IMAGE_SHAPE)
    gears: tuple[int, ...] = ()
    input_dtype, simulated = np.dtype(np.float32), False
    provider = "cpu"

    def __init__(self, model: Path | Checkpoint, device: int, threads: int, precision: str = "float32"):
        import torch

        from ..network.checkpoint import Checkpoint, load_checkpoint

        checkpoint = model if isinstance(model, Checkpoint) else load_checkpoint(model)
        self.model, self.sha256 = checkpoint.path, checkpoint.sha256
        self.facts = {"checkpoint": checkpoint.origin}
        self._torch, self._threads = torch, threads
        self.device = self._find(device)
        self._place = torch.device(self.provider, device)
        with self._float32():
            network = copy.deepcopy(checkpoint.model).eval()  # the caller may go on with theirs
            self._network = network.to(self._place, getattr(torch, precision))
        self._dtype = next(self._network.parameters()).dtype
        self.precision = str(self._dtype).removeprefix("torch.")

    def _find(self, device: int) -> str:
        """The device's name; sets `provider`."""
        cuda = self._torch.cuda
        self.provider = "cuda" if cuda.is_available() else "cpu"
        devices = cuda.device_count() if self.provider == "cuda" else 1
        if device >= devices:
            raise no_device(device, self.provider.upper(), devices)
        return cuda.get_device_name(device) if self.provider == "cuda" else cpu_name()

    @contextmanager
    def _float32(self) -> Iterator[None]:
        """In float32 and no shorter format."""
        with self._torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            yield

    def compute(self, batch: np.ndarray) -> np.ndarray:
        torch, before = self._torch, self._torch.get_num_threads()
        torch.set_num_threads(self._threads)  # a setting of the whole process, hence given back
        try:
            with torch.inference_mode(), self._float32():
                writeable = batch if batch.flags.writeable else batch.copy()  # torch warns of read-only memory
                return self._network(torch.from_numpy(writeable).to(self._place, self._dtype)).float().cpu().numpy()
        except RuntimeError as error:
            raise SessionError(f"PyTorch failed ({first_line(error)})", where=self.model, cure=SMALLER_BATCH) from error
        finally:
            torch.set_num_threads(before)

    def close(self) -> None:
        del self._network
