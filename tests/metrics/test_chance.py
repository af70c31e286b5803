"""The mAP of guessing, against the mean over every order there is."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from osnet_lib.errors import MetricError
from osnet_lib.metrics.chance import chance_map


@pytest.mark.parametrize(
    "pids, camids",
    [
        ([1, 1, 2, 3, 3], [2, 3, 1, 2, 2]),
        ([1, 2, 2, 1, 1], [1, 2, 3, 2, 2]),
        ([1, -1, -1, 0, 1], [2, 1, 1, 1, 1]),
        ([1], [2]),
    ],
)
def test_chance_is_the_mean_over_all_orders(pids, camids):
    ranked = [(pid, camid) for pid, camid in zip(pids, camids) if pid >= 0 and (pid, camid) != (1, 1)]
    scores = []
    for order in permutations(ranked):
        ranks = [rank for rank, (pid, _) in enumerate(order, 1) if pid == 1]
        scores.append(np.mean([i / rank for i, rank in enumerate(ranks, 1)]))
    assert chance_map(([1, 99], [1, 1]), (pids, camids)) == pytest.approx(np.mean(scores), abs=1e-12)


def test_no_match_is_refused():
    with pytest.raises(MetricError, match="has a match"):
        chance_map(([1], [1]), ([1, 2], [1, 2]))
