"""Kills: a command runs until a moment, ends by a signal, runs again to its end, and what it left is compared."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from storm.commands import Command, environment_of, make_inputs
from storm.state import is_record, is_temporary, state

MOST_SECONDS = 600  # of a command
_STEP = 0.005  # seconds between two looks at a command
_LATE = 0.1  # of its time, within which a first file at its end is the last
_BUSY, _TRIES = 75, 20  # what a killed run's children hold for a moment
_SIGNALS = (*[signal.SIGKILL] * 6, signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGINT)


@dataclass(frozen=True)
class Whole:
    """An undisturbed run: what it left, and its seconds.

    `processor` are those of its process, `first` those when its first file appeared; `before` and `after` are seconds
    of the clock, until then and from then to its end.
    """

    left: dict[str, object]
    processor: float
    first: float
    before: float
    after: float

    def await_moment(self, process: subprocess.Popen[str], place: Path, known: frozenset[str], share: float) -> None:
        """Wait for a share of the work; below 0 for a moment before it.

        A command whose files appear as it works is at work from the first on. Of one whose only file comes at the end
        the second half of its processor time is work, for the first goes to imports.
        """
        if share < 0:
            _await_processor(process, self.first * (1 + 5 * share))
        elif self.after > _LATE * (self.before + self.after):
            _await_file(process, place, known)
            time.sleep(share * self.after)
        else:
            _await_processor(process, self.processor * (0.5 + 0.5 * share))


@dataclass(frozen=True)
class Killed:
    """A kill: when, of the command's seconds of work, by what, what it met, and what was wrong then."""

    command: str
    share: float
    by: str
    met: str
    faults: tuple[str, ...] = ()
    halves: int = 0
    words: str = field(default="", compare=False)


def storm(
    commands: Sequence[Command], kills: int, seed: int, workers: int, say: Callable[[Killed], object] = lambda one: None
) -> list[Killed]:
    """So many kills, spread over the commands by their weights."""
    random = Random(seed)
    drawn = [*commands, *random.choices(commands, [one.weight for one in commands], k=kills)][:kills]
    moments = [(one, random.uniform(-0.1, 1.0), random.choice(_SIGNALS)) for one in drawn]
    ended: list[Killed] = []
    with tempfile.TemporaryDirectory(prefix="osnet-storm-") as place:
        inputs = make_inputs(Path(place, "inputs"))
        chosen = {one.name: one for one in drawn}
        whole = {
            name: _undisturbed(one, inputs, Path(place, f"whole{n}")) for n, (name, one) in enumerate(chosen.items())
        }

        def kill(number: int, command: Command, share: float, by: signal.Signals) -> Killed:
            folder = Path(place, f"kill{number}")
            one = _killed(command, inputs, folder, whole[command.name], share, by)
            shutil.rmtree(folder)
            return one

        with ThreadPoolExecutor(workers) as pool:
            try:
                for job in as_completed(pool.submit(kill, number, *moment) for number, moment in enumerate(moments)):
                    ended.append(job.result())
                    say(ended[-1])
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return ended


def _undisturbed(command: Command, inputs: Path, folder: Path) -> Whole:
    place, known = _copy(inputs, folder)
    started = time.perf_counter()
    process = _start(command, place)
    first = _await_file(process, place, known)
    began, spent = time.perf_counter(), first
    while process.poll() is None:
        spent = max(spent, _processor(process))
        time.sleep(_STEP)
    after = time.perf_counter() - began
    said = process.communicate()[1]
    if process.returncode:
        raise RuntimeError(f"{command.name} fails undisturbed: {said.strip().splitlines()[-1:]}")
    return Whole(state(place, known), spent, first, began - started, after)


def _killed(command: Command, inputs: Path, folder: Path, whole: Whole, share: float, by: signal.Signals) -> Killed:
    """Kill a command at a share of its work; below 0 while it still starts."""
    place, known = _copy(inputs, folder)
    process = _start(command, place)
    whole.await_moment(process, place, known, share)
    met = "work" if share >= 0 else "start"
    if process.poll() is None:
        process.send_signal(by)
    _, said = process.communicate(timeout=MOST_SECONDS)
    if process.returncode == 0:
        met = "the end"  # it was faster
    faults = [] if process.returncode in (0, -by, 130) else [f"ended with {process.returncode}: {said[-300:]}"]
    if "Traceback" in said and by is not signal.SIGINT:
        faults.append(f"a traceback: {said[-300:]}")
    left = state(place, known)
    faults += [
        f"{name} is not whole after the kill" for name, content in left.items() if not _fits(name, content, whole)
    ]
    code, said = _again(command, place)
    if code:
        faults.append(f"the next run ended with {code}: {said[-300:]}")
    finished = {name: content for name, content in state(place, known).items() if not is_temporary(name)}
    faults += [
        f"{name} {'lacks' if name not in finished else 'is new' if name not in whole.left else 'differs'} in the end"
        for name in sorted({*finished, *whole.left})
        if finished.get(name) != whole.left.get(name)
    ]
    return Killed(command.name, share, by.name, met, tuple(faults), sum(map(is_temporary, left)))


def _fits(name: str, content: object, whole: Whole) -> bool:
    """Whether a file may lie there after a kill: whole, a temporary one, or a record of how far the work was."""
    return is_temporary(name) or is_record(name) or (name in whole.left and whole.left[name] == content)


def _again(command: Command, place: Path) -> tuple[int, str]:
    """Run to the end; where children of the killed run hold something still, as often as it says so."""
    for _ in range(_TRIES):
        process = _start(command, place)
        _, said = process.communicate(timeout=MOST_SECONDS)
        if process.returncode != _BUSY:
            break
        time.sleep(0.5)
    return process.returncode, said


def _copy(inputs: Path, folder: Path) -> tuple[Path, frozenset[str]]:
    """A folder with the inputs, as links: whoever changes one would change it for all, and is seen."""
    place = folder / "place"
    shutil.copytree(inputs, place, copy_function=os.link)
    return place, frozenset(path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file())


def _start(command: Command, place: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command.words,
        cwd=place,
        env=environment_of(command, place),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def _await_file(process: subprocess.Popen[str], place: Path, known: frozenset[str]) -> float:
    """Until the first file is made, or the process ends; its processor seconds until then."""
    spent = 0.0
    while process.poll() is None:
        spent = max(spent, _processor(process))
        for folder, _, files in os.walk(place):
            if any(Path(folder, name).relative_to(place).as_posix() not in known for name in files):
                return spent
        time.sleep(_STEP)
    return spent


def _await_processor(process: subprocess.Popen[str], seconds: float) -> None:
    while process.poll() is None and _processor(process) < seconds:
        time.sleep(_STEP)


def _processor(process: subprocess.Popen[str]) -> float:
    """Seconds of the processor that a process has used, however busy the machine is."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
