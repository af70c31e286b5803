"""Which queries are worth showing."""

from __future__ import annotations

from helpers.results import evaluation
from osnet_lib.plots.ranked_examples import ranked_examples


def test_ranked_examples_are_the_worst_the_middle_and_the_best():
    score, query, gallery = evaluation()
    examples = ranked_examples(query, gallery, score, each=1, k=5)
    assert [row.query for row in examples] == [query.names[4], query.names[2], query.names[0]]
    assert [row.correct.index(True) for row in examples] == [4, 2, 0]
    for row in examples:
        assert [name[:4] == row.query[:4] for name in row.gallery] == list(row.correct)


def test_ranked_examples_repeat_no_query():
    score, query, gallery = evaluation()
    names = [row.query for row in ranked_examples(query, gallery, score, each=4, k=3)]
    assert len(names) == len(set(names)) == 5
