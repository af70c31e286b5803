"""osnet_lib.plots.style: figures that look the same everywhere and leave nothing behind."""

from __future__ import annotations

import base64
import io
import itertools
import re
import xml.etree.ElementTree as ElementTree

import matplotlib
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib import pyplot, style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

from helpers.figures import assert_legible
from osnet_lib.plots.style import COLOURS, HATCHES, LINES, MARKERS, Chart, line_styles, new_chart, plain_decades, styled


@styled
def _plot(title: str | None = None) -> Chart:
    """A chart with text, ticks and a line."""
    chart = new_chart(2.0, 3.0, title)
    axes = chart.add_subplot(xlabel="x")
    axes.plot([0, 1], [0, 1], **line_styles(1)[0])
    return chart


def _pixels(chart: Chart) -> bytes:
    buffer = io.BytesIO()
    chart.savefig(buffer, format="raw")
    return buffer.getvalue()


@pytest.mark.parametrize("theirs", ["dark_background", "ggplot"])
def test_the_callers_style_neither_matters_nor_changes(theirs):
    expected = _pixels(_plot())
    with style.context(theirs):
        before = dict(matplotlib.rcParams)
        chart = _plot()
        assert _pixels(chart) == expected
        assert dict(matplotlib.rcParams) == before
    chart = _plot()
    with style.context(theirs):
        assert _pixels(chart) == expected  # drawn later, as a notebook does


def test_figures_are_not_registered_with_pyplot():
    before = pyplot.get_fignums()
    _plot()
    assert pyplot.get_fignums() == before == []


def test_a_notebook_shows_the_figure_as_one_picture():
    data, _ = DisplayFormatter().format(_plot())
    assert set(data) == {"image/svg+xml", "text/plain"}
    assert data["image/svg+xml"].startswith("<svg ")


def test_colours_of_a_chart_can_be_exchanged_by_its_page():
    drawing = _plot("a title").svg()
    assert "var(--chart-ink, #000000)" in drawing and "var(--chart-blue, #0072b2)" in drawing
    named = re.sub(r"var\(--chart-\w+, #[0-9a-f]{6}\)", "", drawing)
    assert not re.search(r"(fill|stroke): #", named)
    assert ">a title<" in drawing and _plot("a title").svg() == drawing


def test_words_of_a_chart_stay_as_they_are():
    title = 'a="x" 0.123456: #0072b2 M 1'
    assert title in "".join(ElementTree.fromstring(_plot(title).svg()).itertext())


def test_photographs_stay_photographs():
    chart = new_chart(1.0, 2.0, photographs=True)
    (kind,), (picture,) = zip(*chart._repr_mimebundle_()[0].items())
    assert kind == "image/jpeg" and base64.b64decode(picture).startswith(b"\xff\xd8")


def test_the_background_is_white_for_dark_pages_too():
    canvas = FigureCanvasAgg(_plot())
    canvas.draw()
    assert np.asarray(canvas.buffer_rgba())[0, 0].tolist() == [255, 255, 255, 255]


def test_a_long_title_is_wrapped_and_stays_inside():
    chart = _plot("a title of many words that would not fit into three inches of width")
    assert chart.get_suptitle().count("\n") >= 2 and chart.get_size_inches()[1] > 2.0
    assert_legible(chart)


def test_series_differ_without_colour():
    looks = line_styles(28)
    assert len({(look["marker"], look["linestyle"]) for look in looks}) == 28
    for one, other in itertools.pairwise(looks):
        assert all(one[key] != other[key] for key in ("color", "marker", "linestyle"))
    for palette in (COLOURS, MARKERS, LINES, HATCHES):
        assert len(set(palette)) == len(palette)


@pytest.mark.parametrize("name", [r"$\frac$", "$", "$x_1$", r"a$b$c\d", "50 % & _^{"])
def test_text_is_never_maths(name):
    @styled
    def plot() -> Chart:
        chart = _plot(name)
        axes = chart.axes[0]
        axes.plot([0, 1], [1, 0], label=name)
        axes.set(ylabel=name, title=name)
        axes.legend()
        return chart

    chart = plot()
    _pixels(chart)
    texts = [text for text in chart.findobj(Text) if name in text.get_text()]
    assert len(texts) >= 4 and not any(text.get_parse_math() for text in chart.findobj(Text))


def test_decades_are_labelled_as_text():
    chart = new_chart(2.0, 3.0)
    axes = chart.add_subplot(xscale="log", xlim=(1e-7, 10))
    plain_decades(axes.xaxis)
    _pixels(chart)
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert "1e\N{MINUS SIGN}07" in labels and not any("$" in label for label in labels)
