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
    gear: int | None = None


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


@call("acl.mdl.load_from_file", "s", "value")
def load_from_file(path):
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise Code(145002, f"cannot read {path}") from error
    return _load(content)


@call("acl.mdl.load_from_mem", "kk", "value")
def load_from_mem(address, size):
    from .util import any_bytes

    return _load(any_bytes(address, size).tobytes())


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


@call("acl.mdl.get_input_index_by_name", "ks", "value", context=False)
def get_input_index_by_name(desc, name):
    names = [item[0] for item in _described(desc).inputs()]
    if name not in names:
        raise Code(100000, f"no input {name}")
    return names.index(name)


@call("acl.mdl.get_dynamic_batch", "k", "value", {}, context=False)
def get_dynamic_batch(desc):
    model = _described(desc)
    gears = list(model.header["batch_sizes"]) if model.dynamic else []
    return {"batchCount": len(gears), "batch": gears}


@call("acl.mdl.set_dynamic_batch_size", "IkkK")
def set_dynamic_batch_size(model, dataset, index, batch):
    model, dataset = _model(model), machine.get("dataset", dataset)
    if _item(model.inputs(), index)[0] != GEAR:
        raise Code(145011, f"input {index} is not {GEAR}")
    if batch not in model.header["batch_sizes"]:
        raise Code(145013, f"batch {batch} is none of the gears {model.header['batch_sizes']}")
    buffer = machine.get("data buffer", _item(dataset.buffers, index))
    check_idle([handle(dataset, write=True), memory(buffer.address, GEAR_BYTES, write=True)])
    machine.bytes_at(buffer.address, GEAR_BYTES)[:] = np.array([batch], np.int64).view(np.uint8)
    dataset.gear = batch


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


def _buffers(dataset: int, items: list, side: str, write: bool) -> tuple[Dataset, list[np.ndarray], list[Use]]:
    """The memory behind a data set, checked against the model's own sizes."""
    dataset = machine.get("dataset", dataset)
    if len(dataset.buffers) != len(items):
        raise Code(145000, f"E13025: {len(dataset.buffers)} {side} buffers, the model has {len(items)}")
    found, uses = [], []
    for number, item in zip(dataset.buffers, items):
        buffer = machine.get("data buffer", number)
        if buffer.address == 0:
            raise Code(100000, "null data buffer")
        if buffer.size + 64 < item[3]:
            raise Code(145000, f"E13025: {side} {item[0]} has {buffer.size} bytes, the model needs {item[3]}")
        machine.warnings += buffer.size > item[3] + 64
        if buffer.address % 64:
            raise Code(200003, "the address is not aligned to 64 bytes")
        block = machine.block_at(buffer.address)
        if block is None or block.kind != "device":
            raise Misuse("a data buffer holds no device memory")
        found.append(machine.bytes_at(buffer.address, min(buffer.size, item[3])))
        uses += [memory(buffer.address, buffer.size, write), handle(buffer)]
    return dataset, found, uses


def _job(number: int, inputs: int, outputs: int):
    """What an execution does, and what it uses; one model may not run twice at once, hence it counts as changed."""
    model = _model(number)
    given, sources, reads = _buffers(inputs, model.inputs(), "input", False)
    taken, targets, writes = _buffers(outputs, model.outputs(), "output", True)
    gear = model.largest
    if model.dynamic:
        if given.gear is None:
            raise Code(145013, "no batch was set for this execution")
        gear, given.gear = given.gear, None

    def action() -> None:
        missing = model.inputs()[0][3] - len(sources[0])  # at most 64 bytes, which are whatever lies behind
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
