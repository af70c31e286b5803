"""Published scores, and measured ones on Market-1501's queries, for tests of scores and of the gate."""

from __future__ import annotations

from osnet_lib.comparison.score import Score, published_score
from osnet_lib.published.quoted import find_published

ZOO = published_score(find_published("osnet_x1_0"))
GUIDE = published_score(find_published("osnet_x1_0:Ascend 310"))
MARKET = {"metric": "euclidean", "is_market1501": True, "queries": 3368}


def market(right: int, mAP: float = 0.826, **changes) -> Score:
    """A measured score on Market-1501."""
    return Score("measured", right / 3368, mAP, **{**MARKET, **changes})
