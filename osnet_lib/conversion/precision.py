"""From float32 to fewer bits: the simplified network in float16 and in int8, as ONNX files that any machine can score.

Both keep ``image`` and ``feature`` in float32, so that they run and are compared like the file they come from. They are
for measuring what the bits cost; what a device makes of them in speed is the device's affair.
"""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import numpy as np
import onnx

from ..core.host import package_versions
from ..errors import ExportError, first_line
from .interface import IMAGE_SHAPE
from .onnx_file import OnnxFile, load_onnx, write_onnx

FLOAT16 = "float16 weights and activations, float32 arithmetic"
INT8 = "int8 weights and activations"
PER_CHANNEL_OPSET = 13  # the first whose DequantizeLinear takes one scale a channel

_AGAIN = "Start from a file that osnet export or osnet simplify wrote."


def to_float16(source: str | Path, target: str | Path) -> OnnxFile:
    """Store weights and activations in float16.

    Every weight and the result of every operator are rounded to float16; each operator computes in float32 in between,
    as matrix units with float32 accumulators do. The Casts that say so stand in the file, for a plain float16 graph
    would not be computed as such everywhere: for want of float16 kernels ONNX Runtime's CPU provider on x86 inserts
    Casts of its own and then removes each pair of them, so that nothing but the weights is rounded and the loss looks
    half as large as it is (onnxruntime 1.32).

    Parameters
    ----------
    source : path
        An exported or simplified file, float32; names, shapes, opset and batch axis stay.
    target : path
        Replaced only when the new file is complete and checked.

    Raises
    ------
    ExportError
        A source that is missing, damaged, not this network or not float32; a path that cannot be written.
    """
    model, found = _float32(source)
    with _quiet():
        from onnxruntime.transformers.float16 import convert_float_to_float16

        for number, node in enumerate(model.graph.node):  # onnxruntime 1.23 names its Casts after them, "" or not
            node.name = node.name or f"{node.op_type}_{number}"
        operators = sorted({node.op_type for node in model.graph.node})
        with _refusals(source):
            model = convert_float_to_float16(
                model, keep_io_types=True, op_block_list=operators, force_fp16_initializers=True
            )
    _sort(model.graph)
    return write_onnx(
        model, _metadata(found, FLOAT16), Path(target), (found.opset, found.input_shape, found.output_shape)
    )


def to_int8(source: str | Path, target: str | Path, calibration: Iterable[np.ndarray]) -> OnnxFile:
    """Quantise the dense convolutions to 8 bits: weights with one scale a channel, symmetric, activations with one.

    Static quantisation by ONNX Runtime in QDQ form (Jacob et al., CVPR 2018, for the arithmetic). In 8 bits with 32-bit
    sums compute the first layer and the 1x1 convolutions between whole maps, which do nearly all multiplications. What
    loses most by 8 bits and saves little time stays in float: depthwise convolutions, the gates and what else is
    computed of a pooled map, the last layer with them; and so do sums, so that no rounding is between a convolution
    and its activation. `osnet_lib.inference.openvino` computes these in bfloat16 where the CPU has it. ONNX Runtime
    multiplies in 8 bits only where the sum is rounded too, and here in float with the rounded values: it shows the loss
    and not the speed. The range of an activation is the smallest and largest value seen (MinMax).

    Parameters
    ----------
    source : path
        An exported or simplified file, float32, with opset at least 13 or one that can be raised to it.
    target : path
        Replaced only when the new file is complete and checked.
    calibration : iterable of float32 array, [n, 3, 256, 128]
        Training images as the network sees them; no labels are needed. Take none that are scored. For a source of
        fixed batch n is at most that; a batch that is not full is filled up with its own images. The order does not
        matter.

    Returns
    -------
    OnnxFile
        The same source, images and library versions give the same bytes.

    Raises
    ------
    ExportError
        As `to_float16`; no calibration images, or such that the source does not take.
    """
    model, found = _float32(source)
    reader = _Reader(calibration, found)
    with _quiet(), tempfile.TemporaryDirectory(prefix="osnet-int8-") as folder, _refusals(source):
        from onnxruntime.quantization import CalibrationMethod, QuantType, quantize_static

        if found.opset < PER_CHANNEL_OPSET:
            model = onnx.version_converter.convert_version(model, PER_CHANNEL_OPSET)
        _unshare(model.graph)
        # The preprocessing that is asked for otherwise, folding and shape inference, is what onnxsim has done.
        onnx.helper.set_model_props(model, {"onnx.quant.pre_process": "onnxsim"})
        before, after = Path(folder) / "float32.onnx", Path(folder) / "int8.onnx"
        onnx.save(model, before)
        quantize_static(
            before,
            after,
            reader,
            op_types_to_quantize=["Conv"],
            nodes_to_exclude=_sensitive(model.graph),
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={"OpTypesToExcludeOutputQuantization": ["Conv"]},
        )
        model = onnx.load(after)
    expected = max(found.opset, PER_CHANNEL_OPSET), found.input_shape, found.output_shape
    return write_onnx(
        model, _metadata(found, INT8) | {"calibration": f"{reader.images} images, MinMax"}, Path(target), expected
    )


class _Reader:
    """Calibration images as ONNX Runtime asks for them."""

    def __init__(self, batches: Iterable[np.ndarray], source: OnnxFile):
        self._batches, self._source, self.images = iter(batches), source, 0

    def get_next(self) -> dict[str, np.ndarray] | None:
        batch = next(self._batches, None)
        if batch is None:
            if not self.images:
                raise ExportError(
                    "no calibration images", where=self._source.path, cure="Give some dozens of typical ones."
                )
            return None
        batch, size = np.asarray(batch), self._source.batch_size
        if (
            batch.dtype != np.float32
            or batch.ndim != 4
            or batch.shape[1:] != IMAGE_SHAPE
            or not len(batch)
            or len(batch) > (size or len(batch))
            or not np.isfinite(batch).all()
        ):
            raise ExportError(
                f"a calibration batch of {batch.dtype} {list(batch.shape)}",
                where=self._source.path,
                cure=f"Give finite float32 [{f'1 to {size}' if size else 'n'}, 3, 256, 128].",
            )
        self.images += len(batch)
        return {self._source.input_name: batch[np.arange(size or len(batch)) % len(batch)]}


def _float32(source: str | Path) -> tuple[onnx.ModelProto, OnnxFile]:
    model, found = load_onnx(source, expect_osnet=True)
    if found.precision != "float32":
        raise ExportError(f"holds {found.precision} already", where=source, cure=_AGAIN)
    return model, found


def _metadata(source: OnnxFile, precision: str) -> dict[str, str]:
    versions = package_versions(("onnxruntime",))
    return {**source.metadata, **versions, "precision": precision, "source_sha256": source.sha256}


def _sensitive(graph: onnx.GraphProto) -> list[str]:
    """The convolutions that stay in float: depthwise ones, and those of a pooled map. Every node gets a name.

    What is computed of a pooled map alone is pooled too; a gate ends where it is multiplied with a map.
    """
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    pooled: set[str] = set()
    found = []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{number}"
        inputs = {name for name in node.input if name and name not in weights}
        if node.op_type == "GlobalAveragePool" or (inputs and inputs <= pooled):
            pooled.update(node.output)
        if node.op_type == "Conv" and (inputs <= pooled or weights.get(node.input[1], (0, 0))[1] == 1):
            found.append(node.name)
    return found


def _unshare(graph: onnx.GraphProto) -> None:
    """Give every input weights of its own: ONNX Runtime, asked to avoid 16-bit sums (see
    `osnet_lib.inference.onnxruntime`), refuses to rewrite the same weights twice."""
    weights, used = {tensor.name: tensor for tensor in graph.initializer}, set()
    for number, node in enumerate(graph.node):
        for position, name in enumerate(node.input):
            if name in weights and name in used:
                node.input[position] = f"{name}_{number}_{position}"
                graph.initializer.add().CopyFrom(weights[name])
                graph.initializer[-1].name = node.input[position]
            used.add(name)


def _sort(graph: onnx.GraphProto) -> None:
    """Put the nodes in the order that ONNX demands, in which each comes after those that it reads."""
    nodes = list(graph.node)
    maker = {name: number for number, node in enumerate(nodes) for name in node.output}
    needs = {number: [maker[name] for name in node.input if name in maker] for number, node in enumerate(nodes)}
    order = [nodes[number] for number in TopologicalSorter(needs).static_order()]
    del graph.node[:]
    graph.node.extend(order)


@contextlib.contextmanager
def _refusals(source: str | Path) -> Iterator[None]:
    try:
        yield
    except ExportError:
        raise
    except Exception as error:  # ONNX Runtime's tools raise whatever they come across
        raise ExportError(f"onnxruntime cannot convert it ({first_line(error)})", where=source, cure=_AGAIN) from error


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime's tools print and log through the root logger; nothing of it reaches the reader."""
    root = logging.getLogger()
    handlers, disabled = list(root.handlers), root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        logging.disable(disabled)
        root.handlers[:] = handlers  # logging.warning() adds one that writes to stderr
