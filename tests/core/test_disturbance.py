"""Verdicts on timings whose counters and times are made up; no machine is watched here."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from osnet_lib.core import disturbance
from osnet_lib.core.counters import Counters
from osnet_lib.core.disturbance import DISTURBED, QUIET, UNSURE, Span, Watch, Watched, foreign_bound, judge

STEADY = [10.0] * 50
IDLE = Span(2.0, foreign=0.02, steal=0.0, switches=3.0, throttled=0.0, load=1.0)
NOTHING = Span(2.0)  # of a system without such counters


def watched(during: Span, cores: int = 2, **others: Span) -> Watched:
    spans = {"before": IDLE, "after": IDLE, "whole": during, **others}
    return Watched(during=during, cores=cores, **spans)


VERDICTS = {
    "idle": (STEADY, watched(IDLE), QUIET, ""),
    "a busy loop": (STEADY, watched(replace(IDLE, foreign=0.9)), DISTURBED, "other programs used 0.90 cores"),
    "just below the bound": (STEADY, watched(replace(IDLE, foreign=0.0999)), QUIET, ""),
    "just above it": (STEADY, watched(replace(IDLE, foreign=0.1001)), DISTURBED, "other programs"),
    "services of 32 cores": (STEADY, watched(replace(IDLE, foreign=0.3), 32), QUIET, ""),
    "a busy loop among 256 cores": (STEADY, watched(replace(IDLE, foreign=0.99), 256), DISTURBED, "more than 0.5"),
    "steal": (STEADY, watched(replace(IDLE, steal=0.2)), DISTURBED, "the hypervisor gave 0.20 cores to others"),
    "little steal": (STEADY, watched(replace(IDLE, steal=0.049)), QUIET, ""),
    "a quota": (STEADY, watched(replace(IDLE, throttled=0.5)), DISTURBED, "a quota stopped it for 50% of the time"),
    "slower and slower": (
        [*[10.0] * 20, *[20.0] * 10],
        watched(IDLE),
        DISTURBED,
        "last third of the rounds took +100%",
    ),
    "faster and faster": ([*[20.0] * 10, *[10.0] * 20], watched(IDLE), DISTURBED, "took -50%"),
    "too few rounds for a drift": ([10.0, 10.0, 12.0, 12.0], watched(IDLE), QUIET, ""),
    "a slow tail": (
        [*[100.0] * 90, *[300.0] * 10],
        watched(IDLE),
        DISTURBED,
        "99th percentile is 3.0 times the median",
    ),
    "a hiccup of a short round": ([*[1.0] * 49, 6.0], watched(IDLE), QUIET, ""),
    "nobody watched": (STEADY, None, UNSURE, "nobody watched it"),
    "nobody watched a slow tail": ([*[100.0] * 90, *[300.0] * 10], None, DISTURBED, "99th percentile"),
    "no counters": (STEADY, watched(NOTHING), UNSURE, "this system does not tell what other programs use"),
    "no counters, and interrupted": (
        STEADY,
        watched(replace(NOTHING, switches=90.0)),
        DISTURBED,
        "interrupted 90 times a second",
    ),
    "interrupted by our own": (STEADY, watched(replace(IDLE, switches=500.0)), QUIET, ""),
    "too short to tell": (
        [1.0] * 9,
        watched(replace(IDLE, seconds=0.01, foreign=3.0), whole=replace(IDLE, seconds=0.3)),
        UNSURE,
        "over in 0.30 s, too short",
    ),
    "short, with a neighbour around it": (
        [1.0] * 9,
        watched(replace(IDLE, seconds=0.01, foreign=0.0), whole=replace(IDLE, seconds=0.6, foreign=1.0)),
        DISTURBED,
        "other programs used 1.00",
    ),
}


@pytest.mark.parametrize("times, seen, word, reason", VERDICTS.values(), ids=VERDICTS)
def test_the_verdict(times, seen, word, reason):
    verdict = judge(times, seen, threads=2)
    assert verdict.word == word and verdict.disturbed == (word == DISTURBED)
    assert reason in str(verdict) and bool(verdict.reasons) == (word != QUIET)
    assert json.loads(json.dumps(asdict(verdict)))["evidence"]["times"]["median_ms"] == np.median(times)


@pytest.mark.parametrize(
    "seen, word", [(watched(IDLE), QUIET), (watched(replace(IDLE, foreign=0.9)), DISTURBED), (None, UNSURE)]
)
def test_work_that_is_not_equal_is_judged_by_counters_alone(seen, word):
    verdict = judge(None, seen)
    assert verdict.word == word and verdict.evidence["times"] is None


def test_every_reason_is_told():
    found = judge([*[10.0] * 20, *[90.0] * 10], watched(replace(IDLE, foreign=1.5, steal=0.5, throttled=0.2)))
    assert len(found.reasons) == 5 and str(found).count(";") == 4


@pytest.mark.parametrize("cores, bound", [(1, 0.1), (2, 0.1), (10, 0.1), (32, 0.32), (64, 0.5), (256, 0.5)])
def test_a_busy_loop_is_beyond_the_bound_on_every_machine(cores, bound):
    assert foreign_bound(cores) == pytest.approx(bound) and bound < 0.99


class Machine:
    """Counters that grow with a clock of our own, by what our process and others use of some cores."""

    def __init__(self, own: float, foreign: float, steal: float = 0.0, noise: float = 0.0, seed: int = 0):
        self.now, self.rates, self.noise = 0.0, (own, foreign, steal), noise
        self.random = np.random.default_rng(seed)

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def read(self, _tree: int | None) -> Counters:
        own, foreign, steal = self.rates
        ticks = self.random.uniform(-self.noise, self.noise)
        return Counters(
            self.now, self.now * (own + foreign) + ticks, self.now * own, self.now * steal, 0, 0.0, own + foreign
        )


def timing(machine: Machine, seconds: float, rounds: int = 50) -> disturbance.Verdict:
    """A timing of so many seconds on it, with times as even as the machine is quiet to us."""
    watch = Watch(read=machine.read, sleep=machine.sleep)
    machine.sleep(seconds / 10)  # the warm-up
    watch.start()
    machine.sleep(seconds)
    times = machine.random.normal(1000 * seconds / rounds, 20 * seconds / rounds, rounds)
    return judge(times, watch.stop(), threads=2)


@pytest.mark.parametrize("seconds", [0.02, 0.4, 3.0, 60.0])
def test_a_busy_loop_is_seen_in_20_of_20_timings(seconds):
    """On two cores that two threads of ours want as well, it gets two thirds of one."""
    words = [timing(Machine(1.33, 0.67, noise=0.01, seed=seed), seconds).word for seed in range(20)]
    assert words == [DISTURBED] * 20


@pytest.mark.parametrize("seconds", [0.02, 0.4, 3.0, 60.0])
def test_services_of_an_idle_system_disturb_none_of_20(seconds):
    words = [timing(Machine(1.9, 0.05, 0.02, noise=0.01, seed=seed), seconds).word for seed in range(20)]
    assert words == [QUIET] * 20


def test_a_watch_reads_before_during_and_after():
    machine = Machine(1.0, 0.5)
    watch = Watch(read=machine.read, sleep=machine.sleep)
    machine.sleep(0.1)  # a short warm-up is watched for longer
    watch.start()
    assert machine.now == pytest.approx(disturbance.ASIDE)
    machine.sleep(2.0)
    seen = watch.stop()
    lengths = [span.seconds for span in (seen.before, seen.during, seen.after, seen.whole)]
    assert lengths == pytest.approx([0.25, 2.0, 0.25, 2.5])
    assert seen.during.foreign == pytest.approx(0.5 - disturbance.RESOLUTION / 2)
    assert seen.during.load == 1.5 and seen.decisive is seen.during


def test_waiting_for_others_to_start_is_not_of_the_rounds():
    machine = Machine(1.0, 0.0)
    watch = Watch(read=machine.read, sleep=machine.sleep)
    machine.sleep(1.0)
    watch.start(lambda: machine.sleep(30.0))
    machine.sleep(2.0)
    seen = watch.stop()
    assert (seen.before.seconds, seen.during.seconds) == pytest.approx((1.0, 2.0))


def test_stops_of_several_cores_are_no_more_than_all_the_time():
    first, last = Counters(0.0, throttled=0.0), Counters(1.0, throttled=3.0)
    assert (
        Span.between(first, last).throttled == 1.0
        and Span.between(first, replace(last, throttled=None)).throttled is None
    )
