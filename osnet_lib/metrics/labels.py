"""Who is on an image and which camera took it: the labels of a query set and its gallery, checked and paired."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ..errors import MetricError

JUNK = -1  # the pid of gallery images that count neither as right nor as wrong


@dataclass(frozen=True, eq=False)
class Labels:
    """Labels as int64 arrays, and the gallery in order of identity, so that the images of one identity are one range.

    Attributes
    ----------
    query_pids, query_camids : array (queries,)
    gallery_pids, gallery_camids : array (gallery,)
    order : array (gallery,)
        Gallery indices by pid; the identity of query i is ``order[first[i]:last[i]]``.
    first, last : array (queries,)
    junk : array
        Gallery indices with pid -1.
    """

    query_pids: np.ndarray
    query_camids: np.ndarray
    gallery_pids: np.ndarray
    gallery_camids: np.ndarray
    order: np.ndarray
    first: np.ndarray
    last: np.ndarray
    junk: np.ndarray

    def __repr__(self) -> str:
        return f"labels of {len(self.query_pids)} queries and {len(self.gallery_pids)} gallery images"

    @classmethod
    def check(
        cls,
        query_pids: ArrayLike,
        query_camids: ArrayLike,
        gallery_pids: ArrayLike,
        gallery_camids: ArrayLike,
        shape: tuple[int, int],
    ) -> Labels:
        """Check the four label arrays against `shape`, the number of query and gallery images.

        Raises
        ------
        MetricError
            No images; not one integer per image; a query with the pid of junk.
        """
        for name, number in zip(("query", "gallery"), shape):
            if not number:
                raise MetricError("no images", where=name, cure="Check that the split holds images")
        query_pids = integers(query_pids, shape[0], "query pids")
        query_camids = integers(query_camids, shape[0], "query camids")
        gallery_pids = integers(gallery_pids, shape[1], "gallery pids")
        gallery_camids = integers(gallery_camids, shape[1], "gallery camids")
        junk = np.count_nonzero(query_pids == JUNK)
        if junk:
            raise MetricError(
                f"{junk} of {shape[0]} are {JUNK}, which marks junk",
                where="query pids",
                cure="Leave junk images out of the query set",
            )
        order = np.argsort(gallery_pids, kind="stable")
        by_pid = gallery_pids[order]
        return cls(
            query_pids,
            query_camids,
            gallery_pids,
            gallery_camids,
            order,
            np.searchsorted(by_pid, query_pids, "left"),
            np.searchsorted(by_pid, query_pids, "right"),
            np.flatnonzero(gallery_pids == JUNK),
        )

    @property
    def shape(self) -> tuple[int, int]:
        """Number of query and of gallery images."""
        return len(self.query_pids), len(self.gallery_pids)

    @property
    def bytes_per_query(self) -> int:
        """What the pairs of one query can take: some 16 numbers for each image of the commonest identity."""
        return 128 * int((self.last - self.first).max())

    def pairs(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Pairs of one identity for queries start to stop: row (from 0), column, whether the camera is the same."""
        first, number = self.first[start:stop], (self.last - self.first)[start:stop]
        rows = np.repeat(np.arange(stop - start), number)
        columns = self.order[np.arange(len(rows)) + np.repeat(first - (np.cumsum(number) - number), number)]
        return rows, columns, self.gallery_camids[columns] == self.query_camids[start + rows]

    def no_match(self) -> MetricError:
        """The error for data in which no query has a match, with the two causes counted apart."""
        queries = len(self.query_pids)
        same = int(np.count_nonzero(self.last > self.first))
        return MetricError(
            f"none of the {queries} queries has a match: the gallery shows the identity of {same} only from the "
            f"query's own camera and that of {queries - same} not at all",
            where="query and gallery",
            cure="A query is the picture to look for, the gallery is where to look, pid names the person, camid the "
            "camera. A match is a gallery image of the same pid with another camid, so data of a single camera "
            "cannot be scored: check that pids and camids were read correctly and both splits belong together",
        )


def integers(values: ArrayLike, number: int, where: str) -> np.ndarray:
    """One int64 per image."""
    cure = f"Give {number} integers, one per image, in the order of the features"
    try:
        values = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise MetricError(f"no list of integers ({error})", where=where, cure=cure) from error
    if values.shape != (number,) or (number and values.dtype.kind not in "iu"):
        raise MetricError(f"{values.dtype} of shape {values.shape} for {number} images", where=where, cure=cure)
    return values.astype(np.int64)
