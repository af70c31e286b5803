"""A tiny data set's names, and what the real Market-1501 test split must give."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np
from scipy.io import savemat

from osnet_lib.datasets.market1501 import open_market1501

TINY = {
    "query": ["0001_c1s1_000001_00.jpg", "0002_c2s1_000002_00.jpg", "0003_c6s3_000003_00.jpg"],
    "bounding_box_test": [
        "0001_c2s1_000011_01.jpg",
        "0001_c1s1_000012_01.jpg",
        "0002_c3s1_000013_02.jpg",
        "0003_c5s2_000014_01.jpg.jpg",
        "0000_c4s1_000015_01.jpg",
        "0000_c1s1_000016_04.jpg",
        "-1_c3s2_000017_01.jpg",
    ],
    "bounding_box_train": ["0007_c1s1_000021_01.jpg", "0007_c2s1_000022_01.jpg", "0008_c4s1_000023_01.jpg"],
}

# (Rank-1 hits, mAP) of the README of the data, computed with torchreid's own evaluate_rank; then hits at 1, 5, 10, 20.
FULL = {"euclidean": (3071, 0.749377), "cosine": (3081, 0.773947)}
FULL_HITS = {"euclidean": (3071, 3254, 3298, 3316), "cosine": (3081, 3264, 3302, 3325)}
FULL_MINP = 0.370024  # euclidean
FULL_OWN_MAP = {"euclidean": 0.742214, "cosine": 0.766761}  # by gt_query, of the data set's own code
FULL_LISTS = {"good": 49_649, "junk": 13_115}
# The same features cut down by `in_subsample`; derived by the full run below.
SUBSAMPLE = {"euclidean": (215, 0.958711), "cosine": (216, 0.969146)}
SUBSAMPLE_QUERIES = 216


def in_subsample(pid: int, frame: int) -> bool:
    """One person in fifteen, and one distractor in fifteen."""
    return (frame if pid == 0 else pid) % 15 == 0


def write_ground_truth(root: Path, none: Collection[int] = ()) -> None:
    """Write ``gt_query/`` of a data set by the protocol; queries of the numbers `none` have no junk.

    They say so as the published lists do: one by an empty 1 x 0, all others by a zero.
    """
    with open_market1501(root) as data:
        everything = sorted((*data.gallery, *data.junk), key=lambda sample: sample.name)
        queries = data.query
    (root / "gt_query").mkdir()
    for number, query in enumerate(queries):
        same = [i for i, sample in enumerate(everything, 1) if sample.pid == query.pid]
        good = [i for i in same if everything[i - 1].camid != query.camid]
        junk = np.array([[i for i in same if i not in good]], float)
        if number in none:
            junk = np.zeros((1, 0)) if number == min(none) else np.zeros((1, 1))
        for kind, values in (("good", np.array([good], float)), ("junk", junk)):
            savemat(root / "gt_query" / f"{query.name.split('.')[0]}_{kind}.mat", {f"{kind}_index": values})
