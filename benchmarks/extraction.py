"""Whether extraction leaves the machine idle: images to features against what decoding and computing allow together.

On cores that both share, a second of decoding and a second of computing take two seconds, however they overlap. Rounds
of computing alone, decoding alone and extraction from files to a feature file take turns for each network, on as many
images as it computes in the seconds asked for; so do rounds that compute a batch on all cores, where extraction gives
each core a batch of its own. Exit code 1 where extraction reaches less than 0.97 of 1 / (1 / computing + 1 / decoding),
or features are not the same to the bit.
"""

from __future__ import annotations

import argparse
import importlib
import statistics
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from command import command, finish, parse, ratio_words, refusals
from PIL import Image
from process import peak_rss

from osnet_lib.core.disturbance import Watch, judge
from osnet_lib.core.host import environment
from osnet_lib.core.machine import describe_machine
from osnet_lib.datasets.market1501 import Market1501, Sample
from osnet_lib.datasets.preprocess import iter_batches
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.session import Session, open_session
from osnet_lib.inference.side_by_side import paired_ratio
from osnet_lib.study.dataset import open_dataset

NUMBERS = {"batch-size": 16, "rounds": 7, "seconds": 4}
NEEDED = 0.97  # of what decoding and computing allow together
IN_MEMORY = 8  # decoded batches over which computing alone goes in turn
JPEGS = 500  # files on which decoders are compared
PURE, DECODE, WHOLE = "computing alone", "decoding alone", "images to features"
SHARED = "computing alone, each batch on all cores"


def measure_network(
    session: Session, dataset: Market1501, samples: Sequence[Sample], folder: Path, options: argparse.Namespace
) -> dict[str, Any]:
    """Time the three in turns and compare the features."""
    size, streams = options.batch_size, session.streams(options.batch_size)
    held = [images for _, images in islice(iter_batches(dataset, samples, size, dtype=session.input_dtype), IN_MEMORY)]
    held = [images for images in held if len(images) == size] or held
    features = np.concatenate([session.run(images) for images in held])  # also a warm-up
    started = time.perf_counter()
    list(session.stream(held))
    speed = sum(map(len, held)) / (time.perf_counter() - started)
    samples = samples[: max(1, round(options.seconds * speed / size)) * size]

    def batches() -> Iterator[np.ndarray]:
        """Those in memory in turn, for as many images as there are files."""
        left = len(samples)
        for images in cycle(held):
            yield images[:left]
            if (left := left - len(images)) <= 0:
                return

    def extract() -> np.ndarray:
        return extract_features(session, dataset, samples, folder / "features.npz", size, progress=False).features

    todo: dict[str, Callable[[], object]] = {
        PURE: lambda: list(session.stream(batches())),
        DECODE: lambda: deque(iter_batches(dataset, samples, size, dtype=session.input_dtype), maxlen=0),
        WHOLE: extract,
    }
    if streams > 1:
        todo[SHARED] = lambda: [session.run(images) for images in batches()]
    same = np.array_equal(extract()[: len(features)], features[: len(samples)])
    times, names = {name: np.empty(options.rounds) for name in todo}, list(todo)
    watch = Watch()
    watch.start()
    for index in range(options.rounds):
        first = index % len(names)
        for name in names[first:] + names[:first]:
            started = time.perf_counter()
            todo[name]()
            times[name][index] = 1000 * (time.perf_counter() - started)
    verdict = judge(times[WHOLE], watch.stop(), session.threads)
    return {
        "session": session.describe(),
        "images": len(samples),
        "streams": streams,
        "images_per_second": {name: _spread(1000 * len(samples) / some) for name, some in times.items()},
        "of_what_both_allow": paired_ratio(times[PURE] + times[DECODE], times[WHOLE]).values(),
        "streams_against_one": paired_ratio(times[SHARED], times[PURE]).values() if streams > 1 else None,
        "verdict": str(verdict),
        "same": same,
        "times_ms": {name: some.tolist() for name, some in times.items()},
    }


def _spread(values: np.ndarray) -> dict[str, float]:
    return {"median": float(np.median(values)), "min": float(values.min()), "max": float(values.max())}


def compare_decoders(files: Sequence[bytes]) -> dict[str, Any]:
    """Microseconds that a JPEG takes by Pillow and, where it is installed, by simplejpeg; and whether pixels differ."""
    decoders: dict[str, Callable[[bytes], np.ndarray]] = {
        "pillow": lambda data: np.asarray(Image.open(BytesIO(data), formats=("JPEG",)).convert("RGB"))
    }
    try:
        simplejpeg = importlib.import_module("simplejpeg")
    except ImportError:
        pass
    else:
        decoders["simplejpeg"] = lambda data: simplejpeg.decode_jpeg(data, "RGB")
    took: dict[str, list[float]] = {name: [] for name in decoders}
    for _ in range(3):
        for name, decoder in decoders.items():
            started = time.thread_time()
            for data in files:
                decoder(data)
            took[name].append(1e6 * (time.thread_time() - started) / len(files))
    first, *others = decoders.values()
    return {
        "images": len(files),
        "microseconds": {name: statistics.median(some) for name, some in took.items()},
        "images_that_differ": sum(not np.array_equal(first(data), other(data)) for other in others for data in files),
    }


def report(measured: dict[str, Any]) -> str:
    """What was found for each network, in lines."""
    facts, decoders = measured["conditions"], measured["decoders"]
    cores = facts["machine"]["cores"]["usable"]
    lines = [f"batch {facts['batch_size']}, {facts['rounds']} rounds of each in turn, {cores} cores"]
    lines.append("images/s, median (least to most)")
    for name, found in measured["by_model"].items():
        lines.append(
            f"{name}, {found['images']:,} images a round, {found['session']['threads']} threads, "
            f"{found['streams']} batches at a time"
        )
        for step, speed in found["images_per_second"].items():
            lines.append(f"  {step}: {speed['median']:.1f} ({speed['min']:.1f} to {speed['max']:.1f})")
        lines.append(f"  of what both allow together: {ratio_words(found['of_what_both_allow'])}")
        if found["streams_against_one"]:
            lines.append(
                f"  a batch on each core against each batch on all: {ratio_words(found['streams_against_one'])}"
            )
        lines.append(f"  {found['verdict']}")
    each = ", ".join(f"{name} {took:.0f}" for name, took in decoders["microseconds"].items())
    lines.append(f"microseconds a JPEG to pixels, of {decoders['images']} images: {each}")
    if len(decoders["microseconds"]) > 1:
        lines.append(f"  images whose pixels differ from Pillow's: {decoders['images_that_differ']}")
    else:
        lines.append("  simplejpeg is not installed and not compared")
    lines.append(f"at most {facts['peak_rss_bytes'] / 1e6:.0f} MB of memory")
    lines.append("same features to the bit" if measured["same"] else "THE FEATURES DIFFER")
    lines.append(f"extraction reaches {NEEDED} of what both allow: {'yes' if measured['fits'] else 'NO'}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = command(__doc__ or "", NUMBERS)
    parser.add_argument("--dataset", default="mini", help="mini, or a folder, zip, tar or manifest (default mini)")
    parser.add_argument(
        "--model", nargs="+", default=["mini"], help="each is mini, market1501, a checkpoint or an .onnx (default mini)"
    )
    options = parse(parser, NUMBERS, list(arguments) if arguments is not None else None)
    found = {}
    with refusals(parser), open_dataset(options.dataset) as dataset, TemporaryDirectory() as folder:
        samples = dataset.query + dataset.gallery
        dataset.facts  # noqa: B018  reads every file once, which a data set needs once however much is extracted of it
        for model in options.model:
            with open_session(model) as session:
                found[Path(model).name] = measure_network(session, dataset, samples, Path(folder), options)
        decoders = compare_decoders([data for data in map(dataset.read, samples[:JPEGS]) if data[:2] == b"\xff\xd8"])
    measured = {
        "conditions": {
            "benchmark": "extraction",
            **{name.replace("-", "_"): getattr(options, name.replace("-", "_")) for name in NUMBERS},
            "dataset": dataset.facts.as_dict(),
            "peak_rss_bytes": peak_rss(),
            "environment": environment(),
            "machine": describe_machine(),
        },
        "by_model": found,
        "decoders": decoders,
        "same": all(one["same"] for one in found.values()),
        "fits": all(one["of_what_both_allow"]["median"] >= NEEDED for one in found.values()),
    }
    return finish(measured, report, options.json)


if __name__ == "__main__":
    sys.exit(main())
