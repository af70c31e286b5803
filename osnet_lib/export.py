"""From a checkpoint to ONNX files: a dynamic batch axis first, then one simplified file per batch size."""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from dataclasses import dataclass
from importlib.metadata import version
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto

from . import __version__
from .errors import ExportError, first_line
from .files import atomic_path

if TYPE_CHECKING:  # torch takes a second to import, and looking at an ONNX file does not need it
    from .checkpoint import Checkpoint

INPUT, OUTPUT, BATCH_AXIS = "image", "feature", "batch"  # the names of the Ascend guide
IMAGE_SHAPE, FEATURE_SHAPE = (3, 256, 128), (512,)
OPSETS = range(9, 21)  # what the TorchScript exporter of torch 2.13 writes; ATC reads 11 to 18, older ones 11 only

_DAMAGED = "Export it again, or copy it again and compare the sha256."


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
    return _inspect(_read(path), Path(path), expect_osnet)[1]


def export_onnx(checkpoint: Checkpoint, path: str | Path, opset: int = 11) -> OnnxFile:
    """Write a model as ONNX: ``image [batch, 3, 256, 128]`` to ``feature [batch, 512]``, float32.

    The same checkpoint and library versions give the same bytes.

    Parameters
    ----------
    checkpoint : Checkpoint
        From `osnet_lib.checkpoint.load_checkpoint`.
    path : path
        Replaced only when the new file is complete and checked.
    opset : int
        The default 11 is what every ATC version reads.

    Raises
    ------
    ExportError
        An opset the exporter cannot write, or did not write; a path that cannot be written.
    """
    import torch

    path = Path(path)
    if not _is_count(opset) or opset not in OPSETS:
        raise ExportError(f"opset {opset!r} cannot be written", where=path,
                          cure=f"Choose an opset from {OPSETS.start} to {OPSETS.stop - 1}; 11 suits every ATC.")
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The choice of the older exporter is deliberate: the newer one, asked for opset 11, writes 18.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # Instance norms (ibn, ain) compare sizes in Python and always use the statistics of the image: both as meant.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python", torch.jit.TracerWarning, r"torch\.nn\b")
        warnings.filterwarnings("ignore", "ONNX export mode is set to .* operator 'instance_norm'", UserWarning)
        torch.onnx.export(checkpoint.model, (torch.zeros(2, *IMAGE_SHAPE),), stream, dynamo=False,
                          opset_version=int(opset), input_names=[INPUT], output_names=[OUTPUT],
                          dynamic_axes={INPUT: {0: BATCH_AXIS}, OUTPUT: {0: BATCH_AXIS}})
    metadata = {"architecture": checkpoint.architecture, "weights_sha256": checkpoint.sha256, "osnet_lib": __version__,
                "torch": torch.__version__, "onnx": onnx.__version__}
    expected = (opset, (BATCH_AXIS, *IMAGE_SHAPE), (BATCH_AXIS, *FEATURE_SHAPE))
    return _write(onnx.load_model_from_string(stream.getvalue()), metadata, path, expected)


def simplify_onnx(source: str | Path, path: str | Path, batch_size: int) -> OnnxFile:
    """Fix the batch size of an exported model and fold what is constant then.

    onnxsim runs both graphs once on random images; `osnet_lib.parity` is the gate that follows.
    Names, opset and metadata stay; ``onnxsim`` and ``source_sha256`` are added to the metadata.

    Raises
    ------
    ExportError
        A batch size below 1; a source that is damaged, not this network or fixed to another
        batch; a simplified graph that computes something else.
    """
    path = Path(path)
    if not _is_count(batch_size):
        raise ExportError(f"batch size {batch_size!r} is not a count of 1 or more", where=path,
                          cure="Give a positive integer.")
    try:
        import onnxsim
    except ImportError as error:
        raise ExportError("simplifying needs the package onnxsim", where=source, cure="pip install onnxsim") from error
    model, found = _inspect(_read(source), Path(source), True)
    if found.batch_size not in (None, batch_size):
        raise ExportError(f"already fixed to batch size {found.batch_size}, so it cannot become {batch_size}",
                          where=source, cure="Start from the file that osnet export wrote; its batch axis is dynamic.")
    shape = (int(batch_size), *IMAGE_SHAPE)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints "Checking 0/1..."
            simplified, same = onnxsim.simplify(model, check_n=1, overwrite_input_shapes={INPUT: list(shape)})
    except Exception as error:  # onnxsim passes on whatever its C++ side threw
        raise ExportError(f"onnxsim failed ({first_line(error)})", where=source, cure=_DAMAGED) from error
    if not same:
        raise ExportError(f"onnxsim changed what the network computes at batch size {batch_size}", where=source,
                          cure="Use the exported file as it is, and report the versions of onnx and onnxsim.")
    metadata = {**found.metadata, "onnxsim": version("onnxsim"), "source_sha256": found.sha256}
    return _write(simplified, metadata, path, (found.opset, shape, (int(batch_size), *FEATURE_SHAPE)))


def _is_count(value: object) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool) and value >= 1


def _write(model: onnx.ModelProto, metadata: dict[str, str], path: Path, expected: tuple) -> OnnxFile:
    """Stamp, check and write; `expected` is (opset, input shape, output shape)."""
    del model.metadata_props[:]  # onnxsim leaves a long log there
    onnx.helper.set_model_props(model, metadata)
    content = model.SerializeToString(deterministic=True)
    written = _inspect(content, path, True)[1]
    if (written.opset, written.input_shape, written.output_shape) != expected:
        raise ExportError(f"opset and shapes came out as {written.opset}, {written.input_shape}, "
                          f"{written.output_shape} instead of {', '.join(map(str, expected))}", where=path,
                          cure="Install the versions of torch, onnx and onnxsim that requirements.txt pins.")
    try:
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    except OSError as error:
        raise ExportError(f"cannot be written ({error.strerror or error})", where=path,
                          cure="Give a path that can be written.") from error
    return written


def _read(path: str | Path) -> bytes:
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError as error:
        raise ExportError("no such ONNX file", where=path, cure="Write it with osnet export.") from error
    except OSError as error:
        raise ExportError(f"cannot be read ({error.strerror or error})", where=path,
                          cure="Give the path of an .onnx file.") from error
    if not content:
        raise ExportError("the file is empty", where=path, cure=_DAMAGED)
    return content


def _inspect(content: bytes, path: Path, expect_osnet: bool) -> tuple[onnx.ModelProto, OnnxFile]:
    """Parse and check; the path serves the messages only."""
    try:
        model = onnx.load_model_from_string(content)
        outside = [t.name for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
        if not outside:
            onnx.checker.check_model(model)
    except (DecodeError, onnx.checker.ValidationError, ValueError) as error:
        raise ExportError(f"not an ONNX file, or a damaged one ({first_line(error)})", where=path,
                          cure=_DAMAGED) from error
    if outside:  # its sha256 would say nothing about the weights, and ATC needs both files side by side
        raise ExportError(f"keeps {len(outside)} tensors in another file, such as {outside[0]}", where=path,
                          cure="Save it as one file (onnx.save_model with save_as_external_data=False).")
    opsets = [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")]
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in weights]  # up to IR 3 weights are inputs too
    outputs = list(model.graph.output)
    if len(opsets) != 1 or not inputs or not outputs:
        raise ExportError(f"has {len(opsets)} opsets, {len(inputs)} inputs and {len(outputs)} outputs", where=path,
                          cure="Give a network with one opset, an input and an output.")
    found = OnnxFile(path, hashlib.sha256(content).hexdigest(), opsets[0], model.ir_version, len(model.graph.node),
                     inputs[0].name, _shape(inputs[0]), outputs[0].name, _shape(outputs[0]),
                     {entry.key: entry.value for entry in model.metadata_props})
    if expect_osnet and not (len(inputs) == len(outputs) == 1 and _is_osnet(found) and _is_float(*inputs, *outputs)):
        raise ExportError(f"not an OSNet of this study: {_signature(inputs)} to {_signature(outputs)}", where=path,
                          cure=f"Give float {INPUT} [N, 3, 256, 128] to float {OUTPUT} [N, 512], as osnet export does.")
    return model, found


def _is_osnet(found: OnnxFile) -> bool:
    batches = {n for n in (found.input_shape[:1] + found.output_shape[:1]) if isinstance(n, int)}
    return (found.input_name == INPUT and found.input_shape[1:] == IMAGE_SHAPE and found.output_name == OUTPUT
            and found.output_shape[1:] == FEATURE_SHAPE and len(batches) <= 1 and all(n >= 1 for n in batches))


def _is_float(*values: onnx.ValueInfoProto) -> bool:
    return all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in values)


def _shape(value: onnx.ValueInfoProto) -> tuple[int | str, ...]:
    return tuple(d.dim_value if d.WhichOneof("value") == "dim_value" else d.dim_param or "?"
                 for d in value.type.tensor_type.shape.dim)


def _signature(values: list[onnx.ValueInfoProto]) -> str:
    return ", ".join(f"{TensorProto.DataType.Name(v.type.tensor_type.elem_type).lower()} {v.name} "
                     f"[{', '.join(map(str, _shape(v)))}]" for v in values)
