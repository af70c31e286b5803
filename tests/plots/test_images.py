"""osnet_lib.plots.images: figures show the right image in the right place, and where the network looks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib import colormaps
from PIL import Image

from helpers.figures import assert_legible, lightness, texts
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.preprocess import preprocess, to_uint8
from osnet_lib.errors import DatasetError, MetricError
from osnet_lib.plots.images import plot_activation, plot_network_input, plot_samples
from osnet_lib.plots.style import LIGHTNESS


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


@pytest.mark.parametrize(
    "count, columns, words",
    [(0, 8, "no image to show. Give at least one"), (2, 0, "columns 0 is not a whole number of 1 or more")],
)
def test_samples_refuses_nothing(dataset, count, columns, words):
    with pytest.raises(DatasetError, match=f"^samples: {words}"):
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


MAPS = np.random.default_rng(7).uniform(0, 0.3, (3, 16, 8)).astype(np.float32)


def test_activation_shows_image_map_and_both(dataset):
    samples = [dataset.query[2], dataset.gallery[0], dataset.gallery[-1]]
    figure = plot_activation(dataset, samples, MAPS, title="Where the network looks")
    sheet, bar = figure.axes
    assert len(sheet.images) == 12  # image, map, grey image and map over it, for each sample
    for i, (sample, activation) in enumerate(zip(samples, MAPS)):
        image, shown, grey, over = sheet.images[4 * i : 4 * i + 4]
        np.testing.assert_array_equal(image.get_array(), np.asarray(dataset.image(sample)))
        np.testing.assert_allclose(shown.get_array(), activation / activation.max(), rtol=1e-6)
        assert shown.get_clim() == over.get_clim() == (0, 1)
        assert grey.get_array().shape == over.get_array().shape == (256, 128)
        np.testing.assert_allclose(over.get_alpha(), 0.8 * over.get_array())
        lefts = [part.get_extent()[0] for part in (image, shown, grey, over)]
        tops = [part.get_extent()[3] for part in (image, shown, grey, over)]
        assert len(set(lefts)) == 1 and tops[0] < tops[1] < tops[2] == tops[3]
    assert len(sheet.collections) == 6  # a line around the strong part of each, black below white
    assert {"image", "map", "both", "pid 0003\ncamera 6", "distractor\ncamera 1"} < set(texts(figure))
    assert bar.get_ylabel() == "share of the map's largest value" and figure.get_suptitle() == "Where the network looks"
    assert_legible(figure)


def test_the_activation_line_surrounds_the_upper_half(dataset):
    activation = np.zeros((1, 16, 8), np.float32)
    activation[0, 4:8, 2:6] = 3.0
    sheet = plot_activation(dataset, dataset.query[:1], activation).axes[0]
    box = sheet.collections[0].get_paths()[0].get_extents()
    top = sheet.images[3].get_extent()[3]
    np.testing.assert_allclose([box.x0, box.x1], [2 / 8, 6 / 8], atol=0.02)
    np.testing.assert_allclose([box.y0 - top, box.y1 - top], [4 / 8, 8 / 8], atol=0.02)


def test_a_map_of_zeros_is_shown_without_a_line(dataset):
    figure = plot_activation(dataset, dataset.query[:1], np.zeros((1, 16, 8), np.float32))
    assert not figure.axes[0].collections and not figure.axes[0].images[1].get_array().any()
    assert_legible(figure)


def test_the_lightness_of_the_colour_map_rises_with_the_value():
    values = [lightness(colour[:3]) for colour in colormaps[LIGHTNESS](np.linspace(0, 1, 64))]
    assert (np.diff(values) > 0).all() and values[-1] - values[0] > 0.6


@pytest.mark.parametrize(
    "count, maps, error, message",
    [
        (0, MAPS[:0], DatasetError, "samples: no image to show"),
        (2, MAPS, MetricError, "maps: float32 of shape (3, 16, 8) for 2 images. Give activation_map"),
        (3, MAPS[0], MetricError, "maps: float32 of shape (16, 8) for 3 images"),
        (3, MAPS.astype(int), MetricError, "maps: int64 of shape (3, 16, 8)"),
        (3, -MAPS, MetricError, "maps: values that are negative or not finite"),
        (3, MAPS * np.nan, MetricError, "maps: values that are negative or not finite"),
    ],
)
def test_activation_refuses(dataset, count, maps, error, message):
    with pytest.raises(error) as caught:
        plot_activation(dataset, dataset.query[:count], maps)
    assert str(caught.value).startswith(message)
