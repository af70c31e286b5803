"""Time k-reciprocal re-ranking against the published dense numpy algorithm, side by side in one run.

    python benchmarks/reranking.py [--queries 842 --gallery 3978 --rounds 3] [--json FILE]
    python benchmarks/reranking.py --queries 3368 --gallery 15913 --rounds 1     # Market-1501's size: minutes, 8 GB

The default is a quarter of Market-1501. Every round of either contestant is a process of its own, in turns: it makes
the same synthetic features, warms up on a few of them, takes one time and tells the peak of its memory (resident set,
interpreter and inputs included). Distances must agree up to rounding, and the scores after re-ranking must be the same,
else the exit code is 1. ``dense_reranking.py`` is the published algorithm in our own words.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from command import command, finish, parse, refusals
from dense_reranking import dense_rerank
from process import peak_rss, run_child, summary
from synthetic import MARKET, Split, market_like
from tqdm import tqdm

from osnet_lib.core.host import environment
from osnet_lib.metrics import evaluate, evaluate_distances
from osnet_lib.metrics.reranking import rerank

CONTESTANTS = {"rerank": rerank, "dense": dense_rerank}
NUMBERS = "queries", "gallery", "width", "k1", "k2", "seed"
WARM_UP = 300  # images of each split
LARGE = 1e-4  # a difference that rounding of one entry does not explain
# Rounding swaps neighbours that are equally far but for it, and so moves a few entries among millions.
SHARE_TOLERANCE, HIT_TOLERANCE, MAP_TOLERANCE = 1e-3, 1, 1e-4


def run_contestant(options: argparse.Namespace) -> dict[str, Any]:
    """One time of one contestant in this process; writes its distances where asked."""
    query, gallery = (split[0] for split in market_like(options.queries, options.gallery, options.width, options.seed))
    call = CONTESTANTS[options.contestant]
    parameters = {"k1": options.k1, "k2": options.k2}
    call(query[:WARM_UP], gallery[:WARM_UP], **parameters)
    wall, processor = time.perf_counter(), time.process_time()
    result = call(query, gallery, **parameters)
    measured = {
        "seconds": time.perf_counter() - wall,
        "processor_seconds": time.process_time() - processor,
        "peak_rss_bytes": peak_rss(),
        "input_bytes": query.nbytes + gallery.nbytes,
    }
    if options.out:
        np.save(options.out, result)
    return measured


def score(query: Split, gallery: Split, dist: np.ndarray | None = None) -> dict[str, Any]:
    """Rank-1 and mAP of distances, or of the features as they are."""
    found = evaluate_distances(query, gallery, distances=dist) if dist is not None else evaluate(query, gallery)
    return {"hits1": found.hits(1), "rank1": found.rank(1), "mAP": found.mAP}


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Run all rounds and compare the distances of the first."""
    arguments = [word for name in NUMBERS for word in (f"--{name}", getattr(options, name))]
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in CONTESTANTS}
    with tempfile.TemporaryDirectory(prefix="osnet-rerank-") as folder:
        files = {name: Path(folder, f"{name}.npy") for name in CONTESTANTS}
        with tqdm(total=options.rounds * len(CONTESTANTS), desc="rounds", unit="process") as bar:
            for number in range(options.rounds):
                for name, done in rounds.items():
                    out = [] if number else ["--out", files[name]]
                    done.append(run_child("reranking.py", [*arguments, "--contestant", name, *out]))
                    bar.update()
        ours, theirs = (np.load(path) for path in files.values())
    query, gallery = market_like(options.queries, options.gallery, options.width, options.seed)
    figures = {
        "before": score(query, gallery),
        **{name: score(query, gallery, dist) for name, dist in zip(CONTESTANTS, (ours, theirs))},
    }
    apart = np.abs(ours - theirs)
    difference = {
        "max": float(apart.max()),
        "share_above_1e-4": float((apart > LARGE).mean()),
        "rank1_queries": abs(figures["rerank"]["hits1"] - figures["dense"]["hits1"]),
        "mAP": abs(figures["rerank"]["mAP"] - figures["dense"]["mAP"]),
    }
    seconds = {
        name: summary([r["seconds"] for r in done], [r["processor_seconds"] for r in done])
        for name, done in rounds.items()
    }
    return {
        "conditions": {
            "benchmark": "reranking",
            **{name: getattr(options, name) for name in (*NUMBERS, "rounds")},
            "lambda": 0.3,
            "metric": "euclidean",
            "input_bytes": rounds["rerank"][0]["input_bytes"],
            "environment": environment(),
        },
        "figures": figures,
        "difference": difference,
        "same": difference["share_above_1e-4"] <= SHARE_TOLERANCE
        and difference["rank1_queries"] <= HIT_TOLERANCE
        and difference["mAP"] <= MAP_TOLERANCE,
        "seconds": seconds,
        "ratio": seconds["dense"]["median"] / seconds["rerank"]["median"],
        "ratios": {name: times["median"] / seconds["rerank"]["median"] for name, times in seconds.items()},
        "peak_rss_bytes": {name: max(r["peak_rss_bytes"] for r in done) for name, done in rounds.items()},
    }


def report(measured: dict[str, Any]) -> str:
    """The measurement as text."""
    conditions, difference, figures = (measured[name] for name in ("conditions", "difference", "figures"))
    size = (conditions["queries"] + conditions["gallery"]) / sum(MARKET)
    lines = [
        (
            f"{conditions['queries']} queries x {conditions['gallery']} gallery images x {conditions['width']} "
            f"({size:.0%} of Market-1501's images), k1 {conditions['k1']}, k2 {conditions['k2']}, "
            f"{conditions['environment']['cores']} cores, {conditions['rounds']} rounds"
        ),
        f"{'seconds':10}{'median':>9}{'min':>9}{'max':>9}{'processor':>11}{'peak RSS MB':>13}{'ratio':>8}",
    ]
    for name, times in measured["seconds"].items():
        lines.append(
            f"{name:10}{times['median']:9.3f}{times['min']:9.3f}{times['max']:9.3f}"
            f"{times['processor_median']:11.3f}{measured['peak_rss_bytes'][name] / 1e6:13.0f}"
            f"{measured['ratios'][name]:8.2f}"
        )
    lines += [f"{name:10} Rank-1 {found['rank1']:.4f}, mAP {found['mAP']:.6f}" for name, found in figures.items()]
    lines.append(f"the published dense algorithm takes {measured['ratio']:.1f} times as long as rerank")
    lines.append(
        f"{'same distances' if measured['same'] else 'THE DISTANCES DIFFER'}: at most {difference['max']:.1g} "
        f"apart, {difference['share_above_1e-4']:.1g} of them by more than {LARGE:g}"
    )
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 where the contestants' distances differ; 2 for options that make no sense."""
    numbers = {
        "queries": MARKET[0] // 4,
        "gallery": MARKET[1] // 4,
        "width": 512,
        "k1": 20,
        "k2": 6,
        "rounds": 3,
        "seed": 0,
    }
    parser = command(__doc__, numbers)
    parser.add_argument("--contestant", choices=CONTESTANTS, help="only take one time of this one, in this process")
    parser.add_argument("--out", metavar="FILE", help="with --contestant: write its distances (.npy)")
    options = parse(parser, numbers, arguments)
    images = min(WARM_UP, options.queries) + min(WARM_UP, options.gallery)
    if max(options.k1 + 1, options.k2) > images:
        parser.error(f"k1 or k2 is too large for {images} images, those of the warm-up")
    with refusals(parser):
        if options.contestant:
            print(json.dumps(run_contestant(options)))
            return 0
        return finish(measure(options), report, options.json)


if __name__ == "__main__":
    sys.exit(main())
