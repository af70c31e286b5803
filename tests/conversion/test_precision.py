"""Reduced precision: what the files hold, what a session computes with them, and what is refused."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from helpers.networks import images, onnx_path
from osnet_lib.conversion.interface import INPUT, OUTPUT
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.conversion.precision import FLOAT16, INT8, _quiet, to_float16, to_int8
from osnet_lib.errors import ExportError
from osnet_lib.inference.session import open_session


def calibration() -> list[np.ndarray]:
    return [images(2, seed=seed) for seed in (1, 2)]


def tiny(path: Path, batch: int | str = 2, opset: int = 11) -> Path:
    """A network with OSNet's input and output that takes no time.

    Two streams share one 1x1 convolution, as gates do, and one node takes twice what another takes too, as onnxsim
    makes it.
    """
    random = np.random.default_rng(3)
    weights = {"patch": (8, 3, 32, 32), "gate": (8, 8, 1, 1), "fc": (512, 8), "bias": (512,)}
    nodes = [
        helper.make_node("Conv", ["image", "patch"], ["a"], strides=[32, 32], kernel_shape=[32, 32]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Conv", ["a", "gate"], ["c"], name="left", kernel_shape=[1, 1]),
        helper.make_node("Conv", ["b", "gate"], ["d"], name="right", kernel_shape=[1, 1]),
        helper.make_node("Sigmoid", ["d"], ["e"]),
        helper.make_node("Mul", ["c", "e"], ["f"]),
        helper.make_node("Add", ["b", "f"], ["g"]),
        helper.make_node("GlobalAveragePool", ["g"], ["h"]),
        helper.make_node("Flatten", ["h"], ["i"]),
        helper.make_node("Gemm", ["i", "fc", "bias"], ["j"], transB=1),
        helper.make_node("BatchNormalization", ["j", "scale", "bias", "bias", "scale"], ["feature"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 3, 256, 128])],
        [helper.make_tensor_value_info("feature", TensorProto.FLOAT, [batch, 512])],
        [
            numpy_helper.from_array(np.ones(512, np.float32), "scale"),
            *(
                numpy_helper.from_array(random.normal(scale=0.05, size=shape).astype(np.float32), name)
                for name, shape in weights.items()
            ),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8), path)
    return path


@pytest.fixture(scope="module")
def float16(tmp_path_factory):
    return to_float16(onnx_path(2), tmp_path_factory.mktemp("fp16") / "new" / "fp16.onnx")


@pytest.fixture(scope="module")
def int8(tmp_path_factory):
    return to_int8(onnx_path(2), tmp_path_factory.mktemp("int8") / "int8.onnx", calibration())


def run(path, batch: np.ndarray) -> np.ndarray:
    with open_session(path, threads=1) as session:
        return session.run(batch)


def tensors(path) -> dict[str, np.ndarray]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer}


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


# ---- what both keep and say -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, precision, opset", [("float16", FLOAT16, 11), ("int8", INT8, 13)])
def test_files_keep_the_contract_and_say_what_they_are(kind, precision, opset, request):
    made, source = request.getfixturevalue(kind), inspect_onnx(onnx_path(2))
    assert made == inspect_onnx(made.path, expect_osnet=True)
    assert (made.input_name, made.output_name, made.batch_size, made.opset) == (INPUT, OUTPUT, 2, opset)
    assert made.precision == made.metadata["precision"] == precision and source.precision == "float32"
    assert made.metadata["source_sha256"] == source.sha256
    assert made.metadata["weights_sha256"] == source.metadata["weights_sha256"]
    with open_session(made.path, threads=1) as session:
        assert session.describe()["precision"] == precision


@pytest.mark.parametrize("kind, words", [("float16", "float16"), ("int8", "int8")])
def test_files_of_others_are_named_by_their_weights(kind, words, request, tmp_path):
    model = onnx.load(request.getfixturevalue(kind).path)
    del model.metadata_props[:]
    onnx.save(model, tmp_path / "other.onnx")
    assert inspect_onnx(tmp_path / "other.onnx").precision == words


# ---- float16 --------------------------------------------------------------------------------------------------------


def test_float16_holds_no_other_weights(float16):
    stored = tensors(float16.path)
    assert {array.dtype for array in stored.values() if array.dtype.kind == "f"} == {np.dtype(np.float16)}
    wide = tensors(onnx_path(2))
    assert all(np.array_equal(stored[name], wide[name].astype(np.float16)) for name in wide if name in stored)


def test_float16_rounds_every_activation_when_it_runs(float16, tmp_path):
    """ONNX Runtime must not have removed the Casts: what it says it runs is looked at, and what comes out."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath, options.log_severity_level = str(tmp_path / "ran.onnx"), 3
    onnxruntime.InferenceSession(str(float16.path), options, providers=["CPUExecutionProvider"])
    ran, written = onnx.load(tmp_path / "ran.onnx"), onnx.load(float16.path)
    rounds = [node for node in ran.graph.node if node.op_type == "Cast" and node.attribute[0].i == TensorProto.FLOAT16]
    results = [node for node in written.graph.node if node.op_type not in ("Cast", "Flatten", "Constant")]
    assert len(rounds) >= len(results) > 300
    features = run(float16.path, images(2))
    assert np.array_equal(features, features.astype(np.float16))


def test_float16_is_near_and_not_equal(float16):
    batch = images(2)
    expected, features = run(onnx_path(2), batch), run(float16.path, batch)
    error = np.abs(features - expected).max()
    assert 1e-4 < error < 0.02 * np.abs(expected).max() and cosines(expected, features).min() > 0.9999


def test_float16_takes_a_dynamic_batch(tmp_path):
    source = tiny(tmp_path / "tiny.onnx", "batch")
    made = to_float16(source, tmp_path / "half.onnx")
    assert made.batch_size is None
    assert 0 < np.abs(run(made.path, images(3)) - run(source, images(3))).max() < 0.02


# ---- int8 -----------------------------------------------------------------------------------------------------------


def test_int8_holds_8_bit_weights_with_a_scale_a_channel(int8):
    stored = tensors(int8.path)
    kernels = {name: array for name, array in stored.items() if array.ndim == 4 and array.dtype == np.int8}
    assert len(kernels) == 79  # 187 convolutions but for 48 of gates and 60 depthwise
    wide = tensors(onnx_path(2))
    for name, array in kernels.items():
        scale = stored[name.replace("_quantized", "_scale")]
        assert scale.shape == array.shape[:1]
        original = wide.get(name.replace("_quantized", ""))
        if original is not None:  # those shared by several nodes carry the node in their name
            restored = array.astype(np.float32) * scale[:, None, None, None]
            assert np.abs(restored - original).max() <= scale.max() * 0.5001


def test_int8_leaves_what_is_sensitive_in_float(int8):
    """Gates, depthwise convolutions and the last layer take weights as they were; their sums are not rounded."""
    model, wide = onnx.load(int8.path), tensors(onnx_path(2))
    stored, makers = tensors(int8.path), {name: node for node in model.graph.node for name in node.output}
    rounded, whole = [], []
    for node in model.graph.node:
        if node.op_type in ("Conv", "Gemm"):
            quantised = makers.get(node.input[1]) is not None
            assert quantised == (node.input[0] in makers and makers[node.input[0]].op_type == "DequantizeLinear")
            (rounded if quantised else whole).append(node)
    depthwise = [node for node in whole if stored[node.input[1]].shape[1:] == (1, 3, 3)]
    gates = [node for node in whole if "/gate/" in node.name]
    assert (len(rounded), len(depthwise), len(gates)) == (79, 60, 48)
    assert [node.op_type for node in whole if node not in depthwise + gates] == ["Gemm"]
    originals = {array.tobytes() for array in wide.values()}
    assert all(stored[node.input[1]].tobytes() in originals for node in whole)
    readers = {name: node.op_type for node in model.graph.node for name in node.input}
    assert {readers[node.output[0]] for node in rounded} == {"Relu", "Conv", "Add"}


def test_int8_computes_other_features_that_are_near(int8):
    batch = images(2)
    expected, features = run(onnx_path(2), batch), run(int8.path, batch)
    assert np.abs(features - expected).max() > 1e-3 and cosines(expected, features).min() > 0.99


def test_int8_depends_on_the_images_and_neither_on_their_order_nor_on_how_they_are_batched(tmp_path):
    source, batches = tiny(tmp_path / "tiny.onnx"), calibration()
    swapped = [np.concatenate([batch[1:], batch[:1]]) for batch in reversed(batches)]
    ones = [batch[i : i + 1] for batch in batches for i in range(2)]  # each is filled up with itself
    made = [
        to_int8(source, tmp_path / f"{i}.onnx", iter(given))
        for i, given in enumerate([batches, swapped, ones, [3 * batch for batch in batches]])
    ]
    assert made[0].sha256 == made[1].sha256 == made[2].sha256 != made[3].sha256
    assert made[0].metadata["calibration"] == "4 images, MinMax"


@pytest.mark.parametrize("batch, opset, expected", [(2, 11, 13), (2, 13, 13), (2, 17, 17), ("batch", 11, 13)])
def test_int8_raises_the_opset_only_where_it_must_and_keeps_the_batch_axis(batch, opset, expected, tmp_path):
    source = tiny(tmp_path / "tiny.onnx", batch, opset)
    made = to_int8(source, tmp_path / "int8.onnx", calibration())
    assert made.opset == expected and made.input_shape[0] == batch
    assert cosines(run(source, images(2, 1)), run(made.path, images(2, 1))).min() > 0.98


def test_conversions_are_quiet(tmp_path, capfd, caplog):
    root, source = logging.getLogger(), tiny(tmp_path / "tiny.onnx")
    before = list(root.handlers), root.level, root.manager.disable
    with caplog.at_level(logging.DEBUG):
        during = list(root.handlers)
        to_float16(source, tmp_path / "a.onnx")
        to_int8(source, tmp_path / "b.onnx", calibration())
        assert root.handlers == during
    out = capfd.readouterr()
    assert (out.out, out.err, caplog.text) == ("", "", "")
    assert (list(root.handlers), root.level, root.manager.disable) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx", "tiny.onnx"]


def test_what_libraries_print_and_log_goes_nowhere(capfd, monkeypatch):
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # as in a notebook: logging would add one to stderr
    with _quiet():
        print("printed")
        logging.warning("logged")  # noqa: LOG015 - as the quantiser does
    assert logging.getLogger().handlers == [] and not logging.getLogger().manager.disable
    assert capfd.readouterr() == ("", "")


# ---- refusals -------------------------------------------------------------------------------------------------------


def refused(convert, *args) -> str:
    with pytest.raises(ExportError) as caught:
        convert(*args)
    assert caught.value.cure and "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("convert", [to_float16, lambda source, target: to_int8(source, target, [images(2)])])
@pytest.mark.parametrize("content, words", [(None, "no such ONNX file"), (b"", "empty"), (b"junk", "not an ONNX")])
def test_sources_that_are_refused(convert, content, words, tmp_path):
    source = tmp_path / "source.onnx"
    if content is not None:
        source.write_bytes(content)
    assert words in refused(convert, source, tmp_path / "target.onnx")
    assert not (tmp_path / "target.onnx").exists()


@pytest.mark.parametrize("kind", ["float16", "int8"])
def test_what_is_converted_already_is_refused(kind, request, tmp_path):
    source = request.getfixturevalue(kind).path
    assert "already" in refused(to_float16, source, tmp_path / "x.onnx")
    assert "already" in refused(to_int8, source, tmp_path / "x.onnx", [images(2)])


@pytest.mark.parametrize(
    "batches, words",
    [
        ([], "no calibration images"),
        ([images(3)], r"float32 [3, 3, 256, 128]"),
        ([images(2)[:0]], r"float32 [0, 3, 256, 128]"),
        ([images(2).astype(np.float64)], "float64"),
        ([images(2)[:, :, :128]], "[2, 3, 128, 128]"),
        ([np.full((2, 3, 256, 128), np.nan, np.float32)], "calibration batch"),
    ],
)
def test_calibration_that_is_refused_leaves_the_old_file(batches, words, tmp_path):
    source, target = tiny(tmp_path / "tiny.onnx"), tmp_path / "int8.onnx"
    target.write_bytes(b"old")
    assert words in refused(to_int8, source, target, batches)
    assert target.read_bytes() == b"old" and sorted(tmp_path.iterdir()) == [target, source]


def test_a_path_that_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "cannot be written" in refused(to_float16, tiny(tmp_path / "tiny.onnx"), tmp_path / "file" / "x.onnx")
