"""k-reciprocal re-ranking (Zhong, Zheng, Cao and Li, "Re-ranking Person Re-identification with k-reciprocal Encoding",
CVPR 2017), sparse and in blocks.

Over all images, queries and gallery together, with the squared Euclidean distance d(i, j)::

    d'(i, j)  = d(i, j) / max_m d(i, m)
    N(i, k)   = the k images nearest to i, i itself not counted, and i
    R(i, k)   = {j in N(i, k) : i in N(j, k)}                                      k-reciprocal neighbours
    R*(i)     = R(i, k1) and every R(c, k1/2), c in R(i, k1), of which more than 2/3 lies in R(i, k1)
    V(i, j)   = exp(-d'(i, j)) for j in R*(i), else 0; then divided by its sum over j
    V'(i)     = mean of V over the k2 images nearest to i, of which i is one       local query expansion
    J(i, j)   = 1 - s / (2 - s),   s = sum_m min(V'(i, m), V'(j, m))                Jaccard distance
    result    = (1 - lambda) J + lambda d'

This is what the authors' published program computes; k1/2 is rounded half to even, as there. It holds several matrices
of images x images. Here the distances pass in blocks that leave only the nearest images of each row, and everything
from N to V' is a sparse matrix.

Ties: all images exactly as far as the last one of a neighbourhood belong to it, so that no file order decides. Without
ties the result is the published one but for rounding.
"""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from ..checks import whole_number
from ..errors import MetricError
from .distance import Gallery, rows_that_fit
from .side import FeaturesLike, features_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array  # a third of the time that importing the metrics took

GROUP = 64  # columns of which the nearest bounds the distance of the k-th nearest image
# Ties can make neighbourhoods as large as the set; this is how much they may add on average per image. Without them, an
# image has k1 neighbours, and of products of sparse matrices some k1 * k1.
MOST_TIES, MOST_PRODUCTS = 500, 5000


def rerank(
    query: FeaturesLike,
    gallery: FeaturesLike,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_value: float = 0.3,
    metric: str = "euclidean",
    normalize: bool = False,
    progress: bool = False,
) -> np.ndarray:
    """Distances after k-reciprocal re-ranking, to be scored by `evaluate_distances` (formulas at the module's head).

    Parameters
    ----------
    query, gallery
        As those of `osnet_lib.metrics.evaluate`, or features alone: labels are not looked at. Junk should be left out:
        it would be a neighbour.
    k1, k2 : int
        Size of the neighbourhoods, and number of images of the local query expansion; 1 is no expansion.
    lambda_value : float
        Weight of the original distance, 0 to 1.
    metric : {"euclidean", "cosine"}
        Squared Euclidean distance, as the authors take it, or 1 - cosine. torchreid squares the squared distance once
        more, which gives other weights.
    normalize : bool
        Divide every feature by its length first; nothing changes under "cosine", the same as both.
    progress : bool
        Show tqdm bars over the images and the queries.

    Returns
    -------
    float32 array (queries, gallery)
        From 0 to 1. Equal gallery features have exactly equal columns.

    Raises
    ------
    MetricError
        As `Gallery`; a `k1` or `k2` that is no number of images in the set; a `lambda_value` outside 0 to 1; features
        that are all equal within rounding, or so many of them that neighbourhoods grow to hundreds of images.
    """
    prepared = Gallery(features_of(gallery, "gallery"), metric, normalize)
    rows, _ = prepared.query(features_of(query, "query"))
    queries, number = len(rows), len(rows) + len(prepared)
    half = _check(k1, k2, lambda_value, number)
    images = Gallery(np.concatenate([rows, prepared.features]), metric)
    copies, originals = prepared.copies, prepared.originals
    del rows, prepared
    result = np.empty((queries, number - queries), np.float32)
    near = _Neighbours(images, max(k1 + 1, k2), result, progress)
    room = (MOST_PRODUCTS + (k1 + k2) ** 2) * number

    reciprocal, core = _reciprocal(near.nearest(k1 + 1)), _reciprocal(near.nearest(half + 1))
    # |R(i, k1) and R(c, k1/2)|; both matrices are symmetric.
    overlap = _product(reciprocal, core, room).multiply(reciprocal).tocsr()
    overlap.data = (3 * overlap.data > 2 * np.diff(core.indptr)[overlap.indices]).astype(np.int32)
    overlap.eliminate_zeros()
    weights = _weigh(images, reciprocal + _product(overlap, core, room), near.farthest)
    del reciprocal, core, overlap
    expansion = near.nearest(k2).astype(np.float32)
    expansion.data /= np.repeat(np.diff(expansion.indptr), np.diff(expansion.indptr))
    weights = _product(expansion, weights, room)

    result *= np.float32(lambda_value) / near.farthest[:queries, None]
    _add_jaccard(result, weights, 1 - lambda_value, progress)
    if len(copies):  # rounding must not break the tie of equal features
        result[:, copies] = result[:, originals]
    return result


def _check(k1: int, k2: int, lambda_value: float, number: int) -> int:
    """Refuse parameters without sense; k1/2 rounded as the authors do."""
    for name, k, most in (("k1", k1, number - 1), ("k2", k2, number)):
        cure = f"Queries and gallery together are {number} images: choose a smaller number (--{name})"
        whole_number(k, name, at_most=most, error=MetricError, cure=cure)
    if not isinstance(lambda_value, Real) or not 0 <= lambda_value <= 1:
        raise MetricError(f"a weight of {lambda_value!r}", where="lambda_value", cure="Choose a number from 0 to 1")
    return int(np.around(k1 / 2))


class _Neighbours:
    """The `k` nearest images of every image, with ties, in order of distance; fills `result` with query distances.

    Attributes
    ----------
    columns, distances : array (pairs,)
        Of the neighbours, row after row.
    indptr : array (images + 1,)
        Where each row starts.
    farthest : array (images,)
        The largest distance of each row.
    """

    def __init__(self, images: Gallery, k: int, result: np.ndarray, progress: bool):
        number, (queries, _) = len(images), result.shape
        step = rows_that_fit(2 * number * images.features.itemsize)
        buffer = np.empty((min(step, number), number), images.features.dtype)
        self.farthest = np.empty(number, buffer.dtype)
        original = np.arange(number)
        original[images.copies] = images.originals
        found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        pairs = 0
        with tqdm(total=number, desc="neighbours", unit="image", disable=not progress) as bar:
            for start in range(0, number, step):
                stop = min(start + step, number)
                block = images.distances(
                    images.features[start:stop], images.squared[start:stop], out=buffer[: stop - start]
                )
                np.maximum(block, 0, out=block)  # what rounding took below, as among copies of one picture
                block[np.arange(stop - start), original[start:stop]] = 0
                if len(images.copies):
                    block[:, images.copies] = block[:, images.originals]
                block.max(axis=1, out=self.farthest[start:stop])
                if start < queries:
                    result[start:stop] = block[: queries - start, queries:]
                found.append(_nearest(block, k))
                pairs += len(found[-1][0])
                _refuse_ties(pairs, (k + MOST_TIES) * number)
                bar.update(stop - start)
        scale = 1 if images.metric == "cosine" else images.squared.max()
        if self.farthest.min() <= 8 * np.finfo(buffer.dtype).eps * scale:
            raise MetricError(
                "all features are equal within rounding",
                where="features",
                cure="Check the model and its input: it answers the same for every image",
            )
        self.columns, self.distances, counts = (np.concatenate(parts) for parts in zip(*found))
        self.indptr = np.concatenate([[0], np.cumsum(counts)])

    def nearest(self, k: int) -> csr_array:
        """Row i has a 1 for each of the `k` images nearest to i, itself the first, and for those tied with the last."""
        from scipy.sparse import csr_array

        counts = np.diff(self.indptr)
        kept = self.distances <= np.repeat(self.distances[self.indptr[:-1] + k - 1], counts)
        indptr = np.concatenate([[0], np.cumsum(kept)])[self.indptr]
        matrix = csr_array((np.ones(indptr[-1], np.int32), self.columns[kept], indptr), shape=2 * (len(counts),))
        matrix.sort_indices()
        return matrix


def _nearest(block: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Columns and distances of the `k` nearest of each row, ties included, in order; and how many each row has."""
    rows, number = block.shape
    # The k-th smallest of the minima of disjoint groups is at least the k-th smallest of all, and quickly found.
    group = max(1, min(GROUP, number // (4 * k)))
    minima = block[:, : number // group * group].reshape(rows, group, -1).min(axis=1)
    minima.partition(k - 1, axis=1)
    row, column = np.divmod(np.flatnonzero(block <= minima[:, k - 1 : k]), number)
    distance = block[row, column]
    order = np.lexsort((distance, row))
    distance, column = distance[order], column[order].astype(np.int32)
    counts = np.bincount(row, minlength=rows)
    kept = distance <= np.repeat(distance[np.cumsum(counts) - counts + k - 1], counts)
    return column[kept], distance[kept], np.bincount(row[kept], minlength=rows)


def _reciprocal(near: csr_array) -> csr_array:
    """Those neighbours of which one is a neighbour too; symmetric."""
    return near.multiply(near.T.tocsr()).tocsr()


def _product(left: csr_array, right: csr_array, room: int) -> csr_array:
    """The matrix product, unless it would take a memory and a time that only ties explain."""
    _refuse_ties(int(np.diff(right.indptr)[left.indices].sum()), room)
    return left @ right


def _refuse_ties(pairs: int, most: int) -> None:
    if pairs > most:
        raise MetricError(
            "so many images are exactly equally far apart that neighbourhoods grow without bound",
            where="features",
            cure="Look for many equal features: blank pictures, one picture many "
            "times, a quantised or collapsed model; or choose a smaller k1",
        )


def _weigh(images: Gallery, neighbours: csr_array, farthest: np.ndarray) -> csr_array:
    """V: weights exp(-d') on the pattern of `neighbours`, each row's sum 1."""
    counts = np.diff(neighbours.indptr)
    rows, columns = np.repeat(np.arange(len(counts), dtype=np.int32), counts), neighbours.indices
    distances = np.empty(len(rows), images.features.dtype)
    step = max(1, rows_that_fit(images.features[0].nbytes) // 16)  # a block that the cache holds
    for start in range(0, len(rows), step):
        part = slice(start, start + step)
        apart = images.features[rows[part]] - images.features[columns[part]]
        np.einsum("ij,ij->i", apart, apart, out=distances[part])
    if images.metric == "cosine":
        distances /= 2
    weights = np.exp(-distances / farthest[rows])
    weights /= np.repeat(np.add.reduceat(weights, neighbours.indptr[:-1]), counts)
    return type(neighbours)((weights.astype(np.float32), columns, neighbours.indptr), shape=neighbours.shape)


def _add_jaccard(result: np.ndarray, weights: csr_array, factor: float, progress: bool) -> None:
    """Add `factor` times the Jaccard distance to `result` (queries, gallery), in blocks of queries."""
    queries, gallery = result.shape
    query, columns = weights[:queries], weights[queries:].tocsc()
    lengths = np.diff(columns.indptr)
    work = np.concatenate([[0], np.cumsum(lengths[query.indices])])[query.indptr]  # pairs of weights, up to each query
    with tqdm(total=queries, desc="re-ranking", unit="query", disable=not progress) as bar:
        start = 0
        while start < queries:
            room = work[start] + rows_that_fit(32)  # four numbers of 8 bytes for a pair
            stop = int(np.searchsorted(work, room, side="right")) - 1
            stop = min(max(stop, start + 1), start + rows_that_fit(8 * gallery), queries)
            entries = slice(query.indptr[start], query.indptr[stop])
            of_query = np.repeat(np.arange(stop - start), np.diff(query.indptr[start : stop + 1]))
            number = lengths[query.indices[entries]]
            ends = np.cumsum(number)
            index = np.arange(work[stop] - work[start])
            index += np.repeat(columns.indptr[query.indices[entries]] - (ends - number), number)
            shared = np.minimum(np.repeat(query.data[entries], number), columns.data[index])
            place = np.repeat(of_query * gallery, number)
            place += columns.indices[index]
            total = np.bincount(place, shared, minlength=(stop - start) * gallery).reshape(stop - start, gallery)
            np.minimum(total, 1, out=total)  # two images alike share 1, which rounding may exceed
            result[start:stop] += factor * (1 - total / (2 - total))
            bar.update(stop - start)
            start = stop
