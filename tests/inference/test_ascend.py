"""The Ascend engine on the stand-in NPU: same features, nothing left behind, refusals that say what to do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import osnet_lib
from helpers.networks import images, onnx_path
from helpers.npu import ACL, PYACL, make_om, tiny_features
from helpers.refusals import refusal_of
from osnet_lib.ascend.acl import AclError, count_devices, load_acl
from osnet_lib.errors import SessionError
from osnet_lib.inference.session import choose_backend, open_session

CAMERA = {
    "mean_chn": [123, 116, 103],
    "min_chn": [0.675, 0.28, 0.53],
    "var_reci_chn": [0.0171247538316637, 0.0175070028011204, 0.0174291938997821],
}


refusal = partial(refusal_of, SessionError)


# ---- what it computes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gears", [[4], [1, 2, 4]])
@pytest.mark.parametrize("settings", [{}, {"run_mode": 0}, {"bridge": "numpy"}])
def test_features_of_osnet(npu, tmp_path, gears, settings):
    npu.restart(**settings)
    batch = images(4)
    with open_session(onnx_path(), threads=1) as reference:
        expected = reference.run(batch)
    path = make_om(tmp_path, gears, onnx_path().read_bytes())
    with warnings.catch_warnings(), open_session(path) as session:
        warnings.simplefilter("error")
        assert (session.batch_size, session.input_shape, session.gears) == (4, (4, 3, 256, 128), tuple(gears))
        np.testing.assert_allclose(session.run(batch), expected, atol=1e-5)
        for n in range(1, 4):
            np.testing.assert_allclose(session.run(batch[:n]), expected[:n], atol=1e-5)
        for n, features in zip((4, 1, 3), session.stream([batch, batch[:1], batch[:3]]), strict=True):
            np.testing.assert_allclose(features, expected[:n], atol=1e-5)


def test_numpy_bridge_of_a_version_that_warns(npu, tmp_path, monkeypatch):
    """Where only the numpy functions are left out of nowhere, their own warnings stay quiet and no others."""
    monkeypatch.delattr(ACL.util, "bytes_to_ptr")
    monkeypatch.delattr(ACL.util, "ptr_to_bytes")
    with warnings.catch_warnings(record=True) as heard, open_session(make_om(tmp_path)) as session:
        warnings.simplefilter("always")
        np.testing.assert_allclose(session.run(images(2)), tiny_features(images(2)), atol=1e-4)
        warnings.warn("mine", stacklevel=1)
    assert [str(w.message) for w in heard] == ["mine"]


@pytest.mark.parametrize(
    "input_dtype, output_dtype, tolerance",
    [("float32", "float16", 1e-2), ("float16", "float32", 2e-2), ("float16", "float16", 2e-2)],
)
def test_half_precision_at_the_interface(npu, tmp_path, input_dtype, output_dtype, tolerance):
    path = make_om(tmp_path, input_dtype=input_dtype, output_dtype=output_dtype)
    with open_session(path) as session:
        assert session.input_dtype == np.dtype(input_dtype) and session.input_shape == (2, 3, 256, 128)
        batch = images(2).astype(input_dtype)
        for features in (session.run(batch), *session.stream([batch])):
            assert features.dtype == np.float32
            np.testing.assert_allclose(features, tiny_features(batch), atol=tolerance)
        wrong = np.float32 if input_dtype == "float16" else np.float16
        assert f"instead of {input_dtype}" in refusal(session.run, images(2).astype(wrong))


@pytest.mark.parametrize("gears", [[2], [1, 2]])
def test_pixels_that_the_device_normalises(npu, tmp_path, gears):
    pixels = np.random.default_rng(0).integers(0, 256, (2, 256, 128, 3), dtype=np.uint8)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    floats = ((pixels / 255 - mean) / std).transpose(0, 3, 1, 2)
    path = make_om(tmp_path, gears, input_dtype="uint8", input_format="NHWC", aipp=CAMERA)
    with open_session(path) as session:
        assert (session.input_shape, session.input_dtype) == ((2, 256, 128, 3), np.uint8)
        np.testing.assert_allclose(session.run(pixels), tiny_features(floats), atol=0.02)
        np.testing.assert_allclose(session.run(pixels[1:]), tiny_features(floats[1:]), atol=0.02)
        assert "instead of uint8" in refusal(session.run, images(2))
        assert npu.stand_in.ledger()["device bytes"] // 2 in range(2 * 98304, 2 * 98304 + 5000)  # two slots


def test_the_smallest_gear_that_fits(npu, tmp_path, monkeypatch):
    seen, real = [], ACL.mdl.set_dynamic_batch_size
    monkeypatch.setattr(ACL.mdl, "set_dynamic_batch_size", lambda *args: seen.append(args[2:]) or real(*args))
    with open_session(make_om(tmp_path, [8, 1, 4, 2])) as session:
        assert session.gears == (1, 2, 4, 8) and session.batch_size == 8
        for n in (1, 2, 3, 5, 8):
            np.testing.assert_allclose(session.run(images(n)), tiny_features(images(n)), atol=1e-4)
        list(session.stream([images(3), images(7)]))
        assert "9 images, but the model takes 8" in refusal(session.run, images(9))
    assert seen == [(1, gear) for gear in (1, 2, 4, 8, 8, 4, 8)]  # input 1; before each execution


def test_results_are_the_callers_own(npu, tmp_path):
    with open_session(make_om(tmp_path)) as session:
        first, *_ = kept = [session.run(images(2)), *session.stream([images(2, seed) for seed in (1, 2, 3)])]
        before = [features.copy() for features in kept]
        list(session.stream([images(2, seed) for seed in (7, 8, 9)]))
        session.run(images(2, 5))
    np.testing.assert_array_equal(kept, before)
    assert first.flags.writeable and not np.array_equal(kept[1], kept[2])


@pytest.mark.parametrize("run_mode", [0, 1])
def test_a_thousand_batches(npu, tmp_path, run_mode):
    """Constant memory in the ledger, in the process and in its handles, half by run and half by stream."""
    npu.restart(run_mode=run_mode)

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    with open_session(make_om(tmp_path, [1])) as session:
        batch, sizes, ledgers = images(1), [], []
        for _ in range(10):
            for _ in range(50):
                session.run(batch)
            ledgers.append(npu.stand_in.ledger())
            assert sum(len(f) for f in session.stream(batch for _ in range(50))) == 50
            ledgers.append(npu.stand_in.ledger())
            sizes.append(resident())
    assert len({str(ledger) for ledger in ledgers}) == 1
    assert max(sizes[2:]) - min(sizes[2:]) < 2 << 20, sizes  # one leaked batch in a hundred would be 3 MB
    assert npu.stand_in.machine.counts["acl.rt.malloc"] == (4 if run_mode else 2)


# ---- streams --------------------------------------------------------------------------------------------------------


def test_copies_and_executions_overlap(npu, tmp_path):
    """On the stand-in's clock an execution takes 4 units and a copy 1: all but two copies are hidden."""
    with open_session(make_om(tmp_path)) as session:
        npu.stand_in.record()
        batches = [images(2, seed) for seed in range(6)]
        for batch, features in zip(batches, session.stream(batches), strict=True):
            np.testing.assert_allclose(features, tiny_features(batch), atol=1e-4)
        timeline = npu.stand_in.timeline()
    runs = [(start, end) for what, start, end in timeline if what == "execute_async"]
    copies = [(start, end) for what, start, end in timeline if what == "memcpy_async"]
    assert len(runs) == 6 and len(copies) == 12
    assert [b[0] for b in runs[1:]] == [a[1] for a in runs[:-1]]  # back to back
    hidden = [c for c in copies if any(start <= c[0] and c[1] <= end for start, end in runs)]
    assert len(hidden) == 10
    assert runs[-1][1] - runs[0][0] == 24 and copies[-1][1] - copies[0][0] == 26  # 36 one after the other


def test_a_stream_in_run_mode_device_runs_one_by_one(npu, tmp_path):
    npu.restart(run_mode=0)
    with open_session(make_om(tmp_path)) as session:
        npu.stand_in.record()
        features = list(session.stream([images(2), images(1)]))
        assert [f.shape for f in features] == [(2, 512), (1, 512)] and not npu.stand_in.timeline()
        assert "host memory" not in npu.stand_in.ledger()


def test_a_stream_that_is_left(npu, tmp_path):
    with open_session(make_om(tmp_path)) as session:
        stream = session.stream(images(2, seed) for seed in range(9))
        next(stream)
        assert "in the middle of a stream" in refusal(session.run, images(1))
        assert "in the middle of a stream" in refusal(next, session.stream([images(1)]))
        stream.close()
        np.testing.assert_allclose(session.run(images(2)), tiny_features(images(2)), atol=1e-4)
        assert list(session.stream([])) == []
        assert "event" not in npu.stand_in.ledger()


@pytest.mark.parametrize("taken", [1, 2, 3])
def test_a_session_closed_in_the_middle_of_a_stream(npu, tmp_path, taken):
    session = open_session(make_om(tmp_path))
    stream = session.stream(images(2) for _ in range(4))
    for _ in range(taken):
        next(stream)
    session.close()
    npu.stand_in.assert_empty()
    assert "the session is closed" in refusal(next, stream)
    stream.close()


@pytest.mark.parametrize("bad", [0, 1, 2, 5])
def test_what_came_before_a_bad_batch_comes_out(npu, tmp_path, bad):
    batches = [images(2, seed) for seed in range(6)]
    batches[bad] = batches[bad] * np.nan
    got = []
    with open_session(make_om(tmp_path)) as session:
        message = refusal(got.extend, session.stream(batches))
        assert "rows [0, 1] of the batch hold NaN" in message

        def fails():
            yield from batches[:bad]
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            got.extend(session.stream(fails()))
        session.run(images(2))
    assert len(got) == 2 * bad


# ---- one process, several sessions, several threads -----------------------------------------------------------------


def test_sessions_side_by_side(npu, tmp_path):
    npu.restart(devices=2)
    npu.stand_in.record()
    a, b, c = (open_session(make_om(tmp_path, name=name), device=d) for name, d in (("a", 0), ("b", 0), ("c", 1)))
    for session in (a, b, c, a):
        np.testing.assert_allclose(session.run(images(2)), tiny_features(images(2)), atol=1e-4)
    streams = [session.stream([images(2, seed) for seed in range(4)]) for session in (a, b, c)]
    for seed, each in enumerate(zip(*streams, strict=True)):
        for features in each:
            np.testing.assert_allclose(features, tiny_features(images(2, seed)), atol=1e-4)
    a.close()
    assert npu.stand_in.ledger()["device set"] == 2
    b.run(images(1))
    assert "2 sessions are open" in refusal(npu.process.finalise)
    c.close()
    assert npu.stand_in.ledger()["device set"] == 1
    b.close()
    npu.stand_in.assert_empty()
    with open_session(make_om(tmp_path)) as again:
        again.run(images(1))
    counts = npu.stand_in.machine.counts
    assert (counts["acl.init"], counts["acl.rt.set_device"], counts["acl.rt.reset_device"]) == (1, 3, 3)
    npu.process.finalise()
    assert counts["acl.finalize"] == 1


def test_somebody_else_initialised(npu, tmp_path):
    assert ACL.init() == 0
    with open_session(make_om(tmp_path)) as session:
        session.run(images(1))
    npu.process.finalise()
    assert npu.stand_in.machine.initialised  # not ours to end
    assert ACL.finalize() == 0


def test_sessions_are_used_from_any_thread(npu, tmp_path):
    with open_session(make_om(tmp_path)) as session, ThreadPoolExecutor(4) as pool:
        batches = [images(2, seed) for seed in range(12)]
        for batch, features in zip(batches, pool.map(session.run, batches), strict=True):
            np.testing.assert_allclose(features, tiny_features(batch), atol=1e-4)
        assert len(pool.submit(list, session.stream(batches)).result()) == 12
    session = open_session(make_om(tmp_path))
    thread = threading.Thread(target=session.close)
    thread.start()
    thread.join()
    npu.stand_in.assert_empty()


def test_a_session_after_a_fork_is_refused(npu, tmp_path, monkeypatch):
    with open_session(make_om(tmp_path)) as session:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        assert "opened in another process" in refusal(session.run, images(1))
        monkeypatch.undo()
        sys.modules["acl"] = ACL
    sys.modules.pop("acl")


def test_close(npu, tmp_path):
    session = open_session(make_om(tmp_path))
    engine = session._engine
    session.close()
    session.close()
    engine.close()
    assert "the session is closed" in refusal(session.run, images(1))
    assert "the session is closed" in refusal(session.stream, [images(1)])
    assert "the session is closed" in refusal(engine.compute, images(2))


def test_describe(npu, tmp_path, monkeypatch):
    facts = {}
    for simulated in (True, False):
        if not simulated:
            monkeypatch.delattr(ACL, "SIMULATED")
        with open_session(make_om(tmp_path, [1, 4])) as session:
            facts[simulated] = session.describe()
    assert facts[True]["simulated"] is True and facts[False]["simulated"] is False
    assert [facts[s]["device"] for s in (True, False)] == ["simulated Ascend310 device 0", "Ascend310 device 0"]
    kept = {key: facts[False][key] for key in ("backend", "provider", "precision", "batch_size", "model")}
    assert kept == {
        "backend": "ascend",
        "provider": "pyACL",
        "precision": "chosen by ATC",
        "batch_size": 4,
        "model": "tiny.om",
    }


def test_the_end_of_a_process_finalises(tmp_path):
    code = (
        "import sys, acl, numpy as np\nfrom osnet_lib.inference.session import open_session\n"
        "session = open_session(sys.argv[1])\nsession.run(np.zeros((1, 3, 256, 128), np.float32))\n"
        "session.close()\nimport atexit\nprint(session.describe()['device'], acl.stand_in.ledger())\n"
        "real = acl.finalize\nacl.finalize = lambda: (print('finalised'), real())[1]"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, make_om(tmp_path, soc_version="Ascend310P3")],
        text=True,
        capture_output=True,
        cwd=Path(osnet_lib.__file__).parents[1],
        env={**os.environ, "PYTHONPATH": str(PYACL), "STAND_IN_ACL_SOC": "Ascend310P3"},
    )
    assert (run.stdout, run.stderr) == ("simulated Ascend310P3 device 0 {}\nfinalised\n", "")


# ---- refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings, device, words",
    [
        ({"devices": 0}, 0, "device: no Ascend device is there"),
        ({"devices": 2}, 2, "device: device 2 does not exist, the ascend backend sees 2. Give a device from 0 to 1."),
        ({"devices": 1}, 1, "device: device 1 does not exist, the ascend backend sees 1. Give device 0."),
        ({"soc": "Ascend310P3"}, 0, "507008 ACL_ERROR_RT_SOC_VERSION ("),
    ],
)
def test_devices(npu, tmp_path, settings, device, words):
    npu.restart(**settings)
    message = refusal(open_session, make_om(tmp_path), device=device)
    assert words in message
    if "soc" in settings:
        assert "--soc_version=Ascend310P3" in message and message.startswith(str(tmp_path / "tiny.om"))


@pytest.mark.parametrize(
    "header, words",
    [
        ({"image": [3, 224, 224]}, "its input is float32 [2, 3, 224, 224]"),
        ({"input_dtype": "uint8"}, "its input is uint8 [2, 3, 256, 128]"),
        ({"input_format": "NHWC"}, "its input is float32 [2, 256, 128, 3]"),
        ({"features": 751}, "its output is float32 [2, 751]"),
        ({"output_dtype": "uint8"}, "its output is uint8 [2, 512]"),
        ({"batch_sizes": [1, 2], "features": 1}, "its output is float32 [2, 1]"),
    ],
)
def test_an_om_of_another_network(npu, tmp_path, header, words):
    message = refusal(open_session, make_om(tmp_path, header=header))
    assert message.startswith(f"{tmp_path / 'tiny.om'}: not an OSNet of this study: {words}")


@pytest.mark.parametrize(
    "call, value, words",
    [
        ("get_num_inputs", 3, "3 inputs and 1 outputs"),
        ("get_num_outputs", 2, "1 inputs and 2 outputs"),
        ("get_input_size_by_index", 0, "inputs of [0] bytes"),
        ("get_output_size_by_index", 100, "an output of 100"),
        ("get_input_data_type", 2, "its input is of another data type [2, 3, 256, 128]"),
        ("get_output_data_type", -1, "its output is of another data type [2, 512]"),
    ],
)
def test_a_description_that_does_not_fit(npu, tmp_path, monkeypatch, call, value, words):
    monkeypatch.setattr(ACL.mdl, call, lambda *_: value)
    assert words in refusal(open_session, make_om(tmp_path))
    npu.stand_in.assert_empty()


@pytest.mark.parametrize("cut", [0, 20, 200, -1])
def test_a_damaged_om(npu, tmp_path, cut):
    path = make_om(tmp_path)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(AclError) as caught:
        open_session(path)
    assert caught.value.code == 145006 and "Copy the OM again" in str(caught.value)
    assert "no such model file" in refusal(open_session, tmp_path / "none.om")


def test_an_error_carries_what_is_known(npu, tmp_path):
    with open_session(make_om(tmp_path)) as session:
        npu.stand_in.fail("acl.mdl.execute", 1, 507011)
        with pytest.raises(AclError) as caught:
            session.run(images(1))
        session.run(images(1))
    error = caught.value
    assert (error.call, error.code, error.name) == ("acl.mdl.execute", 507011, "ACL_ERROR_RT_MODEL_EXECUTE")
    assert "[acl.mdl.execute] injected fault" in error.message and error.where == tmp_path / "tiny.om"
    assert str(error).startswith(f"{error.where}: acl.mdl.execute failed: 507011 ACL_ERROR_RT_MODEL_EXECUTE (EZ9999: ")
    assert str(error).endswith(error.cure) and "\n" not in str(error)


def test_a_version_that_lacks_a_function(npu, tmp_path, monkeypatch):
    monkeypatch.delattr(ACL.mdl, "execute")
    monkeypatch.delattr(ACL, "get_recent_err_msg")
    with open_session(make_om(tmp_path)) as session:
        assert "acl.mdl.execute failed: 200001" in refusal(session.run, images(1))
        npu.stand_in.fail("acl.rt.memcpy", 1, 107000)
        assert "107000 ACL_ERROR_RT_PARAM_INVALID. " in refusal(session.run, images(1))


def test_an_error_goes_from_one_process_to_another():
    error = AclError("acl.rt.malloc", 207001, "no more memory", "x.om", "Ascend310")
    copy = pickle.loads(pickle.dumps(error))
    assert str(copy) == str(error) and vars(copy) == vars(error)


# ---- whether there is an NPU ----------------------------------------------------------------------------------------

UNRELATED = "def check(user, resource):\n    return True\n"


def package(folder: Path, source: str | None, distribution: str = "") -> None:
    """A module named acl in a folder, and what pip would note about it."""
    (folder / "acl").mkdir(parents=True)
    if source is not None:
        (folder / "acl" / "__init__.py").write_text(source)
    if distribution:
        info = folder / f"{distribution}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
        (info / "top_level.txt").write_text("acl\n")


@pytest.fixture
def no_acl(monkeypatch):
    if "acl" in sys.modules or __import__("importlib.util").util.find_spec("acl"):
        pytest.skip("there is a module acl here")
    yield
    sys.modules.pop("acl", None)


@pytest.mark.parametrize(
    "source, distribution, words",
    [
        (UNRELATED, "pyacl", "is the unrelated package pyacl, not CANN's pyACL. Remove it (pip uninstall"),
        (UNRELATED, "acl", "is the unrelated package acl, not CANN's pyACL"),
        (UNRELATED, "", "is no package pip knows of, not CANN's pyACL"),
        (None, "", "is no package pip knows of, not CANN's pyACL"),
        ("rt = 1\n", "", "not CANN's pyACL"),
        ("print 'Python 2'\n", "pyacl", "does not load (SyntaxError:"),
        (
            "import libascendcl_of_cann\n",
            "",
            "does not load (ModuleNotFoundError: No module named 'libascendcl_of_cann')",
        ),
        ("raise ImportError('libascendcl.so: cannot open shared object file')\n", "", "libascendcl.so: cannot open"),
    ],
)
def test_another_module_of_that_name(no_acl, tmp_path, monkeypatch, source, distribution, words):
    package(tmp_path / "site", source, distribution)
    monkeypatch.syspath_prepend(tmp_path / "site")
    for call in (load_acl, lambda: open_session(make_om(tmp_path))):
        message = refusal(call)
        assert message.startswith("ascend: the module acl ") and words in message and "set_env.sh" in message
    assert count_devices() == 0 and choose_backend("auto") == "onnxruntime"


@pytest.mark.parametrize(
    "source",
    [
        "raise ImportError('numpy.core.multiarray failed to import')\n",
        "import sys; sys.stderr.write('AttributeError: _ARRAY_API not found')\nraise ImportError('import failed')\n",
    ],
)
def test_a_module_for_another_numpy(no_acl, tmp_path, monkeypatch, capsys, source):
    package(tmp_path / "site", source)
    monkeypatch.syspath_prepend(tmp_path / "site")
    message = refusal(open_session, make_om(tmp_path))
    assert message.startswith("ascend: the module acl does not load: acl was built for another numpy than the ")
    assert "-c constraints" in message and np.__version__ in message and count_devices() == 0
    assert not capsys.readouterr().err


def test_no_module(no_acl, tmp_path):
    message = refusal(open_session, make_om(tmp_path))
    assert message.startswith("ascend: there is no module acl (pyACL). Source CANN's set_env.sh")
    assert count_devices() == 0 and choose_backend("auto") == "onnxruntime"


@pytest.mark.parametrize(
    "settings, chosen", [({}, "ascend"), ({"devices": 4}, "ascend"), ({"devices": 0}, "onnxruntime")]
)
def test_auto(npu, settings, chosen):
    npu.restart(**settings)
    assert (choose_backend("auto"), choose_backend("torch")) == (chosen, "torch")
    assert choose_backend("auto", "x.onnx") == "onnxruntime" and choose_backend("auto", "x.om") == "ascend"
    assert not npu.stand_in.machine.initialised  # so that processes may still be forked


def test_auto_where_devices_are_counted_after_init(npu, tmp_path):
    npu.stand_in.fail("acl.rt.get_device_count", 1, 507033)
    assert choose_backend("auto") == "ascend" and npu.stand_in.machine.initialised
    npu.stand_in.fail("acl.rt.get_device_count", 1, 507033)
    npu.stand_in.fail("acl.rt.get_device_count", 2, 507033)
    assert choose_backend("auto") == "onnxruntime"
    with open_session(make_om(tmp_path)) as session:
        session.run(images(1))
