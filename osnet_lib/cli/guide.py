"""The guide's steps as commands, preprocess to benchmark, and import-results for the files of its tools."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..features.store import Features
    from ..inference.benchmark import Benchmark
    from ..metrics import Evaluation


def add_guide_commands(
    command: Callable[..., argparse.ArgumentParser], session_options: Callable[[argparse.ArgumentParser], None]
) -> None:
    """Add the commands; `command` makes a parser from name, function, summary and example."""
    p = command(
        "preprocess",
        _preprocess,
        "images to the .bin files that a device reads",
        "preprocess Market-1501-v15.09.15/query query_prep_dataset",
    )
    p.add_argument("source", help="a folder of images, such as query or bounding_box_test; ZIP/query for one in a zip")
    p.add_argument("target", help="receives <stem>.bin, 393,216 bytes each")
    p.add_argument("--uint8", action="store_true", help="for a model with AIPP: 98,304 bytes each, not normalised")

    p = command(
        "info",
        _info,
        "list .bin files as lines 'index path width height'",
        "info bin ./query_prep_dataset query_prep_bin.info 128 256",
    )
    p.add_argument("kind", choices=("bin",), help="bin")
    p.add_argument("folder", help="the .bin files; named in the list as given here")
    p.add_argument("output", help="the info file to write")
    p.add_argument("width", type=int, help="128")
    p.add_argument("height", type=int, help="256")

    p = command(
        "infer",
        _infer,
        "features of the images of an info file, as a dump folder",
        "infer osnet_x1_0_bs16_sim.onnx query_prep_bin.info result/query --batch-size 16",
    )
    p.add_argument("model", help="mini, market1501, a checkpoint, an .onnx or an .om")
    p.add_argument("info", help="a list of osnet info")
    p.add_argument("output", help="receives dumpOutput_device<number>/<stem>_1.txt")
    p.add_argument("--batch-size", type=int, required=True, help="images a call")
    p.add_argument("--format", choices=("txt", "bin"), default="txt", help="decimals (default) or raw float32")
    session_options(p)

    p = command(
        "evaluate",
        _evaluate,
        "Rank-k and mAP of extracted features",
        "evaluate features/query.npz features/gallery.npz . result",
    )
    p.add_argument("query", help="query.npz, or a dump folder of osnet infer, benchmark or ais_bench")
    p.add_argument("gallery", help="the same of the gallery")
    p.add_argument("folder", help="where the JSON goes")
    p.add_argument("name", help="its name; .json is added where it is missing")
    p.add_argument("--metric", choices=("euclidean", "cosine"), default="euclidean", help="default euclidean")
    p.add_argument("--normalize", action="store_true", help="bring features to unit length first")
    p.add_argument("--expand", action="store_true", help="average query expansion, of unit features (k 5, alpha 3)")
    p.add_argument("--rerank", action="store_true", help="k-reciprocal re-ranking (k1 20, k2 6, lambda 0.3)")
    names = p.add_mutually_exclusive_group()
    names.add_argument("--info", nargs=2, metavar=("QUERY", "GALLERY"), help="info files: no image may lack")
    names.add_argument("--dataset", help="mini, or a folder or zip: none of its images may lack")

    p = command("benchmark", _benchmark, "pure inference speed", "benchmark osnet_x1_0_bs16_sim.onnx --batch-size 16")
    p.add_argument("model", help="mini, market1501, a checkpoint, an .onnx or an .om")
    p.add_argument("--batch-size", type=int, required=True, help="images a round")
    p.add_argument("--rounds", type=int, default=50, help="timed rounds (default 50)")
    p.add_argument("--warmup", type=int, default=5, help="rounds before them (default 5)")
    p.add_argument("--devices", metavar="0,1,…", help="several devices, measured together (in place of --device)")
    p.add_argument(
        "--output",
        default="./result",
        help="receives PureInfer_perf_of_<model>_in_device_<number>.txt (default ./result)",
    )
    p.add_argument("--json", metavar="FILE", help="also write every figure and condition to FILE")
    session_options(p)

    p = command(
        "import-results",
        _import_results,
        "take in what Huawei's tools measured on another host",
        "import-results PureInfer_perf_of_osnet_x1_0_bs16_in_device_0.txt --chip Ascend310",
    )
    p.add_argument("files", nargs="+", help="PureInfer_perf_of_*.txt, perf_vision_batchsize_*.txt, *_summary.json")
    p.add_argument("--network", help="where no file name tells it, such as osnet_x1_0")
    p.add_argument("--batch-size", type=int, help="where the file does not tell it")
    p.add_argument("--chip", help="what was measured, such as Ascend310P3")
    p.add_argument("--results", help="the folder of results (default: the study's)")


# The rooms are imported by the commands that need them: --help and a refusal stay quick.


def _preprocess(o: argparse.Namespace) -> None:
    from ..guide.binfiles import SHAPES, bin_bytes, preprocess_folder

    made = preprocess_folder(o.source, o.target, "uint8" if o.uint8 else "float32")
    size = bin_bytes(made.dtype)
    print(
        f"{made.path}: {made.count} files ({made.kept} were there), {made.dtype} {list(SHAPES[made.dtype])}, "
        f"{size:,} bytes each, {made.count * size / 1e9:.2f} GB"
    )


def _info(o: argparse.Namespace) -> None:
    from ..guide.info import write_info

    print(f"{o.output}: {write_info(o.folder, o.output, o.width, o.height)} images")


def _infer(o: argparse.Namespace) -> None:
    from ..core.results import NOT_MEASURED
    from ..guide.inference import infer
    from ..guide.info import read_info
    from ..inference.session import open_session
    from ..network.weights import find_weights

    lines = read_info(o.info)
    with open_session(find_weights(o.model), o.backend, o.device, o.threads, dict(o.option)) as session:
        made = infer(session, lines, o.output, o.batch_size, o.device, o.format)
    print(f"{made.folder}: {made.count} features")
    print(made.perf or NOT_MEASURED)


def _evaluate(o: argparse.Namespace) -> None:
    from ..features.store import check_pair
    from ..guide.dump import check_apart, check_complete
    from ..guide.metrics_json import write_guide_json

    query, gallery = _features(o.query, "query"), _features(o.gallery, "gallery")
    for features, names, where in zip((query, gallery), _expected(o), (o.query, o.gallery)):
        check_complete(features, names, where)
    check_pair(query, gallery)
    if Path(o.query).is_dir() or Path(o.gallery).is_dir():
        check_apart(query, gallery, f"{o.query} and {o.gallery}")
    score = _score(o, query, gallery)
    words = ["unit features"] * (o.normalize or o.expand) + ["query expansion"] * o.expand + ["re-ranking"] * o.rerank
    print(
        f"{score.num_valid} of {score.num_queries} queries, {score.num_gallery} gallery images, "
        f"{', '.join([f'{o.metric} distance', *words])}"
    )
    for k in (1, 5, 10, 20):
        print(f"Rank-{k:<2} {score.hits(k)}/{score.num_valid} = {score.rank(k):.6f}")
    print(f"mAP     {score.mAP:.6f}")
    print(f"mINP    {score.mINP:.6f}")
    name = o.name if o.name.endswith(".json") else f"{o.name}.json"
    print(write_guide_json(Path(o.folder) / name, score.rank(1), score.mAP))


def _score(o: argparse.Namespace, query: Features, gallery: Features) -> Evaluation:
    from ..metrics import evaluate, evaluate_distances, expand_queries, rerank

    rows, unit = query.features, o.normalize or o.expand
    if o.expand:
        rows = expand_queries(rows, gallery.features)
    if o.rerank:
        distances = rerank(rows, gallery.features, metric=o.metric, normalize=unit, progress=True)
        return evaluate_distances(distances, query.pids, query.camids, gallery.pids, gallery.camids)
    return evaluate(rows, query.pids, query.camids, *gallery.labelled, metric=o.metric, normalize=unit)


def _features(path: str, split: str) -> Features:
    from ..features.store import load_features
    from ..guide.dump import check_published, read_dump

    if not Path(path).is_dir():
        return load_features(path)
    features = read_dump(path)
    check_published(features, split, path)
    return features


def _expected(o: argparse.Namespace) -> list[list[str]]:
    """The names that query and gallery must have; empty where none were given."""
    if o.info:
        from ..guide.info import read_info

        return [[line.stem for line in read_info(path)] for path in o.info]
    if o.dataset:
        from ..study.models import open_dataset
        from ..study.workspace import open_workspace

        with open_dataset(open_workspace(), o.dataset) as dataset:
            return [[sample.name for sample in samples] for samples in (dataset.query, dataset.gallery)]
    return []


def _benchmark(o: argparse.Namespace) -> None:
    from ..core.files import write_json
    from ..core.host import environment
    from ..core.results import NOT_MEASURED
    from ..inference.benchmark import sum_throughput
    from ..inference.devices import benchmark_devices, parse_devices
    from ..inference.session import open_session
    from ..network.weights import find_weights

    devices, model = parse_devices(o.device if o.devices is None else o.devices), find_weights(o.model)

    def measure(some: tuple[int, ...]) -> list[Benchmark]:
        opener = partial(open_session, options=dict(o.option))
        return benchmark_devices(
            model, o.batch_size, some, o.rounds, o.warmup, o.backend, threads=o.threads, opener=opener
        )

    measured = measure(devices)
    for one in measured:
        _print_benchmark(one, model.stem, o.output)
    card = {}
    if len(devices) > 1 and not measured[0].simulated:
        alone = measure(devices[:1])[0]  # as the guide does it; together they may hold each other up
        card = {
            "together": sum_throughput(measured),
            "alone": alone.ave_throughput_rate,
            "multiplied": len(devices) * alone.ave_throughput_rate,
        }
        print(f"card, {len(devices)} devices measured together: {card['together']:.3f} images/s")
        print(
            f"the guide's way, device {devices[0]} alone times {len(devices)}: "
            f"{card['alone']:.3f} x {len(devices)} = {card['multiplied']:.3f} samples/s"
        )
    elif len(devices) > 1:
        print(f"card, {len(devices)} devices: {NOT_MEASURED}")
    if o.json:
        first, values = measured[0], [one.values() for one in measured]
        conditions = {
            "session": first.conditions,
            "batch_size": o.batch_size,
            "warmup": o.warmup,
            "devices": devices,
            "environment": environment(),
        }
        print(
            write_json(
                o.json,
                {
                    "conditions": conditions,
                    "values": values[0] if len(values) == 1 else {"devices": values, "card": card},
                },
            )
        )


def _print_benchmark(measured: Benchmark, model: str, output: str) -> None:
    """The lines and the file of Huawei's tool, and below them what it leaves out."""
    from ..core.files import write_text
    from ..guide.perf import PurePerf, pure_perf_name

    if not measured.simulated:
        path = os.path.join(output, pure_perf_name(model, measured.device))
        write_text(path, str(PurePerf(measured.ave_throughput_rate, measured.ave_latency)))
        print(f"[INFO] Dataset number: {len(measured.times) - 1} finished cost {measured.times[-1]:.3f}ms")
        print(f"[INFO] PureInfer result saved in {path}")
    print(measured.summary())
    print(measured.details())


def _import_results(o: argparse.Namespace) -> None:
    from ..guide.imports import import_results
    from ..study.workspace import open_workspace

    folder = Path(o.results) if o.results else open_workspace().results
    for path in import_results(o.files, folder, network=o.network, batch_size=o.batch_size, chip=o.chip):
        print(path)
