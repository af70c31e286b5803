"""What clients of pyACL do, as small programs: each computes the features of a batch and returns them.

They call nothing but pyACL, so that they run on an NPU as they are: ``program(acl, path of an OM, batch)``. The OM
takes float32 images and is dynamic where the name says gears. What good code avoids is said where it is done.
"""

from __future__ import annotations

import ctypes
import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

HOST_TO_HOST, HOST_TO_DEVICE, DEVICE_TO_HOST, DEVICE_TO_DEVICE = range(4)
GEARS = "ascend_mbatch_shape_data"


def ok(result):
    """What a call gives beside its code, which must be 0."""
    *values, code = result if isinstance(result, tuple) else (result,)
    if code:
        raise RuntimeError(f"error code {code}")
    return values[0] if len(values) == 1 else tuple(values)


@dataclass
class Loaded:
    """A model, its description, and a data set for each side with memory behind it."""

    model: int
    desc: int
    inputs: int
    outputs: int
    memory: list[int]
    buffers: list[int]

    @property
    def feature_memory(self) -> int:
        return self.memory[-1]


def begin(acl, device: int = 0) -> int:
    ok(acl.init())
    ok(acl.rt.set_device(device))
    return ok(acl.rt.create_context(device))


def end(acl, context: int, device: int = 0) -> None:
    ok(acl.rt.destroy_context(context))
    ok(acl.rt.reset_device(device))
    ok(acl.finalize())


def describe(acl, model: int) -> Loaded:
    """Data sets of the sizes that the model tells."""
    desc = acl.mdl.create_desc()
    ok(acl.mdl.get_desc(desc, model))
    made = Loaded(model, desc, 0, 0, [], [])
    made.inputs = dataset(
        acl, made, [acl.mdl.get_input_size_by_index(desc, i) for i in range(acl.mdl.get_num_inputs(desc))]
    )
    made.outputs = dataset(acl, made, [acl.mdl.get_output_size_by_index(desc, 0)])
    return made


def dataset(acl, made: Loaded, sizes: list[int]) -> int:
    number = acl.mdl.create_dataset()
    for size in sizes:
        made.memory.append(ok(acl.rt.malloc(size, 0)))
        made.buffers.append(acl.create_data_buffer(made.memory[-1], size))
        ok(acl.mdl.add_dataset_buffer(number, made.buffers[-1]))
    return number


def release(acl, made: Loaded, *datasets: int) -> None:
    for buffer in made.buffers:
        ok(acl.destroy_data_buffer(buffer))
    for number in (made.inputs, made.outputs, *datasets):
        ok(acl.mdl.destroy_dataset(number))
    for address in made.memory:
        ok(acl.rt.free(address))
    ok(acl.mdl.unload(made.model))
    ok(acl.mdl.destroy_desc(made.desc))


def put(acl, made: Loaded, batch: np.ndarray, kind: int = HOST_TO_DEVICE) -> None:
    content = batch.tobytes()
    ok(acl.rt.memcpy(made.memory[0], len(content), acl.util.bytes_to_ptr(content), len(content), kind))


def get(acl, address: int, images: int) -> np.ndarray:
    """Features, by way of pinned memory."""
    size = images * 2048
    host = ok(acl.rt.malloc_host(size))
    ok(acl.rt.memcpy(host, size, address, size, DEVICE_TO_HOST))
    content = acl.util.ptr_to_bytes(host, size)
    ok(acl.rt.free_host(host))
    return np.frombuffer(content, np.float32).reshape(images, 512)


def compute(acl, path: str, batch: np.ndarray) -> tuple[Loaded, np.ndarray]:
    """The plain way: a model, a batch in, its features out."""
    made = describe(acl, ok(acl.mdl.load_from_file(path)))
    put(acl, made, batch)
    ok(acl.mdl.execute(made.model, made.inputs, made.outputs))
    features = get(acl, made.feature_memory, len(batch))
    return made, features


# ---- programs -------------------------------------------------------------------------------------------------------


def synchronous(acl, om: str, batch: np.ndarray) -> np.ndarray:
    context = begin(acl)
    made, features = compute(acl, om, batch)
    release(acl, made)
    end(acl, context)
    return features


def asynchronous_with_callbacks(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Two executions on a stream; a thread fetches the features of each when its callback comes."""
    context = begin(acl)
    stream = ok(acl.rt.create_stream())
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    found: list[np.ndarray] = []
    leaving = threading.Event()

    def serve(arguments: list) -> None:
        ok(acl.rt.set_context(arguments[0]))
        while not leaving.is_set():
            acl.rt.process_report(arguments[1])

    def fetch(images: int) -> None:
        found.append(get(acl, made.feature_memory, images))

    thread = ok(acl.util.start_thread(serve, [context, 50]))
    ok(acl.rt.subscribe_report(thread, stream))
    for part in (batch[::-1], batch):
        put(acl, made, np.ascontiguousarray(part))
        ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, stream))
        ok(acl.rt.launch_callback(fetch, len(batch), 1, stream))
        ok(acl.rt.synchronize_stream(stream))
    ok(acl.rt.unsubscribe_report(thread, stream))
    leaving.set()
    ok(acl.util.stop_thread(thread))
    release(acl, made)
    ok(acl.rt.destroy_stream(stream))
    end(acl, context)
    assert len(found) == 2 and np.allclose(found[0], found[1][::-1], atol=1e-4)
    return found[1]


def gears(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """The largest gear computes until one is set; one that is set stays, in its data set and no other."""
    context = begin(acl)
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    index = ok(acl.mdl.get_input_index_by_name(made.desc, GEARS))
    sizes = ok(acl.mdl.get_dynamic_batch(made.desc))["batch"]
    other = acl.mdl.create_dataset()  # the same buffers behind another data set
    for buffer in made.buffers[:2]:
        ok(acl.mdl.add_dataset_buffer(other, buffer))

    def computed(inputs: int) -> tuple[int, int]:
        """Rows that were written, and rows that the model tells."""
        ok(acl.rt.memset(made.feature_memory, len(batch) * 2048, 0xFF, len(batch) * 2048))
        ok(acl.mdl.execute(made.model, inputs, made.outputs))
        rows = np.isfinite(get(acl, made.feature_memory, len(batch))).all(axis=1).sum()
        return int(rows), ok(acl.mdl.get_cur_output_dims(made.desc, 0))["dims"][0]

    put(acl, made, batch)
    seen = [computed(made.inputs)]
    ok(acl.mdl.set_dynamic_batch_size(made.model, made.inputs, index, min(sizes)))
    seen += [computed(made.inputs), computed(made.inputs), computed(other)]
    ok(acl.mdl.set_dynamic_batch_size(made.model, made.inputs, index, max(sizes)))
    seen.append(computed(made.inputs))
    features = get(acl, made.feature_memory, len(batch))
    release(acl, made, other)
    end(acl, context)
    least, most = min(sizes), max(sizes)
    assert seen == [(most, most), (least, least), (least, least), (most, least), (most, most)], seen
    return features


def gears_by_dims(acl, om: str, batch: np.ndarray) -> np.ndarray:
    context = begin(acl)
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    index = ok(acl.mdl.get_input_index_by_name(made.desc, GEARS))
    count = ok(acl.mdl.get_input_dynamic_gear_count(made.desc, -1))
    fitting = [
        dims for dims in ok(acl.mdl.get_input_dynamic_dims(made.desc, -1, count)) if dims["dims"][0] == len(batch)
    ]
    put(acl, made, batch)
    ok(acl.mdl.set_input_dynamic_dims(made.model, made.inputs, index, fitting[0]))
    ok(acl.mdl.execute(made.model, made.inputs, made.outputs))
    features = get(acl, made.feature_memory, len(batch))
    release(acl, made)
    end(acl, context)
    return features


def on_the_device(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Run mode device: the model comes from device memory, and features are read where they are."""
    context = begin(acl)
    assert ok(acl.rt.get_run_mode()) == 0
    content = Path(om).read_bytes()
    place = ok(acl.rt.malloc(len(content), 0))
    ok(acl.rt.memcpy(place, len(content), acl.util.bytes_to_ptr(content), len(content), DEVICE_TO_DEVICE))
    made = describe(acl, ok(acl.mdl.load_from_mem(place, len(content))))
    ok(acl.rt.free(place))
    put(acl, made, batch, DEVICE_TO_DEVICE)
    ok(acl.mdl.execute(made.model, made.inputs, made.outputs))
    features = np.frombuffer(acl.util.ptr_to_bytes(made.feature_memory, len(batch) * 2048), np.float32)
    release(acl, made)
    end(acl, context)
    return features.reshape(-1, 512)


def two_devices_in_threads(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Each thread has its device, its context and its model; each computes a half."""
    ok(acl.init())
    halves: dict[int, np.ndarray] = {}

    def work(device: int) -> None:
        ok(acl.rt.set_device(device))
        context = ok(acl.rt.create_context(device))
        made, features = compute(acl, om, np.roll(batch, device, axis=0))
        halves[device] = features[: len(batch) // 2]
        release(acl, made)
        ok(acl.rt.destroy_context(context))
        ok(acl.rt.reset_device(device))

    threads = [threading.Thread(target=work, args=(device,)) for device in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ok(acl.finalize())
    return np.concatenate([halves[0], halves[1]])


def model_in_own_memory(acl, om: str, batch: np.ndarray) -> np.ndarray:
    context = begin(acl)
    sizes = ok(acl.mdl.query_size(om))
    own = [ok(acl.rt.malloc(size, 0)) for size in sizes]
    made = describe(acl, ok(acl.mdl.load_from_file_with_mem(om, own[0], sizes[0], own[1], sizes[1])))
    put(acl, made, batch)
    ok(acl.mdl.execute(made.model, made.inputs, made.outputs))
    features = get(acl, made.feature_memory, len(batch))
    release(acl, made)
    for address in own:
        ok(acl.rt.free(address))
    end(acl, context)
    return features


def event_chain(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Copy, execution and copy on three streams; one event made for reuse is reset between."""
    context = begin(acl)
    up, run, down = (ok(acl.rt.create_stream()) for _ in range(3))
    event = ok(acl.rt.create_event_ex_with_flag(1))
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    host, size = ok(acl.rt.malloc_host(batch.nbytes)), len(batch) * 2048
    content = batch.tobytes()
    ok(acl.rt.memcpy(host, batch.nbytes, acl.util.bytes_to_ptr(content), batch.nbytes, HOST_TO_HOST))
    ok(acl.rt.memcpy_async(made.memory[0], batch.nbytes, host, batch.nbytes, HOST_TO_DEVICE, up))
    follow(acl, event, up, run)
    ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, run))
    follow(acl, event, run, down)
    ok(acl.rt.memcpy_async(host, size, made.feature_memory, size, DEVICE_TO_HOST, down))
    ok(acl.rt.synchronize_stream(down))
    assert ok(acl.rt.query_event_wait_status(event)) == 0
    features = np.frombuffer(acl.util.ptr_to_bytes(host, size), np.float32).reshape(-1, 512)
    ok(acl.rt.free_host(host))
    release(acl, made)
    ok(acl.rt.destroy_event(event))
    for stream in (up, run, down):
        ok(acl.rt.destroy_stream(stream))
    end(acl, context)
    return features


def follow(acl, event: int, first: int, second: int) -> None:
    ok(acl.rt.record_event(event, first))
    ok(acl.rt.stream_wait_event(second, event))
    ok(acl.rt.reset_event(event, second))


def one_event_again_and_again(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Not good: an event of create_event recorded twice, which works, without a reset, which would be undefined."""
    context = begin(acl)
    stream, event = ok(acl.rt.create_stream()), ok(acl.rt.create_event())
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    put(acl, made, batch)
    for _ in range(2):
        ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, stream))
        ok(acl.rt.record_event(event, stream))
        ok(acl.rt.synchronize_event(event))
    features = get(acl, made.feature_memory, len(batch))
    release(acl, made)
    ok(acl.rt.destroy_event(event))
    ok(acl.rt.destroy_stream(stream))
    end(acl, context)
    return features


def default_stream(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Stream 0; and, not good, a device number for synchronize_device, which takes none."""
    context = begin(acl)
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    put(acl, made, batch)
    ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, 0))
    ok(acl.rt.synchronize_stream(0))
    ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, 0))
    ok(acl.rt.synchronize_device(0))
    features = get(acl, made.feature_memory, len(batch))
    release(acl, made)
    end(acl, context)
    return features


def foreign_pointers(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Not as documented: the data of an array and a ctypes buffer, of which acl knows nothing, even asynchronously."""
    context = begin(acl)
    made = describe(acl, ok(acl.mdl.load_from_file(om)))
    features = (ctypes.c_float * (len(batch) * 512))()
    size = ctypes.sizeof(features)
    ok(acl.rt.memcpy(made.memory[0], batch.nbytes, batch.ctypes.data, batch.nbytes, HOST_TO_DEVICE))
    ok(acl.mdl.execute_async(made.model, made.inputs, made.outputs, 0))
    ok(acl.rt.memcpy_async(ctypes.addressof(features), size, made.feature_memory, size, DEVICE_TO_HOST, 0))
    ok(acl.rt.synchronize_stream(0))
    release(acl, made)
    end(acl, context)
    return np.ctypeslib.as_array(features).reshape(-1, 512)


def second_model_after_finalize(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Not good: documented in 2026, and nobody knows since when."""
    synchronous(acl, om, batch)
    return synchronous(acl, om, batch)


def set_twice_reset_once(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Not good: devices are counted, so that this one stays."""
    context = begin(acl)
    ok(acl.rt.set_device(0))
    ok(acl.rt.set_context(context))
    made, features = compute(acl, om, batch)
    release(acl, made)
    end(acl, context)
    return features


def sloppy_teardown(acl, om: str, batch: np.ndarray) -> np.ndarray:
    """Not good: the context, the device and acl go first, and all that is left is the device's to free."""
    context = begin(acl)
    ok(acl.rt.create_stream())
    _, features = compute(acl, om, batch)
    end(acl, context)
    return features
