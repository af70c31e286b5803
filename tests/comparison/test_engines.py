"""The price of an engine, and the front of speed and price."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osnet_lib.comparison.engines import on_front, price
from osnet_lib.errors import MetricError
from osnet_lib.features.store import Features


def sides(noise: float = 0.0, people: int = 12) -> tuple[Features, Features]:
    """Two images a person, near each other; noise comes on top, of another seed for each value."""
    random = np.random.default_rng(0)
    centres = random.normal(size=(people, 512))
    shifts = np.random.default_rng(int(1000 * noise) + 1)

    def side(camera: int, letter: str) -> Features:
        rows = centres + random.normal(scale=0.9, size=centres.shape)
        rows = (rows + noise * shifts.normal(size=rows.shape)).astype(np.float32)
        names = np.array([f"{letter}{pid}.jpg" for pid in range(people)])
        return Features(names, np.arange(people) + 1, np.full(people, camera), rows, {})

    return side(1, "q"), side(2, "g")


def test_the_same_features_cost_nothing():
    found = price(sides(), sides())
    assert found.loss == (0, 0, 0) and found.difference.max_abs == 0 and found.paired.alike
    assert (found.images, found.queries) == (24, 12)


def test_a_loss_is_positive_and_lies_in_its_interval():
    found = price(sides(), sides(3.0))
    value, least, most = found.loss
    assert 0 < value <= most and least <= value
    assert value == pytest.approx(-100 * found.paired.mAP.value)
    assert found.as_dict()["mAP"][0] < price(sides(), sides()).mAP.value


def test_one_identity_has_no_price():
    with pytest.raises(MetricError, match="one identity"):
        price(sides(people=1), sides(people=1))


@pytest.mark.parametrize(
    "marks, front",
    [
        ([], []),
        ([(1, 0)], [True]),
        ([(1, 0), (2, 1)], [True, True]),
        ([(1, 1), (2, 0)], [False, True]),
        ([(1, 0), (2, 0)], [False, True]),
        ([(2, 0), (2, 1)], [True, False]),
        ([(2, 0), (2, 0), None], [True, True, False]),
        ([(3, 2), None, (2, 1), (2.5, 3)], [True, False, True, False]),
    ],
)
def test_front(marks, front):
    assert on_front(marks) == front


@given(st.lists(st.tuples(st.floats(1, 9), st.floats(-1, 9)), min_size=1, max_size=9))
def test_something_is_always_on_the_front(marks):
    found = on_front(marks)
    assert any(found)
    for (speed, loss), ahead in zip(marks, found):
        if not ahead:
            assert any(s >= speed and c <= loss and (s, c) != (speed, loss) for s, c in marks)
