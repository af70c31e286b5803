"""Sessions whose fate a test decides while they run: what lies beside the model file happens to the next that looks.

A file ``kill`` or ``raise`` is used up by the one session that finds it; ``slow`` makes a batch take `SLOW` seconds,
``hold`` for as long as it is there. Each process that opens one leaves ``open-<process>``.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from helpers.fake_devices import FakeSession
from osnet_lib.errors import SessionError
from osnet_lib.inference.session import Session, open_session

SLOW = 0.15


class MarkedSession(FakeSession):
    def __init__(self, model: Path, device: int):
        super().__init__(model, device)
        self.model.with_name(f"open-{os.getpid()}").touch()

    def run(self, batch: np.ndarray) -> np.ndarray:
        if self.batches >= 2:  # the first is that of the worker's opening
            if self._takes("kill"):
                os.kill(os.getpid(), signal.SIGKILL)
            if self._takes("raise"):
                raise SessionError("acl.mdl.execute gave 507011", where="device 0", cure="Restart it.")
        if self.model.with_name("slow").exists():
            time.sleep(SLOW)
        while self.model.with_name("hold").exists():
            time.sleep(0.05)
        return super().run(batch)

    def _takes(self, word: str) -> bool:
        try:
            self.model.with_name(word).unlink()
        except FileNotFoundError:
            return False
        return True


def open_marked(model: Path, backend: str = "auto", device: int = 0, threads: int | None = None) -> MarkedSession:
    return MarkedSession(model, device)


def open_together(model: Path, backend: str = "auto", device: int = 0, threads: int | None = None) -> Session:
    """A real session, once four processes have opened one."""
    session = open_session(model, backend, device, threads)
    model.with_name(f"open-{os.getpid()}").touch()
    while len(list(model.parent.glob("open-*"))) < 4:
        time.sleep(0.05)
    return session
