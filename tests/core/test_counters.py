"""Readings of the machine's counters, from files as the kernel writes them."""

from __future__ import annotations

import os

import pytest

from helpers.kernel_files import machine_files
from osnet_lib.core.counters import read_counters


@pytest.fixture
def ticking(monkeypatch):
    if hasattr(os, "sysconf"):
        monkeypatch.setattr(os, "sysconf", lambda name: {"SC_CLK_TCK": 100}[name])


@pytest.mark.parametrize("root, own", [(10, 2.0 + 0.5 + 0.25), (11, 0.75), (12, 0.25), (20, 9.0), (99, None)])
def test_our_own_time_is_that_of_the_whole_tree(tmp_path, ticking, root, own):
    """10 started 11, which started 12; 20 is somebody else's."""
    tree = {1: (0, 3.0), 10: (1, 2.0), 11: (10, 0.5), 12: (11, 0.25), 20: (1, 9.0)}
    counters = read_counters(root, machine_files(tmp_path, 100.0, 1.5, tree))
    assert (counters.busy, counters.steal, counters.load) == (100.0, 1.5, 1.25)
    assert counters.own == own


def test_a_process_that_ends_meanwhile_is_left_out(tmp_path, ticking):
    proc = machine_files(tmp_path, 5.0, 0.0, {10: (1, 1.0), 11: (10, 1.0)})
    (proc / "11" / "stat").write_text("")
    assert read_counters(10, proc).own == 1.0


def test_without_proc_the_machine_tells_nothing(tmp_path):
    counters = read_counters(10, tmp_path)
    assert (counters.busy, counters.own, counters.steal, counters.throttled, counters.load) == (None,) * 5
    assert counters.at > 0


def test_counters_only_grow():
    first = read_counters()
    sum(range(10**5))
    last = read_counters()
    for name in ("at", "busy", "own", "steal", "switches", "throttled"):
        before, after = getattr(first, name), getattr(last, name)
        assert (before is None) == (after is None) and (before is None or after >= before), name
