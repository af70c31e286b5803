"""Pure inference timed honestly: warm-up until it settles, every round kept, spread reported, and a verdict on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property

import numpy as np
from tqdm import tqdm

from ..checks import MOST_IMAGES, MOST_ROUNDS, whole_number
from ..core.conditions import SessionFacts
from ..core.disturbance import Verdict, Watch, Watched, judge
from ..core.results import NOT_MEASURED
from ..errors import SessionError
from .session import Session

SETTLE = 25  # rounds of warm-up at most beyond those asked for: caches fill in a few, a clock that ramps up takes more
SETTLES_IN = 200.0  # milliseconds of warm-up at least: a core that slept, or is shared, is slow for as long
_LATEST = 3  # rounds that bring nothing new when times have settled
_GAIN = 0.05  # how much faster the latest may be than all before; a warm-up makes rounds faster by more


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Times of one benchmark.

    Attributes
    ----------
    times : float64 array, shape (rounds,)
        Wall-clock milliseconds of each round: one call of the session on one full batch held in
        memory. Decoding and preprocessing are outside. NaN on a simulated device: its times would
        say how fast the simulation is, so they are dropped here, and every figure made of them is NaN.
    batch_size, warmup : int
        Images a round; rounds before those that count.
    conditions : dict
        The session's own description, of which `session` is a view.
    device : int, optional
        Its number.
    together : tuple of int
        The devices that were timed at the same time, this one among them; empty for one alone.
    overlap : float, optional
        The share of this device's time in which all of `together` were at work.
    watched : Watched, optional
        What the machine counted meanwhile.
    other : Benchmark, optional
        A measurement of the same, to which this one is preferred.
    """

    times: np.ndarray
    batch_size: int
    warmup: int
    conditions: dict
    device: int | None = None
    together: tuple[int, ...] = ()
    overlap: float | None = None
    watched: Watched | None = None
    other: Benchmark | None = None

    def __post_init__(self) -> None:
        if self.simulated:
            object.__setattr__(self, "times", np.full(len(self.times), np.nan))
            object.__setattr__(self, "overlap", None)

    def __repr__(self) -> str:
        rounds = f"at batch {self.batch_size}, {len(self.times)} rounds"
        if self.verdict is None:
            return f"{NOT_MEASURED} ({rounds})"
        return f"{self.throughput:.1f} images/s, {self.ave_latency:.2f} ms an image ({rounds}, {self.verdict.word})"

    @property
    def session(self) -> SessionFacts:
        return SessionFacts.read(self.conditions)

    @property
    def simulated(self) -> bool:
        """Whether a stand-in computed in place of a device; then there is no speed."""
        return bool(self.session.simulated)

    @cached_property
    def verdict(self) -> Verdict | None:
        """Whether it was disturbed; None on a simulated device, which has no speed to disturb."""
        return None if self.simulated else judge(self.times, self.watched, self.session.threads)

    @property
    def throughput(self) -> float:
        """Images per second: images of all rounds over the time of all rounds."""
        return float(1000 * self.batch_size * len(self.times) / self.times.sum())

    @property
    def ave_throughput_rate(self) -> float:
        """Images per second as Huawei's benchmark tool averages it: the mean of each round's rate."""
        return float((1000 * self.batch_size / self.times).mean())

    @property
    def ave_latency(self) -> float:
        """Milliseconds per image (not per batch), as Huawei's benchmark tool prints it."""
        return float(self.times.mean() / self.batch_size)

    def values(self) -> dict:
        """Every figure of the measurement, for a result file; times in milliseconds.

        On a simulated device every speed is None, and ``not_measured`` says why.
        """
        t = self.times
        several = {"device": self.device, "together": list(self.together), "overlap": self.overlap}
        if self.simulated:
            latency = dict.fromkeys(("mean", "median", "p90", "p99", "min", "max", "std"))
            return {
                "not_measured": NOT_MEASURED,
                "throughput": None,
                "ave_throughputRate": None,
                "ave_latency": None,
                "latency_ms": latency,
                "relative_spread": None,
                "rounds": len(t),
                "times_ms": [],
                **(several if self.together else {}),
            }
        mean, spread = float(t.mean()), float(t.std(ddof=1)) if len(t) > 1 else 0.0
        return {
            "throughput": self.throughput,
            "ave_throughputRate": self.ave_throughput_rate,
            "ave_latency": self.ave_latency,
            "latency_ms": {
                "mean": mean,
                "median": float(np.median(t)),
                "p90": float(np.percentile(t, 90)),
                "p99": float(np.percentile(t, 99)),
                "min": float(t.min()),
                "max": float(t.max()),
                "std": spread,
            },
            "relative_spread": spread / mean,
            "rounds": len(t),
            "times_ms": [round(float(v), 4) for v in t],
            **(several if self.together else {}),
            **self._judged(),
        }

    def _judged(self) -> dict:
        assert self.verdict
        judged: dict = asdict(self.verdict)
        judged = {"verdict": judged.pop("word"), "reasons": list(judged.pop("reasons")), **judged}
        if self.other:
            judged["other"] = {"throughput": self.other.throughput, "verdict": str(self.other.verdict)}
        return judged

    def summary(self) -> str:
        """The lines of Huawei's benchmark tool, same words, same units."""
        rate, latency = f"{self.ave_throughput_rate:.3f}samples/s", f"{self.ave_latency:.5f}ms"
        if self.simulated:
            rate = latency = NOT_MEASURED
        return (
            "-----------------PureInfer Performance Summary------------------\n"
            f"[INFO] ave_throughputRate: {rate}, ave_latency: {latency}\n"
            "----------------------------------------------------------------"
        )

    def details(self) -> str:
        """Throughput, percentiles and spread in one line."""
        start = f"batch {self.batch_size}" if self.device is None else f"device {self.device}, batch {self.batch_size}"
        if self.simulated:
            return f"{start}: {NOT_MEASURED}"
        values = self.values()
        latency = values["latency_ms"]
        return (
            f"{start}: {self.throughput:.2f} images/s; per batch mean {latency['mean']:.3f} ms, "
            f"median {latency['median']:.3f}, p90 {latency['p90']:.3f}, p99 {latency['p99']:.3f}, "
            f"spread {100 * values['relative_spread']:.1f} %"
        )


def sum_throughput(measured: Sequence[Benchmark]) -> float:
    """Images per second of devices that were timed together: the sum of their rates; NaN when simulated.

    Raises
    ------
    SessionError
        Nothing, or times that were not taken together: their sum is no rate that was ever reached.
    """
    devices = sorted(m.device for m in measured if m.device is not None)
    if not measured or (len(measured) > 1 and any(sorted(m.together) != devices for m in measured)):
        raise SessionError(
            "these devices were not timed together",
            where="benchmark",
            cure="Give all the benchmarks of one call of benchmark_devices.",
        )
    return sum(m.throughput for m in measured)


def run_benchmark(
    session: Session,
    batch_size: int,
    rounds: int = 50,
    warmup: int = 5,
    progress: bool = True,
    seed: int = 0,
    start: Callable[[], object] | None = None,
    advance: Callable[[int], object] | None = None,
    settle: int = SETTLE,
    watch: Watch | None = None,
) -> Benchmark:
    """Time a session on one random batch.

    Parameters
    ----------
    batch_size : int
        Images a round; a session of fixed batch takes only its own, for a padded batch would be
        timed at a rate it does not have.
    rounds, warmup : int
        Timed calls, and untimed calls before them at least; 0 is a start without warm-up.
    start, advance : callable, optional
        Called between the warm-up and the first timed round, and after each round with its index (below 0 in the
        warm-up); the time they take is not counted.
    settle : int
        Calls more at most before times count as settled; 0 keeps to `warmup`.
    watch : Watch, optional
        Reads what the machine counts; by default one that takes this process and its children for our own.

    Raises
    ------
    SessionError
        A batch the session does not take, or no rounds.
    """
    check_benchmark(batch_size, rounds, warmup)
    images = random_batch(session, batch_size, seed)
    simulated = session.facts.simulated
    watch = Watch() if watch is None and not simulated else watch
    heard = advance or (lambda index: None)
    times = np.empty(rounds)
    with tqdm(total=rounds, desc=f"batch {batch_size}", unit="round", disable=not progress) as bar:
        before = warm_up(lambda: time_round(session, images), warmup, settle, heard)
        if watch:
            watch.start(start)
        elif start:
            start()
        for index in range(rounds):
            times[index] = time_round(session, images)
            heard(index)
            bar.update()
    return Benchmark(times, batch_size, before, session.describe(), watched=watch.stop() if watch else None)


def random_batch(session: Session, batch_size: int, seed: int = 0) -> np.ndarray:
    """A batch of noise as the session takes it; SessionError where it is fixed to another batch size."""
    if session.batch_size not in (None, batch_size):
        raise SessionError(
            f"the model is fixed to batch {session.batch_size}, not {batch_size}",
            where="benchmark",
            cure=f"Benchmark it with --batch-size {session.batch_size}, or simplify the ONNX for {batch_size}.",
        )
    random, shape = np.random.default_rng(seed), (batch_size, *session.input_shape[1:])
    if session.input_dtype == np.uint8:  # normalised on the device
        return random.integers(0, 256, shape, np.uint8)
    return random.standard_normal(shape, dtype=np.float32).astype(session.input_dtype, copy=False)


def time_round(session: Session, images: np.ndarray) -> float:
    """Milliseconds of one call."""
    started = time.perf_counter_ns()
    session.run(images)
    return (time.perf_counter_ns() - started) / 1e6


def warm_up(
    call: Callable[[], float], least: int, settle: int = SETTLE, advance: Callable[[int], object] = lambda index: None
) -> int:
    """Call until times have settled; returns how often.

    `least` times, then until `SETTLES_IN` is over and times have settled, or after `settle` more calls without; for a
    `least` of 0 none at all, for a `settle` of 0 no more than `least`.
    """
    times: list[float] = []

    def unsettled() -> bool:
        return sum(times) < SETTLES_IN or (len(times) < least + settle and not has_settled(times))

    while len(times) < least or (least and settle and unsettled()):
        times.append(call())
        advance(-1)
    return len(times)


def has_settled(times: Sequence[float]) -> bool:
    """Whether the latest rounds are no longer faster than all before them by more than chance makes them."""
    return len(times) > _LATEST and min(times[-_LATEST:]) >= (1 - _GAIN) * min(times[:-_LATEST])


def better(first: Benchmark, second: Benchmark) -> Benchmark:
    """The one of two measurements of the same that was disturbed less, and knows the other.

    A quiet one before others; of two alike the faster, for what disturbs takes time and never gives any.
    """
    kept, other = sorted(
        (first, second), key=lambda one: (bool(one.verdict and one.verdict.disturbed), -one.throughput)
    )
    return replace(kept, other=other)


def check_benchmark(batch_size: int, rounds: int, warmup: int) -> None:
    """Refuse numbers with which nothing is timed; SessionError."""
    whole_number(batch_size, "batch_size", at_most=MOST_IMAGES, where="benchmark")
    for name, value, least in (("rounds", rounds, 1), ("warmup", warmup, 0)):
        whole_number(value, name, at_least=least, at_most=MOST_ROUNDS, where="benchmark")
