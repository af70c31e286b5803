"""The benchmark of the cluster: which half seconds its verdict looks at."""

from __future__ import annotations

import importlib

import pytest

from helpers.paths import ROOT
from osnet_lib.core.counters import Counters


@pytest.fixture
def cluster(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("cluster")


def reading(at: float, busy: float, own: float | None, **more: float) -> Counters:
    return Counters(at, busy, own, 0.0, **more)


def test_a_half_second_in_which_a_worker_ended_is_left_out(cluster):
    """Its time leaves our own, and would count as others'."""
    readings = [reading(0, 0, 0), reading(10, 20, 20), reading(10.5, 21, 11), reading(20.5, 41, 31)]
    span = cluster.watched(readings).whole
    assert (span.seconds, span.foreign, span.throttled) == (20, 0, None)


@pytest.mark.parametrize("used", [4.0, 8.0])
def test_others_and_a_quota_are_seen(cluster, used):
    readings = [reading(0, 0, 0, throttled=7), reading(10, 10 + used, 10, throttled=9)]
    span = cluster.watched(readings).whole
    assert span.foreign == pytest.approx(used / 10, abs=0.05) and span.throttled == pytest.approx(0.2)


def test_where_nobody_tells_the_whole_time_counts(cluster):
    assert cluster.watched([reading(0, 0, None), reading(10, 5, None)]).whole.foreign is None


def test_the_last_half_second_is_read(cluster):
    with cluster.sampled() as readings:
        assert len(readings) == 1
    assert len(readings) == 2 and readings[0].at < readings[1].at
