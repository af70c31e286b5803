"""Past one machine: the options of ``osnet extract`` and ``osnet evaluate`` for a Ray cluster, and ``osnet plan``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import ClusterError

if TYPE_CHECKING:
    from ..features.store import Features
    from ..metrics import Evaluation

_OWN = ("workers", "resource", "on_error")  # options that mean nothing without a cluster
_CLUSTER = "local, auto or HOST:PORT of a Ray cluster's head, whose nodes share the images (needs the extra scale)"


def add_extract_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``osnet extract`` takes for a cluster."""
    parser.add_argument("--cluster", metavar="ADDRESS", help=_CLUSTER)
    parser.add_argument("--workers", type=int, help="sessions on the cluster (default: as many as there is room for)")
    parser.add_argument(
        "--resource",
        metavar="NAME=N",
        help="what each takes of its node: CPU=2, GPU=1, NPU=1 (default CPU=1; an OM NPU=1)",
    )
    parser.add_argument(
        "--on-error",
        choices=("stop", "skip-and-list"),
        help="at an image that cannot be decoded: stop (default), or leave it out and list it",
    )


def is_asked_for(o: argparse.Namespace) -> bool:
    """Whether a cluster is; ClusterError where what goes with one alone, or never, is given."""
    if o.cluster is None:
        if given := [f"--{name.replace('_', '-')}" for name in _OWN if getattr(o, name) is not None]:
            raise ClusterError(f"{', '.join(given)} without a cluster", where="extract", cure="Give --cluster local.")
        return False
    for name, beside in (("--devices", o.devices is not None), ("--device", o.device != 0)):
        if beside:
            cure = "Leave it out: Ray gives each worker a device of its own, see --resource."
            raise ClusterError(f"{name} beside --cluster", where="extract", cure=cure)
    if o.workers is not None and o.workers < 1:
        raise ClusterError(f"{o.workers} workers", where="workers", cure="Give 1 or more.")
    return True


def extract_there(o: argparse.Namespace, model: Path) -> None:
    """Features of query and gallery by the workers of a cluster."""
    from ..cluster.cluster import Resource, on_cluster
    from ..cluster.extraction import check_numbers, extract_on_cluster
    from ..inference.backends import BACKENDS, PRECISIONS, check_precision
    from ..inference.session import open_session
    from ..study.dataset import open_dataset

    check_numbers(model, o.batch_size, o.threads)
    if o.precision is not None and (o.backend in BACKENDS or o.precision not in PRECISIONS):
        check_precision(o.backend, o.precision)
    resource = Resource.parse(o.resource or ("NPU=1" if model.suffix.lower() == ".om" else "CPU=1"))
    # The cluster first: where there is none, no data set is rendered or read for it.
    with on_cluster(o.cluster, resource, o.workers), open_dataset(o.dataset) as dataset:
        made = extract_on_cluster(
            model,
            dataset,
            o.outdir,
            o.batch_size,
            o.cluster,
            o.workers,
            resource,
            o.backend,
            threads=o.threads,
            on_error=o.on_error or "stop",
            opener=partial(open_session, key=o.key, options=dict(o.option), precision=o.precision),
        )
    for split, found in made.items():
        there = f" ({found.resumed} were there)" if found.resumed else ""
        shares = ", ".join(
            f"{node}: {images}" + (f" at {images / found.seconds:.1f}/s" if found.seconds else "")
            for node, images in sorted(found.nodes.items())
        )
        print(f"{found.file or found.list}: {found.images} features{there}{f', by node {shares}' if shares else ''}")
        for name, why in found.skipped.items():
            print(f"{split}: left out {name}: {why}")


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Add what ``osnet evaluate`` takes for a cluster."""
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="local, auto or HOST:PORT of a Ray cluster, whose workers share the gallery, a .npz or a list of shards",
    )
    parser.add_argument("--pieces", type=int, help="of the gallery, at least (default: as large as a worker holds)")


def check_evaluate_options(o: argparse.Namespace) -> None:
    """Refuse what does not go together; ClusterError."""
    listed = Path(o.gallery).suffix == ".json"
    if o.cluster is None:
        if o.pieces is not None or listed:
            what = "--pieces" if o.pieces is not None else "a list of shards"
            raise ClusterError(f"{what} without a cluster", where="evaluate", cure="Give --cluster local.")
        return
    if not listed and Path(o.gallery).suffix != ".npz":
        what = f"{'a folder' if Path(o.gallery).is_dir() else o.gallery} is no gallery for a cluster"
        cure = "Give the .npz of osnet extract or its shards/gallery.json, or score on one machine."
        raise ClusterError(what, where="evaluate", cure=cure)
    if o.pieces is not None and o.pieces < 1:
        raise ClusterError(f"{o.pieces} pieces", where="pieces", cure="Give 1 or more.")
    for name, given in (("--rerank", o.rerank), ("--expand", o.expand)):
        if given:
            cure = "Leave it out, or score on one machine."
            raise ClusterError(f"{name} needs the whole gallery in one memory", where="evaluate", cure=cure)
    for name, names in (("--info", o.info), ("--dataset", o.dataset)):
        if names and listed:
            cure = "Leave it out: the list has the hash of each shard."
            raise ClusterError(f"{name} beside a list of shards", where="evaluate", cure=cure)


def check_list(o: argparse.Namespace, query: Features) -> None:
    """Refuse a query and a list of shards that do not go together, and warn, as is done for two files."""
    from ..cluster.evaluation import check_shards
    from ..core.files import absolute
    from ..guide import handover

    handover.check_published(query, "query", o.query)
    check_shards(
        query,
        absolute(o.gallery),
        lambda some: handover.check_apart(query, some, f"{o.query} and {o.gallery}"),
    )
    handover.warn_collapsed(query, o.query)


def score_on_cluster(o: argparse.Namespace, query: Features) -> Evaluation:
    """The score of a gallery that the workers of a cluster share."""
    from ..cluster.evaluation import evaluate_on_cluster, pieces_of
    from ..core.files import absolute

    pieces = pieces_of(absolute(o.gallery), o.pieces or 1)
    return evaluate_on_cluster(
        query, pieces, o.cluster, metric=o.metric, normalize=o.normalize, progress=len(pieces) > 1
    )


def add_plan_command(command: Callable[..., argparse.ArgumentParser]) -> None:
    """Add ``osnet plan``; `command` is the factory of `osnet_lib.cli.main`: name, function, summary, example."""
    p = command(
        "plan",
        _plan,
        "time and traffic of a larger run, projected from a measured rate",
        "plan --images 1e8 --nodes 10 --devices 8 --measured features/gallery.npz",
    )
    p.add_argument("--images", type=_count, required=True, help="images to extract, such as 1e8")
    p.add_argument("--nodes", type=_count, default=1, help="machines (default 1)")
    p.add_argument("--devices", type=_count, default=1, help="workers on each (default 1)")
    rate = p.add_mutually_exclusive_group(required=True)
    rate.add_argument("--rate", type=float, help="images/s of one worker, as you measured it")
    rate.add_argument("--measured", metavar="FILE", help="a .npz of osnet extract, whose conditions tell that rate")
    p.add_argument("--queries", type=_count, default=0, help="queries of an exact evaluation (default: none)")
    p.add_argument("--cores", type=_count, default=0, help="of a node, where workers share fewer than they would take")
    p.add_argument("--cores-per-worker", type=_count, default=1, help="that one worker keeps busy (default 1)")
    p.add_argument("--image-bytes", type=_count, default=3_000, help="of an image file (default 3000)")
    p.add_argument("--network", type=float, default=10.0, help="Gbit/s of a node to the storage (default 10)")


def _count(text: str) -> int:
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < 1e18 or number != int(number):
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number")
    return int(number)


def _plan(o: argparse.Namespace) -> None:
    from ..cluster.plan import Plan, assumptions, duration, measured_rate, size

    rate, words = measured_rate(o.measured) if o.measured else (o.rate, "given")
    plan = Plan(
        o.images,
        o.nodes,
        o.devices,
        rate,
        o.queries,
        o.cores,
        o.cores_per_worker,
        o.image_bytes,
        network=o.network * 1e9 / 8,
    )
    print(f"rate     {rate:,.1f} images/s a worker ({words})")
    print(f"time     {duration(plan.seconds)}")
    for name, seconds in (
        ("start", plan.start),
        ("digest", plan.hash_seconds),
        ("extraction", plan.extraction_seconds),
        ("evaluation", plan.evaluation_seconds),
    ):
        if seconds:
            print(f"         {name} {duration(seconds)}")
    print(f"storage  {size(plan.read_bytes)} read, {size(plan.written_bytes)} written")
    if plan.queries:
        print(f"network  {size(plan.query_bytes)} of queries to the nodes")
    for line in assumptions(plan):
        print(f"assumed  {line}")
    for line in plan.limits():
        print(f"breaks   {line}")
