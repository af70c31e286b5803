"""Running a program: live output, and a time limit that ends all of its processes."""

from __future__ import annotations

import codecs
import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_KEPT_LINES = 4000  # of the output; errors come last, and a debug log has no end
_GRACE = 3.0  # seconds that a program has to end when asked


@dataclass(frozen=True)
class Finished:
    """Exit status, printed text (its last lines) and duration in seconds of a program that ended."""

    status: int
    text: str
    seconds: float


def run_program(
    arguments: Sequence[str],
    *,
    folder: Path,
    timeout: float,
    on_line: Callable[[str], None],
    environ: Mapping[str, str] | None = None,
) -> Finished:
    """Run a program to its end, without a shell.

    Parameters
    ----------
    arguments : sequence of str
        The program first.
    folder : Path
        Where it runs.
    timeout : float
        Seconds until it is stopped.
    on_line : callable
        Gets every line as it comes, and an empty one in every second without.
    environ : mapping, optional
        Its environment; ours by default.

    Raises
    ------
    OSError
        A program that cannot be started.
    TimeoutError
        The time limit. The program and all processes it started are gone then, as after an interrupt.
    """
    began = time.monotonic()
    process = subprocess.Popen(
        arguments,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
        env=None if environ is None else dict(environ),
    )
    lines: deque[str] = deque(maxlen=_KEPT_LINES)
    try:
        rest = ""
        for chunk in _chunks(process, began + timeout):
            *complete, rest = (rest + chunk.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
            lines.extend(complete)
            for line in complete or [""]:
                on_line(line)
        lines.append(rest)
        status = process.wait(timeout=max(0.1, began + timeout - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise TimeoutError from error
    finally:
        _end(process)
    return Finished(status, "\n".join(lines), time.monotonic() - began)


def _chunks(process: subprocess.Popen, deadline: float) -> Iterator[str]:
    """Text as it comes, and empty text in seconds without any."""
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    assert process.stdout  # a pipe
    with selectors.DefaultSelector() as ready:
        ready.register(process.stdout, selectors.EVENT_READ)
        while True:
            if (left := deadline - time.monotonic()) <= 0:
                raise TimeoutError
            if not ready.select(min(left, 1.0)):
                if process.poll() is not None:
                    return  # a process that it left behind keeps the pipe open
                yield ""
            elif data := os.read(process.stdout.fileno(), 1 << 16):
                yield decode(data)
            else:
                return


def _end(process: subprocess.Popen) -> None:
    """End the group: compilers that a program started are processes of their own, and survive it."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_GRACE)
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout:
        process.stdout.close()
