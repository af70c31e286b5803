"""Sessions timed in turn: pairs, their ratio and its interval, against a clock that we hold."""

from __future__ import annotations

from math import comb
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osnet_lib.core.conditions import SessionFacts
from osnet_lib.errors import SessionError
from osnet_lib.inference import benchmark, side_by_side
from osnet_lib.inference.side_by_side import CONFIDENCE, paired_ratio, run_side_by_side


class Turn:
    """A session that takes some milliseconds of a clock, and notes whose turn it was."""

    input_dtype, batch_size, input_shape, model = np.dtype(np.float32), None, (None, 3, 256, 128), "turn.onnx"

    def __init__(self, name: str, milliseconds: float, clock: SimpleNamespace, simulated: bool = False):
        self.name, self.milliseconds, self.clock, self.simulated = name, milliseconds, clock, simulated

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.clock.turns.append(self.name)
        self.clock.now += int(self.clock.slowness(len(self.clock.turns)) * self.milliseconds * 1e6)
        return np.zeros((len(batch), 512), np.float32)

    def describe(self) -> dict:
        return {"backend": self.name, "simulated": self.simulated}

    @property
    def facts(self) -> SessionFacts:
        return SessionFacts.read(self.describe())


@pytest.fixture
def clock(monkeypatch):
    held = SimpleNamespace(now=0, turns=[], slowness=lambda turn: 1.0, sleep=lambda seconds: None)
    held.perf_counter_ns = lambda: held.now
    monkeypatch.setattr(benchmark, "time", held)
    monkeypatch.setattr(side_by_side, "time", held)
    return held


def run(sessions, rounds=20, warmup=0, **options):
    watch = SimpleNamespace(start=lambda: None, stop=lambda: None)
    return run_side_by_side(sessions, 1, rounds, warmup, progress=False, watch=watch, **options)


def test_rounds_alternate_and_each_begins_in_turn(clock):
    measured = run([Turn(name, 10, clock) for name in "abc"], rounds=4)
    assert "".join(clock.turns) == "abcbcacababc"
    assert [len(one.times) for one in measured] == [4] * 3
    assert [one.conditions["backend"] for one in measured] == list("abc")


def test_what_disturbs_both_is_not_in_the_ratio(clock):
    """The machine becomes ten times as slow half way: the speeds are wrong, their ratio is right."""
    clock.slowness = lambda turn: 10.0 if turn > 21 else 1.0
    first, second = run([Turn("a", 20, clock), Turn("b", 10, clock)])
    assert first.times.max() > 9 * first.times.min()
    ratio = paired_ratio(first.times, second.times)
    assert ratio.median == pytest.approx(2.0) and ratio.low == pytest.approx(2.0) and ratio.pairs == 20


def test_each_is_warmed_up_until_it_settles(clock):
    first, second = run([Turn("a", 20, clock), Turn("b", 10, clock)], rounds=2, warmup=6)
    assert "".join(clock.turns[:12]) == "aaaaaabbbbbb" and (first.warmup, second.warmup) == (6, 6)


def test_a_simulated_device_is_not_compared(clock):
    with pytest.raises(SessionError, match=r"turn\.onnx: a simulated device has no speed to compare"):
        run([Turn("a", 1, clock), Turn("b", 1, clock, simulated=True)])
    assert not clock.turns


@pytest.mark.parametrize("rounds", [0, -1])
def test_no_rounds_are_refused(clock, rounds):
    with pytest.raises(SessionError, match="rounds"):
        run([Turn("a", 1, clock)], rounds=rounds)


@pytest.mark.parametrize("pairs, rank", [(6, 0), (8, 0), (9, 1), (20, 5), (50, 17), (100, 39)])
def test_the_interval_is_that_of_the_sign_test(pairs, rank):
    """Ranks from tables of the binomial: the largest for which both tails hold no more than 5 % together."""
    found = paired_ratio(np.arange(1.0, pairs + 1), np.ones(pairs))
    assert (found.low, found.high) == (rank + 1, pairs - rank) and found.median == (pairs + 1) / 2
    assert 2 * sum(comb(pairs, k) for k in range(rank + 1)) / 2**pairs <= 1 - CONFIDENCE
    assert 2 * sum(comb(pairs, k) for k in range(rank + 2)) / 2**pairs > 1 - CONFIDENCE


@pytest.mark.parametrize("pairs", range(1, 6))
def test_few_pairs_have_no_interval(pairs):
    found = paired_ratio(np.full(pairs, 3.0), np.full(pairs, 2.0))
    assert (found.low, found.high, found.median) == (None, None, 1.5) and "too few for an interval" in str(found)
    assert found.values() == {"median": 1.5, "interval": [None, None], "pairs": pairs}


@given(st.lists(st.tuples(st.floats(0.1, 1e4), st.floats(0.1, 1e4)), min_size=6, max_size=80))
def test_the_median_lies_in_its_interval(pairs):
    first, second = np.array(pairs).T
    found = paired_ratio(first, second)
    assert found.low <= found.median <= found.high
