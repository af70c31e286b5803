"""The benchmark of verdicts: which tries count, what it says of them and when it fails; no clock is looked at."""

from __future__ import annotations

import importlib
from argparse import Namespace

import numpy as np
import pytest

from helpers.networks import onnx_path
from helpers.paths import ROOT
from osnet_lib.core.disturbance import STEAL_CORES, Span, Watched, foreign_bound
from osnet_lib.core.host import usable_cores
from osnet_lib.inference.benchmark import Benchmark

BOUND = foreign_bound(usable_cores())


@pytest.fixture
def verdicts(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("verdicts")


def timed(foreign: float | None, steal: float | None = 0.0, seconds: float = 2.0) -> Benchmark:
    span = Span(seconds, foreign, steal)
    return Benchmark(np.full(12, 10.0), 1, 1, {}, watched=Watched(span, span, span, span))


@pytest.mark.parametrize(
    "measured, counted",
    [
        (timed(0.0), True),
        (timed(BOUND, STEAL_CORES), True),
        (timed(0.0, None), True),
        (timed(1.01 * BOUND), False),
        (timed(0.0, 1.01 * STEAL_CORES), False),
        (timed(None), False),
        (timed(0.0, seconds=0.1), False),
        (Benchmark(np.full(12, 10.0), 1, 1, {}), False),
    ],
)
def test_a_try_counts_where_others_kept_below_the_bounds(verdicts, measured, counted):
    assert verdicts.counts(measured) is counted


def some(words: list[str], counts: bool = True) -> list[dict]:
    return [{"counts": counts, "word": word, "reasons": ["a drift"] if word == "disturbed" else []} for word in words]


RUNS = {
    "both hold": (["disturbed"] * 20, some(["quiet"] * 19 + ["disturbed"]), 0, "19 of 20 quiet"),
    "a busy neighbour was missed": (["disturbed"] * 19 + ["quiet"], some(["quiet"] * 20), 1, "19 of 20 disturbed"),
    "two undisturbed ones were suspected": (["disturbed"] * 20, some(["quiet"] * 18 + ["disturbed"] * 2), 1, "a drift"),
    "too few could be judged": (["disturbed"] * 20, some(["quiet"] * 19), 1, "19 of 19 quiet"),
    "others do not count": (
        ["disturbed"] * 20,
        some(["quiet"] * 20) + some(["disturbed"] * 3, counts=False),
        0,
        "3 tries more met other programs",
    ),
}


@pytest.mark.parametrize("busy, alone, code, words", RUNS.values(), ids=RUNS)
def test_the_counts_decide(verdicts, monkeypatch, capsys, busy, alone, code, words):
    around = []

    class Neighbours:
        def __init__(self, each):
            self.each = each

        def __enter__(self):
            around.append(self.each)

        def __exit__(self, *_):
            around.append(None)

    def run_child(script, arguments):
        condition = arguments[-1]
        assert script == "verdicts.py" and around[-1] == (condition == verdicts.BUSY)  # made around the child
        return {"tries": some(busy) if condition == verdicts.BUSY else alone}

    monkeypatch.setattr(verdicts, "neighbours", Neighbours)
    monkeypatch.setattr(verdicts, "run_child", run_child)
    assert verdicts.main(["--model", str(onnx_path())]) == code
    assert words in capsys.readouterr().out and around == [1, None, 0, None]


@pytest.mark.parametrize(
    "foreign, tries", [([0.0] * 3, 3), ([1.0, 0.0, 1.0, 0.0, 0.0], 5), ([1.0] * 99, 15)], ids=["quiet", "some", "never"]
)
def test_it_is_tried_until_enough_count_but_not_for_ever(verdicts, monkeypatch, foreign, tries):
    pending = list(foreign)
    monkeypatch.setattr(verdicts, "run_benchmark", lambda *_, **__: timed(pending.pop(0)))
    options = Namespace(child=verdicts.ALONE, tries=3, model=onnx_path(), batch_size=1, rounds=2, warmup=1, seed=0)
    found = verdicts.try_often(options)
    assert len(found) == tries and [one["counts"] for one in found] == [some == 0 for some in foreign[:tries]]


def test_beside_busy_ones_every_try_counts(verdicts):
    options = Namespace(child=verdicts.BUSY, tries=2, model=onnx_path(), batch_size=1, rounds=2, warmup=1, seed=0)
    found = verdicts.try_often(options)
    assert [one["counts"] for one in found] == [True, True]
    assert all(one["word"] in ("quiet", "disturbed", "unknown") for one in found)
