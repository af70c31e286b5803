"""Sessions: the same features from every backend, padding that changes nothing, refusals that say what to do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from functools import partial
from importlib.metadata import version

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings, strategies as st

import osnet_lib
from helpers.networks import checkpoint, checkpoint_path, images, onnx_path, state_dict
from helpers.refusals import refusal_of
from osnet_lib.conversion.precision import FLOAT16
from osnet_lib.core.files import sha256
from osnet_lib.core.host import cpu_name, package_versions, usable_cores
from osnet_lib.errors import CheckpointError, SessionError
from osnet_lib.inference.backends import parse_engine
from osnet_lib.inference.onnxruntime import SMALL
from osnet_lib.inference.session import BACKENDS, Session, choose_backend, open_session

FIXED = 4


refusal = partial(refusal_of, SessionError)


@pytest.fixture(scope="module")
def reference():
    with open_session(checkpoint(), "torch", threads=1) as session:
        yield session


@pytest.fixture(scope="module")
def dynamic():
    with open_session(onnx_path(), threads=1) as session:
        yield session


@pytest.fixture(scope="module")
def fixed():
    with open_session(onnx_path(FIXED), threads=1) as session:
        yield session


# ---- what it computes -----------------------------------------------------------------------------------------------


def test_backends_agree(reference, dynamic, fixed):
    batch = images(FIXED)
    expected = checkpoint().model(torch.from_numpy(batch)).detach().numpy()
    for session in (reference, dynamic, fixed):
        features = session.run(batch)
        assert features.shape == (FIXED, 512) and features.dtype == np.float32
        np.testing.assert_allclose(features, expected, atol=1e-4)


def test_shapes(reference, dynamic, fixed):
    assert [s.input_shape for s in (reference, dynamic, fixed)] == [(None, 3, 256, 128)] * 2 + [(FIXED, 3, 256, 128)]
    assert [s.batch_size for s in (reference, dynamic, fixed)] == [None, None, FIXED]
    assert {s.input_dtype for s in (reference, dynamic, fixed)} == {np.dtype(np.float32)}


@pytest.mark.parametrize("n", range(1, FIXED))
def test_padding_changes_nothing(fixed, dynamic, n):
    """Bit for bit: the padded batch is the same computation as the full one, with other rows behind."""
    batch = images(FIXED)
    features = fixed.run(batch[:n])
    np.testing.assert_array_equal(features, fixed.run(batch)[:n])
    np.testing.assert_allclose(features, dynamic.run(batch[:n]), atol=1e-4)
    assert features.shape == (n, 512)


class Rows:
    """An engine whose feature is the sum of an image, and which keeps what it was given."""

    model, sha256, precision, provider, device = checkpoint_path(), "0" * 64, "float32", "test", "none"
    simulated = False

    def __init__(self, input_shape, dtype=np.float32, gears=()):
        self.input_shape, self.input_dtype, self.given, self.closed = input_shape, np.dtype(dtype), None, 0
        self.gears = tuple(gears) or tuple(filter(None, input_shape[:1]))

    def compute(self, batch):
        self.given = batch
        return np.repeat(batch.reshape(len(batch), -1).sum(axis=1, dtype=np.float32)[:, None], 512, axis=1)

    def close(self):
        self.closed += 1


@settings(deadline=None)
@given(data=st.data(), size=st.integers(1, 9) | st.none(), dtype=st.sampled_from([np.float32, np.float16, np.uint8]))
def test_the_engine_gets_full_contiguous_batches(data, size, dtype):
    n, step = data.draw(st.integers(1, size or 9)), data.draw(st.sampled_from([1, 2, -1]))
    batch = np.random.default_rng(n).integers(0, 9, (n * abs(step), 2, 3)).astype(dtype)[::step]
    engine = Rows((size, 2, 3), dtype)
    features = Session("test", engine, 1).run(batch)
    assert engine.given.shape == (size or n, 2, 3) and engine.given.flags.c_contiguous and engine.given.dtype == dtype
    np.testing.assert_array_equal(engine.given[:n], batch)
    assert not engine.given[n:].any()
    np.testing.assert_array_equal(features[:, 0], batch.reshape(n, -1).sum(axis=1))


@pytest.mark.parametrize("n, gear", [(1, 2), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8)])
def test_a_batch_is_padded_to_the_smallest_gear(n, gear):
    engine = Rows((8, 2, 3), gears=(2, 4, 8))
    session = Session("test", engine, 1)
    batch = np.arange(n * 6, dtype=np.float32).reshape(n, 2, 3)
    features = session.run(batch)
    assert engine.given.shape == (gear, 2, 3) and features.shape == (n, 512)
    np.testing.assert_array_equal(features[:, 0], batch.sum((1, 2)))
    np.testing.assert_array_equal(next(session.stream([batch])), features)


def test_stream_is_run_for_many(reference, dynamic, fixed):
    batches = [images(n, seed) for seed, n in enumerate((4, 1, 3))]
    for session in (reference, dynamic, fixed):
        for batch, features in zip(batches, session.stream(batches), strict=True):
            np.testing.assert_array_equal(features, session.run(batch))
        assert list(session.stream(iter([]))) == []


def computing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("compute")]


def test_small_batches_are_computed_several_at_a_time_in_order_and_to_the_bit(dynamic):
    batches = [images(SMALL, seed) for seed in range(6)]
    with open_session(onnx_path(), threads=3) as session:
        assert [session.streams(n) for n in (1, SMALL, SMALL + 1)] == [3, 3, 1]
        assert dynamic.streams(1) == 1  # of one thread
        for batch, features in zip(batches, session.stream(batches), strict=True):
            assert len(computing()) <= 3
            np.testing.assert_array_equal(features, dynamic.run(batch))
        assert not computing()
        asked = []
        stream = session.stream(asked.append(batch) or batch for batch in batches)
        next(stream)
        assert len(asked) == 4 and computing()  # a batch for each core, and one that waits
        stream.close()
        assert not computing()


def test_what_fails_in_one_of_several_streams_comes_in_its_place(monkeypatch):
    with open_session(onnx_path(), threads=2) as session:
        run = session._engine._run

        def fails(network, batch):
            if batch[0, 0, 0, 0] == 9:
                raise SessionError("failed", where="here", cure="none")
            return run(network, batch)

        monkeypatch.setattr(session._engine, "_run", fails)
        batches, got = [images(1, seed) for seed in range(6)], []
        batches[3][0, 0, 0, 0] = 9
        assert "here: failed" in refusal(got.extend, session.stream(batches))
        assert len(got) == 3 and not computing()


class Ahead(Rows):
    """An engine that takes two batches before it gives the first features, as one that overlaps does."""

    def stream(self, batches):
        waiting = []
        for batch in batches:
            if len(waiting) == 2:
                yield self.compute(waiting.pop(0))
            waiting.append(batch)
        yield from map(self.compute, waiting)


@pytest.mark.parametrize("kind", [Rows, Ahead])
@pytest.mark.parametrize("bad", range(5))
def test_a_stream_gives_what_came_before_a_refused_batch(kind, bad):
    batches = [np.full((2, 4), value, np.float32) for value in range(5)]
    batches[bad] = np.full((2, 4), np.nan, np.float32)
    got = []
    message = refusal(got.extend, Session("test", kind((2, 4)), 1).stream(batches))
    assert "rows [0, 1] of the batch hold NaN" in message
    assert [features[0, 0] for features in got] == [4.0 * value for value in range(bad)]


@pytest.mark.parametrize("kind", [Rows, Ahead])
def test_a_stream_of_a_session_that_is_closed(kind):
    session = Session("test", kind((2, 4)), 1)
    stream = session.stream([np.zeros((2, 4), np.float32)] * 4)
    next(stream)
    session.close()
    assert "the session is closed" in refusal(next, stream)
    assert "the session is closed" in refusal(session.stream, [])


def test_layouts_and_read_only_memory(reference, fixed):
    batch = images(2)
    expected = [session.run(batch) for session in (reference, fixed)]
    read_only = np.frombuffer(batch.tobytes(), np.float32).reshape(batch.shape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for same in (read_only, np.asfortranarray(batch), batch.repeat(2, axis=0)[::2], batch[::-1].copy()[::-1]):
            for session, features in zip((reference, fixed), expected):
                np.testing.assert_array_equal(session.run(same), features)


def test_results_are_the_callers_own(fixed, reference):
    for session in (fixed, reference):
        first = session.run(images(2))
        kept = first.copy()
        session.run(images(2, seed=9))
        np.testing.assert_array_equal(first, kept)


def test_the_checkpoint_stays_the_callers_own():
    mine = replace(checkpoint(), model=type(checkpoint().model)(checkpoint().model.architecture).eval())
    with open_session(mine, "torch", threads=1) as session:
        before = session.run(images(1))
        mine.model.train()
        torch.nn.init.zeros_(mine.model.fc[0].weight)
        np.testing.assert_array_equal(session.run(images(1)), before)


# ---- opening, describing, closing -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "model, backend, precise",
    [
        (checkpoint_path, "torch", "torch"),
        (checkpoint, "torch", "torch"),
        (onnx_path, "auto", "onnxruntime"),
        (onnx_path, "onnxruntime", "onnxruntime"),
        (lambda: str(onnx_path()), "auto", "onnxruntime"),
    ],
)
def test_describe(model, backend, precise):
    model = model()
    path = getattr(model, "path", model)
    with open_session(model, backend, threads=1) as session:
        facts = session.describe()
    assert json.loads(json.dumps(facts)) == facts
    assert facts == {
        "backend": precise,
        "provider": {"torch": "cpu", "onnxruntime": "CPUExecutionProvider"}[precise],
        "device": cpu_name(),
        "threads": 1,
        "precision": "float32",
        "simulated": False,
        "batch_size": None,
        "model": os.path.basename(path),
        "model_sha256": sha256(path),
        "versions": {
            "onnxruntime": onnxruntime.__version__,
            **package_versions(["openvino"]),
            "torch": version("torch"),
            "numpy": np.__version__,
        },
        **({"input": "image", "output": "feature"} if precise == "onnxruntime" else {}),
    }
    facts["versions"].clear()
    assert session.describe()["versions"]  # a copy each time


@pytest.mark.skipif(torch.cuda.is_available(), reason="the CPU is what is looked at")
@pytest.mark.parametrize("threads", [0, -3, True, 1.5, 1_025, 10**30])
def test_a_number_of_threads_that_none_has_is_refused_before_any_starts(threads):
    assert refusal(open_session, onnx_path(), threads=threads) == (
        f"threads: {threads} is not a whole number from 1 to 1024. Leave it out or give 1."
    )


def test_threads_are_what_runs():
    before, seen = torch.get_num_threads(), []
    with open_session(checkpoint(), "torch", threads=before + 2) as session:
        session._engine._network.register_forward_hook(lambda *_: seen.append(torch.get_num_threads()))
        session.run(images(1))
    assert (seen, torch.get_num_threads()) == ([before + 2], before)
    with open_session(onnx_path(), threads=3) as session:
        assert session._engine._network.get_session_options().intra_op_num_threads == 3 == session.describe()["threads"]
    with open_session(onnx_path()) as session:
        assert session.describe()["threads"] == usable_cores()


@pytest.mark.parametrize("model, backend", [(checkpoint, "torch"), (onnx_path, "onnxruntime")])
def test_closed(model, backend):
    with open_session(model(), backend, threads=1) as session:
        session.run(images(1))
    session.close()
    assert re.search("the session is closed.*open_session", refusal(session.run, images(1)))


def test_close_reaches_the_engine_once_and_after_errors():
    engine = Rows((2, 3))
    with pytest.raises(ZeroDivisionError), Session("test", engine, 1) as session:
        raise ZeroDivisionError
    session.close()
    assert engine.closed == 1


def test_sessions_without_torch():
    """An ONNX file runs where torch is not installed, and the module is quick to import where it is."""
    code = (
        "import sys; sys.modules['torch'] = None\nimport numpy as np\n"
        "from osnet_lib.inference.session import open_session\n"
        "image = np.zeros((1, 3, 256, 128), np.float32)\n"
        "with open_session(sys.argv[1], threads=1) as session: print(session.run(image).shape)"
    )
    root = os.path.dirname(os.path.dirname(osnet_lib.__file__))
    run = subprocess.run([sys.executable, "-c", code, onnx_path(FIXED)], capture_output=True, text=True, cwd=root)
    assert (run.stdout, run.stderr) == ("(1, 512)\n", "")


# ---- refused models and settings ------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["x.onnx", "x.pth", "x.safetensors"])
def test_no_such_file(tmp_path, file):
    assert refusal(open_session, tmp_path / file).startswith(f"{tmp_path / file}: no such model file. Give the path")
    (tmp_path / file).mkdir()
    assert "no such model file" in refusal(open_session, tmp_path / file)


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "the file is empty"),
        (b"\xff" * 100, "damaged"),
        ("half", "damaged"),
        ("swapped", "its input image is [batch, 3, 128, 256]"),
    ],
)
def test_damaged_and_foreign_onnx(tmp_path, content, words):
    path = tmp_path / "x.onnx"
    if content == "half":
        content = onnx_path().read_bytes()[:400_000]
    elif content == "swapped":
        model = onnx.load(onnx_path())
        for axis, size in ((2, 128), (3, 256)):
            model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = size
        content = model.SerializeToString()
    path.write_bytes(content)
    message = refusal(open_session, path)
    assert message.startswith(f"{path}: ") and words in message


def test_onnx_that_the_runtime_cannot_load(monkeypatch):
    """As where the file comes from a newer machine."""

    def too_new(*_args, **_kwargs):
        raise RuntimeError("[ONNXRuntimeError] : 1 : FAIL : opset 99 is under development\nand more")

    monkeypatch.setattr(onnxruntime, "InferenceSession", too_new)
    message = refusal(open_session, onnx_path())
    assert message.startswith(f"{onnx_path()}: ONNX Runtime cannot load it (")
    assert "opset 99 is under development). Export it with a lower opset" in message


def test_a_bad_checkpoint_keeps_its_own_error(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"nonsense")
    with pytest.raises(CheckpointError, match="x.pth"):
        open_session(tmp_path / "x.pth")


@pytest.mark.parametrize("backend", ["tensorrt", "", "Torch", None])
def test_unknown_backend(backend):
    for call in (open_session, choose_backend):
        message = refusal(call, *([onnx_path()] if call is open_session else []), backend=backend)
        assert message == f"backend: {backend!r} is not a backend. Choose one of auto, {', '.join(BACKENDS)}."


@pytest.mark.parametrize(
    "model, backend, words",
    [
        (
            onnx_path,
            "torch",
            r"the torch backend does not read it, onnxruntime does\. Give a \.pth or .*or backend auto",
        ),
        (checkpoint_path, "ascend", r"the ascend backend does not read it, torch does\. Give a \.om file"),
        (checkpoint, "ascend", "the ascend backend does not run a Checkpoint"),
        (onnx_path, "ascend", r"the ascend backend does not read it, onnxruntime does\. Give a \.om file"),
    ],
)
def test_backend_and_file_must_fit(model, backend, words):
    assert re.search(words, refusal(open_session, model(), backend))


@pytest.mark.parametrize(
    "backend, model, chosen",
    [
        ("auto", None, "onnxruntime"),
        ("torch", None, "torch"),
        ("onnxruntime", None, "onnxruntime"),
        ("auto", "x.om", "ascend"),
        ("ascend", None, "ascend"),
        ("auto", "x.onnx", "onnxruntime"),
        ("auto", "X.ONNX", "onnxruntime"),
        ("auto", "x.pth.tar", "torch"),
        ("torch", "model.pth.tar-60", "torch"),
        ("onnxruntime", "model.bin", "onnxruntime"),
        *(("auto", f"x{suffix}", "torch") for suffix in (".pth", ".pt", ".pth.tar", ".tar", ".safetensors")),
    ],
)
def test_choose_backend(monkeypatch, backend, model, chosen):
    monkeypatch.setattr("osnet_lib.inference.backends.count_devices", lambda: 0)  # with a device: see test_ascend
    assert choose_backend(backend, model) == chosen and chosen in BACKENDS


@pytest.mark.parametrize("file", ["x", "x.txt", "model.pth.tar-60"])
def test_a_suffix_that_tells_nothing(tmp_path, file):
    message = refusal(choose_backend, "auto", tmp_path / file)
    assert message.startswith(f"{tmp_path / file}: neither its content nor its suffix") and "Name one of" in message


@pytest.mark.parametrize("file", ["x", "x.onnx", "x.pth", "model.pth.tar-60", "x.txt", "x.om"])
@pytest.mark.parametrize("source, chosen", [(checkpoint_path, "torch"), (onnx_path, "onnxruntime")])
def test_the_content_tells_the_backend(tmp_path, file, source, chosen):
    shutil.copy(source(), tmp_path / file)
    assert choose_backend("auto", tmp_path / file) == chosen == choose_backend(chosen, tmp_path / file)


def test_a_file_that_no_backend_reads(tmp_path):
    (tmp_path / "x").write_bytes(b"<!DOCTYPE html><title>Sign in</title>")
    assert "it is a web page (Sign in)" in refusal(choose_backend, "auto", tmp_path / "x")
    (tmp_path / "x.om").write_bytes(b"IMOD" + bytes(range(99)))
    (tmp_path / "x.om").rename(tmp_path / "x")
    assert choose_backend("auto", tmp_path / "x") == "ascend"


def test_a_key_chooses_a_network_of_a_checkpoint(tmp_path):
    torch.save({"model": state_dict(), "ema": state_dict(classes=3)}, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match="2 networks that differ: model, ema"):
        open_session(tmp_path / "x.pth", threads=1)
    with open_session(tmp_path / "x.pth", threads=1, key="ema") as session:
        assert session.describe()["checkpoint"] == {"key": "ema"}
    for model in (onnx_path(), checkpoint()):
        assert "a key chooses among the networks of a checkpoint file" in refusal(open_session, model, key="ema")


@pytest.mark.parametrize(
    "setting, value",
    [
        ("device", -1),
        ("device", 1.0),
        ("device", "0"),
        ("device", True),
        ("device", None),
        ("threads", 0),
        ("threads", -2),
        ("threads", 1.5),
        ("threads", "2"),
        ("threads", False),
    ],
)
def test_device_and_threads_must_be_numbers(setting, value):
    message = refusal(open_session, onnx_path(), **{setting: value})
    assert message.startswith(f"{setting}: {value!r} is not a whole number")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there may be a device 7")
@pytest.mark.parametrize("model", [checkpoint, onnx_path])
def test_no_such_device(model):
    message = refusal(open_session, model(), device=7)
    assert message == "device: device 7 does not exist, the CPU backend sees 1. Give device 0."


@pytest.mark.skipif("CUDAExecutionProvider" in onnxruntime.get_available_providers(), reason="CUDA would start")
def test_cuda_that_does_not_start(monkeypatch):
    """The GPU build of ONNX Runtime without a GPU: device 0 becomes the CPU and says so, device 1 is refused."""
    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the CPU build warns of a provider it does not know
        with open_session(onnx_path(), threads=1) as session:
            facts = session.describe()
        assert (facts["provider"], facts["device"]) == ("CPUExecutionProvider", cpu_name())
        assert "device 1 does not exist" in refusal(open_session, onnx_path(), device=1)


@pytest.mark.parametrize("model, package", [(onnx_path, "onnxruntime"), (checkpoint_path, "torch")])
def test_a_package_that_is_not_there(monkeypatch, model, package):
    path = model()
    monkeypatch.setitem(sys.modules, package, None)
    message = refusal(open_session, path)
    assert message.startswith(f"{path}: the {package} backend cannot import {package}")
    extra = {"onnxruntime": "cpu", "torch": "convert"}[package]
    assert message.endswith(f"pip install 'osnet-ascend-study[{extra}]'")


# ---- refused batches ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "batch, words",
    [
        (
            images(1).astype(np.float64),
            r"a batch of float64 instead of float32\. Give a numpy array \[4, 3, 256, 128\] of float32",
        ),
        (np.zeros((1, 3, 256, 128), np.uint8), "a batch of uint8 instead of float32"),
        (np.zeros((1, 3, 256, 128), ">f4"), "a batch of >f4 instead of float32"),
        (images(1).tolist(), "a batch of list"),
        (torch.zeros(1, 3, 256, 128), "a batch of Tensor"),
        (images(1)[0], r"shape \[3, 256, 128\]"),
        (np.zeros((1, 256, 128, 3), np.float32), r"shape \[1, 256, 128, 3\]"),
        (np.zeros((1, 3, 128, 256), np.float32), r"shape \[1, 3, 128, 256\]"),
        (np.zeros((0, 3, 256, 128), np.float32), r"shape \[0, 3, 256, 128\].*at least one"),
        (np.float32(1), "a batch of float32|numpy array"),
        (np.array(1, np.float32), r"shape \[\]"),
        (np.zeros((5, 3, 256, 128), np.float32), "5 images, but the model takes 4. Give at most 4"),
    ],
)
def test_batches_that_do_not_fit(fixed, batch, words):
    message = refusal(fixed.run, batch)
    assert message.startswith(f"{onnx_path(FIXED)}: ") and re.search(words, message)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("places", [[(0, 0, 0, 0)], [(2, 2, 255, 127)], [(1, 1, 7, 7), (2, 0, 0, 0)]])
def test_values_that_are_not_finite(fixed, reference, value, places):
    batch = images(3)
    for place in places:
        batch[place] = value
    rows_named = sorted({place[0] for place in places})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for session in (fixed, reference):
            assert f"rows {rows_named} of the batch hold NaN or infinity" in refusal(session.run, batch)


def test_opposite_infinities_and_large_values():
    session = Session("test", Rows((2, 4)), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "rows [0] of the batch" in refusal(session.run, np.array([[np.inf, -np.inf, 0, 0]], np.float32))
    huge = np.array([[3e38, 3e38, -3e38, -3e38]], np.float32)  # finite, though their sum overflows on the way
    session._engine.compute = lambda batch: np.zeros((len(batch), 512), np.float32)
    assert session.run(huge).shape == (1, 512)


@pytest.mark.parametrize(
    "features, words",
    [
        (np.full((2, 512), np.nan, np.float32), r"the features of rows \[0\] of the batch are not finite"),
        (np.zeros((2, 751), np.float32), r"gave float32 \[2, 751\] for 2 images"),
        (np.zeros((1, 512), np.float32), r"gave float32 \[1, 512\] for 2 images"),
        (np.zeros((2, 512), np.float16), "gave float16"),
    ],
)
def test_an_engine_that_fails(features, words):
    engine = Rows((2, 4))
    engine.compute = lambda batch: features
    assert re.search(words, refusal(Session("test", engine, 1).run, np.zeros((1, 4), np.float32)))


def test_padding_that_is_not_finite_does_not_matter():
    engine = Rows((2, 4))
    engine.compute = lambda batch: np.stack([np.zeros(512, np.float32), np.full(512, np.nan, np.float32)])
    assert Session("test", engine, 1).run(np.zeros((1, 4), np.float32)).shape == (1, 512)


@pytest.mark.parametrize(
    "model, backend, where", [(checkpoint, "torch", "PyTorch"), (onnx_path, "onnxruntime", "ONNX Runtime")]
)
def test_a_run_that_fails_inside(model, backend, where):
    with open_session(model(), backend, threads=1) as session:
        network = session._engine._network

        def out_of_memory(*_):
            raise RuntimeError("out of memory\nTried to allocate 2 GiB")

        if where == "PyTorch":
            network.register_forward_pre_hook(out_of_memory)
        else:
            network.run = out_of_memory
        message = refusal(session.run, images(1))
    assert message.endswith(f"{where} failed (out of memory). Try a smaller batch.")


def test_every_backend_is_described():
    assert list(BACKENDS) == ["onnxruntime", "torch", "openvino", "ascend", "cann", "torch_npu"]
    first = {
        suffix: choose_backend("auto", f"x{suffix}") for backend in BACKENDS.values() for suffix in backend.suffixes
    }
    assert set(first.values()) == {"onnxruntime", "torch", "ascend"}  # the others must be asked for
    assert [name for name, backend in BACKENDS.items() if backend.reads_checkpoints] == ["torch", "torch_npu"]
    assert [name for name, backend in BACKENDS.items() if backend.reads_onnx] == ["onnxruntime", "openvino", "cann"]


# ---- precision ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_torch_in_fewer_bits(reference, precision):
    expected = reference.run(images(2))
    with open_session(checkpoint(), "torch", threads=1, precision=precision) as session:
        assert session.facts.precision == precision and session.input_dtype == np.float32
        features = session.run(images(2))
    products = (features * expected).sum(axis=1) / np.linalg.norm(features, axis=1) / np.linalg.norm(expected, axis=1)
    assert features.dtype == np.float32 and products.min() > 0.99 and np.abs(features - expected).max() > 1e-4
    assert next(checkpoint().model.parameters()).dtype == torch.float32  # the caller's own stays


def test_onnxruntime_makes_float16_once_of_a_float32_file(fixed, monkeypatch, tmp_path):
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path))
    made = []
    for _ in range(2):
        with open_session(onnx_path(FIXED), "onnxruntime", threads=1, precision="float16") as session:
            assert session.facts.precision == FLOAT16 and session.model.parent == tmp_path / "onnx"
            assert session.facts.exported_from == {"file": onnx_path(FIXED).name, "sha256": sha256(onnx_path(FIXED))}
            assert np.abs(session.run(images(2)) - fixed.run(images(2))).max() > 1e-4
            made.append(session.model.stat().st_mtime_ns)
            path = session.model
    assert made[0] == made[1]
    with open_session(path, threads=1) as session:  # by default a file computes in what it holds
        assert session.facts.precision == FLOAT16
    assert "holds float16, and float32 is asked for" in refusal(open_session, path, precision="float32")


@pytest.mark.parametrize(
    "model, backend, precision, words",
    [
        (onnx_path, "auto", "bfloat16", "precision: the onnxruntime backend does not compute in bfloat16 on request. "),
        (onnx_path, "auto", "bfloat16", "It has float32, float16, int8; bfloat16 have the backends torch, openvino."),
        (onnx_path, "onnxruntime", "int8", "holds float32, and int8 takes ranges that images fix. Give a file"),
        (checkpoint, "torch", "int8", "the torch backend does not compute in int8 on request"),
        (checkpoint, "torch_npu", "bfloat16", "the torch_npu backend does not compute in bfloat16 on request. It has"),
        (checkpoint_path, "torch", "tf32", "precision: 'tf32' is not a precision. Choose one of float32, bfloat16"),
        (onnx_path, "cann", "float16", "Leave it out, or give --option precision_mode=force_fp32; float16 have"),
    ],
)
def test_a_precision_that_is_not_there_names_what_is(model, backend, precision, words):
    assert words in refusal(open_session, model(), backend, precision=precision)


@pytest.mark.parametrize(
    "text, engine",
    [("openvino:bfloat16", ("openvino", "bfloat16")), ("torch", ("torch", None)), ("openvino:", ("openvino", ""))],
)
def test_an_engine_in_a_word(text, engine):
    assert parse_engine(text) == engine
