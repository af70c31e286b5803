"""Several sessions timed side by side: their rounds alternate, so that what disturbs one disturbs the others alike."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from math import comb

import numpy as np
from tqdm import tqdm

from ..core.disturbance import Watch
from ..errors import SessionError
from .benchmark import SETTLE, Benchmark, check_benchmark, random_batch, time_round, warm_up
from .session import Session

CONFIDENCE = 0.95  # of the interval of a ratio, at least


@dataclass(frozen=True)
class Ratio:
    """How many times as fast one session is as another: the median of pairs of neighbouring rounds.

    Attributes
    ----------
    median : float
    low, high : float, optional
        The interval that holds the median of all such pairs with a probability of `CONFIDENCE`, from the order of the
        pairs alone; None where there are too few of them.
    pairs : int
    """

    median: float
    low: float | None
    high: float | None
    pairs: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            interval = "too few for an interval"
        else:
            interval = f"{CONFIDENCE:.0%} interval {self.low:.3f} to {self.high:.3f}"
        return f"{self.median:.3f} times as fast (median of {self.pairs} pairs, {interval})"

    def values(self) -> dict:
        """Ready for JSON."""
        return {"median": self.median, "interval": [self.low, self.high], "pairs": self.pairs}


def paired_ratio(reference_ms: np.ndarray, candidate_ms: np.ndarray) -> Ratio:
    """The ratio of speeds of rounds that were timed in pairs, positive milliseconds of each."""
    ratios = np.sort(np.asarray(reference_ms, np.float64) / np.asarray(candidate_ms, np.float64))
    n = len(ratios)
    # Each ratio lies below the true median with probability 1/2, so that the number of those that do is binomial.
    outside, rank = 1 / 2**n, 0
    while 2 * (outside + comb(n, rank + 1) / 2**n) <= 1 - CONFIDENCE:
        rank += 1
        outside += comb(n, rank) / 2**n
    known = 2 * outside <= 1 - CONFIDENCE
    low, high = (float(ratios[rank]), float(ratios[n - 1 - rank])) if known else (None, None)
    return Ratio(float(np.median(ratios)), low, high, n)


def run_side_by_side(
    sessions: Sequence[Session],
    batch_size: int,
    rounds: int = 50,
    warmup: int = 5,
    progress: bool = True,
    seed: int = 0,
    settle: int = SETTLE,
    watch: Watch | None = None,
    pause: float = 0.0,
) -> list[Benchmark]:
    """`run_benchmark` for several sessions, a round of each in turn; who begins changes from round to round.

    Parameters
    ----------
    pause : float
        Seconds before each round, for threads of the session before that spin on for a while.

    Returns
    -------
    list of Benchmark
        In the order of `sessions`. `paired_ratio` compares their times.

    Raises
    ------
    SessionError
        As `run_benchmark`; a simulated device, whose times say nothing.
    """
    check_benchmark(batch_size, rounds, warmup)
    for session in sessions:
        if session.facts.simulated:
            raise SessionError(
                "a simulated device has no speed to compare", where=session.model, cure="Compare models on real ones."
            )
    batches = [random_batch(session, batch_size, seed) for session in sessions]
    watch = Watch() if watch is None else watch
    before = [
        warm_up(partial(time_round, session, images), warmup, settle) for session, images in zip(sessions, batches)
    ]
    watch.start()
    times, count = np.empty((len(sessions), rounds)), len(sessions)
    for index in tqdm(range(rounds), desc=f"batch {batch_size}, {count} models", unit="round", disable=not progress):
        for place in range(count):
            which = (index + place) % count
            time.sleep(pause)
            times[which, index] = time_round(sessions[which], batches[which])
    watched = watch.stop()
    return [
        Benchmark(times[which], batch_size, before[which], session.describe(), watched=watched)
        for which, session in enumerate(sessions)
    ]
