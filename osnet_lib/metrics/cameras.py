"""Rank-1 by pair of cameras: which change of view the features survive, and which not."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .labels import JUNK
from .side import SideLike, prepare_sides


@dataclass(frozen=True, eq=False)
class CameraPairs:
    """Rank-1 of the queries of one camera in the gallery of another, by pair.

    Attributes
    ----------
    query_cameras, gallery_cameras : int64 array (Cq,), (Cg,)
        Camera numbers, ascending.
    rank1 : float64 array (Cq, Cg)
        Share of the pair's queries whose nearest image is a match; NaN where the pair has no query.
    queries : int64 array (Cq, Cg)
        Queries with a match in that gallery camera. None of a camera to itself: matches there do not count.
    metric : str
        The distance.
    normalized : bool
        Whether the features were brought to unit length first.
    """

    query_cameras: np.ndarray
    gallery_cameras: np.ndarray
    rank1: np.ndarray
    queries: np.ndarray
    metric: str
    normalized: bool = False

    def __repr__(self) -> str:
        worst, best = np.nanmin(self.rank1), np.nanmax(self.rank1)
        return (
            f"Rank-1 of {np.count_nonzero(self.queries)} pairs of cameras, from {100 * worst:.2f} to "
            f"{100 * best:.2f} % ({self.metric})"
        )


def camera_pairs(
    query: SideLike,
    gallery: SideLike,
    *,
    metric: str = "euclidean",
    normalize: bool = False,
) -> CameraPairs:
    """Rank-1 when the gallery is cut to a single camera, for every pair of query and gallery camera.

    It is ``evaluate(...).rank(1)`` of the queries of one camera in the gallery images of one camera, with the same
    treatment of junk, distractors and ties; Zheng et al. (ICCV 2015) show the same matrix for their baseline. A query
    counts once for every camera that shows its person elsewhere. Rank-1 in the whole gallery can be above all of
    these figures, since there the easiest camera decides.

    Parameters
    ----------
    query, gallery, metric, normalize
        As those of `osnet_lib.metrics.evaluate`.

    Raises
    ------
    MetricError
        As `osnet_lib.metrics.evaluate`: features or labels that do not fit together; no query with a match.
    """
    prepared, rows, labels = prepare_sides(query, gallery, metric, normalize)
    query_cameras, query_camera = np.unique(labels.query_camids, return_inverse=True)
    gallery_cameras = np.unique(labels.gallery_camids[labels.gallery_pids != JUNK])
    if not len(gallery_cameras):
        raise labels.no_match()
    columns = [np.flatnonzero(labels.gallery_camids == camera) for camera in gallery_cameras]
    queries = np.zeros((len(query_cameras), len(gallery_cameras)), np.int64)
    hits = np.zeros_like(queries)
    for start, block in prepared.blocks(*rows, labels.bytes_per_query):
        stop = start + len(block)
        pair_rows, pair_columns, same_camera = labels.pairs(start, stop)
        match_rows, match_columns = pair_rows[~same_camera], pair_columns[~same_camera]
        match = np.full((len(block), len(gallery_cameras)), np.inf)
        camera = np.searchsorted(gallery_cameras, labels.gallery_camids[match_columns])
        np.minimum.at(match, (match_rows, camera), block[match_rows, match_columns])
        block[pair_rows, pair_columns] = np.inf  # only wrong images are left
        block[:, labels.junk] = np.inf
        nearer = np.stack([match[:, i] < block[:, c].min(axis=1) for i, c in enumerate(columns)], axis=-1)
        np.add.at(queries, query_camera[start:stop], match < np.inf)
        np.add.at(hits, query_camera[start:stop], nearer)
    if not queries.any():
        raise labels.no_match()
    rank1 = np.full(queries.shape, np.nan)
    np.divide(hits, queries, out=rank1, where=queries > 0)
    for array in (query_cameras, gallery_cameras, rank1, queries):
        array.flags.writeable = False
    return CameraPairs(query_cameras, gallery_cameras, rank1, queries, metric, normalize)
