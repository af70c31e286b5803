"""Stands in for CANN's `acl` (pyACL) where there is no NPU: it keeps the real one's rules and a ledger.

For tests only. Put the folder that holds this package on PYTHONPATH. ``acl.stand_in`` is the in-process control:
``acl.stand_in.reset(devices=4, soc="Ascend310P3")``, ``.fail("acl.rt.malloc", 3, 207001)``, ``.ledger()``,
``.assert_empty()``; the variables STAND_IN_ACL_DEVICES, _SOC, _RUN_MODE, _STRICT, _BRIDGE and _FAULT set the same from
outside, and ASCEND_RT_VISIBLE_DEVICES hides
and renumbers devices as on an NPU. With ``strict=0`` it lets pass what hardware tolerates, and ``.tolerated()`` tells.
"""

from __future__ import annotations

from . import mdl as mdl, rt as rt, streams, util
from .machine import Code, Misuse, call, machine as _machine
from .mdl import DataBuffer

SIMULATED = True


class stand_in:
    """Control of the stand-in, which the real module does not have."""

    Misuse = Misuse
    machine = _machine
    ledger, assert_empty, fail = _machine.ledger, _machine.assert_empty, _machine.fail

    @staticmethod
    def reset(**settings) -> None:
        """A fresh process; see `machine.Settings`."""
        _machine.reset(**settings)
        util.show_bridge()

    @staticmethod
    def record() -> list[tuple[str, int]]:
        """Start to record calls, as (name, n-th of that name), in the list that is returned."""
        _machine.calls = []
        _machine.counts.clear()
        streams.timeline.clear()
        return _machine.calls

    @staticmethod
    def tolerated() -> list[str]:
        """What hardware let pass since `reset`; with `strict` it was Misuse."""
        return list(_machine.tolerated)

    @staticmethod
    def timeline() -> list[tuple[str, float, float]]:
        """Copies and executions on streams since `record`, with start and end in made-up units."""
        return [(task.what, task.start, task.end) for task in streams.timeline]


@call("acl.init", "|s", context=False, init=False)
def init(*_config):
    if _machine.finalised and _machine.settings.strict:
        raise Code(500000, "init after finalize, of which older versions promise nothing")
    if _machine.initialised:
        raise Code(100002, "repeated initialisation")
    _machine.initialised, _machine.finalised = True, False


@call("acl.finalize", "", after=True, context=False, init=False)
def finalize():
    if not _machine.initialised:
        raise Code(100037, "repeated finalisation")
    if _machine.ledger():
        _machine.sloppy(f"finalize while there is {_machine.ledger()}")
    _machine.initialised, _machine.finalised = False, True


@call("acl.get_soc_name", "", "bare", None, context=False, init=False)
def get_soc_name():
    return _machine.settings.soc if _machine.visible else None


def get_recent_err_msg():
    """The message of the last failure, once."""
    message, _machine.message = _machine.message, None
    return message


def get_version():
    return 1, 0, 0, 0


@call("acl.app_log", "is", context=False, init=False)
def app_log(_level, _message):
    """To CANN's log, which nobody reads here."""


@call("acl.create_data_buffer", "kk", "bare", context=False)
def create_data_buffer(address, size):
    return _machine.new("data buffer", DataBuffer(address, size))


@call("acl.destroy_data_buffer", "k", after=True, context=False)
def destroy_data_buffer(buffer):
    streams.check_idle([streams.handle(_machine.get("data buffer", buffer), write=True)])
    _machine.drop("data buffer", buffer)


@call("acl.get_data_buffer_addr", "k", "bare", context=False)
def get_data_buffer_addr(buffer):
    return _machine.get("data buffer", buffer).address


@call("acl.get_data_buffer_size_v2", "k", "bare", context=False)
def get_data_buffer_size_v2(buffer):
    return _machine.get("data buffer", buffer).size


get_data_buffer_size = call("acl.get_data_buffer_size", "k", "bare", context=False)(
    lambda buffer: _machine.get("data buffer", buffer).size
)


@call("acl.update_data_buffer", "kkk", context=False)
def update_data_buffer(buffer, address, size):
    held = _machine.get("data buffer", buffer)
    streams.check_idle([streams.handle(held, write=True)])
    held.address, held.size = address, size
