"""Multi-query: all images of a person that one camera took ask as one (Zheng et al., ICCV 2015)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import MetricError
from .distance import prepare, real_matrix
from .labels import JUNK, integers
from .side import SideLike, parts_of

METHODS: dict[str, Callable[..., Any]] = {"mean": np.mean, "max": np.max}


def pool_queries(query: SideLike, extras: SideLike, *, method: str = "mean") -> np.ndarray:
    """Merge the features of each query with those of all extra images of its identity and camera.

    In Market-1501 the extra images are the hand-drawn boxes of ``gt_bbox``: the table `multi_query` of an open data
    set, which holds no image of the table `query`, so that none counts twice. Where they are absent, give the gallery
    itself: of it a query takes the images of its own identity and camera, which are those that the protocol drops for
    this very query, so no match leaks into it. Such figures are not those of ``gt_bbox``: say which extras were used.

    Parameters
    ----------
    query, extras
        As query and gallery of `osnet_lib.metrics.evaluate`. Scale features to unit length first
        (`osnet_lib.metrics.normalize`) where long ones must not weigh more. There may be no extras at all.
    method : {"mean", "max"}
        Mean, or largest value of each component.

    Returns
    -------
    array (queries, width)
        float32, or float64 if an input is. A query without extra images stays as it is.

    Raises
    ------
    MetricError
        Unknown method; features or labels that do not fit together; a query with the pid of junk.
    """
    if method not in METHODS:
        raise MetricError(f"unknown pooling {method!r}", where="method", cure=f"Use one of {', '.join(METHODS)}")
    query_features, query_pids, query_camids = parts_of(query, "query")
    extra_features, extra_pids, extra_camids = parts_of(extras, "extras")
    rows, _ = prepare(query_features, "query")
    extra = real_matrix(extra_features, "extra features", "Give one row per image and one column per value")
    extra = prepare(extra, "extra")[0] if len(extra) else np.empty((0, rows.shape[1]), rows.dtype)
    if rows.shape[1] != extra.shape[1]:
        raise MetricError(
            f"query features have {rows.shape[1]} values each, extra features {extra.shape[1]}",
            where="features",
            cure="Extract both with the same model",
        )
    labels = np.concatenate(
        [
            np.stack([integers(pids, len(part), f"{side} pids"), integers(camids, len(part), f"{side} camids")], axis=1)
            for side, part, pids, camids in (
                ("query", rows, query_pids, query_camids),
                ("extra", extra, extra_pids, extra_camids),
            )
        ]
    )
    if (labels[: len(rows), 0] == JUNK).any():
        raise MetricError(
            f"a query has pid {JUNK}, which marks junk",
            where="query pids",
            cure="Leave junk images out of the query set",
        )
    groups = np.unique(labels, axis=0, return_inverse=True)[1].reshape(-1)  # one number per identity and camera
    wanted, groups = groups[: len(rows)], groups[len(rows) :]
    order = np.argsort(groups, kind="stable")
    first, last = (np.searchsorted(groups[order], wanted, side) for side in ("left", "right"))
    pooled = rows.astype(np.result_type(rows, extra))
    for i in np.flatnonzero(last > first):
        images = np.vstack([rows[i], extra[order[first[i] : last[i]]]])
        pooled[i] = METHODS[method](images.astype(np.float64), axis=0)  # no order of images shows in the rounding
    return pooled
