"""A process for each device, and what it does when one fails, falls silent or is killed.

Processes are spawned, never forked: a device that was set up before a fork does not work behind it. Each has a pipe of
its own, so that one that is killed leaves no lock behind that others wait for.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path

from ..errors import DatasetError, OSNetError, SessionError, first_line
from .session import Session

OPENING = 900.0  # seconds to import everything and open a session, which a busy host or a cold disk makes long
SILENCE = 300.0  # seconds without a sign of life, once it is open, after which a process counts as hung
_GRACE = 5.0  # seconds to close a session in order; ACL's own end takes up to 2


@dataclass(frozen=True)
class Opening:
    """How a process opens its session."""

    opener: Callable[..., Session]
    model: Path
    backend: str
    threads: int | None
    decoders: int = 1  # threads that decode images for this device
    limit: float = OPENING  # seconds from the start of the process to its first message: it is open

    def on(self, device: int) -> Session:
        return self.opener(self.model, backend=self.backend, device=device, threads=self.threads)


class Worker:
    """The parent's end of a process. Like a session it knows `model` and `batch_size` and can `describe` itself."""

    def __init__(self, device: int, opening: Opening, job: Callable, arguments: tuple):
        self.device, self.model, self.failure, self.images = device, opening.model, "", 0
        self.share, self.busy, self.heard = range(0), True, time.monotonic()
        self._facts: dict = {}
        self.batch_size: int | None = None
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(
            target=_work, args=(theirs, device, opening, job, arguments), daemon=True, name=f"device {device}"
        )
        self.process.start()
        theirs.close()  # the only copy is then the process's own, and its end is seen as the end of the pipe

    def describe(self) -> dict:
        return dict(self._facts)

    @property
    def is_open(self) -> bool:
        return bool(self._facts)

    def opened(self, facts: dict, batch_size: int | None) -> None:
        # The numbers of all devices are in the conditions; which comes first must not decide what can be resumed.
        self._facts = {**facts, "device": facts["device"].removesuffix(f" device {self.device}")}
        self.batch_size = batch_size

    def send(self, message: object) -> None:
        self.busy, self.heard = True, time.monotonic()
        try:
            self.pipe.send(message)
        except OSError:
            pass  # it has ended, which `Fleet.hear` finds in its pipe

    def death(self) -> str:
        """Why a process ended that was not asked to."""
        self.process.join(10)
        code = self.process.exitcode
        if code is not None and code < 0:
            return f"its process was killed by {signal.Signals(-code).name}"
        cause = f"its process ended with exit code {code}"
        if code == 1 and not self.is_open:  # spawn imports the main script again, which then starts processes itself
            cause += " at its start; a script must call this below: if __name__ == '__main__'"
        return cause


class Fleet:
    """The processes of all devices, started together and all gone when the block ends."""

    def __init__(
        self,
        devices: tuple[int, ...],
        opening: Opening,
        silence: float,
        job: Callable,
        *arguments: object,
        needs_all: bool = False,
    ):
        self._devices, self._work = devices, (opening, job, arguments)
        self.opening, self.silence, self.needs_all, self.model = opening.limit, silence, needs_all, opening.model
        self.workers: list[Worker] = []

    def __enter__(self) -> Fleet:
        try:
            for device in self._devices:
                self.workers.append(Worker(device, *self._work))
        except BaseException as error:
            self.__exit__()
            if isinstance(error, OSError):
                raise SessionError(
                    f"the process of device {device} does not start ({first_line(error)})",
                    where=self.model,
                    cure="Give fewer devices, or end other programs.",
                ) from error
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self.workers:
            worker.pipe.close()  # the process sees it when it waits or answers, and closes its session
        patience = time.monotonic() + 2 * _GRACE
        for worker in self.workers:
            worker.process.join(max(0.0, patience - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()
            worker.process.close()

    @property
    def alive(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.failure]

    def muster(self) -> None:
        """Wait until every process is ready or has failed; all must have the same model."""
        while any(worker.busy for worker in self.alive):
            worker, (kind, *content) = self.hear()
            if kind == "opened":
                worker.opened(*content)
            elif kind == "ready":
                worker.busy = False
        if len({worker.describe().get("model_sha256") for worker in self.alive}) > 1:
            raise SessionError(
                "the devices opened different models",
                where=self.model,
                cure="Leave the file alone while it is in use, and run it again.",
            )

    def hear(self) -> tuple[Worker, tuple]:
        """The next message; a process that ends, does not open or falls silent is the message ``("failed", ...)``.

        Raises
        ------
        SessionError
            When none is left, or the first fails where all are needed.
        """
        while self.alive:
            ready = wait([worker.pipe for worker in self.alive], timeout=min(1.0, self.opening, self.silence))
            for worker in self.alive:
                if worker.pipe in ready:
                    return worker, self._receive(worker)
                if overdue := self._overdue(worker):
                    worker.process.kill()
                    return worker, self._fail(worker, overdue)
        raise self._no_device_left()

    def _overdue(self, worker: Worker) -> str:
        """Why a process counts as hung; empty for one that does not."""
        quiet = time.monotonic() - worker.heard if worker.busy else 0.0
        if worker.is_open:
            return f"no sign of life for {self.silence:g} s" if quiet > self.silence else ""
        return f"not open after {self.opening:g} s" if quiet > self.opening else ""

    def _receive(self, worker: Worker) -> tuple:
        try:
            message = worker.pipe.recv()
        except (EOFError, OSError):
            return self._fail(worker, worker.death())
        worker.heard = time.monotonic()
        if message[0] == "image":  # damaged for every device
            raise DatasetError(message[1], where=message[2], cure=message[3])
        return self._fail(worker, message[1]) if message[0] == "failed" else message

    def _fail(self, worker: Worker, cause: str) -> tuple[str, str]:
        worker.failure, worker.busy = cause, False
        if self.needs_all or not self.alive:
            raise self._no_device_left()
        warnings.warn(f"device {worker.device} failed ({cause}); the others compute its share", stacklevel=2)
        return "failed", cause

    def _no_device_left(self) -> SessionError:
        failed = [(str(worker.device), worker.failure) for worker in self.workers if worker.failure]
        cure = "Remove the cause, or leave the device out of the list."
        return SessionError(by_cause(failed, "device "), where=self.model, cure=cure)


def by_cause(failed: Iterable[tuple[str, str]], kind: str = "") -> str:
    """Who failed, with the cause of each, in a line that says no cause twice."""
    causes: dict[str, list[str]] = {}
    for name, cause in failed:
        causes.setdefault(cause.rstrip(". "), []).append(name)
    return "; ".join(f"{kind}{', '.join(names)} failed: {cause}" for cause, names in causes.items())


def failure(error: Exception) -> tuple:
    """An error as the last message of who computes: a damaged image is so for everybody, the rest is its own."""
    if isinstance(error, DatasetError):
        return "image", error.what, None if error.where is None else str(error.where), error.cure
    if isinstance(error, OSNetError):
        return "failed", str(error)
    return "failed", f"{type(error).__name__}: {first_line(error)}"  # a mistake in a backend, with its name


# What follows runs in the processes.


def _work(pipe: Connection, device: int, opening: Opening, job: Callable, arguments: tuple) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends us in order
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        try:
            with opening.on(device) as session:
                pipe.send(("opened", session.describe(), session.batch_size))
                job(pipe, session, opening.decoders, *arguments)
        except (EOFError, BrokenPipeError, ConnectionResetError):
            return  # the parent is done, or gone
        except Exception as error:
            pipe.send(failure(error))
    except OSError:
        pass  # nobody listens any more


def _end_with_parent() -> None:
    """End a process that hangs in a call when its parent is gone; one that does not hang sees it in its pipe."""
    parent = multiprocessing.parent_process()
    assert parent
    wait([parent.sentinel])
    time.sleep(_GRACE)
    os._exit(1)
