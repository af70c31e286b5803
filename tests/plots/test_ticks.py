"""osnet_lib.plots.ticks: every value on its axis, and labels that never touch."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from osnet_lib.plots.ticks import Axis, fit_scale, label_room

POSITIVE = st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=8)


def gaps(axis: Axis, scale, pixels: float, upright: bool) -> list[float]:
    """Pixels of air between labels that stand beside each other."""
    return [
        pixels * (scale.share(b) - scale.share(a)) - (label_room(axis, a, upright) + label_room(axis, b, upright)) / 2
        for a, b in zip(scale.ticks, scale.ticks[1:])
    ]


@given(POSITIVE, st.sampled_from(["linear", "log"]), st.sampled_from([(250, False), (320, True)]), st.booleans())
def test_labels_never_touch_and_values_lie_inside(values, kind, room, fixed):
    pixels, upright = room
    axis = Axis("speed", ("linear", "log"), tuple(sorted(set(values))) if fixed else ())
    scale = fit_scale(axis, kind, values, pixels, upright)
    assert scale.ticks and min(gaps(axis, scale, pixels, upright), default=0) >= -1e-6
    assert all(scale.low <= value <= scale.high and 0 <= scale.share(value) <= 1 for value in values)
    assert [scale.share(value) for value in sorted(values)] == sorted(map(scale.share, values))


@pytest.mark.parametrize(
    "kind, values, pixels, ticks",
    [
        ("linear", [3, 97], 320, (0, 20, 40, 60, 80, 100)),
        ("linear", [-1.5, 4], 320, (-1, 0, 1, 2, 3, 4)),
        ("log", [11, 4000], 320, (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)),
        ("log", [11, 4000], 150, (10, 30, 100, 300, 1000, 3000)),
        ("log", [1, 1e6], 150, (1, 10, 100, 1000, 10000, 100000, 1000000)),
    ],
)
def test_ticks_are_round_and_as_many_as_fit(kind, values, pixels, ticks):
    assert fit_scale(Axis("y", ("linear", "log")), kind, values, pixels, True).ticks == ticks


def test_a_linear_axis_begins_at_nothing():
    assert fit_scale(Axis("y"), "linear", [40, 50], 320, True).low == 0


def test_words_are_rounded_to_what_is_said():
    assert Axis("y").words(12345.678) == "12,350" and Axis("y").words(-0.25) == "−0.25"
    assert Axis("y", digits=10).words(1024) == "1,024"
