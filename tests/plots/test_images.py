"""osnet_lib.plots.images: figures show the right image in the right place, and right and wrong without colour."""

from __future__ import annotations

import re

import numpy as np
import pytest
from figures import assert_legible, texts
from matplotlib.patches import Rectangle
from PIL import Image

from osnet_lib.errors import DatasetError, MetricError
from osnet_lib.market1501 import open_market1501
from osnet_lib.metrics import ranked_list
from osnet_lib.plots.images import (CROSS, TICK, RankedRow, plot_network_input, plot_ranked_lists, plot_samples,
                                    ranked_rows)
from osnet_lib.preprocess import preprocess, to_uint8
from osnet_lib.metrics.ranking import RankedList


@pytest.fixture
def dataset(tiny_market):
    with open_market1501(tiny_market()) as found:
        yield found


def _cells(figure) -> list[tuple[float, float, np.ndarray]]:
    """Left, top and pixels of every image of a sheet."""
    (axes,) = figure.axes
    return [(image.get_extent()[0], image.get_extent()[3], np.asarray(image.get_array())) for image in axes.images]


@pytest.mark.parametrize("columns, rows", [(2, 5), (4, 3), (8, 2), (50, 1)])
def test_samples_are_shown_in_order_with_captions(dataset, columns, rows):
    samples = [*dataset.query, *dataset.gallery, *dataset.junk]  # 3 + 6 + 1
    figure = plot_samples(dataset, samples, columns, title="Some images of the data set")
    cells = _cells(figure)
    assert len(cells) == len(samples)
    for (_, _, pixels), sample in zip(cells, samples):
        np.testing.assert_array_equal(pixels, np.asarray(dataset.image(sample)))
    assert [(top, left) for left, top, _ in cells] == sorted((top, left) for left, top, _ in cells)
    assert len({top for _, top, _ in cells}) == rows and len({left for left, _, _ in cells}) == min(columns, 10)
    captions = [text.get_text() for text in figure.axes[0].texts]
    assert captions[:2] == ["pid 0001\ncamera 1", "pid 0002\ncamera 2"] and captions[-1] == "junk\ncamera 3"
    assert sum(caption.startswith("distractor") for caption in captions) == 2
    assert figure.get_suptitle() == "Some images of the data set"
    assert_legible(figure)


def test_an_image_of_another_shape_keeps_its_proportions(dataset, monkeypatch):
    monkeypatch.setattr(type(dataset), "image", lambda self, sample: Image.new("RGB", (100, 50)))
    left, right, bottom, top = plot_samples(dataset, dataset.query[:1]).axes[0].images[0].get_extent()
    assert (right - left) / (bottom - top) == pytest.approx(2) and right - left <= 1


@pytest.mark.parametrize("count, columns", [(0, 8), (2, 0)])
def test_samples_refuses_nothing(dataset, count, columns):
    with pytest.raises(DatasetError, match=f"^samples: {count} images in {columns} columns. Give at least one"):
        plot_samples(dataset, dataset.query[:count], columns)


def test_network_input_shows_what_the_network_gets(dataset):
    image = dataset.image(dataset.query[0])
    tensor = preprocess(image)
    figure = plot_network_input(image, tensor, title="Input")
    crop, resized, *channels, colorbar = figure.axes
    np.testing.assert_array_equal(crop.images[0].get_array(), np.asarray(image))
    np.testing.assert_array_equal(resized.images[0].get_array(), to_uint8(image))
    for axes, channel, name in zip(channels, tensor, ("red", "green", "blue"), strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), channel)
        assert axes.images[0].get_clim() == (tensor.min(), tensor.max())  # one scale for all
        assert axes.get_title() == f"{name}\n{channel.min():.2f} to {channel.max():.2f}".replace("-", "−")
    assert crop.get_title() == "original\n16 × 32" and resized.get_title() == "resized\n128 × 256"
    assert crop.get_xlabel() == "x / pixels" and crop.get_ylabel() == "y / pixels"
    assert colorbar.get_ylabel() == "(value / 255 − mean) / std"
    assert_legible(figure)


@pytest.mark.parametrize("shape", [(1, 3, 256, 128), (3, 128, 256)])
def test_network_input_refuses_another_shape(dataset, shape):
    with pytest.raises(DatasetError, match=f"^tensor: shape {re.escape(str(shape))}, not .* without a batch axis"):
        plot_network_input(dataset.image(dataset.query[0]), np.zeros(shape, np.float32))


@pytest.fixture
def rows(dataset):
    """All three queries ranked by features that place some wrong images first."""
    pids = {split: np.array([s.pid for s in getattr(dataset, split)]) for split in ("query", "gallery")}
    camids = {split: np.array([s.camid for s in getattr(dataset, split)]) for split in ("query", "gallery")}
    rng = np.random.default_rng(3)
    features = {split: rng.standard_normal((len(pids[split]), 4)) for split in pids}
    ranked = ranked_list(features["query"], pids["query"], camids["query"], features["gallery"], pids["gallery"],
                         camids["gallery"], k=10)
    return ranked_rows(ranked, [s.name for s in dataset.query], [s.name for s in dataset.gallery])


def test_ranked_rows_are_named_and_end_with_the_gallery(dataset, rows):
    assert [row.query for row in rows] == [sample.name for sample in dataset.query]
    assert [len(row.gallery) for row in rows] == [5, 6, 6]  # 0001_c1s1_000012_01.jpg is dropped for 0001_c1
    for row in rows:
        assert len(set(row.gallery)) == len(row.gallery) == len(row.correct) == len(row.distances)
        assert list(row.distances) == sorted(row.distances)
        assert [name[:4] == row.query[:4] for name in row.gallery] == list(row.correct)


@pytest.mark.parametrize("query, gallery", [(["a"], ["b"] * 6), (["a"] * 3, ["b"] * 5)])
def test_ranked_rows_refuses_names_of_other_features(query, gallery):
    ranked = RankedList(np.full((3, 1), 5), np.zeros((3, 1)), np.zeros((3, 1), bool), np.ones((3, 1), int))
    with pytest.raises(MetricError, match="^names: .* names for 3 lists. Give the names in the order of the features"):
        ranked_rows(ranked, query, gallery)


def test_ranked_lists_mark_right_and_wrong_by_symbol_and_border(dataset, rows):
    figure = plot_ranked_lists(dataset, rows, title="Ranked lists")
    (axes,) = figure.axes
    by_name = {sample.name: sample for sample in dataset.query + dataset.gallery}
    shown = [name for row in rows for name in (row.query, *row.gallery)]
    cells = _cells(figure)
    for name, (_, _, pixels) in zip(shown, cells, strict=True):
        np.testing.assert_array_equal(pixels, np.asarray(dataset.image(by_name[name])))
    place = {(round(left, 6), round(top, 6)): name for name, (left, top, _) in zip(shown, cells)}
    assert len(place) == len(shown)
    right = {(row.query, name): ok for row in rows for name, ok in zip(row.gallery, row.correct)}
    assert True in right.values() and False in right.values()
    query_at = {round(top, 6): name for (left, top), name in place.items() if left == 0}

    borders = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert len(borders) == len(right)  # queries have none
    for border in borders:
        left, top = round(border.get_x(), 6), round(border.get_y(), 6)
        ok = right[query_at[top], place[left, top]]
        symbols = [text.get_text() for text in axes.texts if text.get_text() in (TICK, CROSS)
                   and left < text.get_position()[0] < left + 1 and top < text.get_position()[1] < top + 2]
        assert symbols == [TICK if ok else CROSS]
        assert border.get_linestyle() in (("-", "solid") if ok else ("--", "dashed"))
    assert_legible(figure)


def test_ranked_lists_note_what_was_removed(dataset, rows):
    words = texts(plot_ranked_lists(dataset, rows))
    assert [text for text in words if text.endswith("removed")] == [
        "pid 0001\ncamera 1\n1 removed", "pid 0002\ncamera 2\n0 removed", "pid 0003\ncamera 6\n0 removed"]
    assert "query" in words and "rank 1" in words and "rank 6" in words and "rank 7" not in words
    note = next(text for text in words if "solid border" in text)
    assert TICK in note and CROSS in note and "Removed before ranking" in note.replace("\n", " ")


@pytest.mark.parametrize("count", [1, 3])
def test_narrow_ranked_lists_are_legible(dataset, rows, count):
    short = [RankedRow(row.query, row.gallery[:count], row.correct[:count], row.distances[:count]) for row in rows[:1]]
    assert_legible(plot_ranked_lists(dataset, short))


QUERY, RIGHT, WRONG = "0001_c1s1_000001_00.jpg", "0001_c2s1_000011_01.jpg", "0002_c3s1_000013_02.jpg"


@pytest.mark.parametrize("rows, error, message", [
    ([], MetricError, "rows: no query to show"),
    ([RankedRow(QUERY, (WRONG,), (True,), (1.0,))], MetricError,
     f"{WRONG}: marked right for {QUERY}, but its name says otherwise"),
    ([RankedRow(QUERY, (RIGHT,), (False,), (1.0,))], MetricError, f"{RIGHT}: marked wrong for {QUERY}"),
    ([RankedRow("0009.jpg", (), (), ())], DatasetError, "no image 0009.jpg among those"),
    ([RankedRow(QUERY, ("-1_c3s2_000017_01.jpg",), (False,), (1.0,))], DatasetError, "no image -1_c3s2_000017_01.jpg"),
])
def test_ranked_lists_refuse(dataset, rows, error, message):
    with pytest.raises(error) as caught:
        plot_ranked_lists(dataset, rows)
    assert message in str(caught.value) and caught.value.cure
