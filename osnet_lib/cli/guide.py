"""The guide's steps as commands, preprocess to evaluate, and import-results for the files of its tools."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..errors import ClusterError
from .benchmark import add_benchmark_command
from .cluster import add_evaluate_options, check_evaluate_options, check_list, score_on_cluster

if TYPE_CHECKING:
    from ..datasets.ground_truth import GroundTruth
    from ..datasets.market1501 import Sample
    from ..features.store import Features
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
    p.add_argument(
        "source", help="a folder of images, such as query or bounding_box_test; ZIP/query or MANIFEST.csv/query"
    )
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
    p.add_argument("query", help="query.npz, or a dump folder of osnet infer, benchmark, ais_bench or msame")
    p.add_argument("gallery", help="the same of the gallery; with --cluster a .npz or shards/gallery.json")
    p.add_argument("folder", help="where the JSON goes")
    p.add_argument("name", help="its name; .json is added where it is missing")
    p.add_argument("--metric", choices=("euclidean", "cosine"), default="euclidean", help="default euclidean")
    p.add_argument("--normalize", action="store_true", help="bring features to unit length first")
    p.add_argument("--expand", action="store_true", help="average query expansion, of unit features (k 5, alpha 3)")
    p.add_argument("--rerank", action="store_true", help="k-reciprocal re-ranking")
    p.add_argument("--k1", type=int, help="neighbours that --rerank looks at (default 20)")
    p.add_argument("--k2", type=int, help="images of its local query expansion (default 6; 1 is none)")
    p.add_argument("--lambda", dest="weight", type=float, help="its weight of the distance itself (default 0.3)")
    add_evaluate_options(p)
    names = p.add_mutually_exclusive_group()
    names.add_argument("--info", nargs=2, metavar=("QUERY", "GALLERY"), help="info files: no image may lack")
    names.add_argument(
        "--dataset",
        help="mini, a folder, zip or tar, or a manifest: none of its images may lack, and its gt_query scores too",
    )

    add_benchmark_command(command, session_options)

    p = command(
        "import-results",
        _import_results,
        "take in what Huawei's tools measured on another host",
        "import-results PureInfer_perf_of_osnet_x1_0_bs16_in_device_0.txt --chip Ascend310",
    )
    p.add_argument(
        "files", nargs="+", help="PureInfer_perf_of_*.txt, perf_vision_batchsize_*.txt, summary.json, printed lines"
    )
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
    with open_session(
        find_weights(o.model), o.backend, o.device, o.threads, options=dict(o.option), precision=o.precision
    ) as session:
        made = infer(session, lines, o.output, o.batch_size, o.device, o.format)
    print(f"{made.folder}: {made.count} features")
    print(made.perf or NOT_MEASURED)


def _evaluate(o: argparse.Namespace) -> None:
    from ..guide.metrics_json import write_guide_json

    _check_rerank(o)
    check_evaluate_options(o)
    query = _features(o.query, "query", o.dataset)
    if Path(o.gallery).suffix == ".json":  # of shards, which only workers read
        check_list(o, query)
        score, by_lists = score_on_cluster(o, query), None
    else:
        gallery = _features(o.gallery, "gallery", o.dataset)
        score, by_lists = _score(o, query, gallery, _checked(o, query, gallery))
    name = o.name if o.name.endswith(".json") else f"{o.name}.json"
    written = write_guide_json(Path(o.folder) / name, score.rank(1), score.mAP)
    words = ["unit features"] * (o.normalize or o.expand) + ["query expansion"] * o.expand + ["re-ranking"] * o.rerank
    print(
        f"{score.num_valid} of {score.num_queries} queries, {score.num_gallery} gallery images, "
        f"{', '.join([f'{o.metric} distance', *words])}"
    )
    for k in (1, 5, 10, 20):
        print(f"Rank-{k:<2} {score.hits(k)}/{score.num_valid} = {score.rank(k):.6f}")
    print(f"mAP     {score.mAP:.6f}")
    print(f"mINP    {score.mINP:.6f}")
    if by_lists:
        print(f"mAP     {by_lists.mAP_trapezoid:.6f} by Market-1501's own code (trapezoid), with its lists of gt_query")
    print(written)


def _checked(o: argparse.Namespace, query: Features, gallery: Features) -> GroundTruth | None:
    """Refuse features that are not what they should be; the lists of good and junk images where there are some."""
    from ..features.store import check_pair
    from ..guide import handover

    both, expected = f"{o.query} and {o.gallery}", _expected(o)
    for features, split, names, where in zip(
        (query, gallery), ("query", "gallery"), expected.names or (None, None), (o.query, o.gallery)
    ):
        if names is None:
            handover.check_published(features, split, where)
        else:
            handover.check_complete(features, names, where)
    handover.check_apart(query, gallery, both)
    handover.check_order(query, gallery, both)
    handover.check_labels(query, gallery, (o.query, o.gallery), expected.samples)
    check_pair(query, gallery)
    for features, where in ((query, o.query), (gallery, o.gallery)):
        handover.warn_collapsed(features, where)
    return expected.truth


def _check_rerank(o: argparse.Namespace) -> None:
    from ..errors import MetricError

    given = [f"--{name}" for name, value in (("k1", o.k1), ("k2", o.k2), ("lambda", o.weight)) if value is not None]
    if given and not o.rerank:
        raise MetricError(f"{', '.join(given)} without re-ranking", where="evaluate", cure="Give --rerank as well.")


def _score(
    o: argparse.Namespace, query: Features, gallery: Features, truth: GroundTruth | None
) -> tuple[Evaluation, Evaluation | None]:
    """The score, and that by the lists of good and junk images where there are some and a distance to rank by."""
    from ..metrics import evaluate, evaluate_distances, evaluate_lists, expand_queries, rerank

    if o.cluster is not None:
        return score_on_cluster(o, query), None
    rows, unit = query.features, o.normalize or o.expand
    if o.expand:
        rows = expand_queries(rows, gallery)
    if o.rerank:
        given = {"k1": o.k1, "k2": o.k2, "lambda_value": o.weight}
        options = {name: value for name, value in given.items() if value is not None}
        distances = rerank(rows, gallery, metric=o.metric, normalize=unit, progress=True, **options)
        return evaluate_distances(query, gallery, distances=distances), None
    score = evaluate((rows, query.pids, query.camids), gallery, metric=o.metric, normalize=unit)
    if not truth:
        return score, None
    good, junk = truth.indices(query.names, gallery.names)
    return score, evaluate_lists(rows, gallery, good=good, junk=junk, metric=o.metric, normalize=unit)


def _features(path: str, split: str, dataset: str | None) -> Features:
    from ..datasets.manifest import samples_of_dumps
    from ..features.store import load_features
    from ..guide.dump import read_dump

    if not Path(path).is_dir():
        return load_features(path)
    return read_dump(path, samples=samples_of_dumps(dataset, split) if dataset else None)


class _Expected(NamedTuple):
    """What is known of the images: names of query and gallery, what a data set says of them, its lists."""

    names: tuple[list[str], list[str]] | None = None
    samples: tuple[Sample, ...] | None = None
    truth: GroundTruth | None = None


def _expected(o: argparse.Namespace) -> _Expected:
    if o.info:
        from ..guide.info import read_info

        query, gallery = ([line.stem for line in read_info(path)] for path in o.info)
        return _Expected((query, gallery))
    if o.dataset:
        from ..datasets.ground_truth import read_ground_truth
        from ..study.dataset import open_dataset

        with open_dataset(o.dataset) as dataset:
            query, gallery = ([sample.name for sample in samples] for samples in (dataset.query, dataset.gallery))
            truth = None if o.rerank else read_ground_truth(dataset)
            if truth and o.cluster is not None:
                cure = "Give --info in its place, or score on one machine."
                raise ClusterError("a data set with gt_query beside --cluster", where=o.dataset, cure=cure)
            return _Expected((query, gallery), (*dataset.query, *dataset.gallery, *dataset.junk), truth)
    return _Expected()


def _import_results(o: argparse.Namespace) -> None:
    from ..guide.imports import import_results
    from ..study.workspace import open_workspace

    folder = Path(o.results) if o.results else open_workspace().results
    for path in import_results(o.files, folder, network=o.network, batch_size=o.batch_size, chip=o.chip):
        print(path)
