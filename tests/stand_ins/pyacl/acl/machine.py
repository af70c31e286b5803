"""What stands behind the stand-in: its settings, handles, memory, ledger, injected faults, and how a call is parsed.

Where a mistake has a documented error code the call returns it; where a real device would crash, hang or silently
compute from the wrong bytes, `Misuse` is raised, so that no test can miss it. What hardware tolerates and good code
avoids is `Misuse` too while the setting `strict` is on; else it is remembered in `Machine.tolerated`.
"""

from __future__ import annotations

import itertools
import os
import threading
from collections import Counter, deque
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

import numpy as np

PATIENCE = 10.0  # seconds after which what nobody will do counts as a hang
GARBAGE = 0xFF  # NaN in every float type: whoever reads fresh memory is seen


class Misuse(AssertionError):
    """A mistake that a real device answers with a crash or with wrong numbers."""


class Code(Exception):
    """Leaves a call with an ACL error code."""

    def __init__(self, code: int, message: str = ""):
        super().__init__(message)
        self.code, self.message = code, message


@dataclass
class Settings:
    """What is plugged in; from ``STAND_IN_ACL_*`` variables, or `Machine.reset`."""

    devices: int = 1
    soc: str = "Ascend310"
    run_mode: int = 1  # 0 device, 1 host
    strict: int = 1  # 0: what hardware tolerates passes, and only `tolerated` tells
    bridge: str = "bytes"  # "numpy": an old CANN, whose acl.util has no bytes_to_ptr
    fault: str = ""  # "acl.rt.malloc:3:207001,acl.mdl.execute@1:5:exit": call[@device]:n-th:code

    @classmethod
    def from_environment(cls) -> Settings:
        names = {name: os.environ.get(f"STAND_IN_ACL_{name.upper()}") for name in cls.__dataclass_fields__}
        kinds = {name: type(f.default) for name, f in cls.__dataclass_fields__.items()}
        return cls(**{name: kinds[name](value) for name, value in names.items() if value is not None})


@dataclass
class Context:
    """A context of a device; the default one came with set_device."""

    device: int
    default: bool = False
    stream: Any = field(default=None, compare=False, repr=False)  # number 0, once it was used


@dataclass
class Block:
    """A piece of device memory, or of pinned host memory."""

    kind: str
    array: np.ndarray
    start: int
    size: int
    context: Context


@dataclass
class Machine:
    """The whole state of the process; one instance, `machine`."""

    settings: Settings = field(default_factory=Settings.from_environment)

    def __post_init__(self) -> None:
        self.lock = threading.RLock()
        self.news = threading.Condition(self.lock)  # callbacks that are due or done, streams that are free again
        self.reset(**vars(self.settings))

    def reset(self, **settings: Any) -> None:
        """Begin as a fresh process with these settings and no faults but those of `fault`."""
        self.settings = Settings(**settings)
        self.initialised, self.finalised, self.message = False, False, None
        self.handles: dict[str, dict[int, Any]] = {
            kind: {} for kind in ("context", "stream", "event", "desc", "dataset", "data buffer", "model", "thread")
        }
        self.blocks: dict[int, Block] = {}
        self.default: dict[int, Context] = {}  # by device, while it is set
        self.uses: Counter[int] = Counter()  # set_device calls that no reset_device undid
        self.tolerated: list[str] = []
        self.callbacks: dict[int, deque[Any]] = {}  # those that are due, by the thread that is subscribed
        self.current = threading.local()
        self.counts: Counter[str] = Counter()
        self.calls: list[tuple[str, int]] | None = None  # filled while recording
        self.faults: list[tuple[str, int | None, int, int | str]] = []
        self.warnings = 0
        self._numbers = itertools.count(0x7F00_0000_1000, 0x40)
        for entry in filter(None, self.settings.fault.split(",")):
            call, nth, code = entry.split(":")
            name, _, device = call.partition("@")
            self.fail(name, int(nth), code if code == "exit" else int(code), int(device) if device else None)

    # ---- faults and the ledger --------------------------------------------------------------------------------------

    def fail(self, call: str, nth: int, code: int | str, device: int | None = None) -> None:
        """Let the `nth` call of a function from now on fail with `code`; ``"exit"`` ends the process there."""
        self.faults.append((call, device, self.counts[call] + nth, code))

    def _fault(self, name: str) -> int:
        self.counts[name] += 1
        if self.calls is not None:
            self.calls.append((name, self.counts[name]))
        for fault in self.faults:
            call, device, nth, code = fault
            if call != name or self.counts[name] < nth or device not in (None, self._physical()):
                continue
            self.faults.remove(fault)
            if code == "exit":
                os._exit(9)
            return code
        return 0

    def ledger(self) -> dict[str, int]:
        """How many of each kind are allocated, and the bytes of memory; kinds of which there is none are left out."""
        counts = Counter({kind: len(held) for kind, held in self.handles.items()})
        for block in self.blocks.values():
            counts[f"{block.kind} memory"] += 1
            counts[f"{block.kind} bytes"] += block.size
        counts["device set"] = len(self.default)
        return {kind: count for kind, count in sorted(counts.items()) if count}

    def sloppy(self, what: str) -> None:
        """Hardware goes on, good code does not get here: Misuse in strict mode."""
        if self.settings.strict:
            raise Misuse(what)
        self.tolerated.append(what)

    def assert_empty(self) -> None:
        """Raise AssertionError where anything is still allocated."""
        assert not self.ledger(), f"still allocated: {self.ledger()}"

    # ---- handles and contexts ---------------------------------------------------------------------------------------

    def new(self, kind: str, what: Any) -> int:
        number = next(self._numbers)
        self.handles[kind][number] = what
        return number

    def get(self, kind: str, handle: int, null: int = 100000) -> Any:
        if handle == 0:
            raise Code(null, f"null {kind}")
        if handle not in self.handles[kind]:
            raise Misuse(f"{handle:#x} is no {kind}, or no longer one")
        return self.handles[kind][handle]

    def drop(self, kind: str, handle: int, null: int = 100000) -> Any:
        what = self.get(kind, handle, null)
        del self.handles[kind][handle]
        return what

    @property
    def visible(self) -> list[int]:
        """The devices that ASCEND_RT_VISIBLE_DEVICES lets this process see; it knows them as 0, 1, ..."""
        shown = os.environ.get("ASCEND_RT_VISIBLE_DEVICES")
        everything = range(self.settings.devices)
        if shown is None:
            return list(everything)
        numbers = [int(number) if number.isdigit() else -1 for number in shown.replace(" ", "").split(",")]
        return list(itertools.takewhile(lambda number: number in everything, numbers))

    def _physical(self) -> int | None:
        """The device of this thread's context, by the number that it has without ASCEND_RT_VISIBLE_DEVICES."""
        number = self.device()
        return None if number is None else self.visible[number]

    def device(self) -> int | None:
        """Of this thread's context."""
        context = getattr(self.current, "context", None)
        return context.device if context else None

    def context(self) -> Context:
        """This thread's context, 107002 where it has none."""
        context = getattr(self.current, "context", None)
        known = context and (
            context in self.default.values()
            if context.default
            else any(context is c for c in self.handles["context"].values())
        )
        if not known:
            raise Code(107002, "ctx is NULL")
        return context

    # ---- memory -----------------------------------------------------------------------------------------------------

    def allocate(self, kind: str, size: int) -> int:
        if size <= 0:
            raise Code(100000 if kind == "device" else 107000, "size must be greater than zero")
        real = (size + 31) // 32 * 32 + 32
        array = np.full(real + 64, GARBAGE, np.uint8)
        offset = -array.ctypes.data % 64
        start = array.ctypes.data + offset
        self.blocks[start] = Block(kind, array[offset : offset + real], start, size, self.context())
        return start

    def free(self, kind: str, start: int) -> None:
        if start == 0:
            raise Code(100000, "null pointer")
        block = self.blocks.get(start)
        if block is None or block.kind != kind:
            raise Misuse(f"free of {start:#x}, which is no {kind} memory, or was freed before")
        del self.blocks[start]

    def block_at(self, address: int) -> Block | None:
        """The block that holds an address."""
        return next((b for b in self.blocks.values() if b.start <= address < b.start + b.size), None)

    def bytes_at(self, address: int, size: int) -> np.ndarray:
        """Memory of a block, as uint8; Misuse beyond its end."""
        block = self.block_at(address)
        if block is None:
            raise Misuse(f"{address:#x} is in no block of this machine")
        first = address - block.start
        if first + size > block.size:
            raise Misuse(f"{size} bytes at {first} of a block of {block.size}")
        return block.array[first : first + size]


machine = Machine()


def _parse(name: str, kinds: str, args: tuple) -> None:
    """As PyArg_ParseTuple: k, I and i take true integers only, s a str, o any object; after | they are optional."""
    needed, _, more = kinds.partition("|")
    right = len(needed) <= len(args) <= len(needed + more)
    for kind, value in zip(needed + more, args):
        right &= {"s": isinstance(value, str), "o": True}.get(kind, isinstance(value, int))
    if not right:
        raise TypeError(f"{name} args parse failed")


def call(
    name: str,
    kinds: str = "",
    shape: str = "ret",
    empty: Any = 0,
    *,
    after: bool = False,
    context: bool = True,
    init: bool = True,
    lock: bool = True,
) -> Callable:
    """Make a body into a function of the module.

    `shape` is what it returns: ``"ret"``, ``"value"`` for ``(value, ret)``, ``"values"`` where the body gives a tuple,
    or ``"bare"`` for a value alone. `empty` stands for the value of a call that fails. A fault that is injected
    replaces the call; with `after` (releasing and waiting) it is reported once the call has done its work, as a device
    does that gives up a resource and reports an earlier failure. Without `lock` other threads go on meanwhile.
    """

    def decorate(body: Callable) -> Callable:
        @wraps(body)
        def function(*args, **keywords):
            if keywords:
                raise TypeError(f"{name}() takes no keyword arguments")
            _parse(name, kinds, args)
            with machine.lock if lock else nullcontext():
                fault, value, code = machine._fault(name), empty, 0
                try:
                    if fault and not after:
                        raise Code(fault, "injected fault")
                    if init and not machine.initialised:
                        raise Code(100001, "acl.init has not been called")
                    if context:
                        machine.context()
                    value = body(*args)
                    if fault:
                        raise Code(fault, "injected fault")
                except Code as failed:
                    code, value = failed.code, empty
                    machine.message = f"EZ9999: Inner Error!\n        [{name}] {failed.message} ({code})\n"
            if shape == "bare":
                return value
            if shape == "ret":
                return code
            return (value, code) if shape == "value" else (*value, code)

        return function

    return decorate
