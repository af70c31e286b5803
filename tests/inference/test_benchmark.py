"""The figures of a benchmark, against numbers computed by hand with a clock that we hold."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace

import numpy as np
import pytest

from osnet_lib.core.conditions import SessionFacts
from osnet_lib.core.disturbance import Span, Watched
from osnet_lib.core.results import NOT_MEASURED
from osnet_lib.errors import SessionError
from osnet_lib.inference import benchmark
from osnet_lib.inference.benchmark import Benchmark, better, has_settled, run_benchmark, sum_throughput, warm_up

GUIDE = "[INFO] ave_throughputRate: 240.622samples/s, ave_latency: 4.24716ms"


class Clock:
    """Nanoseconds that pass only while the session runs: the given milliseconds, call by call."""

    def __init__(self, *milliseconds: float):
        self.pending, self.now = list(milliseconds), 10**15

    def perf_counter_ns(self) -> int:
        return self.now


class Fake:
    input_dtype = np.dtype(np.float32)

    def __init__(self, clock: Clock, batch_size: int | None = None):
        self.clock, self.batch_size, self.input_shape, self.batches = clock, batch_size, (batch_size, 3, 256, 128), []

    def run(self, batch: np.ndarray) -> np.ndarray:
        self.batches.append(batch)
        self.clock.now += int(self.clock.pending.pop(0) * 1e6)
        return np.zeros((len(batch), 512), np.float32)

    def describe(self) -> dict:
        return {"backend": "fake"}

    @property
    def facts(self) -> SessionFacts:
        return SessionFacts.read(self.describe())


class Unwatched:
    """In place of a watch: nothing is read and nobody waits."""

    def start(self, signal=None):
        if signal:
            signal()

    def stop(self):
        return None


@pytest.fixture
def timed(monkeypatch):
    """A function that benchmarks a session whose calls take the given milliseconds."""

    def run(*milliseconds: float, batch_size: int = 8, warmup: int = 0, **options) -> tuple[Benchmark, Fake]:
        session = Fake(Clock(*milliseconds))
        monkeypatch.setattr(benchmark, "time", session.clock)
        options = {"settle": 0, "watch": Unwatched(), **options}
        return run_benchmark(
            session, batch_size, len(milliseconds) - warmup, warmup, progress=False, **options
        ), session

    return run


def test_figures_by_hand(timed):
    measured, _ = timed(10, 20, 40, 30)
    assert measured.times.tolist() == [10, 20, 40, 30] and measured.conditions == {"backend": "fake"}
    assert measured.throughput == pytest.approx(8 * 4 / 0.100)  # all images over all time
    assert measured.ave_throughput_rate == pytest.approx((800 + 400 + 200 + 800 / 3) / 4)  # mean of the rounds' rates
    assert measured.ave_latency == pytest.approx(25 / 8)  # per image
    values = measured.values()
    deviation = ((15**2 + 5**2 + 15**2 + 5**2) / 3) ** 0.5
    assert values["latency_ms"] == pytest.approx(
        {"mean": 25, "median": 25, "p90": 37, "p99": 39.7, "min": 10, "max": 40, "std": deviation}
    )
    assert values["relative_spread"] == pytest.approx(deviation / 25)
    assert values["rounds"] == 4 and values["times_ms"] == [10, 20, 40, 30]
    assert (values["throughput"], values["ave_throughputRate"], values["ave_latency"]) == (
        measured.throughput,
        measured.ave_throughput_rate,
        measured.ave_latency,
    )
    assert json.loads(json.dumps(values)) == values  # plain numbers, fit for a result file


def test_even_rounds_give_one_rate(timed):
    measured, _ = timed(5, 5, 5, batch_size=16)
    assert measured.throughput == measured.ave_throughput_rate == pytest.approx(3200)
    assert measured.values()["relative_spread"] == 0


def test_one_round_has_no_spread(timed):
    values = timed(7)[0].values()
    assert values["relative_spread"] == values["latency_ms"]["std"] == 0 and values["latency_ms"]["p99"] == 7


def test_warm_up_is_run_and_not_counted(timed):
    measured, session = timed(900, 800, 10, 10, 10, warmup=2)
    assert measured.times.tolist() == [10, 10, 10] and measured.warmup == 2 and len(session.batches) == 5


def test_one_batch_in_memory_serves_every_round(timed):
    _, session = timed(1, 1, 1, batch_size=3)
    assert all(batch is session.batches[0] for batch in session.batches)
    assert session.batches[0].shape == (3, 3, 256, 128) and session.batches[0].dtype == np.float32
    assert np.unique(session.batches[0]).size > 1000  # no constant that a kernel could skip


def test_the_seed_decides_the_batch(timed):
    batches = [timed(1, batch_size=1, seed=seed)[1].batches[0] for seed in (0, 0, 1)]
    assert np.array_equal(batches[0], batches[1]) and not np.array_equal(batches[0], batches[2])


def test_summary_is_in_the_words_of_the_guide(timed):
    lines = timed(4, 5, batch_size=1)[0].summary().splitlines()
    assert lines[0] == "-----------------PureInfer Performance Summary------------------"
    assert lines[1] == "[INFO] ave_throughputRate: 225.000samples/s, ave_latency: 4.50000ms"
    form = r"\[INFO\] ave_throughputRate: \d+\.\d{3}samples/s, ave_latency: \d+\.\d{5}ms"
    assert re.fullmatch(form, lines[1]) and re.fullmatch(form, GUIDE)


def test_the_guide_s_own_figures_fit_our_definitions():
    """2.2 % lie between its rate and 1/latency: the mean of rates is never below the rate of the mean."""
    rate, latency = (float(v) for v in re.findall(r"\d+\.\d+", GUIDE))
    assert rate > 1000 / latency
    times = np.array([latency - 0.63, latency + 0.63])  # a spread that explains it
    measured = Benchmark(times, 1, 5, {})
    assert measured.ave_latency == pytest.approx(latency)
    assert measured.ave_throughput_rate == pytest.approx(rate, rel=0.002)


@pytest.mark.parametrize(
    "batch_size, rounds, warmup, words",
    [
        (0, 50, 5, "batch_size 0 is not a whole number from 1 to 65536"),
        (-1, 50, 5, "batch_size -1 is not"),
        (8, 0, 5, "rounds 0 is not a whole number from 1 to 10000000"),
        (8, 50, -1, "warmup -1 is not a whole number from 0 to 10000000"),
    ],
)
def test_nothing_to_time(batch_size, rounds, warmup, words):
    with pytest.raises(SessionError, match=f"^benchmark: {words}"):
        run_benchmark(SimpleNamespace(batch_size=None), batch_size, rounds, warmup)


@pytest.mark.parametrize("batch_size", [1, 7, 9])
def test_a_fixed_batch_is_not_padded(batch_size):
    session = Fake(Clock(), batch_size=8)
    with pytest.raises(
        SessionError,
        match=rf"fixed to batch 8, not {batch_size}\. "
        rf"Benchmark it with --batch-size 8, or simplify the ONNX for "
        rf"{batch_size}",
    ):
        run_benchmark(session, batch_size, 1, 0, progress=False)
    assert not session.batches


def test_a_fixed_batch_of_its_own_size_runs(monkeypatch):
    session = Fake(Clock(2), batch_size=8)
    monkeypatch.setattr(benchmark, "time", session.clock)
    assert run_benchmark(session, 8, 1, 0, progress=False, watch=Unwatched()).throughput == pytest.approx(4000)


def test_the_start_signal_comes_between_warm_up_and_the_first_round(timed):
    events = []
    measured, _session = timed(
        1,
        2,
        3,
        4,
        warmup=1,
        start=lambda: events.append(len(events)),
        advance=lambda index: events.append(f"round {index}"),
    )
    assert events == ["round -1", 1, "round 0", "round 1", "round 2"]
    assert measured.times.tolist() == [2, 3, 4]


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_the_batch_has_the_type_that_the_session_takes(dtype):
    session = Fake(Clock(0, 1))
    session.input_dtype = np.dtype(dtype)
    run_benchmark(session, 2, 1, 1, progress=False, settle=0, watch=Unwatched())
    batch, _ = session.batches
    assert batch.dtype == dtype and np.unique(batch).size > 100
    assert dtype != "uint8" or (batch.min(), batch.max()) == (0, 255)


def simulated(rounds: int = 3, **options) -> Benchmark:
    return Benchmark(np.arange(1.0, rounds + 1), 8, 5, {"backend": "ascend", "simulated": True}, **options)


def test_a_simulated_device_never_reports_a_speed():
    measured = simulated(device=1, together=(0, 1), overlap=0.9)
    assert measured.simulated and np.isnan(measured.times).all()
    assert all(np.isnan(v) for v in (measured.throughput, measured.ave_throughput_rate, measured.ave_latency))
    values = json.loads(json.dumps(measured.values()))
    assert values.pop("not_measured") == NOT_MEASURED == "simulated device: not measured"
    assert values.pop("latency_ms") == dict.fromkeys(("mean", "median", "p90", "p99", "min", "max", "std"))
    assert values == {
        "throughput": None,
        "ave_throughputRate": None,
        "ave_latency": None,
        "relative_spread": None,
        "rounds": 3,
        "times_ms": [],
        "device": 1,
        "together": [0, 1],
        "overlap": None,
    }
    assert measured.summary().splitlines()[1] == (
        f"[INFO] ave_throughputRate: {NOT_MEASURED}, ave_latency: {NOT_MEASURED}"
    )
    assert measured.details() == f"device 1, batch 8: {NOT_MEASURED}"
    assert not re.search(r"\d", measured.summary())


def test_a_simulated_run_is_marked_by_its_session(timed, monkeypatch):
    monkeypatch.setattr(Fake, "describe", lambda self: {"simulated": True})
    assert timed(10, 20)[0].values()["throughput"] is None
    monkeypatch.setattr(Fake, "describe", lambda self: {"simulated": False})
    assert timed(10, 20)[0].values()["throughput"] > 0


def test_details_in_one_line(timed):
    assert timed(10, 20, 40, 30)[0].details() == (
        "batch 8: 320.00 images/s; per batch mean 25.000 ms, median 25.000, p90 37.000, p99 39.700, spread 51.6 %"
    )


def test_a_card_is_the_sum_of_devices_timed_together():
    pair = [Benchmark(np.array([10.0 * n]), 1, 0, {}, device=n, together=(2, 1)) for n in (1, 2)]
    assert sum_throughput(pair) == pytest.approx(100 + 50)
    assert sum_throughput([Benchmark(np.array([10.0]), 1, 0, {})]) == pytest.approx(100)
    for wrong in ([], pair[:1] * 2, [pair[0], Benchmark(np.array([1.0]), 1, 0, {}, device=3)]):
        with pytest.raises(SessionError, match="not timed together"):
            sum_throughput(wrong)


# ---- warm-up and verdict --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "least, settle, times, calls",
    [
        (0, 25, [], 0),  # none is asked for
        (5, 25, [10.0] * 5, 5),
        (1, 25, [10.0] * 4, 4),  # fewer cannot tell
        (5, 25, [2.0] * 20, 20),  # all alike, yet as slow as a core is that has just woken
        (5, 1, [2.0] * 20, 20),
        (5, 0, [2.0] * 5, 5),
        (5, 25, [90, 50, 30, 20, 15, 12, 10, 10, 10.2, 10.0], 10),  # until the latest three bring nothing new
        (5, 25, [10, 10, 10, 10, 11], 5),  # a slow round is no warm-up
        (2, 4, [64.0, 32, 16, 8, 4, 2], 6),  # bounded
        (3, 0, [9.0, 6, 3], 3),
    ],
)
def test_warm_up_ends_when_times_have_settled(least, settle, times, calls, monkeypatch):
    monkeypatch.setattr(benchmark, "SETTLES_IN", 40.0)
    pending, heard = list(times), []
    assert warm_up(lambda: pending.pop(0), least, settle, heard.append) == calls
    assert not pending and heard == [-1] * calls


@pytest.mark.parametrize(
    "times, settled", [([5.0] * 3, False), ([5.0] * 4, True), ([9, 5, 5, 5], False), ([9, 5, 5, 5, 5, 4.8], True)]
)
def test_what_settled_means(times, settled):
    assert has_settled(times) is settled


def test_rounds_of_a_longer_warm_up_are_told(monkeypatch):
    session = Fake(Clock(40, 30, 20, 10, 10, 10, 10, 7, 7))
    monkeypatch.setattr(benchmark, "time", session.clock)
    measured = run_benchmark(session, 8, 2, 2, progress=False, watch=Unwatched())
    assert measured.warmup == 7 and measured.times.tolist() == [7, 7]


def seen(foreign: float) -> Watched:
    span = Span(2.0, foreign, 0.0, 0.0, 0.0, 1.0)
    return Watched(span, span, span, span, cores=2)


def of(times: float, foreign: float) -> Benchmark:
    return Benchmark(np.full(20, times), 8, 5, {"threads": 2}, watched=seen(foreign))


def test_the_verdict_is_among_the_figures():
    values = json.loads(json.dumps(of(10, 1.0).values()))
    assert values["verdict"] == "disturbed" and values["reasons"] == ["other programs used 1.00 cores, more than 0.1"]
    assert values["evidence"]["counters"]["during"]["foreign"] == 1.0 and "other" not in values
    assert of(10, 0.0).values()["verdict"] == "quiet" and simulated().verdict is None
    assert "verdict" not in simulated().values()


@pytest.mark.parametrize(
    "first, second, kept",
    [
        (of(10, 1.0), of(12, 0.0), 12),  # quiet before fast
        (of(10, 0.0), of(8, 1.0), 10),
        (of(10, 1.0), of(8, 1.0), 8),  # of two disturbed ones the faster
    ],
)
def test_the_better_of_two_is_kept_and_knows_the_other(first, second, kept):
    chosen = better(first, second)
    assert chosen.times[0] == kept
    other = chosen.values()["other"]
    assert {other["throughput"], chosen.throughput} == {first.throughput, second.throughput}
    assert other["verdict"] == str(chosen.other.verdict)
