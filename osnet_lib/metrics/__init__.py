"""The metrics room: distances, ranks and scores of person re-identification, exact and counted in queries.

distance, labels, truth -> scoring -> evaluation -> uncertainty; ranking, verification, expansion, pooling, reranking
"""

from .cameras import CameraPairs, camera_pairs
from .distance import METRICS, distances, normalize
from .evaluation import Evaluation, evaluate, evaluate_distances, evaluate_lists
from .expansion import expand_queries
from .pooling import pool_queries
from .ranking import RankedList, ranked_list
from .reranking import rerank
from .resampling import Interval
from .uncertainty import Intervals, PairedTest, bootstrap, paired_test
from .verification import PairHistogram, Verification, pair_histogram, verify

__all__ = [
    "METRICS",
    "CameraPairs",
    "Evaluation",
    "Interval",
    "Intervals",
    "PairHistogram",
    "PairedTest",
    "RankedList",
    "Verification",
    "bootstrap",
    "camera_pairs",
    "distances",
    "evaluate",
    "evaluate_distances",
    "evaluate_lists",
    "expand_queries",
    "normalize",
    "pair_histogram",
    "paired_test",
    "pool_queries",
    "ranked_list",
    "rerank",
    "verify",
]
