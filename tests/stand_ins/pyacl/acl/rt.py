"""acl.rt: devices, contexts, memory, streams, events."""

from __future__ import annotations

from . import callbacks, streams, util
from .machine import Code, Context, Misuse, call, machine
from .streams import Event, Stream, check_idle, enqueue, get_stream, handle, memory

NOT_READY = 0xFFFF  # of waiting for an event; 0 is complete
EVENTS = 1023  # that a process sees of the Atlas inference series


# ---- devices and contexts ---------------------------------------------------------------------------------------


def _device(number: int) -> int:
    if not 0 <= number < len(machine.visible):
        raise Code(107001, f"invalid device id {number}, there are {len(machine.visible)}")
    return number


@call("acl.rt.get_device_count", "", "value", context=False, init=False)
def get_device_count():
    return len(machine.visible)


@call("acl.rt.set_device", "i", context=False)
def set_device(number):
    context = machine.default.setdefault(_device(number), Context(number, default=True))
    machine.current.context = context
    machine.uses[number] += 1


@call("acl.rt.reset_device", "i", after=True, context=False)
def reset_device(number):
    if _device(number) not in machine.default:
        raise Code(107001, "the device is not set")
    machine.uses[number] -= 1
    if machine.uses[number]:  # the runtime of 2026 counts; an older one resets at once
        machine.sloppy(f"device {number} is reset while others of this process have set it")
        return
    held = [c for c in machine.handles["context"].values() if c.device == number]
    if held or any(block.context.device == number for block in machine.blocks.values()):
        machine.sloppy(f"device {number} is reset while contexts or memory of it are in use")
    del machine.default[number]


@call("acl.rt.get_device", "", "value")
def get_device():
    return machine.context().device


@call("acl.rt.get_run_mode", "", "value")
def get_run_mode():
    return machine.settings.run_mode


@call("acl.rt.create_context", "i", "value", context=False)
def create_context(number):
    machine.current.context = Context(_device(number))
    return machine.new("context", machine.current.context)


@call("acl.rt.destroy_context", "k", after=True, context=False)
def destroy_context(number):
    context = machine.get("context", number, 107000)
    for kind in ("stream", "event", "model"):
        if any(held.context is context for held in machine.handles[kind].values()):
            machine.sloppy(f"a context is destroyed while a {kind} of it is in use")
    if any(block.context is context for block in machine.blocks.values()):
        machine.sloppy("a context is destroyed while memory of it is in use")
    if any(stream.context is context and stream.pending for stream in streams.every_stream()):
        raise Misuse("a context is destroyed before the work on its streams is done")
    machine.drop("context", number)


@call("acl.rt.set_context", "k", context=False)
def set_context(number):
    context = machine.get("context", number, 107000)
    if context.device not in machine.default:
        raise Misuse("a context is set whose device was reset")
    machine.current.context = context


@call("acl.rt.get_context", "", "value")
def get_context():
    context = machine.context()
    return next((n for n, c in machine.handles["context"].items() if c is context), 0)


@call("acl.rt.get_mem_info", "i", "values", (0, 0))
def get_mem_info(_attribute):
    total = 8 << 30
    return total - sum(b.size for b in machine.blocks.values() if b.kind == "device"), total


# ---- memory -----------------------------------------------------------------------------------------------------


@call("acl.rt.malloc", "ki", "value")
def malloc(size, policy):
    if policy not in range(8):
        raise Code(107000, f"malloc policy {policy}")
    return machine.allocate("device", size)


@call("acl.rt.free", "k", after=True)
def free(start):
    _release("device", start)


@call("acl.rt.malloc_host", "k", "value")
def malloc_host(size):
    return machine.allocate("host", size)


@call("acl.rt.free_host", "k", after=True)
def free_host(start):
    _release("host", start)


def _release(kind: str, start: int) -> None:
    block = machine.blocks.get(start)
    if block is not None:
        check_idle([memory(start, block.size, write=True)])
    machine.free(kind, start)


def _check_copy(dst: int, dst_max: int, src: int, count: int, kind: int) -> None:
    if not dst or not src:
        raise Code(107000, "null address")
    if count > dst_max:
        raise Code(107000, f"count {count} is more than the {dst_max} bytes of the destination")
    if kind not in range(8):
        raise Code(107000, f"kind {kind}")
    if machine.settings.run_mode == 1 and kind in range(4):
        found = [(b.kind if (b := machine.block_at(address)) else "host") for address in (src, dst)]
        if found != [["host", "host"], ["host", "device"], ["device", "host"], ["device", "device"]][kind]:
            raise Code(107000, f"kind {kind} for a copy from {found[0]} to {found[1]} memory")
    block = machine.block_at(dst)
    if block is not None and dst + dst_max > block.start + block.size:
        raise Misuse(f"dst_max {dst_max} is more than the block has")


@call("acl.rt.memcpy", "kkkki")
def memcpy(dst, dst_max, src, count, kind):
    if count == 0:
        return
    _check_copy(dst, dst_max, src, count, kind)
    check_idle([memory(src, count), memory(dst, count, write=True)])
    util.any_bytes(dst, count)[:] = util.any_bytes(src, count)
    streams.spend(streams.COPY)


@call("acl.rt.memcpy_async", "kkkkik")
def memcpy_async(dst, dst_max, src, count, kind, stream):
    stream = get_stream(stream)
    if count == 0:
        return
    _check_copy(dst, dst_max, src, count, kind)
    if any(machine.block_at(address) is None for address in (dst, src)):
        machine.sloppy("memcpy_async with host memory that is not from malloc_host")
    target, source = util.any_bytes(dst, count), util.any_bytes(src, count)

    def copy() -> None:
        target[:] = source

    enqueue(stream, "memcpy_async", [memory(src, count), memory(dst, count, write=True)], copy, streams.COPY)


def _target(start: int, max_count: int, count: int):
    if count > max_count:
        raise Code(107000, "count is more than max_count")
    return util.any_bytes(start, count)


@call("acl.rt.memset", "kkik")
def memset(start, max_count, value, count):
    target = _target(start, max_count, count)
    check_idle([memory(start, count, write=True)])
    target[:] = value


@call("acl.rt.memset_async", "kkikk")
def memset_async(start, max_count, value, count, stream):
    target = _target(start, max_count, count)

    def fill() -> None:
        target[:] = value

    enqueue(get_stream(stream), "memset_async", [memory(start, count, write=True)], fill, streams.COPY)


# ---- streams and events -----------------------------------------------------------------------------------------


@call("acl.rt.create_stream", "", "value")
def create_stream():
    return machine.new("stream", Stream(machine.context()))


@call("acl.rt.destroy_stream", "k", after=True)
def destroy_stream(number):
    if number == 0:
        raise Code(107000, "the default stream belongs to its context")
    if get_stream(number).pending:
        raise Misuse("a stream is destroyed before its work is done")
    if get_stream(number).subscriber is not None:
        machine.sloppy("a stream is destroyed while a thread is subscribed to it")
    machine.drop("stream", number)


@call("acl.rt.synchronize_stream", "k", after=True)
def synchronize_stream(number):
    stream = get_stream(number)
    streams.run(stream)
    streams.synchronise(stream.ready)


@call("acl.rt.synchronize_stream_with_timeout", "ki", after=True)
def synchronize_stream_with_timeout(number, _milliseconds):
    stream = get_stream(number)
    streams.run(stream)
    streams.synchronise(stream.ready)


@call("acl.rt.synchronize_device", "|i", after=True)
def synchronize_device(*device):
    if device:
        machine.sloppy("synchronize_device takes no device: it is that of the context")
    for stream in streams.every_stream():
        if stream.context.device == machine.device():
            streams.run(stream)
            streams.synchronise(stream.ready)


@call("acl.rt.stream_wait_event", "kk")
def stream_wait_event(stream, event):
    streams.wait(get_stream(stream), machine.get("event", event))


def _event(resettable: bool) -> int:
    if len(machine.handles["event"]) >= EVENTS:
        raise Code(207007, f"the process has {EVENTS} events")
    return machine.new("event", Event(machine.context(), resettable))


@call("acl.rt.create_event", "", "value")
def create_event():
    return _event(resettable=False)


@call("acl.rt.create_event_with_flag", "i", "value")
def create_event_with_flag(_flag):
    return _event(resettable=True)


@call("acl.rt.create_event_ex_with_flag", "i", "value")
def create_event_ex_with_flag(_flag):
    return _event(resettable=True)


@call("acl.rt.reset_event", "kk")
def reset_event(event, stream):
    event, stream = machine.get("event", event), get_stream(stream)
    if not event.resettable:
        machine.sloppy("reset of an event of create_event is undefined")
    enqueue(stream, "reset", [handle(event, write=True)], lambda: None)
    event.stream, event.index, event.time, event.clock = None, 0, 0.0, {}


@call("acl.rt.record_event", "kk")
def record_event(event, stream):
    streams.record(machine.get("event", event), get_stream(stream))


@call("acl.rt.query_event_status", "k", "value")
def query_event_status(event):
    event = machine.get("event", event)
    return int(event.stream is not None and event.stream.done >= event.index)


@call("acl.rt.query_event_wait_status", "k", "value")
def query_event_wait_status(number):
    event = machine.get("event", number)
    waits = any(handle(event) in task.uses for stream in streams.every_stream() for task in stream.tasks)
    return NOT_READY if waits else 0


@call("acl.rt.synchronize_event", "k", after=True)
def synchronize_event(event):
    event = machine.get("event", event)
    if event.stream is None:
        raise Misuse("waiting for an event that was not recorded")
    streams.run(event.stream, event.index)
    streams.synchronise(event.time)


@call("acl.rt.event_elapsed_time", "kk", "value", 0.0)
def event_elapsed_time(start, end):
    return float(machine.get("event", end).time - machine.get("event", start).time)


@call("acl.rt.destroy_event", "k", after=True)
def destroy_event(number):
    event = machine.get("event", number)
    check_idle([handle(event, write=True)])
    if event.stream is not None and event.stream.done < event.index:
        raise Misuse("an event is destroyed before it happened")
    machine.drop("event", number)


# ---- callbacks --------------------------------------------------------------------------------------------------


@call("acl.rt.subscribe_report", "kk")
def subscribe_report(thread, stream):
    callbacks.subscribe(thread, get_stream(stream))
    machine.news.notify_all()


@call("acl.rt.unsubscribe_report", "kk", after=True)
def unsubscribe_report(thread, stream):
    callbacks.unsubscribe(thread, get_stream(stream))


@call("acl.rt.launch_callback", "ooik")
def launch_callback(function, argument, block, stream):
    callbacks.launch(function, argument, block, get_stream(stream))


@call("acl.rt.process_report", "i", context=False)
def process_report(milliseconds):
    callbacks.process(milliseconds)
