"""ONNX Runtime's CANN provider on a fake of it: options, numbers, labels, and that the CPU is refused in its place."""

from __future__ import annotations

from functools import partial

import numpy as np
import onnxruntime
import pytest

from helpers.fake_npu_ways import BOTH, FakeCann
from helpers.networks import checkpoint_path, images, onnx_path
from helpers.refusals import refusal_of
from osnet_lib.errors import SessionError
from osnet_lib.inference import cann
from osnet_lib.inference.session import choose_backend, open_session

FAILED = (
    "/src/python/state.cc:1189 std::shared_ptr<IFactory> Create(const std::string&, const ProviderOptionsMap&) create "
    "CANN ExecutionProvider fail\n"
)


@pytest.fixture
def fake(monkeypatch):
    return FakeCann(monkeypatch)


refusal = partial(refusal_of, SessionError, open_session)


@pytest.mark.parametrize("device", [0, 3])
@pytest.mark.parametrize("options", [None, {"precision_mode": "force_fp32", "npu_mem_limit": 1 << 30}])
def test_it_computes_and_says_where(fake, device, options):
    with open_session(onnx_path(2), "cann", device, 1, options=options) as session:
        facts, features = session.describe(), session.run(images(2))
    with open_session(checkpoint_path(), "torch", threads=1) as reference:
        np.testing.assert_allclose(features, reference.run(images(2)), atol=1e-4)
    (given, keywords), *more = fake.opened
    assert given == [(cann.PROVIDER, {"dump_om_model": 0, **(options or {}), "device_id": device}), BOTH[1]]
    assert keywords == {"enable_fallback": 0} and not more
    kept = {key: facts[key] for key in ("backend", "provider", "device", "precision", "simulated", "batch_size")}
    assert kept == {
        "backend": "cann",
        "provider": cann.PROVIDER,
        "device": f"Ascend device {device}",
        "precision": f"CANN's force_fp{32 if options else 16}",
        "simulated": False,
        "batch_size": 2,
    }
    assert facts.get("options") == options


def test_a_provider_that_does_not_tell_its_precision(fake):
    fake.defaults = {}
    with open_session(onnx_path(2), "cann", threads=1) as session:
        assert session.describe()["precision"] == "chosen by CANN"


def test_it_must_be_asked_for(fake):
    """An ONNX goes to it by name only: by itself ONNX Runtime takes the CPU, as before."""
    assert choose_backend("auto", "x.onnx") == "onnxruntime" and choose_backend("cann", "x.onnx") == "cann"
    with open_session(onnx_path(2), threads=1) as session:
        assert session.describe()["provider"] == "CPUExecutionProvider" and not fake.opened


def test_the_cpu_in_its_place_is_refused(fake):
    fake.active = BOTH[1:]
    message = refusal(onnx_path(2), "cann")
    assert message.startswith(
        f"{onnx_path(2)}: ONNX Runtime gave the network to the CPU in place of CANN. Source set_env"
    )


@pytest.mark.parametrize(
    "error, words",
    [
        (FAILED, "ONNX Runtime's CANN provider does not start (create CANN ExecutionProvider fail). Source set_env.sh"),
        ("CANN failure 507033", "ONNX Runtime's CANN provider does not start (CANN failure 507033). Source"),
        ("opset 99 is under development", "ONNX Runtime cannot load it (opset 99 is under development). Export it"),
    ],
)
def test_a_provider_that_does_not_start(fake, error, words):
    fake.error = error
    assert words in refusal(onnx_path(2), "cann")
    assert len(fake.opened) == 1  # and nothing else is tried


def test_a_library_that_is_not_there(fake, monkeypatch, tmp_path):
    """As in a real install without CANN: told before ONNX Runtime logs it."""
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cann.so").touch()
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))

    def load(path):
        raise OSError("libascendcl.so: cannot open shared object file: No such file or directory")

    monkeypatch.setattr(cann.ctypes, "CDLL", load)
    assert "does not load (libascendcl.so: cannot open shared object file" in refusal(onnx_path(2), "cann")
    assert not fake.opened
    monkeypatch.undo()


def test_a_library_that_only_onnxruntime_can_load_is_left_to_it(fake, monkeypatch, tmp_path):
    (tmp_path / "capi").mkdir()
    (tmp_path / "capi" / "libonnxruntime_providers_cann.so").write_bytes(b"no library")
    monkeypatch.setattr(onnxruntime, "__file__", str(tmp_path / "__init__.py"))
    with open_session(onnx_path(2), "cann", threads=1) as session:
        assert session.describe()["provider"] == cann.PROVIDER


@pytest.mark.skipif(cann.PROVIDER in onnxruntime.get_available_providers(), reason="this ONNX Runtime has the provider")
def test_an_onnxruntime_without_it():
    message = refusal(onnx_path(2), "cann")
    assert "the ONNX Runtime that is installed (onnxruntime" in message and "has no CANN provider" in message
    assert "pip install onnxruntime-cann" in message


@pytest.mark.skipif(
    cann.PROVIDER not in onnxruntime.get_available_providers() or cann.count_devices() > 0,
    reason="for an environment with the wheel onnxruntime-cann and no NPU",
)
def test_the_real_wheel_without_cann(capfd):
    assert "ONNX Runtime's CANN provider does not " in refusal(onnx_path(2), "cann")
    assert not capfd.readouterr().err


def test_devices_are_counted_where_pyacl_can(fake, monkeypatch):
    monkeypatch.setattr(cann, "count_devices", lambda: 2)
    expected = "device: device 2 does not exist, the cann backend sees 2. Give a device from 0 to 1."
    assert refusal(onnx_path(2), "cann", 2) == expected and not fake.opened
    with open_session(onnx_path(2), "cann", 1, 1) as session:
        assert session.describe()["device"] == "Ascend device 1"


@pytest.mark.parametrize(
    "backend, options, words",
    [
        ("cann", {"precision": "x"}, "options: the cann backend has no precision. It has npu_mem_limit, "),
        ("cann", {"device_id": 1}, "options: the cann backend has no device_id. It has "),
        ("onnxruntime", {"precision_mode": "x"}, "options: the onnxruntime backend has no precision_mode. It has none"),
    ],
)
def test_options_that_it_does_not_have(fake, backend, options, words):
    assert refusal(onnx_path(2), backend, options=options).startswith(words)
    assert not fake.opened


def test_files_it_does_not_read(tmp_path):
    path = tmp_path / "x.om"
    path.write_bytes(b"IMOD" + bytes(range(99)))
    assert "the cann backend does not read it, ascend does" in refusal(path, "cann")
