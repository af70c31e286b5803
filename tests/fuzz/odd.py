"""A parser that does everything that none must do, by the word that its input is: the harness has to see it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from fuzz.target import Target
from osnet_lib.errors import DatasetError


def _read(data: bytes, _folder: Path) -> object:
    word = data.decode()
    if word == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if word == "hang":
        time.sleep(600)
    while word == "spin":
        pass
    if word == "memory":
        np.ones(1_150_000_000, np.uint8)
    if word == "more memory than there is":
        np.ones(1 << 60, np.uint8)
    if word == "bug":
        raise KeyError("x")
    if word == "refuse":
        raise DatasetError("is damaged", where="x", cure="Copy it again.")
    return word


ODD = Target("odd", lambda _folder: {"whole": b"whole", "other": b"other"}, _read, checked=True)
