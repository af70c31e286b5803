"""What is right and what is ignored for each query: what a scorer asks, and lists that say it image by image."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from ..errors import MetricError


class Truth(Protocol):
    """What every source of right and wrong offers; `Labels` and `Lists` do.

    Attributes
    ----------
    shape : (int, int)
        Number of query and of gallery images.
    junk : array
        Gallery indices that every query ignores.
    bytes_per_query : int
        What the pairs of one query can take in memory.
    """

    @property
    def shape(self) -> tuple[int, int]: ...

    @property
    def junk(self) -> np.ndarray: ...

    @property
    def bytes_per_query(self) -> int: ...

    def pairs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs that are not wrong, for queries start to stop, the rows ascending: row (from 0), column, whether it is
        ignored; what is not ignored is a match. Pairs with `junk` need not be among them."""

    def no_match(self) -> MetricError:
        """The error for data in which no query has a match."""


@dataclass(frozen=True, eq=False)
class Lists:
    """Good and junk gallery images of every query, one query behind the other.

    Attributes
    ----------
    shape : (int, int)
    junk : array
        Gallery indices that every query ignores.
    columns : array
        Listed gallery indices.
    ignored : bool array
        Which of them are junk.
    ends : array (queries + 1,)
        The lists of query i are ``columns[ends[i]:ends[i + 1]]``.
    """

    shape: tuple[int, int]
    junk: np.ndarray
    columns: np.ndarray
    ignored: np.ndarray
    ends: np.ndarray

    def __repr__(self) -> str:
        return f"lists of {self.shape[0]} queries: {len(self.columns)} of {self.shape[1]} gallery images"

    @classmethod
    def check(cls, good: Sequence[ArrayLike], junk: Sequence[ArrayLike], shape: tuple[int, int]) -> Lists:
        """Check lists of gallery indices from 0 against `shape`, the number of query and gallery images.

        Raises
        ------
        MetricError
            Not one list per query; not integers; an index beyond the gallery, listed twice, or good and junk at once.
        """
        queries, gallery = shape
        lists = [_indices(part, queries, name) for name, part in (("good", good), ("junk", junk))]
        listed = [indices for pair in zip(*lists) for indices in pair]  # good and junk of query 0, then of query 1 ...
        numbers = np.array([len(indices) for indices in listed])
        columns = np.concatenate(listed)
        rows = np.repeat(np.arange(queries), numbers.reshape(-1, 2).sum(axis=1))
        outside = np.flatnonzero((columns < 0) | (columns >= gallery))
        if len(outside):
            raise MetricError(
                f"index {columns[outside[0]]} of query {rows[outside[0]]} is not one of the {gallery} gallery images",
                where="good and junk",
                cure="Count from 0, in the order of the gallery features",
            )
        order = np.lexsort((columns, rows))
        twice = order[1:][(np.diff(rows[order]) == 0) & (np.diff(columns[order]) == 0)]
        if len(twice):
            raise MetricError(
                f"query {rows[twice[0]]} lists gallery image {columns[twice[0]]} twice",
                where="good and junk",
                cure="An image is a match, ignored or wrong: list it at most once",
            )
        ignored = np.repeat(np.arange(len(numbers)) % 2 == 1, numbers)
        everywhere = np.flatnonzero(np.bincount(columns[ignored], minlength=gallery) == queries)
        return cls(shape, everywhere, columns, ignored, np.append(0, np.cumsum(numbers)[1::2]))

    @property
    def bytes_per_query(self) -> int:
        """What the pairs of one query can take: some 16 numbers for each image of the longest lists."""
        return 128 * int(np.diff(self.ends).max())

    def pairs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Listed pairs of queries start to stop: row (from 0), column, whether it is junk."""
        part = slice(self.ends[start], self.ends[stop])
        rows = np.repeat(np.arange(stop - start), np.diff(self.ends[start : stop + 1]))
        return rows, self.columns[part], self.ignored[part]

    def no_match(self) -> MetricError:
        return MetricError(
            f"none of the {self.shape[0]} queries has a match: all lists of good images are empty",
            where="good",
            cure="Give for each query the gallery indices of its matches",
        )


def _indices(lists: Sequence[ArrayLike], queries: int, where: str) -> list[np.ndarray]:
    """One array of int64 per query."""
    cure = f"Give {queries} lists of gallery indices, one per query, empty ones included"
    try:
        arrays = [np.asarray(indices) for indices in lists]
    except (TypeError, ValueError, RuntimeError) as error:
        raise MetricError(f"no lists of integers ({error})", where=where, cure=cure) from error
    if len(arrays) != queries:
        raise MetricError(f"{len(arrays)} lists for {queries} queries", where=where, cure=cure)
    for i, indices in enumerate(arrays):
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise MetricError(f"{indices.dtype} of shape {indices.shape} for query {i}", where=where, cure=cure)
    return [indices.astype(np.int64) for indices in arrays]
