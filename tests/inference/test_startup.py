"""Start-up and memory of a model in a process of its own."""

from __future__ import annotations

import sys

import pytest

from helpers.networks import onnx_path
from helpers.refusals import refusal_of
from osnet_lib.errors import SessionError
from osnet_lib.inference import startup
from osnet_lib.inference.startup import measure_startup


def test_a_process_starts_and_tells():
    found = measure_startup(onnx_path(2), "onnxruntime", "float32", 1, 2)
    assert 0 < found.seconds < startup.LIMIT
    if sys.platform == "linux":
        assert found.memory_bytes and 2**24 < found.memory_bytes < 2**32


def test_one_that_fails_is_refused(tmp_path):
    message = refusal_of(SessionError, measure_startup, tmp_path / "none.onnx", "onnxruntime", None, 1, 1)
    assert "did not start in a process of its own (CalledProcessError)" in message


@pytest.mark.parametrize("text, expected", [("Name:\tx\nVmHWM:\t  12 kB\n", 12 * 1024), ("", None)])
def test_memory_as_the_kernel_tells(tmp_path, text, expected):
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "status").write_text(text)
    assert startup._most_memory(tmp_path) == expected
