"""A process that reads inputs one after the other, and says of each how it ended.

It is told lines of JSON on standard input, ``{"target": ..., "number": ...}`` or ``{"issue": ...}``, and answers each
with two. The input lies in a file before it is read, so that a process that dies leaves it.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import shutil
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from random import Random

from fuzz.mutations import FORMS
from fuzz.target import UNCHECKED, Target
from osnet_lib.cli.outcomes import Outcome, outcome
from osnet_lib.errors import OSNetError

MOST_SECONDS = 10  # of an input
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
        """The name of a seed, and the input made from it; the first numbers are the seeds as they are."""
        seeds = self.seeds(target)
        random = Random(f"{self.seed}/{target.name}/{number}")
        if number < len(seeds):
            return sorted(seeds)[number], seeds[sorted(seeds)[number]]
        name, form = random.choice(sorted(seeds)), random.choice(target.forms)
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
        before, started = _peak(), time.process_time()
        ended, words = RESULT, ""
        try:
            understood = target.read(data, self._home(target))
            if whole is not None and understood not in (whole, UNCHECKED):
                ended, words = "silent", "damaged, and understood as something else"
        except Exception as error:
            ended, words = classify(error)
        seconds, more = time.process_time() - started, _peak(reset=False) - before
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
    if code is Outcome.UNFORESEEN:
        return BAD[0], f"{type(error).__name__}: {line}"
    return f"{REFUSED}: {type(error).__name__}", line


def _peak(reset: bool = True) -> int:
    """The peak of this process's memory in bytes; since the last reset, where the kernel lets us reset it."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) << 10
    except (OSError, IndexError, ValueError):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


@contextlib.contextmanager
def _bounded() -> Iterator[None]:
    """Keep an input from taking the memory of the whole machine, and end the process after its seconds (SIGXCPU).

    They are of the processor, so that a busy machine makes no input slow; who waits is the parent's to see.
    """
    held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = {resource.RLIMIT_AS: held + _LIMIT, resource.RLIMIT_CPU: int(time.process_time()) + MOST_SECONDS + 1}
    unbound = {kind: resource.getrlimit(kind) for kind in limits}
    for kind, limit in limits.items():
        resource.setrlimit(kind, (limit, unbound[kind][1]))
    try:
        yield
    finally:
        for kind, before in unbound.items():
            resource.setrlimit(kind, before)


def main(folder: Path, seed: int) -> None:
    """Answer every line of standard input: first that the input is there, then how it ended."""
    from fuzz.issue import INPUTS
    from fuzz.targets import TARGETS

    warnings.simplefilter("ignore")
    answers = os.fdopen(os.dup(1), "w")
    for stream in (1, 2):  # what libraries print is no answer
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    folder.mkdir(parents=True, exist_ok=True)
    os.chdir(folder)
    reader = Reader(folder, seed)

    def answer(**held: object) -> None:
        print(json.dumps(held), file=answers, flush=True)

    answer(ready=os.getpid())
    warm: set[str] = set()
    for line in sys.stdin:
        asked = json.loads(line)
        given = INPUTS.get(asked.get("issue"))
        target = TARGETS[given.target if given else asked["target"]]
        if target.name not in warm:  # what is imported and made at the first input is none of its time
            reader.read(target, *reader.make(target, 0)[::-1])
            warm.add(target.name)
        seed_name, data = (None, given.make()) if given else reader.make(target, asked["number"])
        reader.input.write_bytes(data)
        answer(target=target.name, seed=seed_name)
        with _bounded():
            held = reader.read(target, data, seed_name)
        answer(**held)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
