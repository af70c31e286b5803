"""A process that reads inputs one after the other, and says of each how it ended.

It is told lines of JSON on standard input, ``{"target": ..., "number": ...}`` or ``{"target": ..., "file": ...}``, and
answers each with one. The input lies in a file before it is read, so that a process that dies leaves it.
"""

from __future__ import annotations

import json
import os
import resource
import shutil
import sys
import time
import warnings
from pathlib import Path
from random import Random

from fuzz.mutations import FORMS
from fuzz.target import UNCHECKED, Target
from osnet_lib.cli.outcomes import Outcome, outcome
from osnet_lib.errors import OSNetError

MOST_BYTES = 1 << 30  # by which an input may raise the peak of memory
_LIMIT = 4 << 30  # and what it gets at most, so that the machine lives on
RESULT, REFUSED = "result", "refused"
BAD = ("outside the errors", "silent", "memory", "time", "crash")


class Reader:
    """Reads inputs of one seed in a folder of its own."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.input = folder / "input"
        self._seeds: dict[str, dict[str, bytes]] = {}
        self._whole: dict[tuple[str, str], object] = {}

    def make(self, target: Target, number: int) -> tuple[str, bytes]:
        """An input and the seed that it was made from; a tenth are splices of seeds or seeds as they are."""
        seeds = self.seeds(target)
        random = Random(f"{self.seed}/{target.name}/{number}")
        name, form = random.choice(sorted(seeds)), random.choice(target.forms)
        if number < len(seeds):  # each as it is, once
            return sorted(seeds)[number], seeds[sorted(seeds)[number]]
        return name, FORMS[form](seeds[name], random, seeds[random.choice(sorted(seeds))])

    def seeds(self, target: Target) -> dict[str, bytes]:
        if target.name not in self._seeds:
            shutil.rmtree(self._home(target), ignore_errors=True)
            self._home(target).mkdir(parents=True)
            self._seeds[target.name] = target.seeds(self._home(target))
        return self._seeds[target.name]

    def _home(self, target: Target) -> Path:
        return self.folder / "".join(c if c.isalnum() else "_" for c in target.name)

    def read(self, target: Target, data: bytes, seed: str | None) -> dict:
        """How an input ends: its class, the words, seconds and bytes."""
        whole = None
        if seed is not None and target.checked:  # what the file means while it is whole
            if (target.name, seed) not in self._whole:
                self._whole[target.name, seed] = self._understood(target, self.seeds(target)[seed])
            whole = self._whole[target.name, seed]
        self.input.write_bytes(data)
        before, started = _peak(), time.perf_counter()
        ended, words = RESULT, ""
        try:
            understood = target.read(data, self._home(target))
            if whole is not None and understood not in (whole, UNCHECKED):
                ended, words = "silent", "damaged, and understood as something else"
        except Exception as error:
            ended, words = classify(error)
        seconds, more = time.perf_counter() - started, _peak(reset=False) - before
        if more > MOST_BYTES:
            ended, words = "memory", f"{more >> 20} MiB more ({ended}: {words})"
        return {"class": ended, "words": words[:300], "seconds": seconds, "bytes": more}

    def _understood(self, target: Target, data: bytes) -> object:
        try:
            return target.read(data, self._home(target))
        except OSNetError:
            return None


def classify(error: BaseException) -> tuple[str, str]:
    """The class of an error, as the command ends with it."""
    chain, cause = [error], error
    while cause := cause.__cause__ or cause.__context__:  # type: ignore[assignment]
        chain.append(cause)
    if any(isinstance(one, MemoryError) for one in chain):
        return "memory", f"MemoryError ({error})"
    code, line = outcome(error)
    if code is Outcome.UNFORESEEN or (isinstance(error, OSNetError) and not _is_one_line(str(error))):
        return BAD[0], f"{type(error).__name__}: {line}"
    return f"{REFUSED}: {type(error).__name__}", line


def _is_one_line(text: str) -> bool:
    try:
        return "\n" not in text and bool(text.encode("utf-8", "backslashreplace"))
    except UnicodeError:
        return False


def _peak(reset: bool = True) -> int:
    """The peak of this process's memory in bytes; since the last reset, where the kernel lets us reset it."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _bound() -> None:
    """Keep an input from taking the memory of the whole machine."""
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (held + _LIMIT, held + _LIMIT))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(folder: Path, seed: int) -> None:
    """Answer every line of standard input."""
    from fuzz.issue import INPUTS
    from fuzz.targets import TARGETS

    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    for stream in (1, 2):  # what libraries print is no answer
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    reader = Reader(folder, seed)
    print(json.dumps({"ready": os.getpid()}), file=answers, flush=True)
    bound = False
    for line in sys.stdin:
        asked = json.loads(line)
        if "issue" in asked:
            given = INPUTS[asked["issue"]]
            target, origin, data = TARGETS[given.target], None, given.make()
        else:
            target = TARGETS[asked["target"]]
            if "file" in asked:
                origin, data = asked.get("seed"), Path(asked["file"]).read_bytes()
                reader.seeds(target)
            else:
                origin, data = reader.make(target, asked["number"])
        reader.seeds(target)
        if not bound:
            bound = _bound() is None
        answer = reader.read(target, data, origin)
        print(json.dumps({**answer, "target": target.name, "seed": origin}), file=answers, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
