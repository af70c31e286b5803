"""Whether a timing was disturbed: by what the machine counted meanwhile, and by what the times look like."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from .counters import Counters, read_counters
from .host import usable_cores

QUIET, DISTURBED, UNSURE = "quiet", "disturbed", "unknown"

# The bounds of a verdict. What is below them happens on every idle machine.
FOREIGN_CORES = 0.1  # of one core, used by others: services of an idle system take some hundredths, a busy loop all
FOREIGN_SHARE = 0.01  # of all cores, where that is more: each core has its own timers and kernel threads
FOREIGN_MOST = 0.5  # cores; a busy loop is seen however many cores there are
STEAL_CORES = 0.05  # of one core, given to other guests of a hypervisor: five hundredths of a second in each second
THROTTLED_SHARE = 0.01  # of the time, stopped by a quota
SWITCHES = 20.0  # a second and thread, taken off its core: an idle system makes a few, a neighbour on the core dozens
DRIFT = 0.10  # between the medians of the first and the last third: turbo and warmth change a clock by some per cent
TAIL = 1.5  # p99 over median; rounds of equal work differ by a few per cent
HICCUP_MS = 5.0  # beyond TAIL: one timer or page fault, which a round of a millisecond must be allowed
RESOLUTION = 0.03  # processor seconds by which the kernel's ticks may be off between two readings
SHORTEST = 0.5  # seconds that counters must span to tell anything: 0.03 are then less than a busy neighbour takes
ASIDE = 0.25  # seconds watched before and after the rounds, at least
THIRD = 3  # rounds in a third, at least, for a drift to be told from chance


@dataclass(frozen=True)
class Span:
    """What happened between two readings of the counters, in cores: processor seconds a second.

    Attributes
    ----------
    seconds : float
    foreign, steal : float, optional
        Cores that others used, without `RESOLUTION`, and that a hypervisor gave away.
    switches : float, optional
        Involuntary switches a second.
    throttled : float, optional
        The share of the time in which a quota stopped us.
    load : float, optional
        The mean of running tasks over the minute before its end.
    """

    seconds: float
    foreign: float | None = None
    steal: float | None = None
    switches: float | None = None
    throttled: float | None = None
    load: float | None = None

    @classmethod
    def between(cls, first: Counters, last: Counters) -> Span:
        seconds = max(last.at - first.at, 1e-9)

        def rate(name: str) -> float | None:
            before, after = getattr(first, name), getattr(last, name)
            return None if before is None or after is None else max(0.0, after - before) / seconds

        busy, own = rate("busy"), rate("own")
        foreign = None if busy is None or own is None else max(0.0, busy - own - RESOLUTION / seconds)
        stopped = rate("throttled")  # counted for each core, so that it can exceed the time that passed
        return cls(
            seconds,
            foreign,
            rate("steal"),
            rate("switches"),
            None if stopped is None else min(stopped, 1.0),
            last.load,
        )


@dataclass(frozen=True)
class Watched:
    """A timing as the counters saw it: `before` it, `during` its rounds, `after` it, and the `whole` of all three."""

    before: Span
    during: Span
    after: Span
    whole: Span
    cores: int = field(default_factory=usable_cores)

    @property
    def decisive(self) -> Span | None:
        """The span to judge by: that of the rounds, or all three where that is too short; None where those are too."""
        return next((span for span in (self.during, self.whole) if span.seconds >= SHORTEST), None)


class Watch:
    """Readings around a timing: made before the warm-up, `start` before the first round, `stop` after the last one.

    Parameters
    ----------
    tree : int, optional
        See `read_counters`.
    read, sleep : callable, optional
        In place of the counters of this machine and of waiting.
    """

    def __init__(
        self,
        tree: int | None = None,
        read: Callable[[int | None], Counters] = read_counters,
        sleep: Callable[[float], object] = time.sleep,
    ):
        self._tree, self._read, self._sleep = tree, read, sleep
        self._readings = [read(tree)]

    def start(self, signal: Callable[[], object] | None = None) -> None:
        """End what is before the rounds; `signal` may then wait for others who start at the same time."""
        self._readings.append(self._spaced())
        if signal:
            signal()
            self._readings.append(self._read(self._tree))

    def stop(self) -> Watched:
        first, quiet, *_, start = (*self._readings, self._readings[-1])
        stop = self._read(self._tree)
        self._readings.append(stop)
        last = self._spaced()
        return Watched(
            Span.between(first, quiet),
            Span.between(start, stop),
            Span.between(stop, last),
            Span.between(first, last),
        )

    def _spaced(self) -> Counters:
        """A reading that is `ASIDE` after the last one, or later."""
        now = self._read(self._tree)
        if (left := ASIDE - (now.at - self._readings[-1].at)) > 0:
            self._sleep(left)
            now = self._read(self._tree)
        return now


@dataclass(frozen=True)
class Verdict:
    """Quiet, disturbed or unknown, why, and all that it was judged by, ready for JSON."""

    word: str
    reasons: tuple[str, ...]
    evidence: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.word}: {'; '.join(self.reasons)}" if self.reasons else self.word

    @property
    def disturbed(self) -> bool:
        return self.word == DISTURBED


def foreign_bound(cores: int) -> float:
    """Cores that others may use beside a quiet timing on a machine of so many cores."""
    return min(max(FOREIGN_CORES, FOREIGN_SHARE * cores), FOREIGN_MOST)


def judge(
    times_ms: Sequence[float] | np.ndarray | None, watched: Watched | None = None, threads: int | None = None
) -> Verdict:
    """The verdict on a timing.

    Parameters
    ----------
    times_ms : sequence of float, optional
        Milliseconds of each round, all of the same work; None where the work differed, so that only counters tell.
    watched : Watched, optional
        The counters; without them, or where the system has none, steady times are *unknown*, never *quiet*.
    threads : int, optional
        Threads that were timed; involuntary switches are judged for each.
    """
    reasons, shape = ([], None) if times_ms is None else _shaped(np.asarray(times_ms, np.float64))
    span = watched.decisive if watched else None
    if watched and span:
        reasons += _counted(span, watched.cores, threads or watched.cores)
    evidence: dict[str, Any] = {"times": shape, "counters": asdict(watched) if watched else None}
    if reasons:
        return Verdict(DISTURBED, tuple(reasons), evidence)
    if span is None:
        short = f"over in {watched.whole.seconds:.2f} s, too short for its counters" if watched else "nobody watched it"
        return Verdict(UNSURE, (short,), evidence)
    if span.foreign is None:
        return Verdict(UNSURE, ("this system does not tell what other programs use",), evidence)
    return Verdict(QUIET, (), evidence)


def _shaped(times: np.ndarray) -> tuple[list[str], dict[str, Any]]:
    """What the times themselves say: reasons, and what they are made of."""
    drift, median, p99 = _drift(times), float(np.median(times)), float(np.percentile(times, 99))
    reasons = []
    if drift is not None and abs(drift) > DRIFT:
        reasons.append(f"the last third of the rounds took {drift:+.0%} against the first")
    if p99 > TAIL * median + HICCUP_MS:
        reasons.append(f"the 99th percentile is {p99 / median:.1f} times the median")
    return reasons, {"drift": drift, "median_ms": median, "p99_ms": p99, "p99_over_median": p99 / median}


def _drift(times: np.ndarray) -> float | None:
    """By how much the median of the last third is above that of the first, as a fraction; None of few rounds."""
    third = len(times) // 3
    return float(np.median(times[-third:]) / np.median(times[:third])) - 1 if third >= THIRD else None


def _counted(span: Span, cores: int, threads: int) -> list[str]:
    reasons = []
    if span.foreign is not None and span.foreign > (bound := foreign_bound(cores)):
        reasons.append(f"other programs used {span.foreign:.2f} cores, more than {bound:.2g}")
    if span.steal is not None and span.steal > STEAL_CORES:
        reasons.append(f"the hypervisor gave {span.steal:.2f} cores to others")
    if span.throttled is not None and span.throttled > THROTTLED_SHARE:
        reasons.append(f"a quota stopped it for {span.throttled:.0%} of the time")
    # Where others' use is known, switches add nothing: threads of our own make some too.
    if span.foreign is None and span.switches is not None and span.switches > SWITCHES * threads:
        reasons.append(f"its threads were interrupted {span.switches:.0f} times a second")
    return reasons
