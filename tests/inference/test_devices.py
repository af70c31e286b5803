"""Several devices: complete features in the right order whatever happens to a process, or one clear error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
import warnings
from multiprocessing import resource_tracker
from pathlib import Path

import numpy as np
import pytest

from helpers import networks, npu
from helpers.fake_devices import LATE, open_fake
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.errors import DatasetError, FeatureError, SessionError
from osnet_lib.features.store import load_features
from osnet_lib.inference.benchmark import sum_throughput
from osnet_lib.inference.devices import benchmark_devices, extract_on_devices, parse_devices
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.fleet import Fleet


@pytest.fixture(scope="module")
def expected(dataset, tmp_path_factory):
    """What one device computes, batch 2."""
    with open_fake(Path("one")) as session:
        return extract_features(
            session, dataset, dataset.gallery, tmp_path_factory.mktemp("one") / "f.npz", 2, progress=False
        )


@pytest.fixture
def extract(dataset, tmp_path):
    """A function that extracts the gallery on fake devices: ``extract("run1=kill2", "0,1")``."""

    def run(plan: str, devices: str, batch_size: int = 2, **options):
        return extract_on_devices(
            tmp_path / f"fake,{plan}",
            dataset,
            dataset.gallery,
            tmp_path / "gallery.npz",
            batch_size,
            devices,
            progress=False,
            opener=open_fake,
            **options,
        )

    return run


@pytest.fixture(autouse=True)
def no_orphan():
    yield
    assert multiprocessing.active_children() == []


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")


def children(pid: int) -> set[int]:
    """Processes below a process, as Linux tells."""
    below = [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return set(below).union(*map(children, below))


def assert_same(features, expected):
    for array in ("names", "pids", "camids", "features"):
        assert np.array_equal(getattr(features, array), getattr(expected, array)), array


@pytest.mark.parametrize(
    "given, devices",
    [("0", (0,)), ("0,1,2,3", (0, 1, 2, 3)), (" 3, 1", (3, 1)), (2, (2,)), ([1, 0], (1, 0)), ((np.int64(5),), (5,))],
)
def test_device_lists(given, devices):
    assert parse_devices(given) == devices


@pytest.mark.parametrize(
    "given, words",
    [
        ("", "no list of device numbers"),
        ("0,", "no list"),
        ("-1", "no list"),
        ("a", "no list"),
        ([], "no list"),
        ("0-3", "no list"),
        ([0.5], "no list"),
        (True, "no list"),
        ("1,1", "names a device twice"),
        ("1,01", "names a device twice"),
    ],
)
def test_device_lists_that_are_refused(given, words):
    with pytest.raises(SessionError, match=words):
        parse_devices(given)


@pytest.mark.parametrize("devices", ["0", "0,1", "0,1,2,3"])
def test_any_number_of_devices_gives_the_same_features(extract, expected, tmp_path, devices):
    features = extract("log", devices)
    assert_same(features, expected)
    assert_same(load_features(tmp_path / "gallery.npz"), expected)
    assert len(np.unique(features.features, axis=0)) == len(features)  # else any order would do
    numbers = devices.split(",")
    if len(numbers) > 1:
        assert list(features.conditions["devices"]) == numbers
        assert sum(features.conditions["devices"].values()) == len(features)
    assert sorted(p.name for p in tmp_path.iterdir()) == [*(f"closed{n}" for n in numbers), "gallery.npz"]


def test_the_real_session_on_two_devices_is_the_real_session_on_one(dataset, tmp_path):
    """The CPU has device 0 only: the process of device 1 says so, and 0 does all of it."""
    model, some = networks.onnx_path(2), dataset.query[:5]
    with pytest.warns(UserWarning, match="device 1 failed .device: device 1 does not exist, the CPU backend sees 1"):
        features = extract_on_devices(model, dataset, some, tmp_path / "two.npz", 2, "0,1", threads=1, progress=False)
    assert_same(
        features, extract_on_devices(model, dataset, some, tmp_path / "one.npz", 2, 0, threads=1, progress=False)
    )
    assert features.conditions["devices"] == {"0": 5, "1": 0}


CAUSES = {
    "raise": "507011",
    "kill": "its process was killed by SIGKILL",
    "exit": "its process ended with exit code 7",
    "bug": "KeyError: 'a mistake in a backend'",
}


@pytest.mark.parametrize("word", CAUSES)
@pytest.mark.parametrize("moment", ["open", "run"])
def test_a_device_that_fails_gives_its_share_to_the_others(extract, expected, word, moment):
    assert_only_0_computes(extract, expected, f"slow,{moment}1={word}", CAUSES[word])


def assert_only_0_computes(extract, expected, plan, cause, **options):
    with pytest.warns(UserWarning) as found:
        features = extract(plan, "0,1", **options)
    (warning,) = [str(w.message) for w in found if "failed" in str(w.message)]
    assert warning.startswith("device 1 failed") and cause in warning
    assert_same(features, expected)
    assert features.conditions["devices"]["1"] == 0


def test_a_device_that_falls_silent_gives_its_share_to_the_others(extract, expected):
    assert_only_0_computes(extract, expected, "slow,run1=hang", "no sign of life for 5 s", silence=5.0, opening=900.0)


def test_a_device_that_hangs_while_it_opens_gives_its_share_to_the_others(extract, expected, monkeypatch, late_clock):
    """The limit passes when device 0 is ready, however long that took; not before, by the shorter limit of silence."""
    hear, ready = Fleet.hear, []

    def listen(fleet):
        worker, message = hear(fleet)
        ready.extend([worker] * (message[0] == "ready"))
        return worker, message

    monkeypatch.setattr(Fleet, "hear", listen)
    late_clock("osnet_lib.inference.fleet", lambda: 901.0 * len(ready))
    assert_only_0_computes(extract, expected, "open1=hang", "not open after 900 s")
    assert [worker.device for worker in ready] == [0]


def test_a_slow_start_is_not_silence(extract, expected):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        features = extract("open1=late", "0,1", silence=LATE - 2)
    assert_same(features, expected)
    assert features.conditions["devices"]["1"] > 0


@needs_proc
def test_what_does_not_open_in_time_is_refused_and_gone(extract, tmp_path):
    resource_tracker.ensure_running()  # of multiprocessing's own, it stays
    before = children(os.getpid())
    with (
        pytest.warns(UserWarning, match="device 0 failed .not open after 1 s"),
        pytest.raises(SessionError, match="hang: device 0, 1 failed: not open after 1 s. Remove the cause, or"),
    ):
        extract("open0=hang,open1=hang", "0,1", opening=1.0)
    assert children(os.getpid()) == before and not (tmp_path / "gallery.npz").exists()
    with pytest.raises(SessionError, match="device 0 failed: not open after 1 s"):
        benchmark_devices(tmp_path / "fake,open0=hang", 2, "0,1", 2, 1, progress=False, opener=open_fake, opening=1.0)
    assert children(os.getpid()) == before


def test_batches_that_a_device_finished_before_it_failed_are_kept(extract, expected):
    with pytest.warns(UserWarning, match="device 1 failed"):
        features = extract("run0=meet2,run1=kill4", "0,1")
    assert_same(features, expected)
    assert features.conditions["devices"]["1"] == 6  # three batches of two


@pytest.mark.parametrize(
    "plan, words",
    [
        (
            "open0=raise,open1=raise",
            ["device 0 failed: device 0: acl.open gave 507011", "device 1 failed: device 1: acl"],
        ),
        ("run0=kill,run1=kill", ["device 0, 1 failed: its process was killed by SIGKILL"]),
        (
            "run0=exit2,run1=bug3",
            [
                "device 0 failed: its process ended with exit code 7",
                "device 1 failed: KeyError: 'a mistake in a backend'",
            ],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:device . failed:UserWarning")
def test_when_no_device_is_left_one_error_names_all_of_them(extract, tmp_path, plan, words):
    with pytest.raises(SessionError) as error:
        extract(plan, "0,1")
    for part in words:
        assert part in str(error.value)
    assert "\n" not in str(error.value) and not (tmp_path / "gallery.npz").exists()


@pytest.mark.filterwarnings("ignore:device . failed:UserWarning")
def test_the_next_run_goes_on_behind_what_all_devices_had_done(extract, expected, tmp_path):
    with pytest.raises(SessionError):
        extract("run0=kill5,run1=kill5", "0,1")
    held = (tmp_path / "gallery.npz.part").stat().st_size // 2048
    assert 4 <= held < len(expected)
    features = extract("", "0,1,2")
    assert_same(features, expected)
    assert features.conditions["resumed_at"] == held // 2 * 2
    assert sum(features.conditions["devices"].values()) == len(expected) - held


def test_a_damaged_image_is_no_fault_of_a_device(tiny_market, tmp_path):
    root = tiny_market()
    (root / "query" / "0002_c2s1_000002_00.jpg").write_bytes(b"no JPEG")
    with (
        open_market1501(root) as dataset,
        warnings.catch_warnings(),
        pytest.raises(DatasetError, match="0002_c2s1_000002_00.jpg: is no image. Copy"),
    ):
        warnings.simplefilter("error")
        extract_on_devices(
            tmp_path / "fake", dataset, dataset.query, tmp_path / "q.npz", 1, "0,1", progress=False, opener=open_fake
        )


def test_a_batch_size_that_the_model_does_not_take(extract):
    with pytest.raises(FeatureError, match="batch size 3 is not a whole number from 1 to 2"):
        extract("bs2", "0,1", batch_size=3)


def test_devices_with_different_models_are_refused(extract):
    with pytest.raises(SessionError, match="the devices opened different models"):
        extract("differ", "0,1")


SCRIPT = """
import sys
from pathlib import Path
from helpers.fake_devices import open_fake
from osnet_lib.inference.devices import extract_on_devices
from osnet_lib.datasets.market1501 import open_market1501
if __name__ == "__main__":
    with open_market1501(sys.argv[1]) as dataset:
        extract_on_devices(Path(sys.argv[2]) / "fake,slow,run1=hang2", dataset, dataset.gallery,
                           Path(sys.argv[2]) / "g.npz", 2, "0,1", opener=open_fake)
"""


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds: float = 300.0) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


@needs_proc
def test_a_killed_parent_leaves_no_process_behind(small_market, tmp_path):
    """Device 1 hangs, device 0 works: when the parent is killed, both end, and what multiprocessing adds to them."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    script, part = tmp_path / "script.py", tmp_path / "g.npz.part"
    script.write_text(SCRIPT)
    with subprocess.Popen(
        [sys.executable, str(script), str(small_market), str(tmp_path)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        assert until(lambda: part.exists() and part.stat().st_size > 0)
        below = children(parent.pid)
        assert len(below) >= 2
        parent.send_signal(signal.SIGKILL)
        parent.wait()
        assert until(lambda: not any(map(is_alive, below)))


@needs_proc
def test_a_process_killed_from_outside_in_the_middle(extract, expected, tmp_path):
    import threading

    def kill_one() -> None:
        until(lambda: (tmp_path / "gallery.npz.part").exists() and (tmp_path / "gallery.npz.part").stat().st_size > 0)
        victim = next(p for p in multiprocessing.active_children() if p.name == "device 0")
        os.kill(victim.pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.warns(UserWarning, match="device 0 failed .its process was killed by SIGKILL"):
        features = extract("run0=hang2", "0,1")  # it is not done before it is killed
    killer.join()
    assert_same(features, expected)


@pytest.mark.parametrize("devices", [(0,), (0, 1), (3, 1, 0, 2)])
def test_benchmark_of_devices_together(tmp_path, devices):
    """All meet in a timed round, which devices timed one after the other never do."""
    plan = ",".join(f"run{device}=meet5" for device in devices)
    measured = benchmark_devices(
        tmp_path / f"fake,slow,{plan}",
        2,
        devices,
        rounds=10,
        warmup=0,
        progress=False,
        opener=open_fake,  # they may warm up unequally long
    )
    assert [m.device for m in measured] == list(devices)
    assert all(len(m.times) == 10 and (m.times >= 20).all() for m in measured)
    assert sum_throughput(measured) == pytest.approx(sum(m.throughput for m in measured))
    if len(devices) > 1:
        assert all(m.together == devices for m in measured)
        assert all(0 < m.overlap <= 1 for m in measured)
        assert measured[0].values()["together"] == list(devices)


def test_devices_timed_one_after_the_other_are_not_added_up(tmp_path):
    alone = [benchmark_devices(tmp_path / "fake", 1, n, 2, 0, progress=False, opener=open_fake)[0] for n in (0, 1)]
    with pytest.raises(SessionError, match="not timed together"):
        sum_throughput(alone)


@pytest.mark.parametrize(
    "plan, words",
    [
        ("open1=raise", "device 1 failed: device 1: acl.open gave 507011"),
        ("run1=kill", "device 1 failed: its process"),
        ("run0=raise4", "device 0 failed: device 0: acl.run gave"),
        ("bs4", "the model is fixed to batch 4, not 2"),
        ("run1=hang5", "device 1 failed: no sign of life for 5 s"),
    ],
)
def test_a_benchmark_needs_all_its_devices(tmp_path, plan, words):
    with pytest.raises(SessionError) as error:
        benchmark_devices(
            tmp_path / f"fake,{plan}", 2, "0,1", rounds=5, warmup=1, progress=False, opener=open_fake, silence=5.0
        )
    assert words in str(error.value)


def test_simulated_devices_report_no_speed(tmp_path):
    measured = benchmark_devices(tmp_path / "fake,simulated", 2, "0,1", 3, 1, progress=False, opener=open_fake)
    assert all(m.simulated and np.isnan(m.times).all() and m.overlap is None for m in measured)
    assert np.isnan(sum_throughput(measured))


def test_features_of_simulated_devices_name_no_time(extract, expected, tmp_path):
    for devices in ("0", "0,1"):
        features = extract("simulated", devices)
        assert_same(features, expected)
        conditions = load_features(tmp_path / "gallery.npz").conditions
        assert conditions["seconds"] is None and conditions["not_measured"] == "simulated device: not measured"
    assert expected.conditions["seconds"] >= 0 and "not_measured" not in expected.conditions


# The same on the stand-in NPU: an Ascend session with pyACL's calls and rules in every process.


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A function that extracts the gallery on stand-in devices: ``stand_in(dataset, "0,1", fault="…")``."""
    monkeypatch.syspath_prepend(str(npu.PYACL))  # spawned processes get sys.path; this one already has its own `acl`
    model = npu.make_om(tmp_path, (2,))

    def run(dataset, devices: str, fault: str = "", count: int = 4, **options):
        monkeypatch.setenv("STAND_IN_ACL_DEVICES", str(count))
        monkeypatch.setenv("STAND_IN_ACL_FAULT", fault)
        return extract_on_devices(
            model, dataset, dataset.gallery, tmp_path / "gallery.npz", 2, devices, "ascend", progress=False, **options
        )

    return run


def test_stand_in_devices_give_identical_and_complete_features(stand_in, dataset):
    two, four = stand_in(dataset, "0,1"), stand_in(dataset, "0,1,2,3")
    assert_same(two, four)
    assert list(two.names) == [sample.name for sample in dataset.gallery]
    images = np.stack([preprocess(dataset.image(sample)) for sample in dataset.gallery])
    np.testing.assert_allclose(four.features, npu.tiny_features(images), rtol=1e-2, atol=1e-2)
    assert four.conditions["session"]["device"] == "simulated Ascend310"
    assert four.conditions["not_measured"] == "simulated device: not measured" and four.conditions["seconds"] is None


@pytest.mark.parametrize(
    "fault, words",
    [
        ("acl.mdl.execute_async@1:2:exit", "device 1 failed (its process ended with exit code 9)"),
        ("acl.mdl.execute_async@1:2:507011", "507011"),
        ("acl.mdl.load_from_file@1:1:507008", "507008"),
    ],
)
def test_a_stand_in_device_that_fails_leaves_no_gap(stand_in, dataset, fault, words):
    expected = stand_in(dataset, "0,1")
    with pytest.warns(UserWarning, match="device 1 failed") as found:
        features = stand_in(dataset, "0,1", fault)
    assert words in str([w.message for w in found])
    assert_same(features, expected)


@pytest.mark.filterwarnings("ignore:device . failed:UserWarning")
def test_no_such_stand_in_device(stand_in, dataset):
    with pytest.raises(SessionError, match="device 2 does not exist, the ascend backend sees 2.*device 3 does not"):
        stand_in(dataset, "2,3", count=2)


def test_stand_in_devices_timed_together_report_no_speed(stand_in, monkeypatch, tmp_path):
    monkeypatch.setenv("STAND_IN_ACL_DEVICES", "4")
    measured = benchmark_devices(tmp_path / "tiny.om", 2, "0,1,2,3", 3, 1, "ascend", progress=False)
    assert [m.device for m in measured] == [0, 1, 2, 3] and all(m.simulated for m in measured)
    assert {m.values()["throughput"] for m in measured} == {None}


def test_a_script_without_a_main_guard_is_told_so(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from helpers.fake_devices import open_fake\nfrom osnet_lib.inference.devices import benchmark_devices\n"
        "benchmark_devices('fake', 1, '0,1', 1, 0, progress=False, opener=open_fake)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert "below: if __name__ == '__main__'. Remove the cause" in done.stderr.strip().splitlines()[-1]
