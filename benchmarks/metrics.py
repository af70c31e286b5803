"""Time the Market-1501 evaluation, distances included, against plain re-implementations, in one run.

    python benchmarks/metrics.py [--queries 3368 --gallery 15913 --rounds 5] [--metric cosine] [--json FILE]

Rounds alternate between the contestants, so that a busy neighbour slows both; processor time, summed over all threads,
tells how much work was done whatever the neighbours did. Features are synthetic, as hard as those of a small OSNet: 750
identities under six cameras, distractors in Market-1501's proportion. All must give the same figures, else the exit
code is 1. Peak memory is what numpy and Python allocate during a call, inputs left out.

The loop in the way of torchreid's Python path is timed on the first queries only, and its time is scaled to all of
them: sorting, scoring and the matrix product take the same time for every query.
"""

from __future__ import annotations

import argparse
import sys
import time
import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
from argsort_loop import argsort_loop, distance_matrix, list_loop
from command import command, finish, parse, refusals
from process import summary
from synthetic import MARKET, Split, market_like
from tqdm import tqdm

from osnet_lib.core.host import environment
from osnet_lib.metrics import METRICS, Evaluation, evaluate

# Two images within float32 rounding of each other may swap: a single query, and mAP in the sixth digit.
HIT_TOLERANCE, MAP_TOLERANCE = 1, 1e-5


def by_loop(
    loop: Callable[..., tuple[np.ndarray, np.ndarray]], query: Split, gallery: Split, metric: str
) -> tuple[np.ndarray, np.ndarray]:
    """AP and first hit of each query by a plain loop, distances included."""
    return loop(distance_matrix(query[0], gallery[0], metric), *query[1:], *gallery[1:])


def peak_bytes(call: Callable[[], Any]) -> tuple[Any, int]:
    """The result of a call and the most memory it held."""
    tracemalloc.start()
    try:
        return call(), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def time_alternately(calls: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Wall-clock and processor seconds of every round of every call, the calls taking turns."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in calls}
    for _ in tqdm(range(rounds), desc="rounds", unit="round"):
        for name, call in calls.items():
            wall, processor = time.perf_counter(), time.process_time()
            call()
            times[name].append((time.perf_counter() - wall, time.process_time() - processor))
    return times


def differences(ours: Evaluation, ap: np.ndarray, first_hit: np.ndarray) -> dict[str, float]:
    """How far the two results are apart, in queries per rank and in mAP."""
    found = first_hit[first_hit >= 0]
    hits = {f"rank{k}_queries": abs(ours.hits(k) - int((found < k).sum())) for k in (1, 5, 10, 20)}
    return {"valid_queries": abs(ours.num_valid - len(found)), **hits, "mAP": abs(ours.mAP - float(np.nanmean(ap)))}


def agree(difference: dict[str, float]) -> bool:
    """Whether `differences` are within what float32 rounding explains."""
    ranks = max(value for name, value in difference.items() if name.startswith("rank"))
    return not difference["valid_queries"] and ranks <= HIT_TOLERANCE and difference["mAP"] <= MAP_TOLERANCE


def loops_agree(whole: tuple[np.ndarray, np.ndarray], part: tuple[np.ndarray, np.ndarray]) -> bool:
    """Whether a loop over the first queries gives what the loop over all gave for them, up to rounding."""
    (ap, first_hit), number = whole, len(part[0])
    moved = np.count_nonzero(first_hit[:number] != part[1])
    return bool(moved <= HIT_TOLERANCE and np.nansum(abs(ap[:number] - part[0])) <= MAP_TOLERANCE * len(ap))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run everything and return the measurement as plain values."""
    query, gallery = market_like(options.queries, options.gallery, options.width, options.seed)
    some = tuple(part[: options.loop_queries] for part in query)
    calls: dict[str, Callable[[], Any]] = {
        "matrix product alone": lambda: query[0] @ gallery[0].T,
        "evaluate": lambda: evaluate(query, gallery, metric=options.metric, max_rank=min(50, options.gallery)),
        "argsort loop": lambda: by_loop(argsort_loop, query, gallery, options.metric),
        "list loop": lambda: by_loop(list_loop, some, gallery, options.metric),
    }
    results, peaks = {}, {}
    for name, call in calls.items():  # the warm-up, which memory tracing would only slow down
        results[name], peaks[name] = peak_bytes(call)
    results.pop("matrix product alone")
    ours, (ap, first_hit) = results["evaluate"], results["argsort loop"]
    difference = differences(ours, ap, first_hit)
    same = agree(difference) and loops_agree((ap, first_hit), results["list loop"])
    del results
    times = time_alternately(calls, options.rounds)
    scale = dict.fromkeys(calls, 1.0) | {"list loop": options.queries / len(some[0])}
    seconds = {
        name: summary(*zip(*((wall * scale[name], processor * scale[name]) for wall, processor in pairs)))
        for name, pairs in times.items()
    }
    names = "queries", "gallery", "width", "metric", "seed", "rounds"
    return {
        "conditions": {
            "benchmark": "metrics",
            **{name: getattr(options, name) for name in names},
            "loop_queries": len(some[0]),
            "environment": environment(),
        },
        "figures": {"rank1": ours.rank(1), "mAP": ours.mAP},
        "difference": difference,
        "same": same,
        "seconds": seconds,
        "peak_bytes": peaks,
        "ratio": seconds["argsort loop"]["median"] / seconds["evaluate"]["median"],
        "ratios": {name: times["median"] / seconds["evaluate"]["median"] for name, times in seconds.items()},
    }


def report(measured: dict[str, Any]) -> str:
    """The measurement as text."""
    conditions = measured["conditions"]
    lines = [
        (
            f"{conditions['queries']} queries x {conditions['gallery']} gallery images x {conditions['width']}, "
            f"{conditions['metric']}, {conditions['environment']['cores']} cores, {conditions['rounds']} rounds"
        ),
        f"{'seconds':24}{'median':>9}{'min':>9}{'max':>9}{'processor':>11}{'peak MB':>9}{'ratio':>8}",
    ]
    for name, times in measured["seconds"].items():
        lines.append(
            f"{name:24}{times['median']:9.3f}{times['min']:9.3f}{times['max']:9.3f}"
            f"{times['processor_median']:11.3f}{measured['peak_bytes'][name] / 1e6:9.0f}"
            f"{measured['ratios'][name]:8.2f}"
        )
    lines.append(f"the argsort loop takes {measured['ratio']:.1f} times as long as evaluate")
    lines.append(
        f"the list loop, torchreid's Python path in our own words, takes "
        f"{measured['ratios']['list loop']:.1f} times as long "
        f"(run on {conditions['loop_queries']} queries, time scaled to {conditions['queries']})"
    )
    differing = ", ".join(f"{name} {value:.2g}" for name, value in measured["difference"].items() if value) or "nothing"
    lines.append(
        f"Rank-1 {measured['figures']['rank1']:.4f}, mAP {measured['figures']['mAP']:.6f}; "
        f"{'same figures' if measured['same'] else 'THE FIGURES DIFFER'} (apart by: {differing})"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where the contestants' figures differ; 2 for options that make no sense."""
    numbers = {"queries": MARKET[0], "gallery": MARKET[1], "width": 512, "rounds": 5, "seed": 0, "loop-queries": 100}
    parser = command(__doc__, numbers)
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0])
    options = parse(parser, numbers, arguments)
    with refusals(parser):
        return finish(measure(options), report, options.json)


if __name__ == "__main__":
    sys.exit(main())
