"""Pairs of labels and of lists, against going through all pairs."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings, strategies as st

from helpers.scenes import kept_and_right, scenes
from osnet_lib.metrics.labels import Labels
from osnet_lib.metrics.truth import Lists


def pairs(truth, start, stop):
    """Sorted (query, gallery image, ignored), and that rows ascend."""
    rows, columns, ignored = truth.pairs(start, stop)
    assert (np.diff(rows) >= 0).all()
    return sorted(zip((rows + start).tolist(), columns.tolist(), ignored.tolist()))


@settings(max_examples=150, deadline=None)
@given(scenes(), st.data())
def test_pairs_of_labels_and_lists(scene, data):
    labels = *scene[1:3], *scene[4:]
    queries, gallery = shape = len(labels[0]), len(labels[2])
    start = data.draw(st.integers(0, queries - 1))
    stop = data.draw(st.integers(start + 1, queries))
    kept, right = kept_and_right(labels)
    of_labels = Labels.check(*labels, shape)
    assert of_labels.shape == shape and of_labels.junk.tolist() == np.flatnonzero(labels[2] == -1).tolist()
    assert pairs(of_labels, start, stop) == [
        (i, j, not right[i, j]) for i in range(start, stop) for j in range(gallery) if labels[0][i] == labels[2][j]
    ]
    of_lists = Lists.check([np.flatnonzero(row) for row in right], [np.flatnonzero(~row) for row in kept], shape)
    assert of_lists.junk.tolist() == np.flatnonzero(~kept.any(axis=0)).tolist()
    assert pairs(of_lists, start, stop) == [
        (i, j, not right[i, j]) for i in range(start, stop) for j in range(gallery) if right[i, j] or not kept[i, j]
    ]
    for truth in (of_labels, of_lists):
        most = max(len(truth.pairs(i, i + 1)[0]) for i in range(queries))
        assert truth.bytes_per_query == 128 * most


def test_empty_lists_of_any_kind():
    lists = Lists.check([[], (), np.array([])], [[2], [], np.array([2, 0], np.uint8)], (3, 4))
    assert pairs(lists, 0, 3) == [(0, 2, True), (2, 0, True), (2, 2, True)] and lists.junk.tolist() == []
    assert pairs(lists, 1, 2) == [] and "all lists of good images are empty" in str(lists.no_match())
