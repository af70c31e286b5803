"""What the tests of figures share: the words in a figure, and whether they can be read."""

from __future__ import annotations

import warnings

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text


def _draw(figure: Figure) -> list[Text]:
    """Draw into memory, warnings being errors, and return the text that is then visible."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()
    unseen = set()
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        low, high = sorted(axis.get_view_interval())
        if not axis.axes.axison:
            unseen.update(map(id, axis.findobj(Text)))
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks()):
            if not low <= tick.get_loc() <= high:
                unseen.update(map(id, (tick.label1, tick.label2)))
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and id(text) not in unseen
    ]


def texts(figure: Figure) -> list[str]:
    """Every visible piece of text."""
    return [text.get_text() for text in _draw(figure)]


def legend(figure: Figure) -> list[str]:
    """The entries of the figure's only legend, each in one line."""
    (found,) = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    return [text.get_text().replace("\n", " ") for text in found.get_texts()]


def assert_legible(figure: Figure) -> None:
    """The figure draws without a warning, no text is cut off at its edge, and none lies on another."""
    boxes = [(text.get_text(), text.get_window_extent()) for text in _draw(figure)]
    assert boxes
    for text, box in boxes:
        inside = box.x0 > -1 and box.y0 > -1 and box.x1 < figure.bbox.width + 1 and box.y1 < figure.bbox.height + 1
        assert inside, f"{text!r} is cut off"
    for i, (text, box) in enumerate(boxes):
        for other, second in boxes[:i]:
            across = min(box.x1, second.x1) - max(box.x0, second.x0)
            down = min(box.y1, second.y1) - max(box.y0, second.y0)
            assert across < 1.5 or down < 1.5, f"{text!r} lies on {other!r}"


def lightness(colour: object) -> float:
    """What grey print makes of a colour, 0 to 1 (luma of ITU-R BT.601)."""
    return float(np.dot(to_rgb(colour), (0.299, 0.587, 0.114)))


def in_grey(figure: Figure) -> np.ndarray:
    """The figure as grey print shows it: float array (height, width), 0 black to 1 white."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3] @ np.array([0.299, 0.587, 0.114]) / 255
