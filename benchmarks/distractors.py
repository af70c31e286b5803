"""Time the evaluation as distractors are added to the gallery, and take the peak of its memory.

    python benchmarks/distractors.py [--distractors 0 100000 250000 500000 --rounds 3] [--metric cosine] [--json FILE]

Queries and gallery of Market-1501's size, features synthetic, and distractors behind them, each a person of its own.
Every round of every size is a process of its own, the sizes in turns: it makes the features, warms up on a few queries,
takes one time and tells the peak of its memory (resident set, interpreter and inputs included). Galleries are nested,
so no query may score better with more distractors. The exit code is 1 where one does, or where memory exceeds the
limit.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

import numpy as np
from command import command, finish, parse, refusals
from process import peak_rss, run_child, summary
from synthetic import MARKET, market_like
from tqdm import tqdm

from osnet_lib.core.host import environment
from osnet_lib.metrics import METRICS, evaluate

NUMBERS = "queries", "gallery", "width", "metric", "seed"
SIZES = 0, 100_000, 250_000, 500_000
LIMIT = 2.5  # GB, for the largest of SIZES at Market-1501's size
SLACK = 1e-3  # share of the queries in which rounding may swap two images, and so raise the AP


def run_size(options: argparse.Namespace) -> dict[str, Any]:
    """One time at one size in this process."""
    query, gallery = market_like(options.queries, options.gallery, options.width, options.seed, options.distractors[0])
    evaluate(tuple(part[:8] for part in query), gallery, metric=options.metric, max_rank=1)
    wall, processor = time.perf_counter(), time.process_time()
    found = evaluate(query, gallery, metric=options.metric, max_rank=1)
    return {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_rss_bytes": peak_rss(),
        "input_bytes": query[0].nbytes + gallery[0].nbytes,
        "rank1": found.rank(1),
        "mAP": found.mAP,
        "ap": found.ap.round(9).tolist(),
    }


def straight_line(images: list[int], seconds: list[float]) -> dict[str, float]:
    """The line through the times that is nearest by least squares, and how far from it the farthest lies."""
    slope, start = np.polyfit(images, seconds, 1) if len(images) > 1 else (seconds[0] / images[0], 0.0)
    line = start + slope * np.array(images)
    return {
        "seconds_per_image": float(slope),
        "seconds_without_images": float(start),
        "largest_deviation": float(np.max(np.abs(line - seconds)) / max(seconds)),
    }


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds of all sizes."""
    arguments = [word for name in NUMBERS for word in (f"--{name}", getattr(options, name))]
    rounds: dict[int, list[dict[str, Any]]] = {size: [] for size in options.distractors}
    with tqdm(total=options.rounds * len(rounds), desc="rounds", unit="process") as bar:
        for _ in range(options.rounds):
            for size, done in rounds.items():
                done.append(run_child("distractors.py", [*arguments, "--distractors", size, "--one"]))
                bar.update()
    gains = np.nan_to_num(np.diff([done[0]["ap"] for done in rounds.values()], axis=0)) > 1e-6
    sizes = []
    for size, done in rounds.items():
        seconds = summary([r["seconds"] for r in done], [r["processor_seconds"] for r in done])
        images = options.gallery + size
        sizes.append(
            {
                "distractors": size,
                "gallery": images,
                "seconds": seconds,
                "microseconds_per_image": 1e6 * seconds["median"] / images,
                "peak_rss_bytes": max(r["peak_rss_bytes"] for r in done),
                **{name: done[0][name] for name in ("input_bytes", "rank1", "mAP")},
            }
        )
    peak = max(size["peak_rss_bytes"] for size in sizes)
    return {
        "conditions": {
            "benchmark": "distractors",
            **{name: getattr(options, name) for name in (*NUMBERS, "rounds")},
            "environment": environment(),
        },
        "sizes": sizes,
        "line": straight_line([s["gallery"] for s in sizes], [s["seconds"]["median"] for s in sizes]),
        "ratio_per_image": sizes[-1]["microseconds_per_image"] / sizes[0]["microseconds_per_image"],
        "queries_that_gain": int(gains.sum()),
        "same": bool(gains.sum() <= SLACK * gains.size),
        "peak_rss_bytes": peak,
        "limit_bytes": int(options.limit * 1e9),
        "fits": peak <= options.limit * 1e9,
    }


def report(measured: dict[str, Any]) -> str:
    """The measurement as text."""
    conditions, line, sizes = measured["conditions"], measured["line"], measured["sizes"]
    lines = [
        (
            f"{conditions['queries']} queries x {conditions['width']}, {conditions['metric']}, "
            f"{conditions['environment']['cores']} cores, {conditions['rounds']} rounds"
        ),
        (
            f"{'distractors':>11}{'gallery':>9}{'seconds':>9}{'min':>9}{'max':>9}{'us/image':>10}{'inputs MB':>11}"
            f"{'peak RSS MB':>13}{'Rank-1':>9}{'mAP':>9}"
        ),
    ]
    for size in sizes:
        times = size["seconds"]
        lines.append(
            f"{size['distractors']:11d}{size['gallery']:9d}{times['median']:9.2f}{times['min']:9.2f}"
            f"{times['max']:9.2f}{size['microseconds_per_image']:10.2f}{size['input_bytes'] / 1e6:11.0f}"
            f"{size['peak_rss_bytes'] / 1e6:13.0f}{size['rank1']:9.4f}{size['mAP']:9.4f}"
        )
    lines.append(
        f"line through the medians: {line['seconds_without_images']:.2f} s + "
        f"{1e6 * line['seconds_per_image']:.2f} us per gallery image; the farthest is "
        f"{line['largest_deviation']:.1%} of the longest time off it"
    )
    lines.append(
        f"one gallery image takes {measured['ratio_per_image']:.2f} times as long in the largest gallery as "
        "in the smallest"
    )
    lines.append(
        f"peak {measured['peak_rss_bytes'] / 1e9:.2f} GB, inputs included, "
        f"{'within' if measured['fits'] else 'ABOVE'} the {measured['limit_bytes'] / 1e9:g} GB allowed"
    )
    gains = measured["queries_that_gain"]
    lines.append(
        f"{gains or 'no'} queries gain by more distractors, "
        f"{'as it must be' if measured['same'] else 'WHICH CANNOT BE'} up to rounding"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where a score rises or memory exceeds the limit; 2 for options that make no sense."""
    numbers = {"queries": MARKET[0], "gallery": MARKET[1], "width": 512, "rounds": 3, "seed": 0}
    parser = command(__doc__, numbers)
    parser.add_argument("--distractors", type=int, nargs="+", default=SIZES, help="numbers, by default up to 500000")
    parser.add_argument("--metric", choices=METRICS, default=METRICS[0])
    parser.add_argument("--limit", type=float, default=LIMIT, help=f"GB of memory allowed, default {LIMIT}")
    parser.add_argument("--one", action="store_true", help="only take one time of the first size, in this process")
    options = parse(parser, numbers, arguments)
    if min(options.distractors) < 0 or sorted(set(options.distractors)) != list(options.distractors):
        parser.error("give each number of distractors once, from 0, from the smallest to the largest")
    with refusals(parser):
        if options.one:
            print(json.dumps(run_size(options)))
            return 0
        return finish(measure(options), report, options.json)


if __name__ == "__main__":
    sys.exit(main())
