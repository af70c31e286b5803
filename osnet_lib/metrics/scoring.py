"""The scorer: ranks of the matches of every query, counted instead of sorted, and what follows from them.

With n matches at ranks r_1 < ... < r_n (from 1), ignored images left out::

    AP            1/n * sum_i  i / r_i                                          torchreid's ``evaluate_rank``
    AP, trapezoid 1/n * sum_i  ((i - 1) / (r_i - 1) + i / r_i) / 2              Zheng et al., ICCV 2015, ``compute_AP``;
                  the first term is 1 where r_i = 1                             here with their sum over all matches
    INP           n / r_n, the precision when the hardest match is found        Ye et al., TPAMI 2021

Since r_i = i + (wrong images at most as far as the i-th match), no ranking is needed: only the images up to the last
match are looked at. A match ranks behind every wrong image at the same distance.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from .truth import Truth

FAR_MATCHES = 3  # per query; counted one by one, because the farthest matches have most of the gallery before them


@dataclass(frozen=True, eq=False)
class Scores:
    """One value per query: NaN, and -1 for `first_hit`, where the query has no match; see `Evaluation`."""

    ap: np.ndarray
    ap_trapezoid: np.ndarray
    inp: np.ndarray
    first_hit: np.ndarray

    def __repr__(self) -> str:
        return f"scores of {len(self.ap)} queries, {int((self.first_hit >= 0).sum())} with a match"


def score(blocks: Iterable[tuple[int, np.ndarray]], truth: Truth, progress: bool = False) -> Scores:
    """Score blocks of distances (queries, gallery), which are overwritten, by what `truth` calls right and ignored.

    Raises
    ------
    MetricError
        No query has a match.
    """
    queries = truth.shape[0]
    ap, ap_trapezoid, inp = (np.full(queries, np.nan) for _ in range(3))
    scores = Scores(ap, ap_trapezoid, inp, np.full(queries, -1, dtype=np.int64))
    with tqdm(total=queries, desc="ranking", unit="query", disable=not progress) as bar:
        for start, block in blocks:
            part = slice(start, start + len(block))
            found = _score(block, *truth.pairs(start, start + len(block)), truth.junk)
            scores.ap[part], scores.ap_trapezoid[part] = found.ap, found.ap_trapezoid
            scores.inp[part], scores.first_hit[part] = found.inp, found.first_hit
            bar.update(len(block))
    if not (scores.first_hit >= 0).any():
        raise truth.no_match()
    return scores


def _score(block: np.ndarray, rows: np.ndarray, columns: np.ndarray, ignored: np.ndarray, junk: np.ndarray) -> Scores:
    """Of one block; `rows` and `columns` are the pairs that are not wrong."""
    matches = ~ignored
    match_rows, match_distances = rows[matches], block[rows[matches], columns[matches]]
    match_distances = match_distances[np.lexsort((match_distances, match_rows))]
    block[rows, columns] = np.inf  # only wrong images are left to count
    block[:, junk] = np.inf
    return ranked(match_rows, wrong_images(block, match_rows, match_distances), len(block))


def wrong_images(block: np.ndarray, match_rows: np.ndarray, match_distances: np.ndarray) -> np.ndarray:
    """For each match how many images of its row of a block are at most as far, int64 (matches,).

    Parameters
    ----------
    block : array (queries, gallery)
        Infinite where an image is not wrong.
    match_rows, match_distances : array (matches,)
        Row by row, and within a row from the nearest.
    """
    ends = np.cumsum(np.bincount(match_rows, minlength=len(block)))
    begins = np.append(0, ends[:-1])
    wrong = np.empty(len(match_rows), dtype=np.int64)
    for row, begin, end in zip(block, begins.tolist(), ends.tolist()):
        split = max(begin, end - FAR_MATCHES)
        if begin < split:
            reach = match_distances[begin:split]
            near = row.take(np.flatnonzero(row <= reach[-1]))
            near.sort()
            wrong[begin:split] = near.searchsorted(reach, side="right")
        for i in range(split, end):
            wrong[i] = np.count_nonzero(row <= match_distances[i])
    return wrong


def ranked(match_rows: np.ndarray, wrong: np.ndarray, queries: int) -> Scores:
    """Scores of queries whose matches, row by row and from the nearest, have so many wrong images before them."""
    number = np.bincount(match_rows, minlength=queries)
    ends = np.cumsum(number)
    begins = ends - number
    place = np.arange(1, len(match_rows) + 1) - begins[match_rows]  # 1 for the nearest match of its row
    rank = place + wrong
    precision = place / rank
    before = np.divide(place - 1, rank - 1, out=np.ones(len(rank)), where=rank > 1)  # precision, one rank earlier
    valid = number > 0
    ap, trapezoid, inp = np.full((3, queries), np.nan)
    first_hit = np.full(queries, -1, dtype=np.int64)
    ap[valid] = np.bincount(match_rows, precision, queries)[valid] / number[valid]
    trapezoid[valid] = np.bincount(match_rows, (before + precision) / 2, queries)[valid] / number[valid]
    inp[valid] = precision[ends[valid] - 1]
    first_hit[valid] = wrong[begins[valid]]
    return Scores(ap, trapezoid, inp, first_hit)
