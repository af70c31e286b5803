"""ONNX files: what one says about itself, checked, and how those of this study are written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from ..core.files import atomic_path
from ..errors import ExportError, first_line

INPUT, OUTPUT, BATCH_AXIS = "image", "feature", "batch"  # the names of the Ascend guide
IMAGE_SHAPE, FEATURE_SHAPE = (3, 256, 128), (512,)
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

    @property
    def batch_size(self) -> int | None:
        """Images per batch; None where any number goes."""
        return self.input_shape[0] if self.input_shape and isinstance(self.input_shape[0], int) else None


def inspect_onnx(path: str | Path, *, expect_osnet: bool = False) -> OnnxFile:
    """Read and check an ONNX file.

    Parameters
    ----------
    expect_osnet : bool
        Also refuse a network other than ``image`` float32 ``[N, 3, 256, 128]`` to ``feature``
        float32 ``[N, 512]``, where N is one fixed number or dynamic.

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
        content = Path(path).read_bytes()
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
        outside = [t.name for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
        if not outside:
            onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ExportError(
            f"not an ONNX file, or a damaged one ({first_line(error)})", where=path, cure=DAMAGED
        ) from error
    if outside:  # its sha256 would say nothing about the weights, and ATC needs both files side by side
        raise ExportError(
            f"keeps {len(outside)} tensors in another file, such as {outside[0]}",
            where=path,
            cure="Save it as one file (onnx.save_model with save_as_external_data=False).",
        )
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]  # up to IR 3 weights are inputs too
    outputs = list(model.graph.output)
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
    if expect_osnet and not (len(inputs) == len(outputs) == 1 and _is_osnet(found) and _is_float(*inputs, *outputs)):
        raise ExportError(
            f"not an OSNet of this study: {_signature(inputs)} to {_signature(outputs)}",
            where=path,
            cure=f"Give float {INPUT} [N, 3, 256, 128] to float {OUTPUT} [N, 512], as osnet export does.",
        )
    return model, found


def _precision(model: onnx.ModelProto) -> str:
    """What the weights are stored in; the smallest type names the file."""
    stored = {tensor.data_type for tensor in model.graph.initializer}
    if any(node.op_type in ("QuantizeLinear", "QLinearConv", "ConvInteger") for node in model.graph.node):
        return "int8"
    return "float16" if TensorProto.FLOAT16 in stored else "float32"


def _is_osnet(found: OnnxFile) -> bool:
    batches = {n for n in (found.input_shape[:1] + found.output_shape[:1]) if isinstance(n, int)}
    return (
        found.input_name == INPUT
        and found.input_shape[1:] == IMAGE_SHAPE
        and found.output_name == OUTPUT
        and found.output_shape[1:] == FEATURE_SHAPE
        and len(batches) <= 1
        and all(n >= 1 for n in batches)
    )


def _is_float(*values: onnx.ValueInfoProto) -> bool:
    return all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in values)


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(
        d.dim_value if d.WhichOneof("value") == "dim_value" else d.dim_param or "?"
        for d in value.type.tensor_type.shape.dim
    )


def _signature(values: list[onnx.ValueInfoProto]) -> str:
    return ", ".join(
        f"{TensorProto.DataType.Name(v.type.tensor_type.elem_type).lower()} {v.name} [{', '.join(map(str, _shape(v)))}]"
        for v in values
    )
