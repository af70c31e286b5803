"""osnet_lib.plots.scaling: time and memory over the size of the gallery."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.figures import assert_legible, texts
from osnet_lib.core.results import Result
from osnet_lib.errors import ResultError
from osnet_lib.plots.scaling import plot_scaling


def measured(queries: int = 842, slope: float = 1e-5) -> Result:
    sizes = [
        {
            "gallery": gallery,
            "peak_rss_bytes": 10**8 + 3000 * gallery,
            "input_bytes": 2048 * gallery,
            "seconds": {"median": slope * gallery, "min": 0.9 * slope * gallery, "max": 1.3 * slope * gallery},
        }
        for gallery in (15_913, 115_913, 515_913)
    ]
    line = {"seconds_per_image": slope, "seconds_without_images": 0.0}
    conditions = {"benchmark": "distractors", "queries": queries, "metric": "euclidean"}
    return Result("evaluation", f"q{queries}", conditions, {"sizes": sizes, "line": line})


def test_shows_every_size_its_range_and_its_memory():
    other = Result("evaluation", "x", {"benchmark": "metrics"}, {})
    figure = plot_scaling([other, measured()], title="Distractors")
    time, memory = figure.axes
    (container,) = time.containers
    marks, _, (bars,) = container.lines
    np.testing.assert_allclose(marks.get_xydata(), [[15.913, 0.15913], [115.913, 1.15913], [515.913, 5.15913]])
    np.testing.assert_allclose(
        [bar[:, 1] for bar in bars.get_segments()], np.outer([0.15913, 1.15913, 5.15913], [0.9, 1.3])
    )
    line = time.lines[-1]
    np.testing.assert_allclose(line.get_ydata(), line.get_xdata() * 1e3 * 1e-5)
    whole, features = memory.lines
    assert (whole.get_ydata() > features.get_ydata()).all() and features.get_linestyle() == ":"
    np.testing.assert_allclose(whole.get_ydata()[-1], 1.647739)
    assert {"10.0 µs per gallery image", "842 queries, euclidean", "of which features"} <= set(texts(figure))
    assert time.get_ylim()[0] == memory.get_ylim()[0] == 0 and figure.get_suptitle() == "Distractors"
    assert_legible(figure)


def test_series_differ_in_more_than_colour():
    figure = plot_scaling([measured(), measured(3368, 4e-5)])
    marks = [container.lines[0].get_marker() for container in figure.axes[0].containers]
    assert len(set(marks)) == 2
    assert_legible(figure)


@pytest.mark.parametrize("verdict", [None, "quiet", "disturbed"])
def test_medians_that_were_disturbed_are_hollow(verdict):
    result = measured()
    result.values.update({"verdict": verdict} if verdict else {})
    (container,) = plot_scaling([result]).axes[0].containers
    assert (container.lines[0].get_markerfacecolor() == "white") is (verdict == "disturbed")


def test_refuses_nothing_to_draw():
    with pytest.raises(ResultError, match="scaling: no result of the benchmark of distractors"):
        plot_scaling([])
