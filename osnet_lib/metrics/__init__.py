"""The metrics room: distances, ranks and scores of person re-identification, exact and counted in queries.

distance, labels -> evaluation, ranking
"""

from .distance import METRICS, distances
from .evaluation import Evaluation, evaluate, evaluate_distances
from .ranking import RankedList, ranked_list

__all__ = ["METRICS", "Evaluation", "RankedList", "distances", "evaluate", "evaluate_distances", "ranked_list"]
