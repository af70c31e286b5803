"""OpenVINO: the features of the other backends, in the precision that was asked for and is read back, or refused."""

from __future__ import annotations

import sys
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest

from helpers.engines import cpu_has, needs_openvino
from helpers.networks import FOLDER, checkpoint, checkpoint_path, images, onnx_path
from helpers.refusals import refusal_of
from osnet_lib.conversion.precision import INT8, to_float16, to_int8
from osnet_lib.core.host import cpu_name
from osnet_lib.errors import SessionError
from osnet_lib.inference.extract import extract
from osnet_lib.inference.onnx_model import read_model
from osnet_lib.inference.openvino import OpenVinoEngine, executed
from osnet_lib.inference.session import choose_backend, open_session
from osnet_lib.study.dataset import open_dataset

pytestmark = needs_openvino
FIXED = 4

refusal = partial(refusal_of, SessionError, open_session)


@cache
def int8_path() -> Path:
    return to_int8(onnx_path(FIXED), FOLDER / "osnet_int8.onnx", [images(FIXED)]).path


@pytest.fixture(scope="module")
def expected() -> np.ndarray:
    with open_session(checkpoint(), "torch", threads=1) as session:
        return session.run(images(FIXED))


@pytest.fixture(scope="module")
def fixed():
    with open_session(onnx_path(FIXED), "openvino", threads=1) as session:
        yield session


def nearness(some: np.ndarray, others: np.ndarray) -> float:
    """The smallest cosine of two features of one image."""
    products = (some * others).sum(axis=1)
    return float((products / np.linalg.norm(some, axis=1) / np.linalg.norm(others, axis=1)).min())


# ---- what it computes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [onnx_path, lambda: onnx_path(FIXED), checkpoint, checkpoint_path])
def test_the_features_are_torchs(model, expected):
    with open_session(model(), "openvino", threads=1) as session:
        features = session.run(images(FIXED))
    assert features.shape == (FIXED, 512) and features.dtype == np.float32
    np.testing.assert_allclose(features, expected, atol=1e-4)


@pytest.mark.parametrize("n", range(1, FIXED))
def test_padding_changes_nothing(fixed, expected, n):
    features = fixed.run(images(FIXED)[:n])
    np.testing.assert_array_equal(features, fixed.run(images(FIXED))[:n])
    np.testing.assert_allclose(features, expected[:n], atol=1e-4)


def test_any_batch_size_in_any_order(expected):
    with open_session(onnx_path(), "openvino", threads=1) as session:
        assert session.input_shape == (None, 3, 256, 128) and session.gears == ()
        for n in (3, 1, 4, 2):
            np.testing.assert_allclose(session.run(images(FIXED)[:n]), expected[:n], atol=1e-4)
        backwards = np.concatenate(list(session.stream(images(FIXED)[::-1].copy()[:, None])))
        np.testing.assert_allclose(backwards[::-1], expected, atol=1e-4)


def test_results_are_the_callers_own_and_memory_may_be_read_only(fixed):
    batch = images(2)
    first = fixed.run(batch)
    kept = first.copy()
    fixed.run(images(2, seed=9))
    np.testing.assert_array_equal(first, kept)
    for same in (np.frombuffer(batch.tobytes(), np.float32).reshape(batch.shape), np.asfortranarray(batch)):
        np.testing.assert_array_equal(fixed.run(same), kept)


def test_a_closed_session_refuses():
    session = open_session(onnx_path(FIXED), "openvino", threads=1)
    session.close()
    session.close()
    assert "the session is closed" in refusal_of(SessionError, session.run, images(1))


# ---- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [None, "float32"])
def test_float32_is_float32_whatever_the_cpu_prefers(asked):
    with open_session(onnx_path(FIXED), "openvino", threads=1, precision=asked) as session:
        assert session.facts.precision == "float32"


@pytest.mark.parametrize("precision, capability", [("bfloat16", "BF16"), ("float16", "FP16")])
def test_fewer_bits_where_the_cpu_has_them(precision, capability, expected):
    if cpu_has(capability):
        with open_session(onnx_path(FIXED), "openvino", threads=1, precision=precision) as session:
            assert session.facts.precision.startswith(precision)
            features = session.run(images(FIXED))
        assert np.abs(features - expected).max() > 1e-4 and nearness(features, expected) > 0.99
    else:
        message = refusal(onnx_path(FIXED), "openvino", precision=precision)
        assert message.startswith(f"precision: this CPU has no {precision}. For OpenVINO it has float32")


def test_int8_of_a_file_that_holds_it(expected):
    assert [read_model(int8_path(), asked)[1] for asked in (None, "int8")] == ["int8", "int8"]
    with open_session(int8_path(), "openvino", threads=1) as session:
        assert session.facts.precision.startswith(INT8)
        assert nearness(session.run(images(FIXED)), expected) > 0.9


def test_an_engine_that_computes_in_something_else_is_refused(monkeypatch):
    """As OpenVINO does by itself: float16 on a CPU without it becomes bfloat16, or float32."""
    other = {"FP16", "BF16"} if cpu_has("BF16") else {"FP16"}
    if cpu_has("FP16"):
        pytest.skip("this CPU has float16")
    import openvino

    monkeypatch.setattr(openvino.Core, "get_property", lambda *_: sorted({"FP32", *other}))
    message = refusal(onnx_path(FIXED), "openvino", precision="float16")
    became = "bfloat16" if cpu_has("BF16") else "float32"
    assert "OpenVINO does not compute in float16 here; of the layers that multiply " in message and became in message


def test_layers_of_another_precision_are_counted(monkeypatch):
    from collections import Counter

    monkeypatch.setattr("osnet_lib.inference.openvino.executed", lambda _: Counter(float32=186, bfloat16=2))
    with open_session(onnx_path(FIXED), "openvino", threads=1) as session:
        assert session.facts.precision == "float32; of 188 layers 2 in bfloat16"


def test_every_layer_that_multiplies_is_looked_at():
    import openvino

    core = openvino.Core()
    compiled = core.compile_model(core.read_model(onnx_path(FIXED)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    assert executed(compiled) == {"float32": 188}  # 187 convolutions and the fully connected layer


@pytest.mark.parametrize(
    "model, precision, words",
    [
        (onnx_path, "int8", "holds float32, and int8 takes ranges that images fix. Give a file that holds it"),
        (int8_path, "float32", "holds int8, and float32 is asked for. Leave the precision out"),
        (int8_path, "bfloat16", "holds int8, and bfloat16 is asked for"),
        (onnx_path, "half", "precision: 'half' is not a precision. Choose one of float32, bfloat16, float16, int8."),
        (onnx_path, "", "precision: '' is not a precision"),
    ],
)
def test_refused_precisions(model, precision, words):
    assert words in refusal(model(), "openvino", precision=precision)


def test_a_float16_file_is_refused_for_its_casts_would_be_lost(tmp_path):
    path = to_float16(onnx_path(FIXED), tmp_path / "fp16.onnx").path
    assert "holds float16, and OpenVINO takes its casts out and computes in float32" in refusal(path, "openvino")


# ---- opening, describing, refusing ----------------------------------------------------------------------------------


def test_what_it_says_of_itself():
    with open_session(onnx_path(FIXED), "openvino", threads=1) as session:
        facts = session.facts
    assert (facts.backend, facts.provider, facts.device) == ("openvino", "CPU", cpu_name())
    assert (facts.threads, facts.batch_size, facts.simulated) == (1, FIXED, False)
    assert (facts.input, facts.output, facts.model) == ("image", "feature", onnx_path(FIXED).name)
    assert facts.versions["openvino"]


def test_threads_are_those_that_it_took():
    with open_session(onnx_path(FIXED), "openvino", threads=1) as one:
        assert one._engine._request.get_compiled_model().get_property("INFERENCE_NUM_THREADS") == one.threads == 1
    with open_session(onnx_path(FIXED), "openvino", threads=1_024) as many:
        assert 1 <= many.threads < 1_024 and many.facts.threads == many.threads


def test_a_checkpoint_says_what_it_was_exported_from():
    with open_session(checkpoint_path(), "openvino", threads=1) as session:
        assert session.facts.exported_from == {"file": checkpoint_path().name, "sha256": checkpoint().sha256}


def test_it_must_be_asked_for():
    assert choose_backend("auto", "x.onnx") == "onnxruntime" and choose_backend("openvino", "x.onnx") == "openvino"


def test_no_such_device():
    assert refusal(onnx_path(), "openvino", 1) == (
        "device: device 1 does not exist, the openvino backend sees 1. Give device 0."
    )


def test_a_file_that_openvino_cannot_load(monkeypatch):
    import openvino

    def fails(*_args):
        raise RuntimeError("Exception from src/core.cpp:84:\nCheck 'x' failed at y.cpp:9:\nopset 99 is not known\n\n")

    monkeypatch.setattr(openvino.Core, "read_model", fails)
    message = refusal(onnx_path(), "openvino")
    assert message.startswith(f"{onnx_path()}: OpenVINO cannot load it (opset 99 is not known). Export it with")


def test_a_call_that_fails(fixed):
    engine = fixed._engine
    assert isinstance(engine, OpenVinoEngine)
    message = refusal_of(SessionError, engine.compute, np.zeros((FIXED, 3, 256, 64), np.float32))
    assert message.startswith(f"{onnx_path(FIXED)}: OpenVINO failed (") and "Exception from" not in message


def test_a_package_that_is_not_there(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    message = refusal(onnx_path(), "openvino")
    assert message.startswith(f"{onnx_path()}: the openvino backend cannot import openvino")
    assert message.endswith("pip install 'osnet-ascend-study[openvino]'")


def test_extraction_states_it(small_market):
    with open_dataset(small_market) as market, open_session(onnx_path(), "openvino", threads=1) as session:
        query, gallery = extract(session, market, progress=False)
    with open_dataset(small_market) as market, open_session(onnx_path(), threads=1) as session:
        _, by_onnxruntime = extract(session, market, progress=False)
    assert query.session.backend == "openvino" and list(gallery.names) == list(by_onnxruntime.names)
    np.testing.assert_allclose(gallery.features, by_onnxruntime.features, atol=1e-4)
