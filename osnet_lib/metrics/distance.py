"""Distances between features, one block of queries at a time.

Both metrics are those of torchreid: *squared* Euclidean distance and 1 - cosine. The matrix product runs in float32
(float64 when a feature matrix is float64), which is what the published Market-1501 figures were computed with. Features
may be normalised to unit length first, as torchreid's ``normalize_feature`` does: ``|q - g|^2`` is then ``2 - 2 cos``,
and both metrics rank alike.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import ArrayLike

from ..checks import whole_number
from ..errors import MetricError

METRICS = ("euclidean", "cosine")
_SMALL = 2048  # elements of a product from which on it is none of the small ones
BLOCK_BYTES = 64 << 20  # what a block of distances, and of pairs of one identity, may take


def rows_that_fit(bytes_per_query: int) -> int:
    """How many queries a block may hold; at least 1."""
    return max(1, BLOCK_BYTES // bytes_per_query)


def check_metric(metric: str) -> None:
    """Refuse a distance that is none of `METRICS`; MetricError."""
    if metric not in METRICS:
        raise MetricError(f"unknown distance {metric!r}", where="metric", cure=f"Use one of {', '.join(METRICS)}")


def real_matrix(values: ArrayLike, where: str, cure: str) -> np.ndarray:
    """`values` as a matrix of real numbers, or a MetricError."""
    try:
        matrix = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # rows of unequal length; a tensor of another device
        raise MetricError(f"not a matrix ({error})", where=where, cure=cure) from error
    if matrix.ndim != 2 or matrix.dtype.kind not in "fiub":
        raise MetricError(
            f"{matrix.dtype} of shape {matrix.shape} is no matrix of real numbers", where=where, cure=cure
        )
    return matrix


class Gallery:
    """Gallery features checked and prepared once, so that every block of queries costs one matrix product.

    Parameters
    ----------
    features : array (gallery, width)
        Any real dtype; float64 stays, everything else becomes float32.
    metric : {"euclidean", "cosine"}
    normalize : bool
        Bring all rows to unit length first; "cosine" always does.

    Raises
    ------
    MetricError
        Unknown metric; no images; not a matrix of real numbers; a value that is not finite or too large to square;
        under "cosine" or `normalize` a row of zeros, which has no direction.
    """

    def __init__(self, features: ArrayLike, metric: str, normalize: bool = False):
        check_metric(metric)
        self.metric, self.unit = metric, normalize or metric == "cosine"
        self.features, self.squared = prepare(features, "gallery", self.unit)
        self.copies, self.originals = _identical_rows(self.features, self.squared)

    def __len__(self) -> int:
        return len(self.features)

    def query(self, features: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
        """Check and prepare query features (query, width): the rows and their squared lengths, for `distances`."""
        rows, squared = prepare(features, "query", self.unit)
        if rows.shape[1] != self.features.shape[1]:
            raise MetricError(
                f"query features have {rows.shape[1]} values each, gallery features {self.features.shape[1]}",
                where="features",
                cure="Extract query and gallery with the same model",
            )
        return rows, squared

    def distances(self, rows: np.ndarray, squared: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
        """Distances (query, gallery) of prepared query rows; `out` is filled and returned when given."""
        if self.metric == "cosine":
            out = _product(-rows, self.features, out)
            out += 1
        else:  # |q - g|^2 = |q|^2 + |g|^2 - 2 q.g
            out = _product(rows * -2, self.features, out)
            out += self.squared
            out += squared[:, None]
        # BLAS rounds differently at the edges of its tiles: equal features would get unequal distances.
        if len(self.copies):
            out[:, self.copies] = out[:, self.originals]
        return out

    def blocks(
        self, rows: np.ndarray, squared: np.ndarray, bytes_per_query: int = 0, block_rows: int | None = None
    ) -> Iterator[tuple[int, np.ndarray]]:
        """Distances of prepared query rows in blocks: the first query's number and an array (queries, gallery).

        The next block overwrites the last one, and the caller may do so too. A block holds `block_rows` queries, or
        as many as fit in 64 MiB with `bytes_per_query` beside the distances of each.
        """
        if block_rows is not None:
            whole_number(block_rows, "block_rows", error=MetricError)
        dtype = np.result_type(rows, self.features)
        step = min(block_rows or rows_that_fit(len(self) * dtype.itemsize + bytes_per_query), len(rows))
        return self._blocks(rows, squared, np.empty((step, len(self)), dtype))

    def _blocks(self, rows: np.ndarray, squared: np.ndarray, buffer: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
        for start in range(0, len(rows), len(buffer)):
            part = slice(start, start + len(buffer))
            yield start, self.distances(rows[part], squared[part], out=buffer[: len(rows) - start])


def distances(
    query: ArrayLike, gallery: ArrayLike, *, metric: str = "euclidean", normalize: bool = False
) -> np.ndarray:
    """Dense distance matrix.

    Parameters
    ----------
    query, gallery : array (query, width), (gallery, width)
    metric : {"euclidean", "cosine"}
        Squared Euclidean distance ``|q|^2 + |g|^2 - 2 q.g``, or ``1 - q.g / (|q| |g|)``, both as in torchreid's
        ``compute_distance_matrix``.
    normalize : bool
        Bring all features to unit length first (torchreid's ``normalize_feature``).

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
    prepared = Gallery(gallery, metric, normalize)
    return prepared.distances(*prepared.query(query))


def normalize(features: ArrayLike) -> np.ndarray:
    """Rows of unit length, (images, width): float32, or float64 if the features are.

    Raises
    ------
    MetricError
        What `Gallery` refuses; a row of zeros.
    """
    return prepare(features, "", unit=True)[0]


def prepare(features: ArrayLike, side: str, unit: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Contiguous floating rows, of unit length where asked, and the squared length of each; `side` names them."""
    where = f"{side} features".lstrip()
    features = real_matrix(features, where, "Give one row per image and one column per value")
    if 0 in features.shape:
        raise MetricError(
            f"no features (shape {features.shape})",
            where=where,
            cure="Check that the split holds images and that the extraction finished",
        )
    double = features.dtype.kind == "f" and features.dtype.itemsize >= 8
    rows: np.ndarray = np.ascontiguousarray(features, dtype=np.float64 if double else np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        squared = np.einsum("ij,ij->i", rows, rows)
    wrong = np.flatnonzero(~(squared < np.finfo(rows.dtype).max / 4))  # below, |q - g|^2 is finite; NaN fails too
    if len(wrong):
        raise MetricError(
            f"{len(wrong)} of {len(rows)} rows are not finite or too large to square, first row {wrong[0]}",
            where=where,
            cure="Look for NaN, infinity or overflow (fp16?) in the model",
        )
    if unit:
        small = np.flatnonzero(squared < np.finfo(rows.dtype).tiny * 1e8)  # their squares have lost digits
        largest = np.abs(rows[small]).max(axis=1)
        zero = small[largest == 0]
        if len(zero):
            raise MetricError(
                f"{len(zero)} of {len(rows)} rows are all zero, first row {zero[0]}: they have no "
                "direction, so no cosine and no unit length",
                where=where,
                cure="Check the model's output, or use the euclidean distance without normalising",
            )
        if len(small):
            rows = rows.copy()
            rows[small] /= largest[:, None]
            squared[small] = np.einsum("ij,ij->i", rows[small], rows[small])
        rows = rows / np.sqrt(squared)[:, None]
        squared = np.einsum("ij,ij->i", rows, rows)
    return rows, squared


def _product(rows: np.ndarray, others: np.ndarray, out: np.ndarray | None) -> np.ndarray:
    """``rows @ others.T``, never so small that BLAS takes other kernels, and rounds otherwise, than for a large one.

    So a part of a gallery gets the distances that it has in the whole. OpenBLAS has kernels of their own for products
    of up to 1,200 elements and for a single row or column. Its kernels for AVX2 without AVX-512 round by the place of a
    column as well: there the last bit may still differ.
    """
    queries, images = len(rows), len(others)
    if min(queries, images) > 1 and queries * images >= _SMALL:
        return np.matmul(rows, others.T, out=out)
    height = max(2, queries)
    product = np.matmul(_padded(rows, height), _padded(others, max(2, images, -(-_SMALL // height))).T)
    product = product[:queries, :images]
    if out is None:
        return np.ascontiguousarray(product)
    out[...] = product
    return out


def _padded(rows: np.ndarray, count: int) -> np.ndarray:
    """`rows` with zeros behind them."""
    padded = np.zeros((count, rows.shape[1]), rows.dtype)
    padded[: len(rows)] = rows
    return padded


def row_digests(rows: np.ndarray) -> np.ndarray:
    """A number for each row, uint64 (rows,): equal rows have it in common, others but once in 10^19 do not."""
    # Adding 0 makes -0.0 and 0.0 the same bytes.
    digests = b"".join(blake2b((row + 0).tobytes(), digest_size=8).digest() for row in rows)
    return np.frombuffer(digests, np.uint64)


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
