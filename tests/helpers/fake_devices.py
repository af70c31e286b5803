"""Sessions that processes of `inference.devices` open in tests: no network, but features that tell images apart.

The name of the model file says what happens on which device: ``open2=raise,run0=kill3`` lets device 2 fail when it is
opened and device 0 kill itself at its third batch. Words: raise, kill, exit, hang, bug, late (opens after `LATE`
seconds), meet (goes on when all that the name mentions have come to their word).
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from osnet_lib.core.conditions import SessionFacts
from osnet_lib.errors import SessionError

LATE = 6.0
MIX = np.random.default_rng(0).standard_normal((3 * 32, 512)).astype(np.float32)


class FakeSession:
    input_shape, input_dtype, threads = (None, 3, 256, 128), np.dtype(np.float32), 1

    def __init__(self, model: Path, device: int):
        self.model, self.device, self.batches = Path(model), device, 0
        self.plan = {
            (m[1], int(m[2])): (m[3], int(m[4] or 1))
            for m in re.finditer(r"(open|run)(\d+)=([a-z]+)(\d*)", self.model.name)
        }
        fixed = re.search(r"bs(\d+)", self.model.name)
        self.batch_size = int(fixed[1]) if fixed else None
        self._act("open", 1)

    def _act(self, moment: str, count: int) -> None:
        word, when = self.plan.get((moment, self.device), ("", 0))
        if count != when:
            return
        self.model.with_name(f"{moment}{self.device}").touch()
        if word == "raise":
            raise SessionError(f"acl.{moment} gave 507011", where=f"device {self.device}", cure="Restart it.")
        if word == "bug":
            raise KeyError("a mistake in a backend")
        if word == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if word == "exit":
            os._exit(7)
        if word == "hang":
            time.sleep(600)
        if word == "late":
            time.sleep(LATE)
        while word == "meet" and not all(self.model.with_name(f"{m}{d}").exists() for m, d in self.plan):
            time.sleep(0.01)

    def describe(self) -> dict:
        return {
            "backend": "fake",
            "device": f"fake NPU device {self.device}",
            "precision": "float32",
            "threads": 1,
            "simulated": "simulated" in self.model.name,
            "model_sha256": f"{self.device}" if "differ" in self.model.name else "f" * 64,
            "model": "fake",
        }

    @property
    def facts(self) -> SessionFacts:
        return SessionFacts.read(self.describe())

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.batches += 1
        self._act("run", self.batches)
        if "slow" in self.model.name:
            time.sleep(0.02)
        means = batch.reshape(len(batch), 3, 8, 32, 4, 32).mean((3, 5)).reshape(len(batch), -1)
        return means @ MIX

    def stream(self, batches: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        return map(self.run, batches)

    def streams(self, batch_size: int) -> int:
        return 1

    def close(self) -> None:
        if "log" in self.model.name:
            self.model.with_name(f"closed{self.device}").touch()

    def __enter__(self) -> FakeSession:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def open_fake(model: Path, backend: str = "auto", device: int = 0, threads: int | None = None) -> FakeSession:
    return FakeSession(model, device)
