"""osnet_lib.plots.ranked: every image in its place, and right, wrong and ignored told apart without colour."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from helpers.figures import assert_legible, texts
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.errors import DatasetError, MetricError
from osnet_lib.metrics import ranked_list
from osnet_lib.metrics.ranking import RankedList
from osnet_lib.plots.ranked import CROSS, DASH, TICK, plot_ranked_lists
from osnet_lib.plots.ranked_examples import RankedRow, ranked_rows


@pytest.fixture
def dataset(tiny_market):
    with open_market1501(tiny_market()) as found:
        yield found


def _rows(dataset, dropped: int = 0, seed: int = 3) -> list[RankedRow]:
    """All three queries ranked by features that place some wrong images first; junk is in the gallery too."""
    query, gallery = dataset.query, (*dataset.gallery, *dataset.junk)
    rng = np.random.default_rng(seed)
    features = [rng.standard_normal((len(samples), 4)) for samples in (query, gallery)]
    labels = [
        [np.array([s.pid for s in samples]), np.array([s.camid for s in samples])] for samples in (query, gallery)
    ]
    ranked = ranked_list((features[0], *labels[0]), (features[1], *labels[1]), k=10, dropped=dropped)
    return ranked_rows(
        ranked,
        [s.name for s in query],
        [s.name for s in gallery],
        ap=[1.0, 0.5, 0.0625],
        labels=["best", "median", "worst"],
    )


@pytest.fixture
def rows(dataset):
    return _rows(dataset)


@pytest.fixture
def rows_with_dropped(dataset):
    return _rows(dataset, dropped=3)


def test_ranked_rows_are_named_and_end_with_the_gallery(dataset, rows):
    assert [row.query for row in rows] == [sample.name for sample in dataset.query]
    assert [len(row.gallery) for row in rows] == [5, 6, 6]  # 0001_c1s1_000012_01.jpg is dropped for 0001_c1
    assert [(row.ap, row.label) for row in rows] == [(1.0, "best"), (0.5, "median"), (0.0625, "worst")]
    for row in rows:
        assert len(set(row.gallery)) == len(row.gallery) == len(row.correct) == len(row.distances)
        assert list(row.distances) == sorted(row.distances) and row.ranks == (*range(1, len(row.gallery) + 1),)
        assert [name[:4] == row.query[:4] for name in row.gallery] == list(row.correct)


def test_ranked_rows_keep_dropped_images_without_a_rank(rows, rows_with_dropped):
    assert [len(row.gallery) for row in rows_with_dropped] == [7, 7, 7]  # the junk image in all, one more in the first
    for alone, row in zip(rows, rows_with_dropped):
        ranked = [(name, rank) for name, rank in zip(row.gallery, row.ranks) if rank]
        assert ranked == list(zip(alone.gallery, alone.ranks))
        assert not any(right for right, rank in zip(row.correct, row.ranks) if not rank)
        assert {name[:2] for name, rank in zip(row.gallery, row.ranks) if not rank} <= {"-1", row.query[:2]}


RANKED = RankedList(np.full((3, 1), 5), np.zeros((3, 1)), np.zeros((3, 1), bool), np.ones((3, 1), int))


@pytest.mark.parametrize(
    "query, gallery, options, message",
    [
        (["a"], ["b"] * 6, {}, "names: 1 query and 6 gallery names for 3 lists. Give the names in the order"),
        (["a"] * 3, ["b"] * 5, {}, "names: 3 query and 5 gallery names for 3 lists"),
        (["a"] * 3, ["b"] * 6, {"ap": [1.0]}, "rows: 1 average precisions and 3 labels for 3 lists"),
        (["a"] * 3, ["b"] * 6, {"labels": ["x"] * 4}, "rows: 3 average precisions and 4 labels for 3 lists"),
    ],
)
def test_ranked_rows_refuse_what_is_not_one_per_query(query, gallery, options, message):
    with pytest.raises(MetricError) as caught:
        ranked_rows(RANKED, query, gallery, **options)
    assert str(caught.value).startswith(message)


def _images(figure) -> list[tuple[float, float, float, np.ndarray]]:
    """Left, top, width and pixels of every image."""
    extents = [(image.get_extent(), np.asarray(image.get_array())) for image in figure.axes[0].images]
    return [(left, top, right - left, pixels) for (left, right, _, top), pixels in extents]


@pytest.mark.parametrize("dropped", [0, 3])
def test_ranked_lists_mark_every_image_by_symbol_border_and_size(dataset, dropped):
    rows = _rows(dataset, dropped)
    figure = plot_ranked_lists(dataset, rows, title="Ranked lists")
    (axes,) = figure.axes
    by_name = {sample.name: sample for sample in (*dataset.query, *dataset.gallery, *dataset.junk)}
    shown = [(row, name) for row in rows for name in (row.query, *row.gallery)]
    images = _images(figure)
    marks = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(marks) == len(shown) - len(rows)  # queries have none
    seen = set()
    for (row, name), (left, top, width, pixels) in zip(shown, images, strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(dataset.image(by_name[name])))
        if name == row.query:
            continue
        place = row.gallery.index(name)
        kind = "ignored" if not row.ranks[place] else "right" if row.correct[place] else "wrong"
        seen.add(kind)
        (border,) = [m for m in marks if np.allclose(m.get_xy(), (left, top))]
        assert border.get_width() == pytest.approx(width)
        assert (
            border.get_linestyle()
            in {"right": ("-", "solid"), "wrong": ("--", "dashed"), "ignored": (":", "dotted")}[kind]
        )
        inside = [
            text.get_text()
            for text in axes.texts
            if left < text.get_position()[0] < left + width and top < text.get_position()[1] < top + 2 * width
        ]
        junk = " junk" if name.startswith("-1") else ""
        assert inside == [{"right": TICK, "wrong": CROSS, "ignored": DASH + junk}[kind]]
        assert (width < 0.5) == (kind == "ignored")
        heading = [
            text.get_text()
            for text in axes.texts
            if text.get_text().startswith("rank ")
            and width > 0.5
            and np.allclose(text.get_position()[0], left + 0.5)
            and 0 < top - text.get_position()[1] < 0.1
        ]
        assert heading == ([f"rank {row.ranks[place]}"] if row.ranks[place] else [])
    assert seen == ({"right", "wrong", "ignored"} if dropped else {"right", "wrong"})
    assert_legible(figure)


def test_images_stand_in_the_order_of_distance_and_overlap_nowhere(dataset, rows_with_dropped):
    images = _images(plot_ranked_lists(dataset, rows_with_dropped))
    for row in rows_with_dropped:
        own, images = images[: 1 + len(row.gallery)], images[1 + len(row.gallery) :]
        corners = [(left, top) for left, top, _, _ in own]
        assert corners == sorted(corners) and len(set(corners)) == len(corners)
        for (left, top, width, _), (right, below, _, _) in itertools.pairwise(own):
            assert right >= left + width or (right == left and below >= top + 2 * width)


def test_ranked_lists_note_score_and_what_was_removed(dataset, rows, rows_with_dropped):
    words = texts(plot_ranked_lists(dataset, rows))
    assert [text for text in words if text.endswith("removed")] == [
        "pid 0001\ncamera 1\nAP 100.0 %\n1 removed",
        "pid 0002\ncamera 2\nAP 50.0 %\n0 removed",
        "pid 0003\ncamera 6\nAP 6.2 %\n0 removed",
    ]
    assert {"best query", "median query", "worst query", "rank 1", "rank 6"} <= set(words) and "rank 7" not in words
    note = next(text for text in words if "solid border" in text).replace("\n", " ")
    assert TICK in note and CROSS in note and "Removed before ranking" in note and "dotted" not in note
    words = texts(plot_ranked_lists(dataset, rows_with_dropped))
    assert any(f"{DASH} small, grey dotted border" in text for text in words) and "rank 7" not in words


@pytest.mark.parametrize("count", [1, 3])
def test_narrow_ranked_lists_are_legible(dataset, rows, count):
    row = rows[0]
    short = RankedRow(row.query, row.gallery[:count], row.correct[:count], row.distances[:count], row.ranks[:count])
    figure = plot_ranked_lists(dataset, [short])
    assert_legible(figure)
    assert "query" in texts(figure) and "pid 0001\ncamera 1\n1 removed" in texts(figure)


QUERY, RIGHT, WRONG = "0001_c1s1_000001_00.jpg", "0001_c2s1_000011_01.jpg", "0002_c3s1_000013_02.jpg"
SAME, JUNK = "0001_c1s1_000012_01.jpg", "-1_c3s2_000017_01.jpg"


@pytest.mark.parametrize(
    "name, right, rank, message",
    [
        (WRONG, True, 1, f"{WRONG}: marked right for {QUERY}, but its name says otherwise"),
        (RIGHT, False, 1, f"{RIGHT}: marked wrong for {QUERY}"),
        (RIGHT, False, 0, f"{RIGHT}: marked ignored for {QUERY}"),
        (SAME, True, 1, f"{SAME}: marked right for {QUERY}"),
        (JUNK, False, 1, f"{JUNK}: marked wrong for {QUERY}"),
    ],
)
def test_ranked_lists_refuse_marks_that_names_contradict(dataset, name, right, rank, message):
    with pytest.raises(MetricError) as caught:
        plot_ranked_lists(dataset, [RankedRow(QUERY, (name,), (right,), (1.0,), (rank,))])
    assert str(caught.value).startswith(message) and caught.value.cure


@pytest.mark.parametrize("change", [{"query": "0009.jpg"}, {"gallery": ("0009.jpg",)}])
def test_ranked_lists_refuse_other_data(dataset, change):
    row = RankedRow(QUERY, (RIGHT,), (True,), (1.0,), (1,))
    with pytest.raises(DatasetError, match="no image 0009.jpg among those that are ranked"):
        plot_ranked_lists(dataset, [dataclasses.replace(row, **change)])
    with pytest.raises(MetricError, match="^rows: no query to show"):
        plot_ranked_lists(dataset, [])
