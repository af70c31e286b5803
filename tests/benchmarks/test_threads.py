"""The benchmark of threads: the conditions that it makes, and what it says of them; no speed is looked at."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
from argparse import Namespace

import pytest

from helpers.networks import onnx_path
from helpers.paths import ROOT
from osnet_lib.core.host import usable_cores

pytestmark = pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="its conditions are made as on Linux")


@pytest.fixture
def threads(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("threads")


@pytest.mark.parametrize(
    "files, written",
    [
        (("cpu.max",), {"cpu.max": "50000 100000"}),
        ((), {"cpu.cfs_quota_us": "50000", "cpu.cfs_period_us": "100000"}),
    ],
    ids=["version 2", "version 1"],
)
def test_a_group_gets_the_quota_and_goes_again(threads, tmp_path, monkeypatch, files, written):
    """The kernel fills a new group with files, and lets it be removed with them in it."""
    real_mkdir, held = threads.Path.mkdir, {}

    def mkdir(path, *options, **more):
        real_mkdir(path, *options, **more)
        for name in files:
            (path / name).write_text("max 100000")

    def rmdir(path):
        held.update({file.name: file.read_text() for file in path.iterdir()})
        for file in path.iterdir():
            file.unlink()
        os.rmdir(path)

    monkeypatch.setattr(threads.Path, "mkdir", mkdir)
    monkeypatch.setattr(threads.Path, "rmdir", rmdir)
    monkeypatch.setattr(threads, "control_groups", lambda _: [tmp_path])
    with threads.quota_group(0.5) as group:
        assert group.is_dir()
    assert held == written and not list(tmp_path.iterdir())


@pytest.mark.parametrize("quota, groups", [(None, ["/"]), (0.5, []), (0.5, ["/nowhere/at/all"])])
def test_without_a_group_there_is_none(threads, monkeypatch, quota, groups):
    monkeypatch.setattr(threads, "control_groups", lambda _: [threads.Path(group) for group in groups])
    with threads.quota_group(quota) as group:
        assert group is None


def test_a_supervised_process_is_stopped_goes_on_and_ends(threads):
    code = "import time\nwhile time.process_time() < 0.2: pass"
    process, sent = subprocess.Popen([sys.executable, "-c", code]), []
    send = process.send_signal
    process.send_signal = lambda number: (sent.append(number), send(number))
    threads.supervise(process, 0.1)  # little enough to be reached on a busy machine as well
    assert process.wait(60) == 0
    assert sent and sent == [signal.SIGSTOP, signal.SIGCONT] * (len(sent) // 2)


def test_neighbours_are_one_a_core_and_gone_afterwards(threads, monkeypatch):
    started, real = [], subprocess.Popen
    monkeypatch.setattr(threads.subprocess, "Popen", lambda *a, **k: started.append(real(*a, **k)) or started[-1])
    with threads.neighbours(1):
        assert [os.sched_getaffinity(one.pid) for one in started] == [{core} for core in os.sched_getaffinity(0)]
        assert all(one.poll() is None for one in started)
    assert all(one.poll() is not None for one in started)


def test_the_sessions_compute_the_same_and_are_compared(threads):
    kept = dict(threads.onnxruntime.THREADING)
    options = Namespace(model=onnx_path(), child="", quota=0.5, batch_size=1, rounds=2, seed=0)
    found = threads.run_sessions(options)
    assert found["same"] and found["default_threads"] == 1 and found["best_threads"] in (1, 2, usable_cores())
    assert {"1", "2", threads.SPINNING} <= set(found["times_ms"]) and found["default_against_best"]["pairs"] == 2
    assert threads.onnxruntime.THREADING == kept != {}
    ratio = found["default_against_best"]["median"]
    condition = {"quota": 0.5, "quota_by": threads.SUPERVISED, **found}
    facts = {"batch_size": 1, "rounds": 2, "machine": {"cores": {"usable": 2}}}
    said = threads.report({"conditions": facts, "by_condition": {"q": condition}, "same": True, "fits": ratio >= 0.9})
    assert "q (stopped by a supervisor, for no control group can be made here): 1 threads by default" in said
    assert f"default against best {ratio:.3f}" in said and "same features to the bit" in said
