"""Images of a piece that equal a match to the bit: they are as far from a query, wherever BLAS rounds otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..metrics.distance import row_digests


@dataclass(frozen=True, eq=False)
class Copies:
    """The images of a piece that equal a match of a query, which are as far from it, and the match itself among them.

    Attributes
    ----------
    columns : array (images,)
        All images of the piece, in the order of their digests.
    rows, distances, begins, ends : array (matches,)
        Of each match, but for those that equal another one of its query; where its copies are in `columns`.
    """

    columns: np.ndarray
    rows: np.ndarray
    distances: np.ndarray
    begins: np.ndarray
    ends: np.ndarray

    def __repr__(self) -> str:
        return f"copies of {len(self.rows)} matches among {len(self.columns)} images"

    @classmethod
    def of(cls, images: np.ndarray, far: tuple[np.ndarray, np.ndarray, np.ndarray]) -> Copies:
        first = pairs(far[0], far[2])[0]
        rows, distances, digests = (part[first] for part in far)
        own = row_digests(images)
        columns = np.argsort(own, kind="stable")
        begins, ends = (np.searchsorted(own[columns], digests, side) for side in ("left", "right"))  # type: ignore[call-overload]
        held = begins < ends
        return cls(columns, rows[held], distances[held], begins[held], ends[held])

    def set(self, start: int, block: np.ndarray) -> None:
        """Write their distances into a block of the queries from `start`."""
        part = slice(*np.searchsorted(self.rows, [start, start + len(block)]))
        for row, distance, begin, end in zip(self.rows[part], self.distances[part], self.begins[part], self.ends[part]):
            block[row - start, self.columns[begin:end]] = distance


def pairs(rows: np.ndarray, digests: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of queries and the images that match them: where each different pair is first, and which one each is."""
    codes, number = np.unique(digests, return_inverse=True)
    _, first, inverse = np.unique(rows * max(1, len(codes)) + number, return_index=True, return_inverse=True)
    return first, inverse
