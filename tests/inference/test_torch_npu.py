"""torch_npu on a fake of it: the checkpoint on npu:N, in any thread, in float32; and installs that do not work."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

import osnet_lib
from helpers.fake_npu_ways import FakeTorchNpu
from helpers.networks import checkpoint, checkpoint_path, images
from helpers.refusals import refusal_of
from osnet_lib.errors import SessionError
from osnet_lib.inference.session import choose_backend, open_session

ROOT = Path(osnet_lib.__file__).parents[1]


@pytest.fixture
def fake(monkeypatch):
    checkpoint()  # loaded with torch as it is
    return FakeTorchNpu(monkeypatch)


refusal = partial(refusal_of, SessionError, open_session)


@pytest.mark.parametrize("device", [0, 1])
@pytest.mark.parametrize("model", [checkpoint, checkpoint_path])
def test_the_checkpoint_on_a_device(fake, monkeypatch, model, device):
    with open_session(model(), "torch_npu", device, 1) as session:
        features, facts = session.run(images(3)), session.describe()
    assert set(fake.seen) == {f"npu:{device}"} and len(fake.seen) > 100  # weights, and the batch
    assert set(fake.hf32) == {(False, False)}
    assert (torch.npu.conv.allow_hf32, torch.npu.matmul.allow_hf32) == (True, False)  # given back
    monkeypatch.undo()
    with open_session(checkpoint(), "torch", threads=1) as reference:
        np.testing.assert_array_equal(features, reference.run(images(3)))
    kept = {key: facts[key] for key in ("backend", "provider", "device", "precision", "batch_size", "simulated")}
    assert kept == {
        "backend": "torch_npu",
        "provider": "npu",
        "device": f"Ascend910B4 device {device}",
        "precision": "float32",
        "batch_size": None,
        "simulated": False,
    }


def test_it_computes_in_any_thread(fake):
    with open_session(checkpoint(), "torch_npu", 1, 1) as session, ThreadPoolExecutor(1) as pool:
        expected = session.run(images(2))
        np.testing.assert_array_equal(pool.submit(session.run, images(2)).result(), expected)


def test_it_must_be_asked_for(fake):
    assert choose_backend("auto", "x.pth") == "torch"
    with open_session(checkpoint(), "torch", threads=1) as session:
        session.run(images(1))
    assert not fake.seen


@pytest.mark.parametrize(
    "devices, device, words",
    [
        (0, 0, "torch_npu sees no device. Check driver"),
        (1, 1, "device: device 1 does not exist, the torch_npu backend sees 1. Give device 0."),
        (4, 4, "device: device 4 does not exist, the torch_npu backend sees 4. Give a device from 0 to 3."),
    ],
)
def test_devices(fake, devices, device, words):
    fake.devices = devices
    assert words in refusal(checkpoint(), "torch_npu", device)


def test_a_driver_that_fails(fake, monkeypatch):
    def fails():
        raise RuntimeError("Initialize:build/acl.cpp NPU error, error code is 507033\n[Error]: dev setup")

    monkeypatch.setattr(torch.npu, "device_count", fails)
    assert "torch_npu does not start (Initialize:build/acl.cpp NPU error, error code is 507033). Source" in refusal(
        checkpoint(), "torch_npu"
    )


@pytest.mark.parametrize(
    "source, words",
    [
        (None, "there is no torch_npu. pip install torch-npu==2.13.0"),
        (
            "raise ImportError('libhccl.so: cannot open shared object file: No such file or directory')",
            "torch_npu does not load (libhccl.so: cannot open shared object file: No such file or directory). Source",
        ),
        (
            "import a_part_of_it_that_is_not_there",
            "torch_npu does not load (No module named 'a_part_of_it_that_is_not_",
        ),
        ("raise RuntimeError('torch 2.12 is needed')", "torch_npu does not load (torch 2.12 is needed). Source"),
        ("raise ImportError('numpy.core.multiarray failed to import')", "torch_npu was built for another numpy than"),
    ],
)
def test_an_install_that_does_not_load(tmp_path, monkeypatch, source, words):
    monkeypatch.delitem(sys.modules, "torch_npu", raising=False)
    if source is None:
        monkeypatch.setitem(sys.modules, "torch_npu", None)
        monkeypatch.setattr("osnet_lib.inference.torch_npu.import_compiled", _not_there)
    else:
        (tmp_path / "torch_npu.py").write_text(source)
        monkeypatch.syspath_prepend(tmp_path)
    message = refusal(checkpoint(), "torch_npu")
    assert message.startswith(f"{checkpoint().path}: ") and words in message


def _not_there(name):
    raise ModuleNotFoundError(f"No module named {name!r}", name=name)


@pytest.mark.parametrize(
    "autoload, words", [(None, "(1, 512)"), ("1", "cannot import torch (Failed to load the backend")]
)
def test_a_torch_that_an_extension_breaks(tmp_path, autoload, words):
    """As pip leaves it without CANN: `import torch` itself would raise, with a traceback of two screens."""
    (tmp_path / "torch_npu.py").write_text("raise ImportError('libhccl.so: cannot open shared object file')\n")
    (tmp_path / "torch_npu-2.13.0.dist-info").mkdir()
    (tmp_path / "torch_npu-2.13.0.dist-info" / "METADATA").write_text("Name: torch-npu\nVersion: 2.13.0\n")
    (tmp_path / "torch_npu-2.13.0.dist-info" / "entry_points.txt").write_text(
        "[torch.backends]\ntorch_npu = torch_npu:go\n"
    )
    code = (
        "import sys\nfrom osnet_lib.inference.session import open_session\n"
        "try:\n    import numpy as np\n    session = open_session(sys.argv[1], threads=1)\n"
        "    print(session.run(np.zeros((1, 3, 256, 128), np.float32)).shape)\n"
        "except Exception as error:\n    print(error)"
    )
    environment = {k: v for k, v in os.environ.items() if k != "TORCH_DEVICE_BACKEND_AUTOLOAD"}
    if autoload:
        environment["TORCH_DEVICE_BACKEND_AUTOLOAD"] = autoload
    run = subprocess.run(
        [sys.executable, "-c", code, str(checkpoint_path())],
        capture_output=True,
        text=True,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])},
    )
    assert words in run.stdout and len(run.stdout.splitlines()) == 1 and not run.stderr
