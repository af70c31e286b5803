"""What results say of themselves where they are printed: one line, their figures in it."""

from __future__ import annotations

import numpy as np
import pytest

from osnet_lib.features.store import Features
from osnet_lib.metrics import (
    bootstrap,
    camera_pairs,
    evaluate,
    pair_histogram,
    paired_test,
    ranked_list,
    verify,
)
from osnet_lib.metrics.agreement import rank_agreement

QUERY = np.array([[0.0, 1.0], [1.0, 0.0], [0.3, 0.4]]), np.array([1, 2, 9]), np.array([1, 1, 1])
GALLERY = np.array([[0.1, 1.0], [9.0, 0.2], [3.0, 3.0], [0.5, 0.4]]), np.array([1, 2, 3, -1]), np.array([2, 3, 2, 2])
SCORE = evaluate(QUERY, GALLERY)


@pytest.mark.parametrize(
    "result, line",
    [
        (SCORE, "Rank-1 1/2 = 50.00 %, mAP 66.67 %, mINP 66.67 % (euclidean, 3 queries, 2 with a match)"),
        (
            evaluate(tuple(part[:2] for part in QUERY), GALLERY, metric="cosine", normalize=True),
            "Rank-1 2/2 = 100.00 %, mAP 100.00 %, mINP 100.00 % (cosine, unit features, 2 queries)",
        ),
        (
            verify(QUERY, GALLERY, fprs=[0.5]),
            "TPR 50.00 % at FPR 0.5 (euclidean, 2 pairs of one identity, 7 of two)",
        ),
        (
            pair_histogram(QUERY, GALLERY, bins=5),
            "2 pairs of one identity and 7 of two in 5 bins from 0.01 to 81.64 (euclidean)",
        ),
        (camera_pairs(QUERY, GALLERY), "Rank-1 of 2 pairs of cameras, from 100.00 to 100.00 % (euclidean)"),
        (ranked_list(QUERY, GALLERY, k=2), "the 2 nearest images of 3 queries, 1 of them right at rank 1"),
        (
            rank_agreement(QUERY, GALLERY, candidate=(QUERY, GALLERY)),
            "nearest image changed for 0 of 3 queries, mean tau 1.0000",
        ),
        (
            Features(np.array(["a", "b", "c"]), *QUERY[1:], QUERY[0]),
            "3 features of 2 values: 3 identities, 1 cameras",
        ),
    ],
)
def test_one_line_with_the_figures(result, line):
    assert repr(result) == line


def test_intervals_and_tests_say_what_their_text_says():
    intervals, test = bootstrap(SCORE, rounds=100), paired_test(SCORE, SCORE, rounds=100)
    assert repr(intervals) == intervals.text() and "resampling 2 queries" in repr(intervals)
    assert repr(test) == test.verdict() and "rank alike" in repr(test)
