"""Streams and events of the stand-in: work is queued, runs when somebody waits for it, and is checked for races.

Every task carries a vector clock, so that two tasks which touch the same memory, model or data set are found to be
unordered whatever order they would have run in. A simple clock of made-up units shows what would overlap.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .machine import PATIENCE, Code, Context, Misuse, machine

COPY, EXECUTE = 1, 4  # made-up units of time


@dataclass(eq=False)
class Stream:
    """A queue of tasks; `done` of them have run."""

    context: Context
    tasks: deque[Task] = field(default_factory=deque)
    issued: int = 0
    done: int = 0
    ready: float = 0.0
    clock: dict[Stream, int] = field(default_factory=dict)
    subscriber: int | None = None  # the thread that runs its callbacks
    running: bool = False

    @property
    def pending(self) -> bool:
        return self.done < self.issued


@dataclass(eq=False)
class Event:
    """Recorded once by good code; a second use wants a reset, whose rules differ between versions."""

    context: Context
    resettable: bool = False  # made with flags; of others a reset is undefined
    stream: Stream | None = None
    index: int = 0
    time: float = 0.0
    clock: dict[Stream, int] = field(default_factory=dict)


@dataclass(eq=False)
class Task:
    """Work on a stream: what it does, what it reads and writes, and all that is known to come before it."""

    what: str
    action: Callable[[], None]
    uses: list[Use]
    stream: Stream
    index: int
    clock: dict[Stream, int]
    start: float = 0.0
    end: float = 0.0


@dataclass(frozen=True)
class Use:
    """Bytes from `first` to `last` of the address space, or (`last` None) a handle; and whether they are changed."""

    first: Any
    last: int | None
    write: bool

    def conflicts(self, other: Use) -> bool:
        if not (self.write or other.write) or (self.last is None) != (other.last is None):
            return False
        if self.last is None:
            return self.first == other.first
        return self.first < other.last and other.first < self.last


def memory(address: int, size: int, write: bool = False) -> Use:
    return Use(address, address + size, write)


def handle(what: Any, write: bool = False) -> Use:
    return Use(id(what), None, write)


_host = {"now": 0.0}
timeline: list[Task] = []  # filled while the machine records calls


def get_stream(number: int) -> Stream:
    """A stream of the current context, 0 its own; 107003 where it is of another."""
    if number == 0:
        context = machine.context()
        context.stream = context.stream or Stream(context)
        return context.stream
    stream = machine.get("stream", number)
    if stream.context is not machine.context():
        raise Code(107003, "stream is not in current ctx")
    return stream


def every_stream() -> list[Stream]:
    """Those that were created, and the default ones."""
    contexts = [*machine.handles["context"].values(), *machine.default.values()]
    return [*machine.handles["stream"].values(), *(context.stream for context in contexts if context.stream)]


def check_idle(uses: list[Use]) -> None:
    """Misuse where the host touches what queued work still needs; waiting is what makes it safe."""
    for stream in every_stream():
        for task in stream.tasks:
            if any(use.conflicts(mine) for use in task.uses for mine in uses):
                raise Misuse(f"the host touches what a {task.what} on a stream still needs: synchronise first")


def enqueue(stream: Stream, what: str, uses: list[Use], action: Callable[[], None], duration: float = 0) -> None:
    """Queue a task; Misuse where a task of another stream touches the same and no event orders the two."""
    stream.issued += 1
    stream.clock[stream] = stream.issued
    for other in every_stream():
        for task in other.tasks if other is not stream else ():
            if any(u.conflicts(v) for u in task.uses for v in uses) and stream.clock.get(other, 0) < task.index:
                raise Misuse(f"{what} and {task.what} on two streams touch the same and no event orders them")
    task = Task(what, action, uses, stream, stream.issued, dict(stream.clock))
    task.start = max(stream.ready, _host["now"])
    task.end = stream.ready = task.start + duration
    stream.tasks.append(task)
    if machine.calls is not None and duration:
        timeline.append(task)


def record(event: Event, stream: Stream) -> None:
    if event.stream is not None:
        machine.sloppy("an event is recorded again without a reset")
    event.stream, event.index, event.time, event.clock = stream, stream.issued, stream.ready, dict(stream.clock)


def wait(stream: Stream, event: Event) -> None:
    if event.stream is None:
        raise Misuse("a stream waits for an event that was not recorded, which orders nothing")
    stream.ready = max(stream.ready, event.time)
    for other, index in event.clock.items():
        stream.clock[other] = max(index, stream.clock.get(other, 0))
    before, index = event.stream, event.index  # as recorded now, whatever becomes of the event
    enqueue(stream, "wait", [handle(event)], lambda: run(before, index))


def run(stream: Stream, count: int | None = None) -> None:
    """Do the queued work up to task number `count`, and what it waits for."""
    while stream.tasks and (count is None or stream.done < count):
        if stream.running:  # by another thread, which waits for a callback of this stream
            if not machine.news.wait_for(lambda: not stream.running, PATIENCE):
                raise Misuse("a callback waits for the stream that waits for it")
            continue
        task, stream.running = stream.tasks[0], True
        try:
            task.action()
        finally:
            stream.running = False
            machine.news.notify_all()
        stream.tasks.popleft()
        stream.done = task.index


def synchronise(time: float) -> None:
    _host["now"] = max(_host["now"], time)


def spend(duration: float) -> None:
    """The host waits for a synchronous call."""
    _host["now"] += duration
