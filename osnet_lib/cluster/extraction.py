"""Extraction on a cluster: shards of query and gallery, computed where there is room, each once in the result."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..checks import MOST_IMAGES, MOST_THREADS, whole_number
from ..core.files import absolute, fingerprint, lock, open_own, sha256
from ..core.host import package_versions, usable_cores
from ..core.results import NOT_MEASURED
from ..datasets.market1501 import Market1501, Sample
from ..errors import BusyError, ClusterError, FeatureError
from ..features.store import load_features, save_features
from ..inference.extract import check_batch_size, extraction_conditions
from ..inference.fleet import OPENING, SILENCE, Opening
from ..inference.session import Session, open_session
from .actor import Job, Opened
from .cluster import Resource, check_nodes, check_resources, node_name, on_cluster
from .crew import RESTARTS, Crew, identity
from .shards import SHARDS, WHOLE, Shard, finished, join_features, plan_shards, write_list

ONE_CPU = Resource("CPU", 1)
ON_ERROR = ("stop", "skip-and-list")


@dataclass(frozen=True)
class Extracted:
    """What became of a split.

    Attributes
    ----------
    list : Path
        Names the shards with their hashes.
    file : Path, optional
        The usual file; None of a split with more than `WHOLE` images.
    images, resumed : int
        Features there are, and those of them that an earlier run left.
    skipped : dict
        Why an image has none, by its name.
    nodes : dict
        Images by node, of this run.
    seconds : float, optional
        From the first share handed out to the last that came; None of a simulated device.
    """

    list: Path
    file: Path | None
    images: int
    resumed: int
    skipped: dict[str, str]
    nodes: dict[str, int]
    seconds: float | None


def extract_on_cluster(
    model: str | Path,
    dataset: Market1501,
    folder: str | Path,
    batch_size: int | None,
    address: str,
    workers: int | None = None,
    resource: Resource = ONE_CPU,
    backend: str = "auto",
    *,
    threads: int | None = None,
    on_error: str = "stop",
    progress: bool = True,
    opening: float = OPENING,
    silence: float = SILENCE,
    opener: Callable[..., Session] = open_session,
    all_first: bool = False,
) -> dict[str, Extracted]:
    """Features of query and gallery by the workers of a Ray cluster.

    Parameters
    ----------
    model : path
        What every worker opens.
    dataset : Market1501
        Open here; the workers open its path again.
    folder : path
        Receives ``shards/`` and, of splits up to `WHOLE` images, query.npz and gallery.npz. All nodes must see it.
    batch_size : int, optional
        Images a call; by default the model's own where that is fixed, else 16.
    address : str
        See `osnet_lib.cluster.cluster.on_cluster`.
    workers : int, optional
        At most; by default as many as there is room for.
    resource : Resource
        What each takes of its node.
    threads : int, optional
        CPU threads of each session; by default the CPUs it takes, 1 beside an accelerator.
    on_error : {"stop", "skip-and-list"}
        What an image does that cannot be decoded.
    opening, silence, opener
        As those of `osnet_lib.inference.devices.extract_on_devices`.
    all_first : bool
        Begin when all workers that have room are open, as a measurement does; otherwise the first one begins.

    Returns
    -------
    dict of str to Extracted
        By split. Rows are in the order of the names.

    Raises
    ------
    ClusterError
        No such cluster, no room, a node that does not see a path, no worker left; a shard at which every worker dies.
        What is finished is used by the next run.
    DatasetError, FeatureError
        As `extract_features`.
    """
    if on_error not in ON_ERROR:
        raise ClusterError(f"{on_error!r} is none", where="on-error", cure=f"Give {' or '.join(ON_ERROR)}.")
    folder, model = absolute(folder), absolute(model)
    check_numbers(model, batch_size, threads)
    if threads is None:
        threads = resource.amount if resource.name == "CPU" else 1
    decoders = resource.amount if resource.name == "CPU" else max(1, min(4, usable_cores() // (workers or 1)))
    with on_cluster(address, resource, workers), _alone(folder):
        files = {"model": model, "data set": dataset.path.absolute()}
        check_nodes(check_resources(resource), files, folder)
        how = Opening(opener, model, backend, threads, decoders, opening)
        with Crew(how, dataset.path.absolute(), resource, workers, silence) as crew:
            first = crew.muster(all_first)
            batch_size = (first.batch_size or 16) if batch_size is None else batch_size
            check_batch_size(first, batch_size)  # type: ignore[arg-type]  # it answers as a session does
            return {
                split: _extract(crew, first, dataset, split, samples, folder, batch_size, on_error, progress)
                for split, samples in (("query", dataset.query), ("gallery", dataset.gallery))
            }


def check_numbers(model: Path, batch_size: int | None, threads: int | None) -> None:
    """Refuse a batch size or a number of threads that no session takes: FeatureError, SessionError."""
    if batch_size is not None:
        whole_number(batch_size, "batch size", at_most=MOST_IMAGES, error=FeatureError, where=model)
    if threads is not None:
        whole_number(threads, "threads", at_most=MOST_THREADS, cure="Leave it out or give 1.")


def _extract(
    crew: Crew,
    first: Opened,
    dataset: Market1501,
    split: str,
    samples: Sequence[Sample],
    folder: Path,
    batch_size: int,
    on_error: str,
    progress: bool,
) -> Extracted:
    conditions = extraction_conditions(first, dataset, samples, batch_size)  # type: ignore[arg-type]  # as above
    key = {**conditions, "session": identity(first.describe())}
    skips = on_error != "stop"
    job = Job(key, fingerprint([sample.name for sample in samples]), batch_size, skips)
    shards = plan_shards(folder, split, len(samples), batch_size)
    todo = [shard for shard in shards if finished(shard, key, skips) is None]
    resumed = len(samples) - sum(map(len, todo))
    started = time.perf_counter()
    by_node = _work(crew, job, todo, split, len(samples), progress)
    simulated = bool(conditions["session"].get("simulated"))
    seconds = None if simulated else round(time.perf_counter() - started, 3)
    parts = [_made(shard, key, skips) for shard in shards]
    skipped = {name: why for part in parts for name, why in part["skipped"].items()}
    listed = write_list(folder, split, [part["entry"] for part in parts], skipped, conditions)
    images = len(samples) - len(skipped)
    if not images:
        raise FeatureError(f"no image of the {split} can be decoded", where=dataset.path, cure="Look at the first.")
    facts = {
        **conditions,
        "seconds": seconds,
        "resumed_at": resumed,
        "images": images,
        "cluster": {
            **package_versions(["ray"]),
            "workers": len(crew.alive),
            "shards": len(shards),
            "same_bits": len({fingerprint(part["kind"]) for part in parts}) == 1 and crew.same_bits,
            "nodes": _nodes(parts),
        },
    }
    if simulated:
        facts["not_measured"] = NOT_MEASURED
    if skipped:
        facts["skipped"] = skipped
    file = None
    if len(samples) <= WHOLE:
        file = folder / f"{split}.npz"
        save_features(file, join_features([load_features(shard.path) for shard in shards], facts))
    return Extracted(listed, file, images, resumed, skipped, dict(+by_node), seconds)


def _work(crew: Crew, job: Job, shards: Sequence[Shard], split: str, images: int, progress: bool) -> Counter[str]:
    """Hand out shards until all are finished; images by node."""
    todo, left, deaths = deque(shards), {shard.number for shard in shards}, Counter[int]()
    by_node, started = Counter[str](), time.perf_counter()
    with tqdm(
        total=images, initial=images - sum(map(len, shards)), desc=split, unit="image", disable=not progress
    ) as bar:
        while left:
            for member in crew.idle:
                if todo:
                    member.share, member.progress = todo.popleft(), 0
                    compute = member.actor.compute.options(num_returns="streaming", max_task_retries=0)
                    member.ask(compute.remote(member.share, job))
            member, (kind, *content) = crew.hear()
            if kind == "images":
                member.progress += content[0]
                by_node[member.node] += content[0]
                bar.update(content[0])
                if not job.key["session"]["simulated"]:
                    bar.set_postfix_str(_rates(by_node, time.perf_counter() - started))
            elif kind == "done":
                assert member.share
                left.discard(member.share.number)
                member.share = None
            elif kind == "lost" and member.share is not None:
                shard, member.share = member.share, None
                bar.update(-member.progress)
                by_node[member.node] -= member.progress
                deaths[shard.number] += content[1]
                if deaths[shard.number] > RESTARTS:
                    what = f"{deaths[shard.number]} workers died at images {shard.start} to {shard.stop} ({content[0]})"
                    raise ClusterError(what, where=split, cure="Give a smaller batch, or look at these images.")
                todo.appendleft(shard)
    return by_node


def _rates(images: Mapping[str, int], seconds: float) -> str:
    """Images/s of each node that computed some."""
    return ", ".join(f"{node} {n / seconds:.0f}/s" for node, n in images.items() if n > 0)


def _made(shard: Shard, key: dict[str, Any], skips: bool) -> dict[str, Any]:
    """A finished shard as the list has it; refused where it is not there unharmed, as after a change meanwhile."""
    part = finished(shard, key, skips)
    if part is None:
        cure = "Run the extraction again: it computes this one anew."
        raise FeatureError("was changed while the extraction ran", where=shard.path, cure=cure)
    computed, skipped = part.conditions["computed"], part.conditions["skipped"]
    if len(part) + len(skipped) != len(shard):
        raise FeatureError(f"holds {len(part)} of {len(shard)} images", where=shard.path, cure="Remove it.")
    kind = {"flags": computed["flags"], "session": computed["session"]}
    entry = {"file": shard.path.name, "sha256": sha256(shard.path), "images": len(part)}
    node = {"node": computed["node"], "host": computed["host"], "seconds": computed["seconds"]}
    return {"entry": {**entry, **node}, "skipped": skipped, "kind": kind}


def _nodes(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What each node computed, and on what."""
    found: dict[str, Any] = {}
    for part in parts:
        entry, session = part["entry"], part["kind"]["session"]
        of = {name: session.get(name) for name in ("device", "provider", "threads", "versions")}
        node = found.setdefault(node_name(entry["node"], entry["host"]), {"images": 0, "shards": 0, **of})
        node["images"] += entry["images"]
        node["shards"] += 1
    return found


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Refuse a second driver into the same folder."""
    (folder / SHARDS).mkdir(parents=True, exist_ok=True)
    with open_own(folder / SHARDS / ".lock") as held:
        try:
            lock(held, wait=False)
        except BlockingIOError as error:
            cure = "Wait for it, or choose another folder."
            raise BusyError("another process is extracting into it", where=folder, cure=cure) from error
        yield
