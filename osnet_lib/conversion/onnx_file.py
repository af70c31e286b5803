"""ONNX files: what one says about itself, checked, and how those of this study are written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ..core.command import python_command
from ..core.conditions import short
from ..core.file_kind import ONNX, UNRECOGNISED, file_kind
from ..core.files import atomic_path, read_bytes
from ..core.line import one_line
from ..errors import ExportError, first_line
from .interface import FEATURE_SHAPE, IMAGE_SHAPE

_SHAPE_CURES: dict[tuple[int | str, ...], str] = {  # what others export by mistake
    (3, 128, 256): "Height and width are swapped: export it for images of height 256 and width 128.",
    (256, 128, 3): "The colours come last: export it as NCHW.",
    (512, 1, 1): "Flatten its output.",
}
_OTHER_SHAPE = {
    "input": "Export it for images of this size, only the batch axis dynamic.",
    "output": "Export the network in eval mode, without its classifier.",
}
DAMAGED = "Export it again, or copy it again and compare the sha256."


@dataclass(frozen=True)
class OnnxFile:
    """What an ONNX file says about itself.

    Attributes
    ----------
    opset : int
        Of the default operator domain, as stored in the file.
    nodes : int
        Operators in the graph.
    input_shape, output_shape : tuple of int or str
        A dynamic axis is the name it has in the file (``"batch"`` in ours, ``"?"`` where it has none).
    metadata : dict of str
        `metadata_props`; ours hold ``architecture``, ``weights_sha256`` and the library versions.
    precision : str
        ``"float32"``; else what `precision` says of a file it wrote, or what the weights of another show.
    """

    path: Path
    sha256: str
    opset: int
    ir_version: int
    nodes: int
    input_name: str
    input_shape: tuple[int | str, ...]
    output_name: str
    output_shape: tuple[int | str, ...]
    metadata: dict[str, str]
    precision: str = "float32"

    def __repr__(self) -> str:
        shapes = (f"[{', '.join(map(str, shape))}]" for shape in (self.input_shape, self.output_shape))
        return one_line(
            f"{self.path.name} (sha256 {short(self.sha256)}): opset {self.opset}, {self.nodes} nodes, "
            f"{self.precision}, {' to '.join(shapes)}"
        )

    @property
    def batch_size(self) -> int | None:
        """Images per batch; None where any number goes."""
        return self.input_shape[0] if self.input_shape and isinstance(self.input_shape[0], int) else None


def inspect_onnx(path: str | Path, *, expect_osnet: bool = False) -> OnnxFile:
    """Read and check an ONNX file.

    Parameters
    ----------
    expect_osnet : bool
        Also refuse a network other than one input float32 ``[N, 3, 256, 128]`` to one output float32 ``[N, 512]``,
        of any names, where N is one fixed number or dynamic.

    Raises
    ------
    ExportError
        No such file; empty or damaged; weights outside the file; another network, when asked.
    """
    return load_onnx(path, expect_osnet=expect_osnet)[1]


def load_onnx(path: str | Path, *, expect_osnet: bool = False) -> tuple[onnx.ModelProto, OnnxFile]:
    """Read and check as `inspect_onnx`, with the parsed model."""
    return _inspect(_read(path), Path(path), expect_osnet)


def write_onnx(model: onnx.ModelProto, metadata: dict[str, str], path: Path, expected: tuple) -> OnnxFile:
    """Stamp, check and write a model of this study; `expected` is (opset, input shape, output shape).

    Raises
    ------
    ExportError
        Another network, opset or shape than expected; a path that cannot be written.
    """
    del model.metadata_props[:]  # onnxsim leaves a long log there
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString(deterministic=True)
    written = _inspect(content, path, True)[1]
    if (written.opset, written.input_shape, written.output_shape) != expected:
        raise ExportError(
            f"opset and shapes came out as {written.opset}, {written.input_shape}, "
            f"{written.output_shape} instead of {', '.join(map(str, expected))}",
            where=path,
            cure="Install the versions of torch, onnx and onnxsim that requirements.txt pins.",
        )
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ExportError(
            f"cannot be written ({error.strerror or error})", where=path, cure="Give a path that can be written."
        ) from error
    return written


def _read(path: str | Path) -> bytes:
    try:
        content = read_bytes(path)
    except FileNotFoundError as error:
        raise ExportError("no such ONNX file", where=path, cure="Write it with osnet export.") from error
    except OSError as error:
        raise ExportError(
            f"cannot be read ({error.strerror or error})", where=path, cure="Give the path of an .onnx file."
        ) from error
    if not content:
        raise ExportError("the file is empty", where=path, cure=DAMAGED)
    return content


def _inspect(content: bytes, path: Path, expect_osnet: bool) -> tuple[onnx.ModelProto, OnnxFile]:
    """Parse and check; the path serves the messages only."""
    try:
        model = onnx.load_model_from_string(content)
    except (DecodeError, ValueError) as error:
        raise _no_onnx(path, error) from error
    if outside := [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]:
        raise _external(outside, path)
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]  # up to IR 3 weights are inputs too
    outputs = list(model.graph.output)
    if expect_osnet and model.graph.node and inputs and len(outputs) > 1:
        raise _too_many(outputs, path)
    if model.graph.node and model.ir_version > onnx.IR_VERSION:
        lower = f"import onnx; m = onnx.load({path.name!r}); m.ir_version = 8; onnx.save(m, 'lower.onnx')"
        raise ExportError(
            f"has IR version {model.ir_version}, and the onnx installed here ({onnx.__version__}) knows up to "
            f"{onnx.IR_VERSION}",
            where=path,
            cure=f"Update onnx and onnxruntime, or lower the number: {python_command(lower)}",
        )
    try:
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        raise _no_onnx(path, error) from error
    if len(opsets) != 1 or not inputs or not outputs:
        raise ExportError(
            f"has {len(opsets)} opsets, {len(inputs)} inputs and {len(outputs)} outputs",
            where=path,
            cure="Give a network with one opset, an input and an output.",
        )
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    found = OnnxFile(
        path,
        hashlib.sha256(content).hexdigest(),
        opsets[0],
        model.ir_version,
        len(model.graph.node),
        inputs[0].name,
        _shape(inputs[0]),
        outputs[0].name,
        _shape(outputs[0]),
        metadata,
        metadata.get("precision") or _precision(model),
    )
    if expect_osnet and (misfit := _misfit(inputs, outputs)):
        raise ExportError(
            f"not an OSNet of this study: {misfit[0]} ({_signature(inputs)} to {_signature(outputs)})",
            where=path,
            cure=f"{misfit[1]} Needed is float [N, 3, 256, 128] to float [N, 512], as osnet export writes it.",
        )
    return model, found


def _no_onnx(path: Path, error: Exception) -> ExportError:
    """The refusal of what cannot be parsed or is not valid, with what it is in place of an ONNX file."""
    kind = file_kind(path) if path.is_file() else None
    if kind and kind.name not in (ONNX, UNRECOGNISED):
        return ExportError(f"not an ONNX file, or a damaged one: it is {kind.what}", where=path, cure=kind.cure)
    return ExportError(f"not an ONNX file, or a damaged one ({first_line(error)})", where=path, cure=DAMAGED)


def _external(outside: list[TensorProto], path: Path) -> ExportError:
    """Weights outside: the sha256 would say nothing about them, and ATC needs both files side by side."""
    places = {entry.value for tensor in outside for entry in tensor.external_data if entry.key == "location"}
    absent = sorted(place for place in places if not (path.parent / place).is_file())
    if absent:
        where = f"{absent[0]}, which is not beside it"
        cure = f"Copy {', '.join(absent)} into its folder; then make one file of them: "
    else:
        where, cure = ", ".join(sorted(places)), "Make one file of them: "
    code = f"import onnx; onnx.save(onnx.load({path.name!r}), {f'{path.stem}_whole.onnx'!r})"
    return ExportError(
        f"keeps {len(outside)} tensors in another file ({where}), such as {outside[0].name}",
        where=path,
        cure=f"{cure}{python_command(code)}",
    )


def _too_many(outputs: list[onnx.ValueInfoProto], path: Path) -> ExportError:
    """The refusal of several outputs, with the command that keeps the one that looks like the feature."""
    fits = [one.name for one in outputs if _shape(one)[1:] == FEATURE_SHAPE]
    keep = (fits or [outputs[0].name])[0]
    code = (
        f"import onnx; m = onnx.load({path.name!r}); "
        f"[m.graph.output.remove(o) for o in list(m.graph.output) if not o.name == {keep!r}]; "
        f"onnx.save(m, {f'{path.stem}_one.onnx'!r})"
    )
    names = ", ".join(one.name for one in outputs)
    return ExportError(
        f"not an OSNet of this study: it has {len(outputs)} outputs ({names}), not one",
        where=path,
        cure=f"Keep the one with the feature: {python_command(code)}",
    )


def _misfit(inputs: list[onnx.ValueInfoProto], outputs: list[onnx.ValueInfoProto]) -> tuple[str, str] | None:
    """The first part of a network's outside that is not an OSNet's, and what helps; None where all fit."""
    for side, values, expected in (("input", inputs, IMAGE_SHAPE), ("output", outputs, FEATURE_SHAPE)):
        if len(values) != 1:
            names = ", ".join(value.name for value in values)
            return f"it has {len(values)} {side}s ({names}), not one", "Export the bare network."
        value, shape = values[0], _shape(values[0])
        if value.type.tensor_type.elem_type != TensorProto.FLOAT:
            held = _type_name(value)
            return f"its {side} {value.name} is {held}, not float", "Export it with float32 inputs and outputs."
        if shape[1:] != expected or len(shape) != len(expected) + 1:
            wanted = ", ".join(map(str, ("N", *expected)))
            said = f"its {side} {value.name} is [{', '.join(map(str, shape))}], not [{wanted}]"
            return said, _SHAPE_CURES.get(shape[1:], _OTHER_SHAPE[side])
    batches = [_shape(value)[0] for value in (*inputs, *outputs)]
    numbers = {batch for batch in batches if isinstance(batch, int)}
    if len(numbers) > 1 or any(number < 1 for number in numbers):
        return (
            f"its batch is {batches[0]} at the input and {batches[1]} at the output",
            "Export it with one batch size.",
        )
    return None


def _precision(model: onnx.ModelProto) -> str:
    """What the weights are stored in; the smallest type names the file."""
    stored = {tensor.data_type for tensor in model.graph.initializer}
    if any(node.op_type in ("QuantizeLinear", "QLinearConv", "ConvInteger") for node in model.graph.node):
        return "int8"
    return "float16" if TensorProto.FLOAT16 in stored else "float32"


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(
        d.dim_value if d.WhichOneof("value") == "dim_value" else d.dim_param or "?"
        for d in value.type.tensor_type.shape.dim
    )


def _type_name(value: onnx.ValueInfoProto) -> str:
    number = value.type.tensor_type.elem_type
    known = number in TensorProto.DataType.values()
    return TensorProto.DataType.Name(number).lower() if known else f"of the unknown type {number}"


def _signature(values: list[onnx.ValueInfoProto]) -> str:
    return ", ".join(f"{_type_name(v)} {v.name} [{', '.join(map(str, _shape(v)))}]" for v in values)
