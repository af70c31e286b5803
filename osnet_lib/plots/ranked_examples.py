"""Ranked lists as rows of file names, and the queries worth showing: what the network gets wrong and right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..errors import MetricError
from ..metrics import Evaluation, RankedList, ranked_list

if TYPE_CHECKING:
    from ..features.store import Features


@dataclass(frozen=True)
class RankedRow:
    """One query and what it ranks first, by file name, nearest first.

    `ranks` are 0 for dropped images; `ap` is the query's average precision, `label` a word that heads the row.
    """

    query: str
    gallery: tuple[str, ...]
    correct: tuple[bool, ...]
    distances: tuple[float, ...]
    ranks: tuple[int, ...]
    ap: float | None = None
    label: str = ""


def ranked_rows(
    ranked: RankedList,
    query_names: Sequence[str] | np.ndarray,
    gallery_names: Sequence[str] | np.ndarray,
    ap: Sequence[float] | np.ndarray | None = None,
    labels: Sequence[str] | None = None,
) -> list[RankedRow]:
    """A ranked list with file names in place of gallery indices.

    Parameters
    ----------
    ranked : RankedList
        Of the queries to show.
    query_names, gallery_names : sequence of str
        In the order of the features that were ranked.
    ap, labels : sequence, optional
        Average precision and heading of each query.

    Raises
    ------
    MetricError
        Not one name (average precision, label) per query, or fewer gallery names than the list points to.
    """
    number = len(ranked.indices)
    if len(query_names) != number or ranked.indices.max(initial=-1) >= len(gallery_names):
        raise MetricError(
            f"{len(query_names)} query and {len(gallery_names)} gallery names for {number} lists",
            where="names",
            cure="Give the names in the order of the features that were ranked",
        )
    aps = [None] * number if ap is None else [float(value) for value in ap]
    headings = [""] * number if labels is None else list(labels)
    if len(aps) != number or len(headings) != number:
        raise MetricError(
            f"{len(aps)} average precisions and {len(headings)} labels for {number} lists",
            where="rows",
            cure="Give one of each per query",
        )
    rows = []
    for i, name in enumerate(query_names):
        there = ranked.indices[i] >= 0
        rows.append(
            RankedRow(
                str(name),
                tuple(str(gallery_names[j]) for j in ranked.indices[i][there]),
                tuple(map(bool, ranked.correct[i][there])),
                tuple(map(float, ranked.distances[i][there])),
                tuple(map(int, ranked.ranks[i][there])),
                aps[i],
                headings[i],
            )
        )
    return rows


def ranked_examples(
    query: Features, gallery: Features, evaluation: Evaluation, each: int = 2, k: int = 10, dropped: int = 0
) -> list[RankedRow]:
    """The `k` nearest images of the queries with the worst, median and best average precision, `each` of a kind.

    `dropped` of the nearest images that the protocol ignores are listed too, where they would stand.
    """
    valid = np.flatnonzero(evaluation.valid)
    order = valid[np.argsort(evaluation.ap[valid], kind="stable")]
    middle = max(0, (len(order) - each) // 2)
    kinds: dict[int, str] = {}  # a query is of the first kind that names it
    for label, some in (("worst", order[:each]), ("median", order[middle : middle + each]), ("best", order[-each:])):
        for i in some:
            kinds.setdefault(int(i), label)
    chosen = np.array(list(kinds))
    ranked = ranked_list(
        (query.features[chosen], query.pids[chosen], query.camids[chosen]),
        gallery,
        k=k,
        dropped=dropped,
        metric=evaluation.metric,
        normalize=evaluation.normalized,
    )
    return ranked_rows(ranked, query.names[chosen], gallery.names, evaluation.ap[chosen], list(kinds.values()))
