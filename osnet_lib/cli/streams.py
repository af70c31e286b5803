"""Standard output and error as a shell hands them over: closed, of another encoding, or read by nobody."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import Any, TextIO


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


class _Patient:
    """A stream whose reader may go away, and whose disk may fill, without stopping the work that writes to it.

    What cannot be written is dropped, and the first failure is kept in `error`.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        self._try(self._stream.write, text)
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, act: Callable, *arguments: str) -> None:
        if self.error is None:
            try:
                act(*arguments)
            except OSError as error:
                self.error = error
                _drop(self._stream)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def patient_streams() -> Iterator[None]:
    """Let the work inside go on to its end when its output cannot be written; then raise what standard output met."""
    out, err = _Patient(sys.stdout), _Patient(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):  # type: ignore[type-var]  # as much of a stream as is used
        yield
        out.flush()
    if out.error is not None:
        raise named(out.error)


def flush_streams() -> None:
    """Write what is buffered; raises OSError where it cannot be, and nothing is left to fail when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError as error:
            _drop(stream)
            raise named(error) from error


def named(error: OSError) -> OSError:
    """The same with the place that was written to, but for a pipe, whose end is nobody's fault."""
    if error.filename is None and not isinstance(error, BrokenPipeError):
        error.filename = "standard output"
    return error


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
