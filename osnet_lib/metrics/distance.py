"""Distances between features, one block of queries at a time.

Both metrics are those of torchreid: *squared* Euclidean distance and 1 - cosine. The matrix product runs in float32
(float64 when a feature matrix is float64), which is what the published Market-1501 figures were computed with.
"""

from __future__ import annotations

from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike

from ..errors import MetricError

METRICS = ("euclidean", "cosine")
BLOCK_BYTES = 64 << 20  # what a block of distances, and of pairs of one identity, may take


def rows_that_fit(bytes_per_query: int) -> int:
    """How many queries a block may hold; at least 1."""
    return max(1, BLOCK_BYTES // bytes_per_query)


def real_matrix(values: ArrayLike, where: str, cure: str) -> np.ndarray:
    """`values` as a matrix of real numbers, or a MetricError."""
    try:
        matrix = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of unequal length; a tensor of another device
        raise MetricError(f"not a matrix ({error})", where=where, cure=cure) from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise MetricError(f"{matrix.dtype} of shape {matrix.shape} is no matrix of real numbers", where=where,
                          cure=cure)
    return matrix


class Gallery:
    """Gallery features checked and prepared once, so that every block of queries costs one matrix product.

    Parameters
    ----------
    features : array (gallery, width)
        Any real dtype; float64 stays, everything else becomes float32.
    metric : {"euclidean", "cosine"}

    Raises
    ------
    MetricError
        Unknown metric; no images; not a matrix of real numbers; a value that is not finite or too large to square;
        under "cosine" a row of zeros, which has no direction.
    """

    def __init__(self, features: ArrayLike, metric: str):
        if metric not in METRICS:
            raise MetricError(f"unknown distance {metric!r}", where="metric", cure=f"Use one of {', '.join(METRICS)}")
        self.metric = metric
        self.features, self.squared = _prepare(features, metric, "gallery")
        self.copies, self.originals = _identical_rows(self.features, self.squared)

    def __len__(self) -> int:
        return len(self.features)

    def query(self, features: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Check and prepare query features (query, width): the rows and their squared lengths, for `distances`."""
        rows, squared = _prepare(features, self.metric, "query")
        if rows.shape[1] != self.features.shape[1]:
            raise MetricError(f"query features have {rows.shape[1]} values each, gallery features "
                              f"{self.features.shape[1]}", where="features",
                              cure="Extract query and gallery with the same model")
        return rows, squared

    def distances(self, rows: np.ndarray, squared: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Distances (query, gallery) of prepared query rows; `out` is filled and returned when given."""
        if self.metric == "cosine":
            out = np.matmul(-rows, self.features.T, out=out)
            out += 1
        else:  # |q - g|^2 = |q|^2 + |g|^2 - 2 q.g
            out = np.matmul(rows * -2, self.features.T, out=out)
            out += self.squared
            out += squared[:, None]
        # BLAS rounds differently at the edges of its tiles: equal features would get unequal distances.
        if len(self.copies):
            out[:, self.copies] = out[:, self.originals]
        return out


def distances(query: ArrayLike, gallery: ArrayLike, metric: str = "euclidean") -> np.ndarray:
    """Dense distance matrix.

    Parameters
    ----------
    query, gallery : array (query, width), (gallery, width)
    metric : {"euclidean", "cosine"}
        Squared Euclidean distance |q|^2 + |g|^2 - 2 q.g, or 1 - q.g / (|q| |g|), both as in torchreid's
        ``compute_distance_matrix``.

    Returns
    -------
    array (query, gallery)
        float32, or float64 if an input is. Rounding can make the distance of nearly equal features slightly negative,
        as it does in torchreid. Equal gallery rows have exactly equal columns.

    Raises
    ------
    MetricError
        See `Gallery`; also features of different width.
    """
    prepared = Gallery(gallery, metric)
    return prepared.distances(*prepared.query(query))


def _prepare(features: ArrayLike, metric: str, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Contiguous floating rows (unit length under cosine) and the squared length of each."""
    features = real_matrix(features, f"{where} features", "Give one row per image and one column per value")
    if 0 in features.shape:
        raise MetricError(f"no features (shape {features.shape})", where=f"{where} features",
                          cure="Check that the split holds images and that the extraction finished")
    double = features.dtype.kind == "f" and features.dtype.itemsize >= 8
    rows = np.ascontiguousarray(features, dtype=np.float64 if double else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", rows, rows)
    wrong = np.flatnonzero(~(squared < np.finfo(rows.dtype).max / 4))  # below, |q - g|^2 is finite; NaN fails too
    if len(wrong):
        raise MetricError(f"{len(wrong)} of {len(rows)} rows are not finite or too large to square, first row "
                          f"{wrong[0]}", where=f"{where} features",
                          cure="Look for NaN, infinity or overflow (fp16?) in the model")
    if metric == "cosine":
        zero = np.flatnonzero(squared == 0)
        if len(zero):
            raise MetricError(f"{len(zero)} of {len(rows)} rows are all zero, first row {zero[0]}: they have no "
                              "direction, so no cosine", where=f"{where} features",
                              cure="Check the model's output, or use the euclidean distance")
        rows = rows / np.sqrt(squared)[:, None]
    return rows, squared


def _identical_rows(rows: np.ndarray, squared: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Indices of rows equal to an earlier row, and of that earlier row."""
    order = np.argsort(squared, kind="stable")
    same = squared[order[1:]] == squared[order[:-1]]
    candidates = np.sort(order[np.append(same, False) | np.insert(same, 0, False)])  # same length: maybe the same row
    first: dict[bytes, int] = {}
    # Adding 0 makes -0.0 and 0.0 the same bytes.
    digests = (blake2b((rows[i] + 0).tobytes(), digest_size=16).digest() for i in candidates)
    originals = np.array([first.setdefault(key, i) for key, i in zip(digests, candidates)], dtype=np.intp)
    copies = candidates != originals
    return candidates[copies], originals[copies]
