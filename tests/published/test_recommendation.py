"""The batch to take is the fastest published one whose call fits the budget; where there is none, none is named."""

from __future__ import annotations

import pytest

from osnet_lib.published.quoted import PublishedThroughput, published_throughput
from osnet_lib.published.recommendation import BUDGETS_MS, recommend
from osnet_lib.report.recommendation import recommendation_table


def entry(
    batch: int, rate: float, device: str = "Ascend 310", chips: int = 1, setting: str = ""
) -> PublishedThroughput:
    return PublishedThroughput("osnet_x1_0", device, chips, batch, rate, None, "nowhere", setting)


MADE = [entry(1, 100), entry(4, 200), entry(8, 200), entry(16, 160)]  # calls of 10, 20, 40 and 100 ms


@pytest.mark.parametrize(
    "budget, batch, rate, call",
    [
        (9.9, None, None, None),
        (10, 1, 100, 10),
        (19, 1, 100, 10),
        (20, 4, 200, 20),
        (40, 4, 200, 20),
        (1e9, 4, 200, 20),
    ],
)
def test_the_fastest_within_the_budget_and_of_equals_the_smaller(budget, batch, rate, call):
    found = recommend([budget], MADE)[0]
    assert (found.device, found.budget_ms) == ("Ascend 310", budget)
    assert (found.batch_size, found.throughput, found.call_ms) == (batch, rate, call)


def test_columns_stand_apart_and_cards_and_other_makers_are_left_out():
    entries = [*MADE, entry(2, 90, setting="tuned"), entry(2, 900, chips=4), entry(2, 900, "NVIDIA T4")]
    found = recommend([100], entries)
    assert [(c.device, c.batch_size) for c in found] == [
        ("Ascend 310", 4),
        ("Ascend 310, tuned", 2),
        ("Ascend 310P3", None),
        ("Ascend 310B1", None),
        ("Ascend 310B4", None),
    ]


def test_a_chip_printed_without_its_variant_is_told():
    assert [c.device for c in recommend([100], [entry(2, 90, "Ascend 310P")])][:2] == ["Ascend 310P", "Ascend 310"]


def test_every_recommendation_is_a_published_speed():
    published = {(e.label, e.batch_size): e.throughput for e in published_throughput()}
    for choice in recommend():
        if choice.batch_size is not None:
            assert published[choice.device, choice.batch_size] == choice.throughput
            assert choice.call_ms == pytest.approx(1000 * choice.batch_size / choice.throughput)
            assert choice.call_ms <= choice.budget_ms


def test_the_table():
    table = recommendation_table()
    assert table.columns == ("chip (published)", *(f"a call within {budget:g} ms" for budget in BUDGETS_MS))
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["Ascend 310P3"][:2] == ("1: 1314/s, 0.8 ms", "8: 4075/s, 2.0 ms")
    assert rows["Ascend 310"][0] is None and rows["Ascend 310B4"] == (None,) * 6
    assert rows["Ascend 310P, CANN 5.1.RC1 with AOE"][2].startswith("16: 3760/s")
    assert "published speeds" in table.caption
