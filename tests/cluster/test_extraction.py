"""Extraction on a head and two nodes of NPUs: whatever fails, nothing is lost, doubled or silently skipped."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from helpers.fake_devices import open_fake
from helpers.marked_sessions import open_marked, open_together
from helpers.npu import make_om
from helpers.ray_cluster import needs_ray, two_nodes
from osnet_lib.cli.main import main
from osnet_lib.cluster.cluster import Resource
from osnet_lib.cluster.evaluation import evaluate_on_cluster, pieces_of
from osnet_lib.cluster.extraction import _rates, extract_on_cluster
from osnet_lib.core.files import read_json, sha256
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.errors import ClusterError, DatasetError
from osnet_lib.features.store import load_features, save_features
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.session import open_session
from osnet_lib.metrics import evaluate

pytestmark = [pytest.mark.cluster, needs_ray]
NPU = Resource("NPU", 1)


@pytest.fixture(scope="module")
def cluster():
    with two_nodes(fault="acl.mdl.execute_async@1:4:507011") as running:  # of real sessions, on device 1 of each node
        yield running


@pytest.fixture(scope="module")
def expected(dataset, tmp_path_factory):
    """What one device of this process computes, batch 1."""
    folder = tmp_path_factory.mktemp("one")
    with open_fake(Path("one")) as session:
        return {
            split: extract_features(session, dataset, samples, folder / f"{split}.npz", 1, progress=False)
            for split, samples in (("query", dataset.query), ("gallery", dataset.gallery))
        }


@pytest.fixture
def extract(cluster, dataset, tmp_path):
    """A function that extracts on fake devices, batch 1; files beside the model decide what happens to them."""
    (tmp_path / "model").touch()

    def run(given=None, workers=2, **options):
        return extract_on_cluster(
            tmp_path / "model",
            given or dataset,
            tmp_path / "out",
            1,
            cluster.address,
            workers,
            resource=NPU,
            progress=False,
            opener=open_marked,
            **options,
        )

    return run


def assert_same(folder: Path, expected) -> None:
    for split, one in expected.items():
        made = load_features(folder / f"{split}.npz")
        for array in ("names", "pids", "camids", "features"):
            assert np.array_equal(getattr(made, array), getattr(one, array)), array


def test_any_number_of_workers_gives_the_same_features_and_lists_what_it_made(extract, expected, tmp_path):
    made = extract(workers=3)
    assert_same(tmp_path / "out", expected)
    assert sum(made["gallery"].nodes.values()) == len(expected["gallery"])
    listed = read_json(made["gallery"].list)
    assert len(listed["shards"]) > 3 and listed["images"] == len(expected["gallery"])
    facts = load_features(made["gallery"].file).conditions
    assert all(listed[name] == facts[name] and facts[name] for name in ("dataset", "session"))
    for entry in listed["shards"]:
        assert sha256(made["gallery"].list.parent / entry["file"]) == entry["sha256"] and entry["node"]
    facts = load_features(made["gallery"].file).conditions
    assert facts["cluster"]["same_bits"] and sum(n["images"] for n in facts["cluster"]["nodes"].values()) == len(
        expected["gallery"]
    )


def test_scores_over_pieces_of_the_gallery_are_those_of_one_machine(cluster, extract, expected):
    made = extract()
    query, gallery = expected["query"], expected["gallery"]
    whole = evaluate(query, gallery)
    for held, count in ((made["gallery"].list, 8), (made["gallery"].file, 3)):
        score = evaluate_on_cluster(query, pieces_of(held, count), cluster.address)
        assert score.as_dict() == whole.as_dict() and np.array_equal(score.ap, whole.ap, equal_nan=True)


def test_the_command_prints_the_scores_of_one_machine(cluster, extract, tmp_path, capsys):
    made = extract()
    words = ["evaluate", str(made["query"].file)]
    assert main([*words, str(made["gallery"].file), str(tmp_path), "one"]) == 0
    one = capsys.readouterr().out.splitlines()
    assert len([line for line in one if line.startswith(("Rank-", "mAP", "mINP"))]) == 6
    for gallery, pieces in ((made["gallery"].file, "3"), (made["gallery"].list, "8")):
        assert main([*words, str(gallery), str(tmp_path), "all", "--cluster", cluster.address, "--pieces", pieces]) == 0
        assert capsys.readouterr().out.splitlines()[:-1] == one[:-1]
        assert (tmp_path / "all.json").read_text() == (tmp_path / "one.json").read_text()


def test_a_gallery_that_a_node_does_not_see_is_named_before_any_work(cluster, expected, tmp_path, capsys):
    query, gallery = (save_features(tmp_path / f"{split}.npz", expected[split]) for split in ("query", "gallery"))
    (tmp_path / "here.npz").symlink_to("/proc/self/fd/251")
    with open(gallery, "rb") as held:
        os.dup2(held.fileno(), 251)
    try:
        words = ["evaluate", str(query), str(tmp_path / "here.npz"), str(tmp_path), "s", "--cluster", cluster.address]
        assert main(words) == 2
    finally:
        os.close(251)
    told = capsys.readouterr().err
    assert (
        "here.npz: node " in told
        and "does not see the gallery here.npz" in told
        and len(told.strip().splitlines()) == 1
    )


def test_a_path_that_a_node_does_not_see_and_a_resource_that_none_has_are_named(cluster, dataset, tmp_path):
    with open(__file__, "rb") as held:
        os.dup2(held.fileno(), 250)
    try:
        for model, resource, words in (
            (Path("/proc/self/fd/250"), NPU, r"/proc/self/fd/250: node .* does not see the model"),
            (Path(__file__), Resource("NPU", 9), "no node has NPU=9; all together have CPU 2, NPU 4"),
        ):
            with pytest.raises(ClusterError, match=words):
                extract_on_cluster(model, dataset, tmp_path / "out", 1, cluster.address, resource=resource)
    finally:
        os.close(250)


def test_a_run_goes_on_behind_finished_shards_and_computes_a_damaged_one_again(extract, expected, tmp_path):
    extract()
    shards = sorted((tmp_path / "out" / "shards").glob("gallery-*.npz"))
    times = [shard.stat().st_mtime_ns for shard in shards]
    shards[1].write_bytes(b"damaged")
    made = extract(workers=1)
    assert made["gallery"].resumed == len(expected["gallery"]) - 8 and made["query"].nodes == {}
    assert [new.stat().st_mtime_ns != old for new, old in zip(shards, times)] == [i == 1 for i in range(len(shards))]
    assert_same(tmp_path / "out", expected)


@pytest.mark.parametrize("word, told", [("kill", "was lost"), ("raise", r"failed \(.*507011")])
def test_the_share_of_a_worker_that_dies_or_fails_goes_to_others(extract, expected, tmp_path, word, told):
    (tmp_path / word).touch()
    with pytest.warns(UserWarning, match=told) as heard:
        extract()
    assert len([w for w in heard if "worker" in str(w.message)]) == 1 and not (tmp_path / word).exists()
    assert_same(tmp_path / "out", expected)


def test_when_every_worker_fails_all_are_named_with_their_cause(cluster, dataset, tmp_path):
    (tmp_path / "run0=raise3").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ClusterError, match=r"worker 1 on .*, worker 2 on .* failed: .*507011"):
            extract_on_cluster(
                tmp_path / "run0=raise3",
                dataset,
                tmp_path / "out",
                1,
                cluster.address,
                2,
                NPU,
                progress=False,
                opener=open_fake,
            )


def test_a_node_that_is_killed_loses_nothing_and_one_that_joins_takes_a_share(cluster, extract, expected, tmp_path):
    (tmp_path / "slow").touch()
    gone = cluster.nodes.pop()
    with at_first_shard(tmp_path, lambda: cluster.remove(gone, allow_graceful=False)):
        with pytest.warns(UserWarning, match="was lost"):
            made = extract(workers=None)
    assert_same(tmp_path / "out", expected)
    first = set(made["gallery"].nodes)
    shutil.rmtree(tmp_path / "out")

    def join() -> None:
        (tmp_path / "hold").touch()
        try:
            before = len(list(tmp_path.glob("open-*")))
            cluster.nodes.append(cluster.add())
            for _ in range(3000):
                if len(list(tmp_path.glob("open-*"))) > before:
                    break
                time.sleep(0.1)
        finally:
            (tmp_path / "hold").unlink()

    with at_first_shard(tmp_path, join):
        made = extract(workers=None)
    assert set(made["gallery"].nodes) - first, "the node that joined computed nothing"
    assert_same(tmp_path / "out", expected)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGTERM])
def test_a_driver_that_is_killed_is_started_again_and_goes_on(cluster, extract, expected, dataset, tmp_path, by):
    (tmp_path / "slow").touch()
    (tmp_path / "model").touch()
    driver = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(tmp_path), str(dataset.path), cluster.address],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stderr=subprocess.PIPE,
        text=True,
    )
    with at_first_shard(tmp_path, lambda: driver.send_signal(by)):
        told = driver.communicate(timeout=300)[1]
        assert driver.returncode == -by and "***" not in told, told
    (tmp_path / "slow").unlink()
    finished = sum(1 for _ in (tmp_path / "out" / "shards").glob("query-*.key.json"))
    made = extract()
    assert made["query"].resumed >= 8 * finished - 8 > -8 and made["query"].resumed + sum(
        made["query"].nodes.values()
    ) == len(expected["query"])
    assert_same(tmp_path / "out", expected)


DRIVER = """
import sys
from pathlib import Path
from helpers.marked_sessions import open_marked, open_together
from osnet_lib.cli.main import main
from osnet_lib.cluster.cluster import Resource
from osnet_lib.cluster.extraction import _rates, extract_on_cluster
from osnet_lib.datasets.market1501 import open_market1501

folder, data, address = sys.argv[1:]
with open_market1501(data) as dataset:
    extract_on_cluster(
        Path(folder, "model"), dataset, Path(folder, "out"), 1, address, resource=Resource("NPU", 1), opener=open_marked
    )
"""


def test_an_image_that_cannot_be_decoded_stops_or_is_left_out_and_listed(extract, expected, small_market, tmp_path):
    root = tmp_path / "damaged"
    shutil.copytree(small_market, root)
    name = str(expected["gallery"].names[10])
    (root / "bounding_box_test" / name).write_bytes(b"no image")
    with open_market1501(root) as dataset:
        with pytest.raises(DatasetError, match=name):
            extract(dataset)
        made = extract(dataset, on_error="skip-and-list")
    assert list(made["gallery"].skipped) == [name] and name in read_json(made["gallery"].list)["skipped"]
    features, rest = load_features(made["gallery"].file), expected["gallery"].names != name
    assert features.conditions["skipped"].keys() == {name}
    assert np.array_equal(features.names, expected["gallery"].names[rest])
    assert np.array_equal(features.features, expected["gallery"].features[rest])


def test_stand_in_npus_are_those_that_ray_gives_and_the_share_of_one_that_fails_goes_to_others(
    cluster, dataset, tmp_path, npu
):
    """Device 1 of each node, which its worker knows as 0, fails in its fourth batch."""
    model = make_om(tmp_path, batch_sizes=(2,))
    with pytest.warns(UserWarning, match="507011") as heard:
        made = extract_on_cluster(
            model,
            dataset,
            tmp_path / "out",
            2,
            cluster.address,
            resource=NPU,
            backend="ascend",
            progress=False,
            opener=open_together,
        )
    assert 1 <= len([w for w in heard if "507011" in str(w.message)]) <= 2
    with open_session(model, "ascend") as session:
        one = extract_features(session, dataset, dataset.gallery, tmp_path / "one.npz", 2, progress=False)
    features = load_features(made["gallery"].file)
    assert np.array_equal(features.names, one.names) and np.array_equal(features.features, one.features)
    assert features.conditions["seconds"] is None  # simulated: no speed


def test_a_node_that_has_computed_nothing_yet_is_not_among_the_rates():
    assert _rates({"one": 30, "two": 0}, 2.0) == "one 15/s"


@contextmanager
def at_first_shard(folder: Path, act: Callable[[], object]) -> Iterator[None]:
    """Do something, in a thread, as soon as a shard of a run is finished."""

    def wait() -> None:
        for _ in range(3000):
            if any((folder / "out" / "shards").glob("*.key.json")):
                act()
                return
            time.sleep(0.1)

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()
