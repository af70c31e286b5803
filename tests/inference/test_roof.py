"""The roof of an engine: the product it times is a product, and a reason stands where there is none."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest

from helpers.engines import needs_openvino
from osnet_lib.inference import roof
from osnet_lib.inference.roof import measure_roofs, product_model

SIZE = 32


@pytest.mark.parametrize("precision, allowed", [("float32", 1e-4), ("int8", 0.5)])
def test_the_model_multiplies(precision, allowed):
    network = onnxruntime.InferenceSession(product_model(precision, SIZE).SerializeToString())
    a, w = roof._matrices(SIZE)
    product = network.run(["out"], {"a": a})[0]
    assert np.abs(product - a @ w).max() < allowed and np.abs(product).max() > 1


def test_roofs_of_what_is_always_there():
    found = measure_roofs([("onnxruntime", "float32"), ("onnxruntime", "int8"), ("torch", "bfloat16")], 1, SIZE, False)
    assert [one.reason for one in found] == [None] * 3 and all(one.gflops and one.gflops > 0 for one in found)


@needs_openvino
def test_openvino_has_one_in_float32():
    (found,) = measure_roofs([("openvino", "float32")], 1, SIZE, False)
    assert found.gflops and found.gflops > 0


def test_no_roof_has_a_reason(monkeypatch):
    def absent(precision, threads, size):
        raise ImportError("no such library")

    monkeypatch.setitem(roof._STARTS, "openvino", absent)
    wanted = [("onnxruntime", "float16"), ("openvino", "float32"), ("cann", "float32")]
    reasons = [one.reason for one in measure_roofs(wanted, 1, SIZE, False)]
    assert reasons[0] and "adds in float32" in reasons[0]
    assert reasons[1:] == ["no such library", "no product of matrices is timed by it"]
