"""Pure inference timed honestly: warm-up, every round kept, median and spread reported."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from .errors import SessionError
from .session import Session


@dataclass(frozen=True, eq=False)
class Benchmark:
    """Times of one benchmark.

    Attributes
    ----------
    times : float64 array, shape (rounds,)
        Wall-clock milliseconds of each round: one call of the session on one full batch held in
        memory. Decoding and preprocessing are outside.
    batch_size, warmup : int
    conditions : dict
        The session's own description.
    """

    times: np.ndarray
    batch_size: int
    warmup: int
    conditions: dict

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
        """Every figure of the measurement, for a result file; times in milliseconds."""
        t = self.times
        mean, spread = float(t.mean()), float(t.std(ddof=1)) if len(t) > 1 else 0.0
        return {
            "throughput": self.throughput, "ave_throughputRate": self.ave_throughput_rate,
            "ave_latency": self.ave_latency,
            "latency_ms": {"mean": mean, "median": float(np.median(t)), "p90": float(np.percentile(t, 90)),
                           "p99": float(np.percentile(t, 99)), "min": float(t.min()), "max": float(t.max()),
                           "std": spread},
            "relative_spread": spread / mean, "rounds": len(t), "times_ms": [round(float(v), 4) for v in t],
        }

    def summary(self) -> str:
        """The lines of Huawei's benchmark tool, same words, same units."""
        return ("-----------------PureInfer Performance Summary------------------\n"
                f"[INFO] ave_throughputRate: {self.ave_throughput_rate:.3f}samples/s, "
                f"ave_latency: {self.ave_latency:.5f}ms\n"
                "----------------------------------------------------------------")


def run_benchmark(session: Session, batch_size: int, rounds: int = 50, warmup: int = 5, progress: bool = True,
                  seed: int = 0) -> Benchmark:
    """Time a session on one random batch.

    Parameters
    ----------
    batch_size : int
        Images a round; a session of fixed batch takes only its own, for a padded batch would be
        timed at a rate it does not have.
    rounds, warmup : int
        Timed calls, and untimed calls before them.

    Raises
    ------
    SessionError
        A batch the session does not take, or no rounds.
    """
    if batch_size < 1 or rounds < 1 or warmup < 0:
        raise SessionError(f"batch_size {batch_size}, rounds {rounds}, warmup {warmup}", where="benchmark",
                           cure="Give a batch size and rounds of at least 1, and a warm-up of at least 0.")
    if session.batch_size not in (None, batch_size):
        raise SessionError(f"the model is fixed to batch {session.batch_size}, not {batch_size}", where="benchmark",
                           cure=f"Benchmark it with --batch-size {session.batch_size}, or simplify the ONNX for "
                                f"{batch_size}.")
    images = np.random.default_rng(seed).standard_normal((batch_size, *session.input_shape[1:]), dtype=np.float32)
    times = np.empty(rounds)
    for index in tqdm(range(-warmup, rounds), desc=f"batch {batch_size}", unit="round", disable=not progress):
        started = time.perf_counter_ns()
        session.run(images)
        if index >= 0:
            times[index] = (time.perf_counter_ns() - started) / 1e6
    return Benchmark(times, batch_size, warmup, session.describe())
