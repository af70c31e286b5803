"""acl.mdl: models, data sets, execution."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import numpy as np

from . import streams
from .machine import GARBAGE, Code, Misuse, call, machine
from .model import DTYPES, GEAR, GEAR_BYTES, Model, om
from .streams import Use, check_idle, enqueue, get_stream, handle, memory

_ids = count(1)


@dataclass(eq=False)
class Desc:
    """Empty until get_desc fills it."""

    model: Model | None = None


@dataclass(eq=False)
class Dataset:
    """A shell around data buffers."""

    buffers: list[int] = field(default_factory=list)
    gear: int | None = None  # the largest until one is set, which then stays


@dataclass(eq=False)
class DataBuffer:
    """A shell around memory."""

    address: int
    size: int


# ---- models -----------------------------------------------------------------------------------------------------


def _load(content: bytes) -> int:
    try:
        header, onnx = om.unpack(content)
    except (ValueError, KeyError) as error:
        raise Code(145006, f"model data is not valid: {error}") from error
    if header["soc_version"] != machine.settings.soc:
        raise Code(507008, f"the model is of {header['soc_version']}, the device is {machine.settings.soc}")
    number = next(_ids)
    machine.handles["model"][number] = Model(header, onnx, machine.context())
    return number


def _model(number: int) -> Model:
    if number not in machine.handles["model"]:
        raise Code(145003, f"invalid model id {number}")
    model = machine.handles["model"][number]
    if model.context is not machine.context():
        raise Code(107004, "model is of another context")
    return model


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise Code(145002, f"cannot read {path}") from error


def _memory(address: int, size: int) -> bytes:
    """Where the process runs says where the OM must lie: host memory on the host, device memory on the device."""
    from .util import any_bytes

    block, on_host = machine.block_at(address), machine.settings.run_mode == 1
    if on_host and block is not None and block.kind == "device":
        raise Misuse("on the host a model is loaded from host memory")
    if not on_host and (block is None or block.kind == "host"):
        machine.sloppy("on the device a model is loaded from device memory")
    return any_bytes(address, size).tobytes()


def _lent(content: bytes, work: int, work_size: int, weights: int, weights_size: int) -> int:
    """A model in device memory of the caller's."""
    for address, size, least in zip((work, weights), (work_size, weights_size), _sizes(content)):
        if size < least:
            raise Code(145000, f"{size} bytes of memory, the model needs {least}")
        machine.bytes_at(address, size)
    return _load(content)


def _sizes(content: bytes) -> tuple[int, int]:
    """Bytes of working memory and of weights."""
    try:
        return 1 << 16, len(om.unpack(content)[1])
    except (ValueError, KeyError) as error:
        raise Code(145006, f"model data is not valid: {error}") from error


@call("acl.mdl.load_from_file", "s", "value")
def load_from_file(path):
    return _load(_file(path))


@call("acl.mdl.load_from_mem", "kk", "value")
def load_from_mem(address, size):
    return _load(_memory(address, size))


@call("acl.mdl.load_from_file_with_mem", "skkkk", "value")
def load_from_file_with_mem(path, *memory):
    return _lent(_file(path), *memory)


@call("acl.mdl.load_from_mem_with_mem", "kkkkkk", "value")
def load_from_mem_with_mem(address, size, *memory):
    return _lent(_memory(address, size), *memory)


@call("acl.mdl.query_size", "s", "values", (0, 0), context=False)
def query_size(path):
    return _sizes(_file(path))


@call("acl.mdl.unload", "I", after=True)
def unload(number):
    check_idle([handle(_model(number), write=True)])
    del machine.handles["model"][number]


@call("acl.mdl.create_desc", "", "bare", context=False)
def create_desc():
    return machine.new("desc", Desc())


@call("acl.mdl.get_desc", "kI")
def get_desc(desc, model):
    machine.get("desc", desc).model = _model(model)


@call("acl.mdl.destroy_desc", "k", after=True, context=False)
def destroy_desc(desc):
    machine.drop("desc", desc)


def _described(desc: int) -> Model:
    model = machine.get("desc", desc).model
    if model is None:
        raise Code(100000, "the description is empty")
    return model


def _item(items: list, index: int):
    if not 0 <= index < len(items):
        raise Code(100000, f"index {index} of {len(items)}")
    return items[index]


def _dims(item) -> dict:
    return {"name": item[0], "dimCount": len(item[1]), "dims": list(item[1])}


def _reader(name: str, side: str, field: int | None, shape: str = "bare", empty=0):
    """A function that reads one property of the inputs or outputs."""

    @call(f"acl.mdl.{name}", "kk", shape, empty, context=False)
    def function(desc, index):
        item = _item(getattr(_described(desc), side)(), index)
        return _dims(item) if field is None else item[field]

    return function


get_input_size_by_index = _reader("get_input_size_by_index", "inputs", 3)
get_output_size_by_index = _reader("get_output_size_by_index", "outputs", 3)
get_input_name_by_index = _reader("get_input_name_by_index", "inputs", 0, empty="")
get_output_name_by_index = _reader("get_output_name_by_index", "outputs", 0, empty="")
get_input_dims = _reader("get_input_dims", "inputs", None, "value", {})
get_input_dims_v2 = _reader("get_input_dims_v2", "inputs", None, "value", {})
get_output_dims = _reader("get_output_dims", "outputs", None, "value", {})


def _types(name: str, side: str):
    @call(f"acl.mdl.{name}", "kk", "bare", -1, context=False)
    def function(desc, index):
        dtype = _item(getattr(_described(desc), side)(), index)[2]
        return 9 if dtype == "int64" else DTYPES[dtype][0]

    return function


get_input_data_type = _types("get_input_data_type", "inputs")
get_output_data_type = _types("get_output_data_type", "outputs")


@call("acl.mdl.get_num_inputs", "k", "bare", context=False)
def get_num_inputs(desc):
    return len(_described(desc).inputs())


@call("acl.mdl.get_num_outputs", "k", "bare", context=False)
def get_num_outputs(desc):
    return len(_described(desc).outputs())


@call("acl.mdl.get_input_format", "kk", "bare", -1, context=False)
def get_input_format(desc, index):
    _item(_described(desc).inputs(), index)
    return 2 if index else {"NCHW": 0, "NHWC": 1}[_described(desc).header["input_format"]]


@call("acl.mdl.get_output_format", "kk", "bare", -1, context=False)
def get_output_format(desc, index):
    _item(_described(desc).outputs(), index)
    return 2


@call("acl.mdl.get_cur_output_dims", "kk", "value", {}, context=False)
def get_cur_output_dims(desc, index):
    model = _described(desc)
    return _dims(_item(model.outputs(model.chosen), index))


def _by_name(name: str, side: str):
    @call(f"acl.mdl.{name}", "ks", "value", context=False)
    def function(desc, wanted):
        names = [item[0] for item in getattr(_described(desc), side)()]
        if wanted not in names:
            raise Code(100000, f"no {side[:-1]} {wanted}")
        return names.index(wanted)

    return function


get_input_index_by_name = _by_name("get_input_index_by_name", "inputs")
get_output_index_by_name = _by_name("get_output_index_by_name", "outputs")


# ---- gears ------------------------------------------------------------------------------------------------------


def _gears(model: Model, kind: str) -> list[int]:
    return list(model.header["batch_sizes"]) if model.gears_by == kind else []


def _gear_dims(model: Model, batch: int) -> dict:
    name, dims, *_ = model.inputs()[0]
    return _dims((name, [batch, *dims[1:]]))


@call("acl.mdl.get_dynamic_batch", "k", "value", {}, context=False)
def get_dynamic_batch(desc):
    gears = _gears(_described(desc), "batch")
    return {"batchCount": len(gears), "batch": gears}


@call("acl.mdl.get_dynamic_hw", "ki", "value", {}, context=False)
def get_dynamic_hw(desc, _index):
    _described(desc)
    return {"hwCount": 0, "hw": []}  # this network has one image size


@call("acl.mdl.get_input_dynamic_gear_count", "ki", "value", context=False)
def get_input_dynamic_gear_count(desc, _index):
    return len(_gears(_described(desc), "dims"))


@call("acl.mdl.get_input_dynamic_dims", "kik", "value", [], context=False)
def get_input_dynamic_dims(desc, _index, count):
    model = _described(desc)
    gears = _gears(model, "dims")
    if count < len(gears):
        raise Code(100000, f"room for {count} of {len(gears)} gears")
    return [_gear_dims(model, batch) for batch in gears]


def _set_gear(model: int, dataset: int, index: int, kind: str, batch: int | None, what: str) -> None:
    model, dataset = _model(model), machine.get("dataset", dataset)
    if _item(model.inputs(), index)[0] != GEAR:
        raise Code(145011, f"input {index} is not {GEAR}")
    if batch not in _gears(model, kind):
        raise Code(145013, f"{what} is none of the gears {_gears(model, kind)}")
    buffer = machine.get("data buffer", _item(dataset.buffers, index))
    check_idle([handle(dataset, write=True), memory(buffer.address, GEAR_BYTES, write=True)])
    machine.bytes_at(buffer.address, GEAR_BYTES)[:] = np.array([batch], np.int64).view(np.uint8)
    dataset.gear = model.chosen = batch


@call("acl.mdl.set_dynamic_batch_size", "IkkK")
def set_dynamic_batch_size(model, dataset, index, batch):
    _set_gear(model, dataset, index, "batch", batch, f"batch {batch}")


@call("acl.mdl.set_dynamic_hw_size", "IkkKK")
def set_dynamic_hw_size(model, dataset, index, height, width):
    _set_gear(model, dataset, index, "hw", None, f"{height} x {width}")


@call("acl.mdl.set_input_dynamic_dims", "Ikko")
def set_input_dynamic_dims(model, dataset, index, dims):
    if not isinstance(dims, dict) or set(dims) != {"name", "dimCount", "dims"}:
        raise TypeError("acl.mdl.set_input_dynamic_dims args parse failed")
    fits = {tuple(_gear_dims(_model(model), batch)["dims"]): batch for batch in _gears(_model(model), "dims")}
    _set_gear(model, dataset, index, "dims", fits.get(tuple(dims["dims"])), f"{dims['dims']}")


# ---- data sets and execution ------------------------------------------------------------------------------------


@call("acl.mdl.create_dataset", "", "bare", context=False)
def create_dataset():
    return machine.new("dataset", Dataset())


@call("acl.mdl.add_dataset_buffer", "kk", "value", context=False)
def add_dataset_buffer(dataset, buffer):
    machine.get("data buffer", buffer)
    machine.get("dataset", dataset).buffers.append(buffer)
    return dataset


@call("acl.mdl.destroy_dataset", "k", after=True, context=False)
def destroy_dataset(dataset):
    check_idle([handle(machine.get("dataset", dataset), write=True)])
    machine.drop("dataset", dataset)


@call("acl.mdl.get_dataset_num_buffers", "k", "bare", context=False)
def get_dataset_num_buffers(dataset):
    return len(machine.get("dataset", dataset).buffers)


@call("acl.mdl.get_dataset_buffer", "kk", "bare", context=False)
def get_dataset_buffer(dataset, index):
    return _item(machine.get("dataset", dataset).buffers, index)


def _buffers(
    dataset: Dataset, items: list, side: str, write: bool, checked: bool
) -> tuple[list[np.ndarray], list[Use]]:
    """The memory behind a data set; its sizes are `checked` unless the model is dynamic."""
    if len(dataset.buffers) != len(items):
        raise Code(145000, f"E13025: {len(dataset.buffers)} {side} buffers, the model has {len(items)}")
    found, uses = [], []
    for number, item in zip(dataset.buffers, items):
        buffer = machine.get("data buffer", number)
        if buffer.address == 0:
            raise Code(100000, "null data buffer")
        if not checked and buffer.size < item[3]:
            machine.sloppy(f"{side} {item[0]} has {buffer.size} bytes, this gear needs {item[3]}, which nobody checks")
        elif buffer.size + 64 < item[3]:
            raise Code(145000, f"E13025: {side} {item[0]} has {buffer.size} bytes, the model needs {item[3]}")
        machine.warnings += buffer.size > item[3] + 64
        if buffer.address % 64:
            raise Code(200003, "the address is not aligned to 64 bytes")
        block = machine.block_at(buffer.address)
        if block is None or (block.kind != "device" and machine.settings.run_mode == 1):
            raise Misuse("a data buffer holds no device memory")
        if block.kind != "device":
            machine.sloppy("a data buffer holds host memory, which is the same on this device only")
        size = min(buffer.size, item[3]) if checked else item[3]
        found.append(machine.bytes_at(buffer.address, size))
        uses += [memory(buffer.address, max(size, buffer.size), write), handle(buffer)]
    return found, uses


def _job(number: int, inputs: int, outputs: int):
    """What an execution does, and what it uses; one model may not run twice at once, hence it counts as changed."""
    model = _model(number)
    given, taken = machine.get("dataset", inputs), machine.get("dataset", outputs)
    gear = given.gear or model.largest
    sources, reads = _buffers(given, model.inputs(gear), "input", False, not model.dynamic)
    targets, writes = _buffers(taken, model.outputs(gear), "output", True, not model.dynamic)

    def action() -> None:
        missing = model.inputs(gear)[0][3] - len(sources[0])  # at most 64 bytes, which are whatever lies behind
        content = model.compute(np.pad(sources[0], (0, missing), constant_values=GARBAGE), gear)
        target = targets[0][: len(content)]
        target[:] = content[: len(target)]

    return action, [*reads, *writes, handle(model, write=True), handle(given), handle(taken)]


@call("acl.mdl.execute", "Ikk")
def execute(model, inputs, outputs):
    action, uses = _job(model, inputs, outputs)
    check_idle(uses)
    action()
    streams.spend(streams.EXECUTE)


@call("acl.mdl.execute_async", "Ikkk")
def execute_async(model, inputs, outputs, stream):
    stream = get_stream(stream)
    enqueue(stream, "execute_async", *reversed(_job(model, inputs, outputs)), streams.EXECUTE)
