"""A run on paper: products that can be checked by hand, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from osnet_lib.cli.main import main
from osnet_lib.cluster.plan import Plan, assumptions, duration, measured_rate, size
from osnet_lib.errors import ClusterError
from osnet_lib.features.store import Features, save_features


def feature_file(path, **conditions):
    rows = np.eye(100, 512, dtype=np.float32)
    names = np.array([f"{i}.jpg" for i in range(100)])
    return save_features(path, Features(names, np.ones(100, int), np.ones(100, int), rows, conditions))


def test_extraction_is_images_by_workers_and_rate():
    plan = Plan(1_000_000, nodes=5, devices=4, rate=100, start=20, hash_rate=50_000)
    assert (plan.workers, plan.extraction_seconds, plan.hash_seconds) == (20, 500, 20)
    assert plan.seconds == 540 and plan.evaluation_seconds == 0
    assert plan.read_bytes == 2 * 3_000 * 1_000_000 and plan.written_bytes == 2 * 2_228 * 1_000_000


def test_workers_beyond_the_cores_add_nothing():
    two, three = (Plan(1000, 1, devices, 100, cores=2) for devices in (2, 3))
    assert two.extraction_seconds == three.extraction_seconds == 5
    assert list(two.limits()) == [] and "3 workers a node share 2 cores" in "; ".join(three.limits())


def test_the_network_sets_the_time_where_devices_are_faster():
    plan = Plan(1_000_000, 1, 1000, 1000.0, network=1e6)
    assert plan.extraction_seconds == 3000 and "network" in "; ".join(plan.limits())


def test_evaluation_is_queries_by_images():
    plan = Plan(10_000_000, 2, 5, 100, queries=1000, pair_rate=1e6)
    assert plan.evaluation_seconds == 1000 * 10_000_000 / (10 * 1e6)
    assert plan.query_bytes == 1000 * 2048 * 2 and any("pairs of query" in line for line in assumptions(plan))
    assert Plan(10_000_001, 2, 5, 100).written_bytes == 2_228 * 10_000_001  # too many for one file


@pytest.mark.parametrize("wrong", ["images", "nodes", "devices", "rate", "network", "cores_per_worker"])
@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan"), 1e300])
def test_nothing_is_divided_by_zero_or_beyond_all_measure(wrong, value):
    given = {"images": 1, "nodes": 1, "devices": 1, "rate": 1.0, "cores": 2, wrong: value}
    with pytest.raises(ClusterError, match=rf"{wrong} is .*Give a number above 0, below 1e18\."):
        Plan(**given)


def test_the_rate_of_a_run_is_that_of_one_worker(tmp_path):
    session = {"backend": "onnxruntime", "precision": "float32", "device": "a CPU"}
    path = feature_file(tmp_path / "f.npz", seconds=5.0, cluster={"workers": 4}, session=session)
    found = measured_rate(path)
    assert found.rate == 5 and found.words == "100 images in 5.0 s by 4: onnxruntime float32 on a CPU"
    assert measured_rate(feature_file(tmp_path / "one.npz", seconds=5.0)).rate == 20
    assert measured_rate(feature_file(tmp_path / "two.npz", seconds=5.0, devices={"0": 50, "1": 50})).rate == 10


@pytest.mark.parametrize(
    "conditions, words",
    [
        ({}, "tells no time"),
        *[({"seconds": odd}, "tells no time") for odd in (None, "5", [], True, -1, 10**400, float("nan"))],
        *[({"seconds": 1.0, "cluster": odd}, "tells no time") for odd in ({}, 3, {"workers": "2"}, {"workers": 0})],
        ({"seconds": 1.0, "devices": 2}, "tells no time"),
        ({"seconds": 1.0, "resumed_at": 8}, "several runs"),
    ],
)
def test_a_file_that_tells_no_speed_is_refused(tmp_path, conditions, words):
    with pytest.raises(ClusterError, match=words):
        measured_rate(feature_file(tmp_path / "f.npz", **conditions))


@pytest.mark.parametrize(
    "seconds, words", [(5, "5.0 s"), (600, "10.0 min"), (7200, "2.0 h"), (864_000, "10.0 days"), (1e9, "31.7 years")]
)
def test_durations(seconds, words):
    assert duration(seconds) == words


@pytest.mark.parametrize("amount, words", [(10, "10 bytes"), (2e9, "2.0 GB"), (3.5e15, "3.5 PB")])
def test_sizes(amount, words):
    assert size(amount) == words


def test_the_command_prints_its_assumptions(capsys):
    assert (
        main(["plan", "--images", "1e8", "--nodes", "10", "--devices", "8", "--rate", "500", "--queries", "1e5"]) == 0
    )
    text = capsys.readouterr().out
    assert "extraction 41.7 min" in text and text.count("\nassumed") == 7 and "\nbreaks" in text
    with pytest.raises(SystemExit) as refused:
        main(["plan", "--images", "1.5", "--rate", "1"])
    assert refused.value.code == 2
