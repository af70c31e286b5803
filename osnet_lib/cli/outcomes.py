"""How a command ends: every exit code, and the line that tells a failure as what it is. All of it stands here."""

from __future__ import annotations

import errno
import re
import traceback
from enum import IntEnum
from pathlib import Path

from ..core.imports import install_command
from ..errors import BusyError, OSNetError, ParityError, first_line

_PACKAGE = Path(__file__).parents[1]


class Outcome(IntEnum):
    """What the exit code of a command says."""

    DONE = 0
    GATE_FAILED = 1
    REFUSED = 2
    UNFORESEEN = 70  # EX_SOFTWARE of sysexits.h
    BUSY = 75  # EX_TEMPFAIL: the same command works later
    INTERRUPTED = 130  # 128 and SIGINT, as shells have it
    CLOSED = 141  # 128 and SIGPIPE: whoever read the output went away, as `head` does


MEANINGS = {
    Outcome.DONE: "done",
    Outcome.GATE_FAILED: "a gate failed",
    Outcome.REFUSED: "refused: bad input, or not enough of what it needs",
    Outcome.UNFORESEEN: "unforeseen (--debug shows where)",
    Outcome.BUSY: "busy: another run holds the lock",
    Outcome.INTERRUPTED: "interrupted",
    Outcome.CLOSED: "nobody reads the output any more",
}


# Of torch, pybind11, C++, ONNX Runtime, the loader of libraries, numpy, and of protobuf, which says no more about it.
_NO_MEMORY = (
    "failed to map segment from shared object",
    "annot allocate memory",
    "Unable to allocate",
    "can't allocate memory",
    "Could not allocate",
    "bad_alloc",
    "Failed to allocate memory",
    "Failed to serialize proto",
)


def outcome(error: BaseException) -> tuple[Outcome, str]:
    """The exit code of a failure, and the line for standard error; empty where it ends quietly."""
    if isinstance(error, ParityError):
        return Outcome.GATE_FAILED, f"gate failed: {error}"
    if isinstance(error, BusyError):
        return Outcome.BUSY, f"busy: {error}"
    if isinstance(error, OSNetError):
        return Outcome.REFUSED, str(error)
    if isinstance(error, KeyboardInterrupt):
        return Outcome.INTERRUPTED, "interrupted; the next run continues where this one stopped"
    if isinstance(error, BrokenPipeError):
        return Outcome.CLOSED, ""
    if _is_of_memory(error):
        refused = OSNetError(
            f"not enough memory ({first_line(error)})",
            cure="Give a smaller batch size or data set, or end other programs, and run it again.",
        )
        return Outcome.REFUSED, str(refused)
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        shown = str(error.object)[:200].encode("utf-8", "backslashreplace").decode()
        refused = OSNetError("holds a name that is no UTF-8", where=" ".join(shown.split()), cure="Rename it.")
        return Outcome.REFUSED, str(refused)
    if isinstance(error, OSError):
        return Outcome.REFUSED, str(_refusal(error))
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith(_PACKAGE.name):
        package = str(error.name).partition(".")[0]
        refused = OSNetError(
            f"the package {package} is not installed",
            cure=f"Install the extra that this command needs: {install_command(package)}",
        )
        return Outcome.REFUSED, str(refused)
    return Outcome.UNFORESEEN, (
        f"unforeseen: {type(error).__name__}{_place(error)}: {first_line(error)}. This is a fault of osnet: run the "
        "command again with --debug and report what it shows."
    )


def _is_of_memory(error: BaseException) -> bool:
    """Python's own error, that of the system, or one of a library, told by its words."""
    return isinstance(error, MemoryError) or (
        error.errno == errno.ENOMEM if isinstance(error, OSError) else any(words in str(error) for words in _NO_MEMORY)
    )


def _place(error: BaseException) -> str:
    """The last line of this package that an error passed."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)]
    return f" in {Path(ours[-1].filename).relative_to(_PACKAGE.parent)}, line {ours[-1].lineno}" if ours else ""


def _refusal(error: OSError) -> OSNetError:
    """What the system refused, in our words; of a file that was being written, its name and not the temporary one."""
    name = error.filename2 or error.filename
    if name is not None:
        name = re.sub(r"(?<![^/\\])\.([^/\\]+?)\.\d+(?:\.[0-9a-f]{8})?\.tmp((?:\.\w+)?)$", r"\1\2", str(name))
    return OSNetError(
        (error.strerror or str(error)).lower(),
        where=name,
        cure="Check the path, its permissions and the space on the disk.",
    )
