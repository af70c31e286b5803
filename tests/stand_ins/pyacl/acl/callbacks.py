"""Callbacks: a stream hands them to the thread that is subscribed to it, which runs them in process_report."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import streams
from .machine import PATIENCE, Code, Misuse, machine
from .streams import Stream, enqueue


@dataclass(eq=False)
class Callback:
    """What is due, and whether it was done."""

    function: Callable[[Any], Any]
    argument: Any
    done: bool = False

    def run(self) -> None:
        self.function(self.argument)
        self.done = True


def subscribe(thread: int, stream: Stream) -> None:
    if stream.subscriber is not None:
        raise Code(107011, "the stream has a subscriber")
    stream.subscriber = thread
    machine.callbacks.setdefault(thread, deque())


def unsubscribe(thread: int, stream: Stream) -> None:
    if stream.subscriber is None:
        raise Code(107015, "the stream has no subscriber")
    if stream.subscriber != thread:
        raise Code(107012, "another thread is subscribed to the stream")
    stream.subscriber = None


def launch(function: Callable, argument: Any, block: int, stream: Stream) -> None:
    """Queue a callback; one that blocks holds up what comes behind it in the stream."""
    if not callable(function):
        raise TypeError("acl.rt.launch_callback args parse failed")
    thread = stream.subscriber
    if thread is None:
        raise Code(107015, "no thread is subscribed to the stream")

    def due() -> None:
        callback = Callback(function, argument)
        if threading.get_ident() == thread:  # it is in process_report, and drives the stream
            callback.run()
            machine.callbacks[thread].append(callback)
            return
        machine.callbacks[thread].append(callback)
        machine.news.notify_all()
        if block and not machine.news.wait_for(lambda: callback.done, PATIENCE):
            raise Misuse("nobody processes the reports that a stream waits for: on a device this hangs")

    enqueue(stream, "callback", [], due)


def process(milliseconds: int) -> None:
    """Let the streams of this thread go on, then run the callbacks that are due, or wait for one."""
    thread = threading.get_ident()
    if not machine.news.wait_for(lambda: thread in machine.callbacks, _seconds(milliseconds)):
        raise Code(107012, "the thread is not subscribed")
    due = machine.callbacks[thread]
    for stream in streams.every_stream():
        if stream.subscriber == thread and not stream.running:
            streams.run(stream)
    if not machine.news.wait_for(lambda: due, _seconds(milliseconds)):
        raise Code(507012, "no report came in time")
    while due:
        callback = due.popleft()
        if not callback.done:
            callback.run()
    machine.news.notify_all()


def _seconds(milliseconds: int) -> float:
    """-1 is for ever, which a test does not wait."""
    return PATIENCE if milliseconds < 0 else milliseconds / 1000
