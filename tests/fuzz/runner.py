"""Workers at work: inputs are handed out one by one, and whatever becomes of a worker is put down to its input."""

from __future__ import annotations

import json
import os
import queue
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from fuzz.worker import MOST_SECONDS
from helpers.paths import ROOT, TESTS

START_SECONDS = 300  # of a worker, which imports everything
FAILURES = ROOT / "fuzz_failures"


@dataclass(frozen=True)
class Ended:
    """How an input ended; `place` is the file that holds it, where it ended badly."""

    target: str
    asked: dict
    outcome: str
    words: str
    seconds: float
    bytes: int
    place: Path | None = None

    @property
    def is_bad(self) -> bool:
        return self.outcome != "result" and not self.outcome.startswith("refused")


class Worker:
    """A child process, started again when an input ends it."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.seed = folder, seed
        self.process: subprocess.Popen | None = None
        self._held = b""

    def ask(self, asked: dict) -> dict:
        """The answer to an input; a worker that dies or is late is ended, and that is the answer."""
        if self.process is None:
            self._start()
        process = self.process
        assert process and process.stdin
        try:
            process.stdin.write(json.dumps(asked).encode() + b"\n")
            process.stdin.flush()
        except BrokenPipeError:
            return self._dead()
        about = self._line(START_SECONDS)
        answer = about and self._line(MOST_SECONDS)
        while about and answer is None and process.poll() is None and not _waits(process.pid):
            answer = self._line(MOST_SECONDS)  # it works, or would if others let it; the kernel counts its seconds
        if about and answer is None and process.poll() is None:
            self.close()
            answer = {"class": "time", "words": f"waits for over {MOST_SECONDS} s", "seconds": 0.0, "bytes": 0}
        return {**(about or {}), **(answer or self._dead())}

    def close(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()
            for stream in (self.process.stdin, self.process.stdout):
                if stream:
                    try:
                        stream.close()
                    except BrokenPipeError:
                        pass
        self.process, self._held = None, b""

    def _start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(TESTS), "OMP_NUM_THREADS": "1", "HOME": str(self.folder)}
        environment |= {"OSNET_CACHE": str(self.folder / "cache"), "PYTHONFAULTHANDLER": ""}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fuzz.worker", str(self.folder), str(self.seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            cwd=ROOT,
        )
        if self._line(START_SECONDS) is None:
            raise RuntimeError("a worker did not start; the reason stands above")

    def _line(self, seconds: float) -> dict | None:
        """The next line, or None where the process ends or is late."""
        assert self.process and self.process.stdout
        while b"\n" not in self._held:
            ready, _, _ = select.select([self.process.stdout], [], [], seconds)
            piece = os.read(self.process.stdout.fileno(), 1 << 16) if ready else b""
            if not piece:
                return None
            self._held += piece
        line, _, self._held = self._held.partition(b"\n")
        return json.loads(line)

    def _dead(self) -> dict:
        assert self.process
        try:
            code = self.process.wait(MOST_SECONDS)
        except subprocess.TimeoutExpired:
            code = 0
        self.close()
        if code == -signal.SIGXCPU:
            return {"class": "time", "words": f"over {MOST_SECONDS} s", "seconds": float(MOST_SECONDS), "bytes": 0}
        told = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return {"class": "crash", "words": f"the process ended by {told}", "seconds": 0.0, "bytes": 0}


def _waits(process: int) -> bool:
    """Whether a process sleeps, as one does that waits for a pipe."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def run(
    inputs: Iterable[dict],
    seed: int,
    workers: int,
    say: Callable[[Ended], object] = lambda ended: None,
    failures: Path = FAILURES,
) -> list[Ended]:
    """Every input through one of several workers; those that end badly are kept in `failures`."""
    waiting: queue.SimpleQueue[dict] = queue.SimpleQueue()
    for asked in inputs:
        waiting.put(asked)
    ended: list[Ended] = []
    raised: list[BaseException] = []
    with tempfile.TemporaryDirectory(prefix="osnet-fuzz-") as place:

        def work(number: int) -> None:
            worker = Worker(Path(place, str(number)), seed)
            try:
                while not raised:
                    asked = waiting.get_nowait()
                    one = _ended(asked, worker.ask(asked), worker, seed, failures)
                    ended.append(one)
                    say(one)
            except queue.Empty:
                pass
            except BaseException as error:
                raised.append(error)
            finally:
                worker.close()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    if raised:
        raise raised[0]
    return ended


def _ended(asked: dict, answer: dict, worker: Worker, seed: int, failures: Path) -> Ended:
    target = answer.get("target") or asked.get("target") or asked["issue"]
    one = Ended(target, asked, answer["class"], answer["words"], answer["seconds"], answer["bytes"])
    if not one.is_bad:
        return one
    failures.mkdir(parents=True, exist_ok=True)
    name = "".join(letter if letter.isalnum() else "_" for letter in target)
    number = asked.get("number", asked.get("issue"))
    path = failures / f"{name}-seed{seed}-{str(number).replace(' ', '_').replace('/', '_')}"
    shutil.copy(worker.folder / "input", path)
    about = {"target": target, "seed": answer.get("seed"), "class": one.outcome, "words": one.words}
    path.with_name(f"{path.name}.json").write_text(json.dumps(about, indent=2) + "\n")
    return Ended(target, asked, one.outcome, one.words, one.seconds, one.bytes, path)
