"""What it takes until a model computes: seconds and memory of a process of its own, which this module runs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from ..core.cgroup import PROC, kernel_text
from ..core.code_digest import PACKAGE
from ..errors import SessionError

LIMIT = 300.0  # seconds until a process is given up


@dataclass(frozen=True)
class Startup:
    """Of a fresh process that imports the library, loads the model and computes one batch.

    Attributes
    ----------
    seconds : float
        From the first import to the first features, without the start of Python itself.
    memory_bytes : int, optional
        The most it held at a time; None where the system does not tell.
    """

    seconds: float
    memory_bytes: int | None


def measure_startup(model: Path, backend: str, precision: str | None, threads: int, batch_size: int) -> Startup:
    """Start a process that opens the model and computes one batch.

    Raises
    ------
    SessionError
        It failed, or took longer than `LIMIT`.
    """
    code = f"from {__name__} import report; report()"
    arguments = [str(model), backend, precision or "", str(threads), str(batch_size)]
    paths = [str(PACKAGE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
            env=environ,
        )
        return Startup(**json.loads(done.stdout.splitlines()[-1]))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        cure = "Open it with osnet benchmark, which shows what is wrong."
        said = f"did not start in a process of its own ({type(error).__name__})"
        raise SessionError(said, where=model, cure=cure) from error


def report() -> None:
    """What the process runs; it prints a `Startup` as JSON."""
    model, backend, precision, threads, batch_size = sys.argv[1:]
    began = time.perf_counter()
    from .benchmark import random_batch
    from .session import open_session

    with open_session(model, backend, threads=int(threads), precision=precision or None) as session:
        session.run(random_batch(session, int(batch_size)))
        seconds = time.perf_counter() - began
    print(json.dumps({"seconds": seconds, "memory_bytes": _most_memory()}))


def _most_memory(proc: Path = PROC) -> int | None:
    """Not that of `resource`, which begins with the memory of the process that started this one."""
    line = re.search(r"^VmHWM:\s*(\d+) kB", kernel_text(proc / "self" / "status"), re.MULTILINE)
    return int(line[1]) * 1024 if line else None
