"""Average query expansion: a query moves towards its nearest gallery images and asks again.

With unit features, k neighbours g_j of the query q and similarity s_j = cos(q, g_j)::

    q' = q + sum_j max(s_j, 0)^alpha g_j,      scaled to unit length

(Chum et al., ICCV 2007, for the plain average, alpha 0; weighted by similarity: Radenovic et al., TPAMI 2019.)

It looks at no label, so it may be used where nobody knows the people. That also means that it cannot leave out what
the protocol leaves out for a query, such as images of its own camera; junk must not be among the gallery features (the
table `gallery` of an open data set has none). fast-reid's ``TEST.AQE`` pools queries with the gallery and counts an
image among its own k neighbours, so its k is larger by one; here no query sees another.
"""

from __future__ import annotations

from numbers import Real

import numpy as np

from ..checks import whole_number
from ..errors import MetricError
from .distance import Gallery
from .side import FeaturesLike, features_of


def expand_queries(
    query: FeaturesLike, gallery: FeaturesLike, *, k: int = 5, alpha: float = 3.0, times: int = 1
) -> np.ndarray:
    """Query features, expanded by their `k` nearest gallery images.

    Parameters
    ----------
    query, gallery
        As those of `osnet_lib.metrics.evaluate`, or features alone: labels are not looked at. Compared by cosine.
    k : int
        Neighbours that count. All images as near as the k-th, to rounding, count too, so no file order matters.
    alpha : float
        Exponent of the similarity, from 0, which weighs all neighbours alike. A neighbour that is not similar at all
        (cosine 0 or less) has no weight.
    times : int
        Repetitions, each from the queries of the last one.

    Returns
    -------
    array (queries, width)
        Rows of unit length; float32, or float64 if an input is. Score them with the cosine distance, or with
        ``normalize=True``.

    Raises
    ------
    MetricError
        Features that do not fit together or have no direction; `k` out of range; `alpha` or `times` too small.
    """
    prepared = Gallery(features_of(gallery, "gallery"), "cosine")
    rows, squared = prepared.query(features_of(query, "query"))
    _check(k, alpha, times, len(prepared))
    for _ in range(times):
        rows = _expand(prepared, rows, squared, k, alpha)
    return rows


def _expand(gallery: Gallery, rows: np.ndarray, squared: np.ndarray, k: int, alpha: float) -> np.ndarray:
    """Unit `rows`, expanded once."""
    expanded = rows.astype(np.result_type(rows, gallery.features))
    rounding = 16 * np.finfo(expanded.dtype).eps  # of a cosine; equal ones may differ by it
    for start, block in gallery.blocks(rows, squared):
        for i, distances in enumerate(block, start):
            near = np.flatnonzero(distances <= np.partition(distances, k - 1)[k - 1] + rounding)
            similarity = 1 - distances[near]
            near, similarity = near[similarity > 0], similarity[similarity > 0]
            expanded[i] += similarity**alpha @ gallery.features[near]
    expanded /= np.linalg.norm(expanded, axis=1, keepdims=True)
    return expanded


def _check(k: int, alpha: float, times: int, neighbours: int) -> None:
    whole_number(k, "k", at_most=neighbours, error=MetricError, cure="No more neighbours than gallery images")
    if not isinstance(alpha, Real) or not 0 <= alpha < np.inf:
        raise MetricError(f"an exponent of {alpha!r}", where="alpha", cure="Give a number from 0, such as 3")
    whole_number(times, "times", error=MetricError)
