"""The stand-in `acl` is as strict as the real one: what it refuses, what it returns, and what it finds out."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from helpers.networks import images
from helpers.npu import ACL, PYACL, STAND_INS, make_om, tiny_features

Misuse = ACL.stand_in.Misuse
INPUT, OUTPUT = 2 * 393216, 2 * 2048  # bytes of two images and of their features
FUNCTIONS = sorted(
    f"acl.{prefix}{name}"
    for prefix, module in (("", ACL), ("rt.", ACL.rt), ("mdl.", ACL.mdl), ("util.", ACL.util))
    for name, value in vars(module).items()
    if hasattr(value, "__wrapped__") and name[0] != "_"
)


@pytest.fixture(autouse=True)
def fresh(npu):
    """These tests leave all kinds of things behind."""
    yield
    npu.stand_in.reset()


def function(name: str):
    found = ACL
    for part in name.split(".")[1:]:
        found = getattr(found, part)
    return found


@pytest.fixture
def context(npu):
    assert ACL.init() == 0 and ACL.rt.set_device(0) == 0
    number, code = ACL.rt.create_context(0)
    assert code == 0
    return number


class Loaded:
    """An OM with buffers, set up by hand."""

    def __init__(self, path, inputs=(INPUT,), outputs=(OUTPUT,)):
        self.model, code = ACL.mdl.load_from_file(str(path))
        assert code == 0
        self.desc = ACL.mdl.create_desc()
        assert ACL.mdl.get_desc(self.desc, self.model) == 0
        self.memory, self.buffers, self.datasets = [], [], []
        for sizes in (inputs, outputs):
            dataset = ACL.mdl.create_dataset()
            for size in sizes:
                self.memory.append(ACL.rt.malloc(size, 0)[0])
                self.buffers.append(ACL.create_data_buffer(self.memory[-1], size))
                assert ACL.mdl.add_dataset_buffer(dataset, self.buffers[-1]) == (dataset, 0)
            self.datasets.append(dataset)

    def fill(self, batch) -> None:
        content = batch.tobytes()
        pointer = ACL.util.bytes_to_ptr(content)
        assert ACL.rt.memcpy(self.memory[0], len(content), pointer, len(content), 1) == 0

    def features(self) -> np.ndarray:
        host, _ = ACL.rt.malloc_host(OUTPUT)
        assert ACL.rt.memcpy(host, OUTPUT, self.memory[-1], OUTPUT, 2) == 0
        content = ACL.util.ptr_to_bytes(host, OUTPUT)
        assert ACL.rt.free_host(host) == 0
        return np.frombuffer(content, np.float32).reshape(2, 512)


@pytest.fixture
def loaded(context, tmp_path):
    return Loaded(make_om(tmp_path))


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_positional_only_and_counted(name):
    with pytest.raises(TypeError, match="keyword"):
        function(name)(size=1)
    with pytest.raises(TypeError, match=f"^{name} args parse failed$"):
        function(name)(*[1] * 9)


def test_there_are_many_functions():
    assert len(FUNCTIONS) > 60 and {"acl.init", "acl.rt.malloc", "acl.mdl.execute"} <= set(FUNCTIONS)
    assert not [name for name in dir(ACL) if name.startswith("ACL_")]  # no constants, as in the real one


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("acl.rt.malloc", (np.int64(64), 0)),
        ("acl.rt.malloc", (64.0, 0)),
        ("acl.rt.malloc", (None, 0)),
        ("acl.rt.malloc", ("64", 0)),
        ("acl.mdl.execute", (1, None, 2)),
        ("acl.mdl.load_from_file", (b"x.om",)),
        ("acl.mdl.load_from_file", (PYACL,)),
        ("acl.rt.set_device", (np.int32(0),)),
        ("acl.init", (None, 1)),
        ("acl.mdl.set_dynamic_batch_size", (1, 2, 1, np.uint8(4))),
        ("acl.util.ptr_to_numpy", (64, [1, 2], 11)),
        ("acl.util.ptr_to_numpy", (64, (np.int64(1), 2), 11)),
    ],
)
def test_true_integers_and_strings(context, name, arguments):
    with pytest.warns(Warning) if "numpy" in name else pytest.MonkeyPatch.context():
        with pytest.raises(TypeError, match=f"{name} args parse failed"):
            function(name)(*arguments)


@pytest.mark.parametrize("value", [bytearray(4), memoryview(b"1234"), np.zeros(4), "text", None])
def test_the_bridge_takes_bytes_only(value):
    with pytest.raises(ValueError, match="bytes_to_ptr"):
        ACL.util.bytes_to_ptr(value)


def test_the_bridges_of_two_versions(npu):
    array = np.arange(4, dtype=np.float32)
    with pytest.warns(Warning, match="deprecated"):
        ACL.util.numpy_to_ptr(array)
    npu.restart(bridge="numpy")
    assert "bytes_to_ptr" not in dir(ACL.util) and "ptr_to_bytes" not in dir(ACL.util)
    pointer = ACL.util.numpy_to_ptr(array)  # without a warning
    np.testing.assert_array_equal(ACL.util.ptr_to_numpy(pointer, (2, 2), 11), array.reshape(2, 2))
    with pytest.raises(ValueError):
        ACL.util.numpy_to_ptr(array.tolist())
    with pytest.raises(Misuse, match="not contiguous"):
        ACL.util.numpy_to_ptr(array[::2])
    npu.restart()
    assert "bytes_to_ptr" in dir(ACL.util)


# ---- what calls return ----------------------------------------------------------------------------------------------


def test_shapes_of_results(context, loaded):
    assert ACL.rt.get_device_count() == (1, 0) and ACL.rt.get_device() == (0, 0) and ACL.rt.get_run_mode() == (1, 0)
    assert ACL.get_soc_name() == "Ascend310" and ACL.rt.get_context() == (context, 0)
    free, total, code = ACL.rt.get_mem_info(1)
    assert 0 < free < total and code == 0 and len(ACL.get_version()) == 4
    model, desc = loaded.model, loaded.desc
    assert (ACL.mdl.get_num_inputs(desc), ACL.mdl.get_num_outputs(desc)) == (1, 1)
    assert ACL.mdl.get_input_dims(desc, 0) == ({"name": "image", "dimCount": 4, "dims": [2, 3, 256, 128]}, 0)
    dims, _ = ACL.mdl.get_output_dims(desc, 0)
    assert dims["dims"] == [2, 512] and dims["name"].endswith(":0:feature") and dims["name"] != "feature"
    assert (ACL.mdl.get_input_size_by_index(desc, 0), ACL.mdl.get_output_size_by_index(desc, 0)) == (INPUT, OUTPUT)
    assert (ACL.mdl.get_input_data_type(desc, 0), ACL.mdl.get_input_format(desc, 0)) == (0, 0)
    assert ACL.mdl.get_dynamic_batch(desc) == ({"batchCount": 0, "batch": []}, 0)
    assert ACL.mdl.get_input_dims(desc, 1) == ({}, 100000)  # an empty dict, never None
    assert ACL.mdl.get_input_index_by_name(desc, "data") == (0, 100000)
    assert ACL.mdl.get_output_index_by_name(desc, dims["name"]) == (0, 0)
    assert ACL.mdl.get_output_index_by_name(desc, "feature") == (0, 100000)  # which ATC decorates
    assert ACL.mdl.get_output_format(desc, 0) == 2 and ACL.mdl.get_cur_output_dims(desc, 0) == (dims, 0)
    assert ACL.mdl.get_dataset_num_buffers(loaded.datasets[0]) == 1
    assert ACL.get_data_buffer_addr(loaded.buffers[0]) == loaded.memory[0]
    assert ACL.get_data_buffer_size_v2(loaded.buffers[0]) == ACL.get_data_buffer_size(loaded.buffers[0]) == INPUT
    assert ACL.mdl.unload(model) == 0


def test_gears(context, tmp_path):
    loaded = Loaded(make_om(tmp_path, [1, 2]), (INPUT, 8))
    assert ACL.mdl.get_input_dims(loaded.desc, 0)[0]["dims"] == [-1, 3, 256, 128]
    assert ACL.mdl.get_dynamic_batch(loaded.desc) == ({"batchCount": 2, "batch": [1, 2]}, 0)
    index = ACL.mdl.get_input_index_by_name(loaded.desc, "ascend_mbatch_shape_data")
    assert index == (1, 0) and ACL.mdl.get_input_size_by_index(loaded.desc, 1) == 8
    run = (loaded.model, *loaded.datasets)
    assert ACL.mdl.get_input_dynamic_gear_count(loaded.desc, -1) == (0, 0)  # made by --dynamic_batch_size
    assert ACL.mdl.get_dynamic_hw(loaded.desc, -1) == ({"hwCount": 0, "hw": []}, 0)
    loaded.fill(images(2, 1))
    assert ACL.mdl.execute(*run) == 0  # the largest computes until one is set
    assert ACL.mdl.set_dynamic_batch_size(loaded.model, loaded.datasets[0], 1, 3) == 145013
    assert ACL.mdl.set_dynamic_batch_size(loaded.model, loaded.datasets[0], 0, 1) == 145011
    before = loaded.features()
    loaded.fill(images(2))
    assert ACL.mdl.set_dynamic_batch_size(loaded.model, loaded.datasets[0], 1, 1) == 0 == ACL.mdl.execute(*run)
    features = loaded.features()
    assert np.isfinite(before).all()
    np.testing.assert_allclose(features[:1], tiny_features(images(2)[:1]), atol=1e-4)
    np.testing.assert_array_equal(features[1], before[1])  # beyond the gear nothing is written
    assert ACL.mdl.get_cur_output_dims(loaded.desc, 0)[0]["dims"] == [1, 512]
    assert ACL.mdl.set_dynamic_hw_size(loaded.model, loaded.datasets[0], 1, 256, 128) == 145013
    assert ACL.mdl.set_input_dynamic_dims(loaded.model, loaded.datasets[0], 1, dims([1, 3, 256, 128])) == 145013
    with pytest.raises(TypeError, match="args parse failed"):
        ACL.mdl.set_input_dynamic_dims(loaded.model, loaded.datasets[0], 1, {"dims": [1]})


def dims(shape: list[int]) -> dict:
    return {"name": "image", "dimCount": len(shape), "dims": shape}


def test_gears_by_dims(context, tmp_path):
    loaded = Loaded(make_om(tmp_path, [1, 2], header={"gears_by": "dims"}), (INPUT, 8))
    assert ACL.mdl.get_dynamic_batch(loaded.desc) == ({"batchCount": 0, "batch": []}, 0)
    assert ACL.mdl.get_input_dynamic_gear_count(loaded.desc, -1) == (2, 0)
    gears = [dims([batch, 3, 256, 128]) for batch in (1, 2)]
    assert ACL.mdl.get_input_dynamic_dims(loaded.desc, -1, 2) == (gears, 0)
    assert ACL.mdl.get_input_dynamic_dims(loaded.desc, -1, 1) == ([], 100000)
    assert ACL.mdl.set_dynamic_batch_size(loaded.model, loaded.datasets[0], 1, 1) == 145013
    assert ACL.mdl.set_input_dynamic_dims(loaded.model, loaded.datasets[0], 1, gears[0]) == 0
    assert ACL.mdl.get_cur_output_dims(loaded.desc, 0)[0]["dims"] == [1, 512]


def test_nobody_checks_the_sizes_of_a_dynamic_model(npu, context, tmp_path):
    loaded = Loaded(make_om(tmp_path, [1, 2]), (INPUT, 8))
    small = ACL.create_data_buffer(loaded.memory[0], INPUT // 2)
    dataset = ACL.mdl.create_dataset()
    for buffer in (small, loaded.buffers[1]):
        ACL.mdl.add_dataset_buffer(dataset, buffer)
    with pytest.raises(Misuse, match="which nobody checks"):
        ACL.mdl.execute(loaded.model, dataset, loaded.datasets[1])
    assert ACL.mdl.set_dynamic_batch_size(loaded.model, dataset, 1, 1) == 0
    assert ACL.mdl.execute(loaded.model, dataset, loaded.datasets[1]) == 0  # which fits this gear
    npu.stand_in.reset(strict=0)
    assert ACL.init() == 0 == ACL.rt.set_device(0)
    loaded = Loaded(make_om(tmp_path, [1, 2]), (INPUT // 2, 8))
    with pytest.raises(Misuse, match="bytes at 0 of a block"):  # on a device it would read what lies behind
        ACL.mdl.execute(loaded.model, *loaded.datasets)


def test_execute(loaded):
    loaded.fill(images(2))
    assert ACL.mdl.execute(loaded.model, *loaded.datasets) == 0
    np.testing.assert_allclose(loaded.features(), tiny_features(images(2)), atol=1e-4)


# ---- codes ----------------------------------------------------------------------------------------------------------


def test_life_of_a_process(npu, tmp_path):
    assert ACL.rt.set_device(0) == 100001 and ACL.finalize() == 100037
    assert ACL.init() == 0 and ACL.init() == 100002
    assert ACL.rt.set_device(1) == 107001 and ACL.rt.set_device(-1) == 107001
    assert ACL.rt.malloc(64, 0) == (0, 107002) and ACL.mdl.load_from_file(str(make_om(tmp_path))) == (0, 107002)
    assert "107002" in ACL.get_recent_err_msg() and ACL.get_recent_err_msg() is None  # read once
    assert ACL.rt.reset_device(0) == 107001
    assert ACL.finalize() == 0 and ACL.finalize() == 100037
    assert ACL.init() != 0  # which not every version can do


def test_a_thread_has_no_context(context):
    codes = []

    def work():
        codes.append(ACL.rt.malloc(64, 0)[1])
        codes.append(ACL.rt.set_context(context))
        codes.append(ACL.rt.malloc(64, 0)[1])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert codes == [107002, 0, 0]
    assert ACL.rt.free(next(iter(ACL.stand_in.machine.blocks))) == 0
    assert ACL.rt.destroy_context(context) == 0 and ACL.rt.malloc(64, 0) == (0, 107002)


def test_a_stream_of_another_context(context):
    stream, _ = ACL.rt.create_stream()
    _other, _ = ACL.rt.create_context(0)
    assert ACL.rt.synchronize_stream(stream) == 107003
    assert ACL.rt.set_context(context) == 0 == ACL.rt.synchronize_stream(stream)


@pytest.mark.parametrize("cut, code", [(None, 145002), (10, 145006), (-1, 145006)])
def test_files_that_do_not_load(context, tmp_path, cut, code):
    path = make_om(tmp_path)
    path.write_bytes(path.read_bytes()[:cut]) if cut else path.unlink()
    assert ACL.mdl.load_from_file(str(path)) == (0, code)


def test_a_model_of_another_chip_and_unknown_models(loaded, tmp_path):
    assert ACL.mdl.load_from_file(str(make_om(tmp_path, name="b", soc_version="Ascend310P3"))) == (0, 507008)
    assert ACL.mdl.unload(99) == ACL.mdl.get_desc(loaded.desc, 99) == 145003
    assert ACL.mdl.execute(99, *loaded.datasets) == 145003
    assert ACL.mdl.execute(loaded.model, 0, loaded.datasets[1]) == 100000


@pytest.mark.parametrize(
    "inputs, outputs, code",
    [
        ((INPUT - 64,), (OUTPUT,), 0),
        ((INPUT - 65,), (OUTPUT,), 145000),
        ((INPUT,), (OUTPUT - 65,), 145000),
        ((INPUT,), (OUTPUT - 64,), 0),
        ((INPUT * 2,), (OUTPUT,), 0),
        ((INPUT, 8), (OUTPUT,), 145000),
        ((INPUT,), (), 145000),
    ],
)
def test_buffers_of_another_size(context, tmp_path, inputs, outputs, code):
    loaded = Loaded(make_om(tmp_path), inputs, outputs)
    assert ACL.mdl.execute(loaded.model, *loaded.datasets) == code
    assert ACL.stand_in.machine.warnings == (inputs[0] > INPUT)


@pytest.mark.parametrize(
    "arguments, code",
    [
        (lambda d, h: (d, 64, h, 65, 1), 107000),
        (lambda d, h: (0, 64, h, 64, 1), 107000),
        (lambda d, h: (d, 64, 0, 64, 1), 107000),
        (lambda d, h: (d, 64, h, 64, 2), 107000),
        (lambda d, h: (d, 64, h, 64, 9), 107000),
        (lambda d, h: (d, 64, h, 64, 0), 107000),
        (lambda d, h: (d, 64, h, 64, 1), 0),
        (lambda d, h: (h, 64, d, 64, 2), 0),
        (lambda d, h: (d, 64, h, 0, 1), 0),
    ],
)
def test_copies(context, arguments, code):
    device, host = ACL.rt.malloc(64, 0)[0], ACL.rt.malloc_host(64)[0]
    assert ACL.rt.memcpy(*arguments(device, host)) == code


def test_memory(context):
    assert ACL.rt.malloc(0, 0) == (0, 100000) and ACL.rt.malloc(64, 99)[1] == 107000 and ACL.rt.free(0) == 100000
    pointers = [ACL.rt.malloc(size, 0)[0] for size in (1, 63, 100)]
    assert not any(pointer % 64 for pointer in pointers)
    host, _ = ACL.rt.malloc_host(100)
    assert np.isnan(np.frombuffer(ACL.util.ptr_to_bytes(host, 100), np.float32)).all()  # garbage, not zeros
    content = bytes(range(100))
    assert ACL.rt.memcpy(host, 100, ACL.util.bytes_to_ptr(content), 100, 0) == 0
    copy = ACL.util.ptr_to_bytes(host, 100)
    ACL.rt.memset(host, 100, 7, 100)
    assert copy == content and ACL.util.ptr_to_bytes(host, 4) == b"\7" * 4  # a copy does not change with its source
    assert ACL.stand_in.ledger() == {
        "context": 1,
        "device bytes": 164,
        "device memory": 3,
        "device set": 1,
        "host bytes": 100,
        "host memory": 1,
    }
    with pytest.raises(AssertionError, match="still allocated"):
        ACL.stand_in.assert_empty()


# ---- what a real device answers with a crash ------------------------------------------------------------------------


def test_frees(context):
    device, host = ACL.rt.malloc(64, 0)[0], ACL.rt.malloc_host(64)[0]
    for free, pointer in (
        (ACL.rt.free, host),
        (ACL.rt.free_host, device),
        (ACL.rt.free, 12345),
        (ACL.rt.free, device + 1),
    ):
        with pytest.raises(Misuse, match="free of"):
            free(pointer)
    assert ACL.rt.free(device) == 0
    with pytest.raises(Misuse, match="freed before"):
        ACL.rt.free(device)


def test_pointers_beyond_and_behind(context):
    device, host = ACL.rt.malloc(64, 0)[0], ACL.rt.malloc_host(64)[0]
    with pytest.raises(Misuse, match="reads device memory"):
        ACL.util.ptr_to_bytes(device, 64)
    with pytest.raises(Misuse, match="65 bytes"):
        ACL.util.ptr_to_bytes(host, 65)
    with pytest.raises(Misuse, match="dst_max"):
        ACL.rt.memcpy(device, 100, host, 64, 1)
    dangling = ACL.util.bytes_to_ptr(bytes(bytearray(64)))
    with pytest.raises(Misuse, match="is gone"):
        ACL.rt.memcpy(device, 64, dangling, 64, 1)
    with pytest.warns(Warning):
        dangling = ACL.util.numpy_to_ptr(np.zeros(64, np.uint8))
    with pytest.raises(Misuse, match="nothing that acl knows is alive"):
        ACL.rt.memcpy(device, 64, dangling, 64, 1)
    with pytest.raises(Misuse, match="is no stream"):
        ACL.rt.synchronize_stream(device)


def test_tear_down_in_the_wrong_order(context, loaded):
    with pytest.raises(Misuse, match="a model of it"):
        ACL.rt.destroy_context(context)
    assert ACL.mdl.unload(loaded.model) == 0
    with pytest.raises(Misuse):
        ACL.rt.reset_device(0)
    with pytest.raises(Misuse, match="finalize while"):
        ACL.finalize()


# ---- streams --------------------------------------------------------------------------------------------------------


@pytest.fixture
def queued(loaded):
    """A copy to the device that is queued on a stream of two."""
    loaded.host = ACL.rt.malloc_host(INPUT)[0]
    loaded.out = ACL.rt.malloc_host(OUTPUT)[0]
    loaded.streams = [ACL.rt.create_stream()[0] for _ in range(2)]
    content = images(2).tobytes()
    assert ACL.rt.memcpy(loaded.host, INPUT, ACL.util.bytes_to_ptr(content), INPUT, 0) == 0
    assert ACL.rt.memcpy_async(loaded.memory[0], INPUT, loaded.host, INPUT, 1, loaded.streams[0]) == 0
    return loaded


def run(q, stream: int, model: int | None = None) -> int:
    return ACL.mdl.execute_async(model or q.model, *q.datasets, q.streams[stream])


def order(q, before: int, after: int) -> int:
    event, _ = ACL.rt.create_event()
    assert ACL.rt.record_event(event, q.streams[before]) == 0
    assert ACL.rt.stream_wait_event(q.streams[after], event) == 0
    return event


def back(q, stream: int) -> int:
    return ACL.rt.memcpy_async(q.out, OUTPUT, q.memory[1], OUTPUT, 2, q.streams[stream])


def test_streams_that_events_order(queued):
    event = order(queued, 0, 1)
    assert ACL.rt.query_event_status(event) == (0, 0)
    assert run(queued, 1) == 0 == back(queued, 1)
    with pytest.raises(Misuse, match="synchronise first"):  # the features are not there before somebody waited
        ACL.util.ptr_to_bytes(queued.out, OUTPUT)
    assert ACL.rt.synchronize_stream(queued.streams[0]) == 0 and ACL.rt.query_event_status(event) == (1, 0)
    with pytest.raises(Misuse, match="synchronise first"):  # the other stream is not waited for
        ACL.util.ptr_to_bytes(queued.out, OUTPUT)
    assert ACL.rt.synchronize_stream(queued.streams[1]) == 0
    features = np.frombuffer(ACL.util.ptr_to_bytes(queued.out, OUTPUT), np.float32).reshape(2, 512)
    np.testing.assert_allclose(features, tiny_features(images(2)), atol=1e-4)
    assert ACL.rt.destroy_event(event) == 0


@pytest.mark.parametrize(
    "touch",
    [
        lambda q: ACL.rt.memcpy(q.host, INPUT, q.out, 64, 0),  # what the queued copy reads
        lambda q: ACL.rt.memset(q.host, INPUT, 0, 64),
        lambda q: ACL.rt.memcpy(q.memory[0], INPUT, q.out, 64, 1),  # what it writes
        lambda q: ACL.rt.free(q.memory[0]),
        lambda q: ACL.rt.free_host(q.host),
        lambda q: ACL.mdl.execute(q.model, *q.datasets),
        lambda q: ACL.rt.destroy_stream(q.streams[0]),
    ],
)
def test_the_host_does_not_touch_what_is_queued(queued, touch):
    with pytest.raises(Misuse):
        touch(queued)
    assert ACL.rt.synchronize_stream(queued.streams[0]) == 0
    assert touch(queued) == 0


@pytest.mark.parametrize(
    "touch",
    [
        lambda q: ACL.mdl.unload(q.model),
        lambda q: ACL.mdl.destroy_dataset(q.datasets[0]),
        lambda q: ACL.destroy_data_buffer(q.buffers[1]),
        lambda q: ACL.update_data_buffer(q.buffers[0], q.memory[0], 64),
        lambda q: ACL.rt.free(q.memory[1]),
        lambda q: ACL.mdl.execute(q.model, *q.datasets),
    ],
)
def test_what_an_execution_in_flight_needs_stays(queued, touch):
    assert run(queued, 0) == 0
    with pytest.raises(Misuse, match="synchronise first"):
        touch(queued)
    assert ACL.rt.synchronize_device() == 0 == touch(queued)


def test_streams_that_nothing_orders(queued):
    with pytest.raises(Misuse, match="no event orders them"):  # reads what the copy still writes
        run(queued, 1)


def test_one_model_is_never_on_two_streams_at_once(queued, tmp_path):
    other = Loaded(make_om(tmp_path))  # other buffers and the model again
    other.streams = queued.streams
    assert run(queued, 0) == 0
    assert run(other, 1) == 0  # loaded twice, so both may run
    with pytest.raises(Misuse, match="no event orders them"):
        run(other, 1, queued.model)


def test_an_order_that_does_not_reach_back(queued):
    """The event is recorded after the copy, not after the execution that follows it."""
    order(queued, 0, 1)
    assert run(queued, 0) == 0
    with pytest.raises(Misuse, match="no event orders them"):
        back(queued, 1)


def test_events_are_for_one_use(queued):
    event = order(queued, 0, 1)
    with pytest.raises(Misuse, match="recorded again"):
        ACL.rt.record_event(event, queued.streams[0])
    with pytest.raises(Misuse):
        ACL.rt.destroy_event(event)  # before it happened
    fresh, _ = ACL.rt.create_event()
    with pytest.raises(Misuse, match="not recorded"):
        ACL.rt.stream_wait_event(queued.streams[1], fresh)


def test_events_that_are_made_for_reuse(queued):
    first, second = queued.streams
    event, _ = ACL.rt.create_event_ex_with_flag(1)
    assert ACL.rt.record_event(event, first) == 0 == ACL.rt.stream_wait_event(second, event)
    assert ACL.rt.query_event_wait_status(event) == (0xFFFF, 0)
    assert ACL.rt.reset_event(event, second) == 0 == ACL.rt.record_event(event, second)
    assert ACL.rt.synchronize_stream(second) == 0  # which waits for the first
    assert ACL.rt.query_event_wait_status(event) == (0, 0)
    assert ACL.rt.memset(queued.host, INPUT, 0, 64) == 0
    plain, _ = ACL.rt.create_event()
    assert ACL.rt.record_event(plain, first) == 0
    with pytest.raises(Misuse, match="undefined"):
        ACL.rt.reset_event(plain, first)


def test_a_process_sees_so_many_events(context):
    codes = [ACL.rt.create_event()[1] for _ in range(1024)]
    assert codes[:1023] == [0] * 1023 and codes[1023] == 207007


def test_memory_is_set_in_turn(queued):
    assert ACL.rt.memset_async(queued.host, INPUT, 0, INPUT, queued.streams[0]) == 0
    assert ACL.rt.memset_async(queued.host, 4, 0, 5, queued.streams[0]) == 107000
    with pytest.raises(Misuse, match="synchronise first"):
        ACL.util.ptr_to_bytes(queued.host, 4)
    assert ACL.rt.synchronize_stream_with_timeout(queued.streams[0], 1000) == 0
    assert ACL.util.ptr_to_bytes(queued.host, 4) == bytes(4)
    assert run(queued, 0) == 0 == back(queued, 0) == ACL.rt.synchronize_device()
    features = np.frombuffer(ACL.util.ptr_to_bytes(queued.out, OUTPUT), np.float32).reshape(2, 512)
    np.testing.assert_allclose(features, tiny_features(images(2)), atol=1e-4)  # copied before


def test_the_default_stream(queued):
    assert ACL.rt.synchronize_stream(0) == 0 and ACL.rt.destroy_stream(0) == 107000
    event = order(queued, 0, 1)
    assert ACL.rt.stream_wait_event(0, event) == 0 == ACL.mdl.execute_async(queued.model, *queued.datasets, 0)
    with pytest.raises(Misuse, match="no event orders them"):
        back(queued, 1)
    assert ACL.rt.synchronize_stream(0) == 0 == back(queued, 1)


def test_callbacks(queued):
    heard, stream, me = [], queued.streams[0], threading.get_ident()
    assert ACL.rt.launch_callback(heard.append, 1, 0, stream) == 107015
    assert ACL.rt.process_report(1) == 107012 and ACL.rt.unsubscribe_report(me, stream) == 107015
    assert ACL.rt.subscribe_report(me, stream) == 0 and ACL.rt.subscribe_report(me, stream) == 107011
    assert ACL.rt.unsubscribe_report(me + 1, stream) == 107012
    assert ACL.rt.process_report(1) == 507012  # nothing came
    for number in (1, 2):
        assert ACL.rt.launch_callback(heard.append, number, 1, stream) == 0
    assert not heard and ACL.rt.process_report(1) == 0 and heard == [1, 2]
    assert ACL.rt.memset(queued.host, INPUT, 0, 64) == 0  # what was before them in the stream is done
    with pytest.raises(TypeError, match="args parse failed"):
        ACL.rt.launch_callback(None, 1, 0, stream)
    with pytest.raises(Misuse, match="subscribed to it"):
        ACL.rt.destroy_stream(stream)
    assert ACL.rt.unsubscribe_report(me, stream) == 0 == ACL.rt.destroy_stream(stream)


def test_callbacks_that_nobody_processes(queued, monkeypatch):
    sleeper, stream = threading.Event(), queued.streams[0]
    for name in ("callbacks", "util"):
        monkeypatch.setattr(__import__("sys").modules[f"{ACL.__name__}.{name}"], "PATIENCE", 0.05)
    thread, code = ACL.util.start_thread(lambda arguments: sleeper.wait(), [])
    assert code == 0 == ACL.rt.subscribe_report(thread, stream)
    assert ACL.stand_in.ledger()["thread"] == 1
    assert ACL.rt.launch_callback(print, 1, 0, stream) == 0 == ACL.rt.synchronize_stream(stream)  # does not block
    assert ACL.rt.launch_callback(print, 2, 1, stream) == 0
    with pytest.raises(Misuse, match="this hangs"):
        ACL.rt.synchronize_stream(stream)
    with pytest.raises(Misuse, match="stop_thread"):
        ACL.util.stop_thread(thread)
    sleeper.set()
    assert ACL.util.stop_thread(thread) == 100000  # it was given up


@pytest.mark.parametrize(
    "run_mode, kind, words",
    [(1, "host", ""), (1, "device", "host memory"), (0, "device", ""), (0, "host", "device memory")],
)
def test_where_a_model_is_loaded_from(npu, tmp_path, run_mode, kind, words):
    npu.stand_in.reset(run_mode=run_mode)
    assert ACL.init() == 0 == ACL.rt.set_device(0)
    content = make_om(tmp_path).read_bytes()
    place, _ = ACL.rt.malloc(len(content), 0) if kind == "device" else ACL.rt.malloc_host(len(content))
    way = 3 if run_mode == 0 else 1 if kind == "device" else 0
    assert ACL.rt.memcpy(place, len(content), ACL.util.bytes_to_ptr(content), len(content), way) == 0
    if words:
        with pytest.raises(Misuse, match=words):
            ACL.mdl.load_from_mem(place, len(content))
    else:
        assert ACL.mdl.load_from_mem(place, len(content))[1] == 0


def test_memory_of_ones_own_for_a_model(context, tmp_path):
    path = str(make_om(tmp_path))
    work, weights, code = ACL.mdl.query_size(path)
    assert code == 0 and ACL.mdl.query_size("none.om") == (0, 0, 145002)
    own = [ACL.rt.malloc(size, 0)[0] for size in (work, weights)]
    content = (tmp_path / "tiny.om").read_bytes()
    place = ACL.util.bytes_to_ptr(content), len(content)
    assert ACL.mdl.load_from_file_with_mem(path, own[0], work, own[1], weights)[1] == 0
    assert ACL.mdl.load_from_mem_with_mem(*place, own[0], work, own[1], weights)[1] == 0
    assert ACL.mdl.load_from_file_with_mem(path, own[0], work, own[1], weights - 1) == (0, 145000)
    with pytest.raises(Misuse, match="of a block"):
        ACL.mdl.load_from_file_with_mem(path, own[1], weights, own[0], weights)


def test_pageable_memory_is_not_copied_asynchronously(queued):
    content = bytes(bytearray(64))
    with pytest.raises(Misuse, match="not from malloc_host"):
        ACL.rt.memcpy_async(queued.memory[1], 64, ACL.util.bytes_to_ptr(content), 64, 1, queued.streams[1])


# ---- control --------------------------------------------------------------------------------------------------------


def test_faults(npu, context):
    npu.stand_in.fail("acl.rt.malloc", 2, 207001)
    npu.stand_in.fail("acl.mdl.create_dataset", 1, -1)
    npu.stand_in.fail("acl.rt.free", 1, 207002)
    npu.stand_in.fail("acl.rt.malloc_host", 1, 207001, device=1)
    pointer, code = ACL.rt.malloc(64, 0)
    assert code == 0 and ACL.rt.malloc(64, 0) == (0, 207001) and "207001" in ACL.get_recent_err_msg()
    assert ACL.rt.malloc(64, 0)[1] == 0 and ACL.mdl.create_dataset() == 0 != ACL.mdl.create_dataset()
    assert ACL.rt.free(pointer) == 207002  # reported by a release that happened
    assert "device memory" in npu.stand_in.ledger() and npu.stand_in.ledger()["device memory"] == 1
    assert ACL.rt.malloc_host(64)[1] == 0  # not this device


def test_settings_from_outside():
    code = (
        "import acl, numpy as np\n"
        "print(acl.init(), acl.rt.get_device_count(), acl.get_soc_name(), acl.rt.set_device(3), acl.SIMULATED)\n"
        "print(acl.rt.get_run_mode(), 'bytes_to_ptr' in dir(acl.util))\n"
        "print(acl.rt.malloc(8, 0)[1], acl.rt.malloc(8, 0))\n"
        "print(flush=True); acl.rt.malloc(8, 0); print('never')"
    )
    settings = {
        "DEVICES": "4",
        "SOC": "Ascend310P3",
        "RUN_MODE": "0",
        "BRIDGE": "numpy",
        "FAULT": "acl.rt.malloc:2:207001,acl.rt.malloc@3:3:exit,acl.rt.malloc@2:1:500000",
    }
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(PYACL), **{f"STAND_IN_ACL_{k}": v for k, v in settings.items()}},
    )
    assert run.stdout == "0 (4, 0) Ascend310P3 0 True\n(0, 0) False\n0 (0, 207001)\n\n" and run.returncode == 9
    assert (STAND_INS / "om.py").is_file() and not run.stderr


@pytest.mark.parametrize(
    "shown, count", [("2,0", 2), ("3", 1), ("", 0), ("1,9,2", 1), ("-1", 0), (None, 4)]
)  # as CANN, which ends at the first number that it does not know
def test_devices_are_hidden_and_numbered_from_0(npu, monkeypatch, shown, count):
    npu.stand_in.reset(devices=4)
    if shown is None:
        monkeypatch.delenv("ASCEND_RT_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", shown)
    assert ACL.init() == 0 and ACL.rt.get_device_count() == (count, 0)
    assert ACL.rt.set_device(count) == 107001


def test_a_fault_hits_the_device_behind_the_number(npu, monkeypatch):
    npu.stand_in.reset(devices=4, fault="acl.rt.malloc@2:1:207001")
    monkeypatch.setenv("ASCEND_RT_VISIBLE_DEVICES", "3,2")
    assert ACL.init() == 0
    for number, code in ((0, 0), (1, 207001)):
        assert ACL.rt.set_device(number) == 0
        assert ACL.rt.malloc(8, 0)[1] == code
