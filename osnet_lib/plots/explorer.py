"""Any query and what the network finds nearest to it, to be picked on the page: data, static table and HTML."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ..core.table import Table
from ..errors import DatasetError, MetricError
from ..metrics import Evaluation, ranked_list
from .ranked import CROSS, DASH, TICK
from .sprite import Sprite, make_sprite
from .widget import widget

if TYPE_CHECKING:
    from ..datasets.market1501 import Market1501
    from ..features.store import Features

_RIGHT, _WRONG, _DROPPED, _JUNK = "rwdj"  # how a gallery image is marked in the data
SIGNS = {_RIGHT: TICK, _WRONG: CROSS, _DROPPED: DASH, _JUNK: "∅"}
_WORST = 10  # queries of the static table


@dataclass(frozen=True)
class Shown:
    """An image: its name, identity and camera."""

    name: str
    pid: int
    camid: int


@dataclass(frozen=True)
class Ranking:
    """What one query finds, nearest first.

    Attributes
    ----------
    query : Shown
    ap : float or None
        Average precision; None where the query has no match.
    first : int
        Rank of the first right image; 0 where there is none.
    gallery : tuple of int
        Numbers of the images, into `Explorer.gallery`.
    distances : tuple of float
    marks : str
        One of `SIGNS` an image; only right and wrong ones have a rank, their number in the order.
    """

    query: Shown
    ap: float | None
    first: int
    gallery: tuple[int, ...]
    distances: tuple[float, ...]
    marks: str

    @property
    def signs(self) -> str:
        return " ".join(SIGNS[mark] for mark in self.marks)


@dataclass(frozen=True, repr=False, eq=False)
class Explorer:
    """Rankings, the lowest average precision first; a notebook shows them to be picked from, `str` says what they are.

    Attributes
    ----------
    rankings : tuple of Ranking
    gallery : tuple of Shown
        The gallery images that some ranking lists.
    total, hits : int
        Queries with a match in the whole evaluation, and those with a right image at rank 1.
    metric : str
        The distance.
    maps : uint8 array (queries, h, w), optional
        Activation maps of the queries from 0 to 15, 15 the largest value of each map.
    sprite : Sprite, optional
        Pictures of the queries, then of the gallery images.
    """

    rankings: tuple[Ranking, ...]
    gallery: tuple[Shown, ...]
    total: int
    hits: int
    metric: str
    maps: np.ndarray | None = field(default=None)
    sprite: Sprite | None = None

    def __repr__(self) -> str:
        worst = self.rankings[0]
        score = "no match" if worst.ap is None else f"AP {100 * worst.ap:.1f} %"
        return (
            f"{self.hits} of {self.total} queries find a right image at rank 1; the worst is identity "
            f"{worst.query.pid} in camera {worst.query.camid}, {score}."
        )

    def table(self) -> Table:
        """The worst queries: what is left of the explorer on paper and where no script runs."""
        records = [
            {
                "query": ranking.query.name,
                "identity": ranking.query.pid,
                "camera": ranking.query.camid,
                "AP": ranking.ap,
                "first right at rank": ranking.first or None,
                "nearest images": ranking.signs,
            }
            for ranking in self.rankings[:_WORST]
        ]
        words = "✓ right, ✗ wrong, – same identity and camera, ∅ junk; the last two have no rank"
        return Table.from_records(
            records,
            caption=f"The {len(records)} queries of the lowest average precision: {words}",
            formats={"AP": ".1%"},
        )

    def payload(self) -> dict[str, Any]:
        """What the page's script shows, as plain JSON values."""
        return {
            "metric": self.metric,
            "total": self.total,
            "queries": [
                [r.query.name, r.query.pid, r.query.camid, None if r.ap is None else round(r.ap, 5), r.first]
                for r in self.rankings
            ],
            "gallery": list(_front_coded(self.gallery)),
            "lists": [[list(r.gallery), [float(f"{d:.4g}") for d in r.distances], r.marks] for r in self.rankings],
            "maps": None if self.maps is None else list(map(_hex, self.maps)),
            "map_width": None if self.maps is None else int(self.maps.shape[2]),
            "sprite": None if self.sprite is None else self.sprite.as_dict(),
        }

    def _repr_html_(self) -> str:
        body = f'<div class="osnet-static">{self.table()._repr_html_()}</div>'
        return widget("explorer.js", f"Ranking explorer. {self!r}", body, self.payload())


def explore(
    query: Features,
    gallery: Features,
    evaluation: Evaluation,
    *,
    pictures: Market1501 | None = None,
    most: int | None = None,
    k: int = 10,
    dropped: int = 4,
) -> Explorer:
    """The `k` nearest images of every query, as the evaluation ranks them, to be picked from on a page.

    Parameters
    ----------
    query, gallery : Features
        The gallery may hold junk (pid -1), which is shown where it would stand.
    evaluation : Evaluation
        Of these features: its distance, and the average precision of each query.
    pictures : Market1501, optional
        The data set of the features; its pictures become part of the page. Without it names and figures alone are.
    most : int, optional
        Queries to show at most: where there are more, those evenly spaced from the worst to the best.
    dropped : int
        Of the nearest images that the protocol drops, how many to list as well.

    Raises
    ------
    MetricError
        An evaluation of other features.
    DatasetError
        A name that the data set does not have; an image that cannot be decoded.
    """
    if len(evaluation.ap) != len(query):
        raise MetricError(
            f"an evaluation of {len(evaluation.ap)} queries for features of {len(query)}",
            where="explorer",
            cure="Evaluate the features that are shown",
        )
    order = np.argsort(evaluation.ap, kind="stable")  # those without a match, NaN, come last
    if most is not None and most < len(order):
        order = order[np.unique(np.linspace(0, len(order) - 1, most).round().astype(int))]
    listed = ranked_list(
        (query.features[order], query.pids[order], query.camids[order]),
        gallery,
        k=k,
        dropped=dropped,
        metric=evaluation.metric,
        normalize=evaluation.normalized,
    )
    shown = np.unique(listed.indices[listed.indices >= 0])
    rankings = []
    for i, row in enumerate(order):
        there = listed.indices[i] >= 0
        indices, ap = listed.indices[i][there], evaluation.ap[row]
        marks = (
            (_RIGHT if right else _WRONG) if rank else _JUNK if pid < 0 else _DROPPED
            for right, rank, pid in zip(listed.correct[i][there], listed.ranks[i][there], gallery.pids[indices])
        )
        rankings.append(
            Ranking(
                _shown(query, row),
                None if np.isnan(ap) else float(ap),
                int(evaluation.first_hit[row]) + 1,
                tuple(np.searchsorted(shown, indices).tolist()),
                tuple(listed.distances[i][there].tolist()),
                "".join(marks),
            )
        )
    images = tuple(_shown(gallery, row) for row in shown)
    queries = [ranking.query for ranking in rankings]
    sprite = None if pictures is None else make_sprite(_pictures(pictures, queries, images))
    return Explorer(tuple(rankings), images, evaluation.num_valid, evaluation.hits(1), evaluation.metric, sprite=sprite)


def _shown(features: Features, row: int) -> Shown:
    return Shown(str(features.names[row]), int(features.pids[row]), int(features.camids[row]))


def _pictures(dataset: Market1501, queries: Sequence[Shown], gallery: Sequence[Shown]) -> Iterator[Any]:
    """The images of the explorer, queries first: a name may stand in both splits."""
    splits = (
        (queries, {sample.name: sample for sample in dataset.query}),
        (gallery, {sample.name: sample for sample in (*dataset.gallery, *dataset.junk)}),
    )
    for people, samples in splits:
        for person in people:
            if person.name not in samples:
                raise DatasetError(
                    f"no image {person.name} among those that are ranked",
                    where=dataset.path,
                    cure="Give the data set that the features were extracted from",
                )
            yield dataset.image(samples[person.name])


def _front_coded(images: Sequence[Shown]) -> Iterator[list[Any]]:
    """How many letters a name shares with the one before, the rest of it, identity and camera: half the letters."""
    before = ""
    for image in images:
        same = next(
            (i for i, (a, b) in enumerate(zip(before, image.name)) if a != b), min(len(before), len(image.name))
        )
        yield [same, image.name[same:], image.pid, image.camid]
        before = image.name


def _hex(values: np.ndarray) -> str:
    return "".join(f"{value:x}" for value in values.ravel())
