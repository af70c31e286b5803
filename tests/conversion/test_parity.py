"""The gate: figures by hand, models that pass, and every way a conversion goes wrong that it must stop."""

from __future__ import annotations

import copy
import math
import re

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp
from onnx import helper, numpy_helper

from helpers.networks import checkpoint, images, onnx_path
from osnet_lib.conversion.export import simplify_onnx
from osnet_lib.conversion.parity import Parity, Tolerance, check_parity, feature_difference
from osnet_lib.errors import ExportError, ParityError
from osnet_lib.inference.session import open_session

FEATURES = hnp.arrays(
    np.float32, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=st.floats(-1e3, 1e3, width=32)
)


def stopped(*args, **kwargs) -> str:
    with pytest.raises(ParityError) as caught:
        check_parity(*args, **kwargs)
    assert caught.value.cure and "\n" not in str(caught.value)
    return str(caught.value)


# ---- compare --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reference, candidate, expected",
    [
        ([[3, 4]], [[3, 4]], (0, 0, 1)),
        ([[3, 4]], [[4, 3]], (1, 1, 24 / 25)),
        ([[1, 0], [0, 2]], [[1, 0], [0, 2.5]], (0.5, 0.125, 1)),
        ([[1, 0], [0, 1]], [[0, 1], [0, 1]], (1, 0.5, 0)),
        ([[1, 1]], [[-1, -1]], (2, 2, -1)),
        ([[0, 0], [1, 0]], [[0, 0], [1, 0]], (0, 0, 1)),
        ([[0, 0]], [[1, 0]], (1, 0.5, 0)),
    ],
)
def test_compare_by_hand(reference, candidate, expected):
    assert feature_difference(np.array(reference, np.float32), np.array(candidate, np.float32)) == pytest.approx(
        expected
    )


@given(FEATURES)
def test_compare_with_itself(features):
    difference = feature_difference(features, features)
    assert difference[:2] == (0, 0) and difference.min_cosine == pytest.approx(1)


@given(features=FEATURES, data=st.data())
def test_compare_finds_one_changed_value(features, data):
    row, column = (data.draw(st.integers(0, n - 1)) for n in features.shape)
    changed = features.copy()
    changed[row, column] += 1
    step = abs(float(changed[row, column]) - float(features[row, column]))
    assert feature_difference(features, changed).max_abs == step
    assert feature_difference(features, changed).mean_abs == pytest.approx(step / features.size)
    assert feature_difference(changed, features) == pytest.approx(feature_difference(features, changed))


@pytest.mark.parametrize(
    "reference, candidate, words",
    [
        (np.ones((2, 3)), np.ones((3, 3)), r"\[2, 3\] and \[3, 3\]"),
        (np.ones(3), np.ones(3), r"\[3\]"),
        (np.ones((0, 3)), np.ones((0, 3)), r"\[0, 3\]"),
        (
            np.ones((3, 2)),
            np.array([[1, 1], [np.nan, 1], [np.inf, 1]]),
            "the candidate holds NaN or infinity in 2 of 3 rows, .* row 1",
        ),
        (np.array([[np.inf, 1]]), np.ones((1, 2)), "the reference holds NaN"),
    ],
)
def test_compare_refuses(reference, candidate, words):
    with pytest.raises(ParityError, match=words):
        feature_difference(reference, candidate)


@pytest.mark.parametrize(
    "change, passed",
    [
        ({}, True),
        ({"max_abs": 1e-4}, True),
        ({"max_abs": 1.01e-4}, False),
        ({"row_max_abs": 1.01e-4}, False),
        ({"min_cosine": 0.99999}, True),
        ({"min_cosine": 0.9999}, False),
        ({"mean_abs": 9.0}, True),
        ({"max_abs": math.nan}, False),
        ({"min_cosine": math.nan}, False),
        ({"row_max_abs": math.nan}, False),
    ],
)
def test_passed(change, passed):
    figures = {"max_abs": 0.0, "mean_abs": 0.0, "min_cosine": 1.0, "row_max_abs": 0.0, **change}
    parity = Parity(stage="onnx", batch_size=1, images=1, **figures)
    assert parity.passed is passed
    assert parity.as_dict()["row_max_abs"] is parity.row_max_abs and len(parity.as_dict()) == 9
    assert repr(Parity(**parity.as_dict())) == repr(parity)  # words, as NaN does not equal itself from Python 3.13 on


# ---- the gate, with networks that pass ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reference():
    with open_session(checkpoint(), "torch", threads=1) as session:
        yield session


@pytest.mark.parametrize("batch_size", [None, 1, 4])
def test_exported_and_simplified_pass(reference, batch_size):
    batch = images(9)
    with open_session(onnx_path(batch_size), threads=1) as session:
        parity = check_parity(reference, session, batch, "onnx")
        assert (parity.stage, parity.batch_size, parity.images) == ("onnx", batch_size or 9, 9)
        assert parity.max_abs < 5e-5 and parity.row_max_abs < 5e-5 and parity.mean_abs <= parity.max_abs
        features = reference.run(batch)  # the reference may also be given as its features
        assert check_parity(features, session, batch, "onnx").max_abs == pytest.approx(parity.max_abs, abs=1e-5)


def test_real_weights_and_pictures_pass(market_weights, market_zip, tmp_path):
    from osnet_lib.conversion.export import export_onnx
    from osnet_lib.datasets.market1501 import open_market1501
    from osnet_lib.datasets.preprocess import preprocess
    from osnet_lib.network.checkpoint import load_checkpoint

    loaded = load_checkpoint(market_weights)
    source = export_onnx(loaded, tmp_path / "x.onnx").path
    with open_market1501(market_zip) as dataset:
        pictures = np.stack([preprocess(dataset.image(sample)) for sample in dataset.query[:5]])
    with open_session(loaded, "torch", threads=1) as torch_session:
        features = torch_session.run(pictures)
    for path, batch_size in ((source, 5), (simplify_onnx(source, tmp_path / "y.onnx", 2).path, 2)):
        with open_session(path, threads=1) as session:
            assert check_parity(features, session, pictures, "real").batch_size == batch_size


class Linear:
    """A network of one matrix, with a log of the batches it was given."""

    def __init__(self, batch_size=None, fault=lambda features: features):
        self.batch_size, self.fault, self.seen = batch_size, fault, []
        self.matrix = np.random.default_rng(0).normal(size=(4, 6))

    def run(self, batch):
        self.seen.append(batch[:, 0].tolist())
        return self.fault((batch @ self.matrix).astype(np.float32))


def rows(count):
    return np.random.default_rng(1).normal(size=(count, 4)).astype(np.float32)


@settings(deadline=None)
@given(count=st.integers(1, 40), size=st.integers(1, 12), alone=st.integers(0, 12))
def test_what_the_candidate_sees(count, size, alone):
    """Each image in a batch, one batch that is not full, single images, and among them the last row of the last."""
    batch, candidate, single = rows(count), Linear(size), Linear()
    parity = check_parity(single, candidate, batch, "x", alone=alone)
    assert single.seen == [[value] for value in batch[:, 0].tolist()] and parity.images == count
    if count < size:  # repeated to fill a batch, then once as they are
        values = batch[:, 0].tolist()
        assert candidate.seen[:2] == [(values * size)[:size], values]
        return
    number = {value: i for i, value in enumerate(batch[:, 0].tolist())}
    seen = [[number[value] for value in values] for values in candidate.seen]
    batches = -(-count // size) + (size > 1 and count % size == 0)
    assert [i for chunk in seen[: count // size] for i in chunk] == list(range(count // size * size))
    assert set().union(*seen[:batches]) == set(range(count)) and all(len(chunk) <= size for chunk in seen)
    if size > 1:
        assert 0 < len(seen[batches - 1]) < size
    singles = seen[batches:]
    assert all(len(chunk) == 1 for chunk in singles) and 1 <= len(singles) <= max(alone, 1)
    assert singles[-1] == [seen[batches - 1][-1]]


def test_a_batch_size_may_be_chosen_for_a_dynamic_model():
    candidate = Linear()
    assert check_parity(Linear(), candidate, rows(9), "x", batch_size=4).batch_size == 4
    assert [len(chunk) for chunk in candidate.seen[:3]] == [4, 4, 1]


def test_plain_functions_and_features_will_do():
    network = Linear()
    assert check_parity(network.run, network.run, rows(3), "x").passed
    assert check_parity(network.run(rows(3)), network.run, rows(3), "x").max_abs < 1e-6


# ---- the gate, with networks that must not pass ---------------------------------------------------------------------


def doctored(tmp_path, change, batch_size=None):
    """The exported network with `change` applied to its graph, fixed to a batch size when one is given."""
    model = onnx.load(onnx_path())
    change(model.graph)
    path = tmp_path / "doctored.onnx"
    path.write_bytes(model.SerializeToString())
    return path if batch_size is None else simplify_onnx(path, tmp_path / "fixed.onnx", batch_size).path


def perturb(graph):
    """One weight of the first convolution off by one percent."""
    name = next(node for node in graph.node if node.op_type == "Conv").input[1]
    tensor = next(t for t in graph.initializer if t.name == name)
    values = numpy_helper.to_array(tensor).copy()
    values *= np.where(np.arange(values.size).reshape(values.shape) < values.size // 16, 1.01, 1).astype(np.float32)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


def mix_rows(graph, strength=0.01):
    """Every feature gets a little of the mean over its batch, as a batch norm in training mode would do."""
    last = graph.node[-1]
    last.output[0] = "own"
    graph.initializer.append(numpy_helper.from_array(np.float32(strength), "strength"))
    graph.node.extend(
        [
            helper.make_node("ReduceMean", ["own"], ["mean"], axes=[0], keepdims=1),
            helper.make_node("Mul", ["mean", "strength"], ["leak"]),
            helper.make_node("Add", ["own", "leak"], ["feature"]),
        ]
    )


def overflow(graph):
    last = graph.node[-1]
    last.output[0] = "own"
    graph.node.extend([helper.make_node("Exp", ["own"], ["e"]), helper.make_node("Exp", ["e"], ["feature"])])


@pytest.mark.parametrize("batch_size", [None, 4])
def test_perturbed_weights(tmp_path, reference, batch_size):
    with open_session(doctored(tmp_path, perturb, batch_size), threads=1) as session:
        message = stopped(reference, session, images(4), "onnx")
        assert check_parity(reference, session, images(4), "onnx", Tolerance(1, 0.99)).max_abs > 1e-4
    assert re.fullmatch(
        r"onnx, batch size 4: features differ from the reference by up to \d\S* \(mean \d\S*, smallest cosine "
        r"[01]\.\d{7}\), and a row of a batch from that image alone by up to \d\S*; allowed are 0\.0001 and cosine "
        r"0\.99999\. .+",
        message,
    )


@pytest.mark.parametrize("batch_size", [None, 4])
def test_rows_that_leak_into_each_other(tmp_path, reference, batch_size):
    with open_session(doctored(tmp_path, mix_rows, batch_size), threads=1) as session:
        assert "batch size 4" in stopped(reference, session, images(4), "onnx")
        # Measured against its own answers in batches, only the comparison with the image alone can tell.
        features = np.concatenate([session.run(images(4)[i : i + 1]) for i in range(4)])
        parity = check_parity(features, session, images(4), "onnx", Tolerance(10, 0))
        assert parity.row_max_abs > 1e-3


def test_batch_norm_in_training_mode(reference):
    """The classic: a model exported before eval() was called. Its rows depend on the batch they are in."""
    model = copy.deepcopy(checkpoint().model).train()

    def run(batch):
        with torch.no_grad():
            twice = np.concatenate([batch, batch])  # training refuses a single image
            return model(torch.from_numpy(twice)).numpy()[: len(batch)]

    assert "train, batch size 4" in stopped(reference, run, images(4), "train")


@pytest.mark.parametrize(
    "fault",
    [
        lambda f: f if len(f) == 4 else f * 1.01,  # only in a batch that is not full
        lambda f: f if len(f) < 4 else f * 1.01,  # only in a full one
        lambda f: f if len(f) == 1 else np.roll(f, 1, axis=0),  # the rows change places
        lambda f: np.concatenate([f[:-1], 0 * f[-1:]]),  # the last row is left out
        lambda f: f.astype(np.float16).astype(np.float32),
        lambda f: f + np.float32(2e-4),
    ],
)
@pytest.mark.parametrize("count", [8, 9], ids=["whole batches", "with a rest"])
def test_small_faults(fault, count):
    assert check_parity(Linear(), Linear(4), rows(count), "x").passed
    assert "x, batch size 4: features differ" in stopped(Linear(), Linear(4, fault), rows(count), "x")


def test_only_the_comparison_with_the_image_alone_can_tell():
    """A model that is right in batches and wrong with one image: the reference's figures are fine."""
    wrong_alone = Linear(4, lambda f: f if len(f) > 1 else f + 1)
    parity = check_parity(Linear(), wrong_alone, rows(8), "x", Tolerance(2, 0))
    assert parity.max_abs < 1e-5 and parity.row_max_abs == pytest.approx(1)
    assert "alone by up to 1;" in stopped(Linear(), wrong_alone, rows(8), "x")


@pytest.mark.parametrize(
    "fault, words",
    [
        (lambda f: np.where(np.arange(len(f))[:, None] == 1, np.nan, f), "the candidate holds NaN or infinity"),
        (lambda f: f * np.inf, "the candidate holds NaN or infinity"),
        (lambda f: f[:, :3], "cannot be compared"),
        (lambda f: f[:-1], "gave an array of shape"),
        (lambda f: f[0], "gave an array of shape"),
    ],
)
def test_features_that_cannot_be_compared(fault, words):
    message = stopped(Linear(), Linear(4, fault), rows(8), "x")
    assert message.startswith("x, batch size 4: ") and words in message


def test_a_session_that_refuses_is_named(tmp_path, reference):
    with open_session(doctored(tmp_path, overflow), threads=1) as session:
        message = stopped(reference, session, images(4), "onnx")
    assert re.match("onnx, batch size 4: the features of rows .* are not finite", message)


@pytest.mark.parametrize(
    "kwargs, words",
    [
        ({"images": rows(0)}, "no images to compare. Give at least one"),
        ({"batch_size": 2}, "batch size 2 was asked for"),
        ({"reference": np.ones((7, 6))}, "7 reference features for 8 images"),
    ],
)
def test_refusals(kwargs, words):
    usual = {"reference": Linear(), "candidate": Linear(4), "images": rows(8), "stage": "x"}
    assert words in stopped(**{**usual, **kwargs})


@pytest.mark.parametrize("size", [0, -2])
def test_a_batch_size_must_be_positive(size):
    assert f"batch size {size}" in stopped(Linear(), Linear(), rows(3), "x", batch_size=size)


def test_a_failed_gate_is_an_export_error():
    with pytest.raises(ExportError):
        check_parity(Linear(), Linear(4, lambda f: f + 1), rows(4), "x")
