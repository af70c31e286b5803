"""Published figures agree with their sources, typed here a second time."""

from __future__ import annotations

import re

import pytest

from osnet_lib.datasets import preprocess
from osnet_lib.datasets.market1501 import PUBLISHED
from osnet_lib.errors import ResultError
from osnet_lib.published.quoted import find_published, published_accuracy, published_throughput

# The guide, section 7.1: batch -> (ave_throughputRate, ave_latency, card = 4 chips).
GUIDE = {
    1: (240.622, 4.24716, 962.488),
    4: (604.718, 1.68188, 2418.872),
    8: (715.699, 1.41114, 2862.796),
    16: (643.052, 1.55994, 2572.208),
    32: (632.875, 1.58384, 2531.5),
}

# The ModelZoo README's table: batch -> (310 card, 310P3, T4), whole images per second.
MODEL_ZOO = {
    1: (962, 1314, 427),
    4: (2419, 3529, 940),
    8: (2863, 4075, 1408),
    16: (2572, 3649, 2261),
    32: (2532, 3321, 1907),
    64: (None, 2821, 1304),
}

# The README of 2022: batch -> (310 card, 310P, 310P with AOE), whole images per second.
README_2022 = {
    1: (1035, 1132, 1598),
    4: (2570, 3137, 3176),
    8: (2307, 3724, 3730),
    16: (2483, 3556, 3760),
    32: (2457, 3229, 3511),
    64: (2387, 2987, 3158),
}

# Network, device -> Rank-1, mAP: torchreid's model zoo, the guide's section 6 and the ModelZoo README.
SCORES = {
    ("osnet_x1_0", "GPU"): (0.942, 0.826),
    ("osnet_x0_75", "GPU"): (0.937, 0.812),
    ("osnet_x0_5", "GPU"): (0.925, 0.798),
    ("osnet_x0_25", "GPU"): (0.912, 0.750),
    ("osnet_x1_0", "Ascend 310"): (0.94299287, 0.8257416732159705),
    ("osnet_x1_0", "Ascend 310P3"): (0.9438, 0.8255),
}


def speeds(device: str, setting: str = "") -> dict:
    return {e.batch_size: e for e in published_throughput("osnet_x1_0", device) if e.setting == setting}


def test_one_chip_as_in_the_guide():
    found = speeds("Ascend 310")
    assert {n: (e.throughput, e.ave_latency) for n, e in found.items()} == {n: row[:2] for n, row in GUIDE.items()}
    assert {e.chips for e in found.values()} == {1}


def test_a_card_is_four_chips():
    card, chip = speeds("Atlas 300I card, 4 x Ascend 310"), speeds("Ascend 310")
    assert {n: e.throughput for n, e in card.items()} == {n: row[2] for n, row in GUIDE.items()}
    for batch, entry in card.items():
        assert entry.chips == 4 and entry.throughput == pytest.approx(4 * chip[batch].throughput, abs=1e-9)
        assert "one chip times four" in entry.source


@pytest.mark.parametrize(
    "device, column", [("Atlas 300I card, 4 x Ascend 310", 0), ("Ascend 310P3", 1), ("NVIDIA T4", 2)]
)
def test_speeds_as_in_the_model_zoo(device, column):
    expected = {n: row[column] for n, row in MODEL_ZOO.items() if row[column] is not None}
    assert {n: int(e.throughput + 0.5) for n, e in speeds(device).items()} == expected


def test_rate_and_latency_of_a_chip_agree():
    """The tool averages rates and times apart, so that their product is 1 s but for the spread of the rounds."""
    for entry in speeds("Ascend 310").values():
        assert 1000 <= entry.throughput * entry.ave_latency < 1030


def test_scores_as_published():
    assert {(e.network, e.device): (e.rank1, e.mAP) for e in published_accuracy()} == SCORES
    assert round(0.94299287 * 3368) == 3176 and pytest.approx(0.94299287, abs=5e-9) == 3176 / 3368


def test_every_entry_names_source_and_conditions():
    for entry in (*published_accuracy(), *published_throughput()):
        assert entry.source and entry.device and entry.network.startswith("osnet_")
    for entry in published_accuracy():
        assert (entry.dataset, entry.protocol, entry.metric, entry.size) == (
            "Market-1501",
            "single query",
            "euclidean",
            "256x128",
        )
        assert 0 < entry.mAP < entry.rank1 < 1 and entry.precision in ("float32", "float16")
        assert (tuple(entry.mean), tuple(entry.std), entry.channels) == (preprocess.MEAN, preprocess.STD, "RGB")
        assert entry.queries == PUBLISHED["query"]["images"] and entry.resize == "bilinear"


def test_decimals_are_those_in_print():
    """In per cent; the guide prints fractions, 0.94299287 and 0.8257416732159705."""
    printed = {
        (e.network, e.device): (f"{100 * e.rank1:.{e.rank1_decimals}f}", f"{100 * e.mAP:.{e.mAP_decimals}f}")
        for e in published_accuracy()
    }
    assert printed == {
        ("osnet_x1_0", "GPU"): ("94.2", "82.6"),
        ("osnet_x0_75", "GPU"): ("93.7", "81.2"),
        ("osnet_x0_5", "GPU"): ("92.5", "79.8"),
        ("osnet_x0_25", "GPU"): ("91.2", "75.0"),
        ("osnet_x1_0", "Ascend 310"): ("94.299287", "82.57416732159705"),
        ("osnet_x1_0", "Ascend 310P3"): ("94.38", "82.55"),
    }


@pytest.mark.parametrize(
    "name, device",
    [
        ("osnet_x1_0", "GPU"),
        ("osnet_x1_0:GPU", "GPU"),
        ("osnet_x1_0:Ascend 310", "Ascend 310"),
        ("OSNet_x1_0:ascend310P3", "Ascend 310P3"),
        (" osnet_x1_0 : gpu", "GPU"),
    ],
)
def test_one_entry_is_found_by_network_and_device(name, device):
    assert (find_published(name).network, find_published(name).device) == ("osnet_x1_0", device)


@pytest.mark.parametrize(
    "name", ["osnet_x9", "", "osnet_x1_0:TPU", "osnet_x1_0:Ascend", "GPU", "osnet_x0_25:Ascend 310"]
)
def test_an_unknown_entry_lists_what_exists(name):
    with pytest.raises(ResultError) as refusal:
        find_published(name)
    assert re.search(re.escape(f"published.json: no published score {name!r}"), str(refusal.value))
    assert all(entry.name in str(refusal.value) for entry in published_accuracy())


def test_the_columns_of_2022():
    card = speeds("Atlas 300I card, 4 x Ascend 310", "README of 2022")
    chip = speeds("Ascend 310", "README of 2022")
    plain, tuned = speeds("Ascend 310P", "CANN 5.1.RC1"), speeds("Ascend 310P", "CANN 5.1.RC1 with AOE")
    for batch, row in README_2022.items():
        assert tuple(column[batch].throughput for column in (card, plain, tuned)) == row
        assert 4 * chip[batch].throughput == row[0] and "a quarter of the printed card" in chip[batch].source
    fastest = [max(column, key=lambda n: column[n].throughput) for column in (chip, plain, tuned)]
    assert fastest == [4, 8, 16]  # not always 8
    assert tuned[16].label == "Ascend 310P, CANN 5.1.RC1 with AOE" and speeds("Ascend 310")[8].label == "Ascend 310"


def test_what_no_source_prints_is_marked():
    marked = {entry.name: entry.marked("precision", "device") for entry in published_accuracy("osnet_x1_0")}
    assert marked == {
        "osnet_x1_0:GPU": "float32 (inferred), GPU (inferred)",
        "osnet_x1_0:Ascend 310": "float16 (inferred), Ascend 310",
        "osnet_x1_0:Ascend 310P3": "float16 (inferred), Ascend 310P3",
    }
    assert all(set(entry.inferred) <= set(vars(entry)) for entry in published_accuracy())


def test_names_are_unique():
    names = [entry.name for entry in published_accuracy()]
    assert len(set(names)) == len(names)


def test_entries_are_selected_by_network_and_device():
    assert {e.network for e in published_accuracy("osnet_x0_25")} == {"osnet_x0_25"}
    assert published_accuracy("osnet_x9") == []
    assert published_throughput("osnet_x0_25") == [] == published_throughput(device="TPU")
    assert len(published_throughput()) == len(published_throughput("osnet_x1_0")) == 46


def test_no_measurement_is_listed_twice():
    keys = [(e.network, e.label, e.batch_size) for e in published_throughput()]
    assert len(set(keys)) == len(keys)
