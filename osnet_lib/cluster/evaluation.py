"""Scores against a gallery in pieces: the counting of `osnet_lib.metrics.scoring`, merged over workers, exact.

The rank of a match is one more than the matches and wrong images before it, and both are sums over pieces of a gallery.
So there are two rounds over the pieces: the first brings the distances of all matches, the second counts in every piece
the wrong images at most as far as each. A worker holds one piece, `PIECE` images at most, and a block of distances of
the size that one machine works with, whatever the gallery.

An image of a piece gets the distance that it has on one machine, to the bit, where BLAS rounds a column of a product
alike wherever it stands: OpenBLAS does with AVX-512 and with AVX, and from AVX2 alone the last bit may differ. Ties do
not hang on that: copies of one image have one distance for a query, in whatever pieces they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..errors import ClusterError, FeatureError, MetricError
from ..features.store import Features, check_pair
from ..metrics.distance import Gallery, row_digests, rows_that_fit
from ..metrics.evaluation import Evaluation, check_max_rank, summed
from ..metrics.labels import Labels
from ..metrics.scoring import ranked, wrong_images
from .cluster import Resource, check_nodes, check_resources, on_cluster
from .copies import Copies, pairs
from .rows import count_rows, load_names
from .shards import Piece, conditions_of, read_list

PIECE = 131_072  # images that a worker holds: 256 MiB of features, and as much again prepared
RETRIES = 3  # of a task whose worker or node died
_ONE = Resource("CPU", 1)
_AHEAD = 2  # tasks for each worker that wait in Ray; more would keep their results in the object store


def pieces_of(gallery: str | Path, pieces: int = 1) -> list[Piece]:
    """The gallery in pieces: a list of shards, whole shards together up to `PIECE` images, or rows of a feature file.

    Parameters
    ----------
    gallery : path
        ``shards/gallery.json`` of ``osnet extract --cluster``, or a ``.npz``.
    pieces : int
        At least, as far as there are shards or rows.

    Raises
    ------
    FeatureError
        No such list; a list without images; a file of which rows cannot be read alone.
    """
    path = Path(gallery)
    if path.suffix == ".npz":
        images = count_rows(path)
        count = max(1, min(max(pieces, -(-images // PIECE)), images))
        cuts = np.linspace(0, images, count + 1).astype(int).tolist()
        return [Piece((path,), (), start, stop) for start, stop in pairwise(cuts)]
    listed = [entry for entry in read_list(path) if entry[2]]  # none is left of a shard whose images were all left out
    total = sum(images for _, _, images in listed)
    if not total:
        raise FeatureError("lists no features", where=path, cure="Run the extraction again.")
    most = min(PIECE, -(-total // pieces))
    found: list[list[tuple[Path, str, int]]] = [[]]
    for entry in listed:
        if found[-1] and sum(images for *_, images in found[-1]) + entry[2] > most:
            found.append([])
        found[-1].append(entry)
    return [Piece(tuple(path for path, *_ in part), tuple(digest for _, digest, _ in part)) for part in found]


def check_shards(query: Features, gallery: Path, check: Callable[[Features], None]) -> None:
    """Refuse a list that is not of the gallery to a query, or shares images with it, as `check` of names finds.

    Parameters
    ----------
    query : Features
    gallery : path
        ``shards/gallery.json``; what it does not tell, as one of an older run, is not looked at.
    check : callable
        Called with the names of some shards at a time, as features of no width.

    Raises
    ------
    FeatureError
        A list of the query, or of another data set; a shard that is not there, or damaged; what `check` raises.
    """
    pieces = pieces_of(gallery)
    told = conditions_of(gallery)
    if told.get("split") == "query":
        raise FeatureError("lists the shards of the query", where=gallery, cure="Give shards/gallery.json.")
    check_pair(query, _named(np.empty(0, str), told))
    for piece in pieces:
        check(_named(np.concatenate([load_names(path) for path in piece.paths]), told))


def _named(names: np.ndarray, conditions: dict[str, Any]) -> Features:
    labels = np.zeros(len(names), np.int64)
    return Features(names, labels, labels, np.empty((len(names), 0), np.float32), conditions)


def evaluate_on_cluster(
    query: Features,
    gallery: Sequence[Piece],
    address: str,
    *,
    metric: str = "euclidean",
    normalize: bool = False,
    workers: int | None = None,
    progress: bool = False,
) -> Evaluation:
    """`osnet_lib.metrics.evaluate` with the gallery in pieces, each of which a worker reads from its files.

    Parameters
    ----------
    query : Features
        Held here and by every worker.
    gallery : sequence of Piece
        See `pieces_of`; every node must see their files.
    address, workers
        As in `osnet_lib.cluster.extraction.extract_on_cluster`; each worker takes one CPU.

    Raises
    ------
    ClusterError
        As `on_cluster`; a node that does not see a file; a worker that died `RETRIES` times.
    FeatureError, MetricError
        As `load_features` and `evaluate`.
    """
    import ray

    with on_cluster(address, _ONE, workers):
        able = check_resources(_ONE)
        check_nodes(able, {f"gallery {path.name}": path for piece in gallery for path in piece.paths})
        room = sum(node.slots for node in able)
        sides = ray.put((query.features, query.pids, query.camids))
        tasks = [ray.remote(task).options(num_cpus=1, max_retries=RETRIES) for task in (_matches, _counts)]
        ahead = _AHEAD * min(room, workers or room)
        with tqdm(total=2 * len(gallery), desc="pieces of the gallery", unit="piece", disable=not progress) as bar:
            matches: list[Any] = [None] * len(gallery)
            for number, answer in _answers(tasks[0], gallery, ahead, sides, metric, normalize):
                matches[number] = answer
                bar.update()
            far = by_query(matches)
            held = ray.put(far)
            wrong = np.zeros(len(far[0]), np.int64)
            for _, answer in _answers(tasks[1], gallery, ahead, sides, metric, normalize, held):
                wrong += answer
                bar.update()
    return merged(query, matches, far, wrong, metric, normalize)


def merged(
    query: Features,
    matches: Sequence[dict[str, Any]],
    far: tuple[np.ndarray, np.ndarray, np.ndarray],
    wrong: np.ndarray,
    metric: str,
    normalize: bool,
) -> Evaluation:
    """The score, from the matches of all pieces and the wrong images before each; MetricError where there is none."""
    if not len(far[0]):
        raise MetricError(
            f"none of the {len(query)} queries has a match: the gallery shows their identities not at all or only from "
            "the query's own camera",
            where="query and gallery",
            cure="Give query and gallery of one data set.",
        )
    images, junk = (sum(answer[name] for answer in matches) for name in ("images", "junk"))
    scores = ranked(far[0], wrong, len(query))
    return summed(scores, (len(query), images), junk, check_max_rank(None, images), metric, normalize)


def by_query(matches: Sequence[dict[str, Any]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Query row, distance and digest of every match of all pieces: query by query, and from the nearest."""
    rows, distances, digests = (
        np.concatenate([answer[name] for answer in matches]) for name in ("rows", "distances", "digests")
    )
    first, same = pairs(rows, digests)
    distances = distances[first[same]]  # copies of one image are as far as the first of them
    order = np.lexsort((distances, rows))
    return rows[order], distances[order], digests[order]


def content_of(answer: tuple[Any, Any]) -> Any:
    """What a task found; the refusal that it met instead is raised here."""
    told, content = answer
    if told is not None:
        raise told(content[0], where=content[1], cure=content[2])
    return content


def _answers(task: Any, gallery: Sequence[Piece], ahead: int, *arguments: Any) -> Iterator[tuple[int, Any]]:
    """The answer for each piece as it comes, with the number of the piece."""
    import ray

    waiting: dict[Any, int] = {}
    todo = iter(enumerate(gallery))
    while True:
        while len(waiting) < ahead and (entry := next(todo, None)) is not None:
            waiting[task.remote(entry[1], *arguments)] = entry[0]
        if not waiting:
            return
        (ready,), _ = ray.wait(list(waiting), num_returns=1)
        number = waiting.pop(ready)
        try:
            answer = ray.get(ready)
        except ray.exceptions.RayError as error:
            what = f"a worker failed at {gallery[number].paths[0].name} ({str(error).strip().splitlines()[-1][:160]})"
            raise ClusterError(what, where="cluster", cure="Look at its node, and run it again.") from error
        yield number, content_of(answer)


# What follows runs on the nodes, one piece at a time.


def _told(error: Exception) -> tuple[Any, Any]:
    """A refusal as a value: an exception loses its parts on the way."""
    assert isinstance(error, (FeatureError, MetricError))
    return type(error), (error.what, None if error.where is None else str(error.where), error.cure)


def _matches(piece: Piece, sides: tuple, metric: str, normalize: bool) -> tuple[Any, Any]:
    """Row and distance of each match in a piece, the images of it, and those that are junk."""
    try:
        rows, columns, distances = [], [], []
        labels, images, blocks = _blocks(piece, sides, metric, normalize)
        for start, block in blocks:
            row, column, ignored = labels.pairs(start, start + len(block))
            rows.append(start + row[~ignored])
            columns.append(column[~ignored])
            distances.append(block[row[~ignored], column[~ignored]])
        matched, inverse = np.unique(np.concatenate(columns), return_inverse=True)
        digests = row_digests(images[matched])[inverse]
        found = {"rows": np.concatenate(rows), "distances": np.concatenate(distances), "digests": digests}
        return None, {**found, "images": labels.shape[1], "junk": len(labels.junk)}
    except (FeatureError, MetricError) as error:
        return _told(error)


def _counts(piece: Piece, sides: tuple, metric: str, normalize: bool, far: tuple) -> tuple[Any, Any]:
    """For each match of the whole gallery how many wrong images of a piece are at most as far."""
    try:
        rows, distances, _ = far
        labels, images, blocks = _blocks(piece, sides, metric, normalize)
        wrong = np.empty(len(rows), np.int64)
        copies = Copies.of(images, far)
        for start, block in blocks:
            part = slice(*np.searchsorted(rows, [start, start + len(block)]))
            copies.set(start, block)
            row, column, _ = labels.pairs(start, start + len(block))
            block[row, column] = np.inf
            block[:, labels.junk] = np.inf
            wrong[part] = wrong_images(block, rows[part] - start, distances[part])
        return None, wrong
    except (FeatureError, MetricError) as error:
        return _told(error)


def _blocks(
    piece: Piece, sides: tuple, metric: str, normalize: bool
) -> tuple[Labels, np.ndarray, Iterator[tuple[int, np.ndarray]]]:
    """Labels of the queries and a piece, the features of the piece, and the distances in blocks."""
    features, pids, camids = sides
    others, gallery_pids, gallery_camids = piece.load()
    prepared = Gallery(others, metric, normalize)
    rows, squared = prepared.query(features)
    labels = Labels.check(pids, camids, gallery_pids, gallery_camids, (len(rows), len(prepared)))
    step = rows_that_fit(len(prepared) * 4 + labels.bytes_per_query)
    return labels, prepared.features, prepared.blocks(rows, squared, 0, min(step, len(rows)))
