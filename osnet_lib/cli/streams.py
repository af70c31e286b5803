"""Standard output and error as a shell hands them over: closed, of another encoding, or read by nobody."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def prepare_streams() -> None:
    """Let every text be written: closed streams go nowhere, and what an encoding lacks is written as ``\\u2026``.

    A closed one is opened again because its number would else go to the next file, into which libraries then print.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115 - as long as the program
        elif mode == "w" and isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def flush_streams() -> None:
    """Write what is buffered; raises OSError where it cannot be, and nothing is left to fail when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _drop(stream)
            raise


def say(line: str) -> None:
    """Write a line to standard error, if anyone reads it."""
    try:
        print(line, file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def _drop(stream: TextIO) -> None:
    """Send what is buffered, and what comes after it, nowhere."""
    try:
        number = stream.fileno()
    except OSError:  # of a test or a notebook, which has none
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
