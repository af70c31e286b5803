"""What is refused before any work starts, in one line: addresses, versions, resources, paths that a node lacks."""

from __future__ import annotations

import socket
import subprocess
import sys

import pytest

from helpers.ray_cluster import needs_ray
from osnet_lib.cli.main import main
from osnet_lib.cluster import cluster
from osnet_lib.cluster.cluster import Resource, on_cluster
from osnet_lib.errors import ClusterError


@pytest.mark.parametrize(
    "text, options",
    [
        ("CPU=2", {"num_cpus": 2}),
        ("GPU=1", {"num_cpus": 0, "num_gpus": 1}),
        ("NPU=4", {"num_cpus": 0, "resources": {"NPU": 4}}),
    ],
)
def test_resources(text, options):
    assert Resource.parse(text).options() == options and str(Resource.parse(text)) == text


@pytest.mark.parametrize("text", ["", "NPU", "NPU=", "NPU=0", "NPU=1.5", "=1", "NPU=-1", "a b=1"])
def test_what_is_no_resource(text):
    with pytest.raises(ClusterError, match="is no resource"):
        Resource.parse(text)


@needs_ray
@pytest.mark.parametrize(
    "address, words",
    [
        ("127.0.0.1:1", "no such cluster"),
        ("nowhere.invalid:6379", "no such cluster"),
        ("6379", "cluster: '6379' is no address"),
        ("", "cluster: '' is no address"),
        ("ray://head:10001", "Ray Client"),
    ],
)
def test_no_such_cluster(address, words):
    with pytest.raises(ClusterError, match=words), on_cluster(address):
        pass


MISMATCH = """Version mismatch: The cluster was started with:
    Ray: 2.59.0
    Python: 3.11.7
This process on node 192.0.2.2 was started with:
    Ray: 2.60.0
    Python: 3.11.7
"""


@needs_ray
@pytest.mark.parametrize(
    "error, words",
    [
        (RuntimeError(MISMATCH), r"the cluster has Ray 2\.59\.0, here 2\.60\.0\. Install the same versions everywhere"),
        (ConnectionError("Could not find any running Ray instance."), "no such cluster"),
        (RuntimeError("something else"), "no such cluster"),
    ],
)
def test_what_ray_says_when_it_cannot_join_becomes_one_line(monkeypatch, error, words):
    import ray

    def init(**_options):
        raise error

    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(cluster, "_check_address", lambda address: None)
    with pytest.raises(ClusterError, match=words) as told, on_cluster("auto"):
        pass
    assert "\n" not in str(told.value)


@needs_ray
@pytest.mark.parametrize("told", ["variable", "file"])
def test_a_head_that_ray_remembers_and_that_is_dead_is_told_at_once(monkeypatch, tmp_path, told):
    import ray

    if told == "variable":
        monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    else:
        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
        monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)  # of processes of this machine
        for folder in (tmp_path, tmp_path / "ray"):
            folder.mkdir(exist_ok=True)
            (folder / "ray_current_cluster").write_text("127.0.0.1:1")
    monkeypatch.setattr(ray, "init", lambda **_options: pytest.fail("Ray would try for minutes"))
    with pytest.raises(ClusterError, match=r"127\.0\.0\.1:1: no such cluster"), on_cluster("auto"):
        pass


@needs_ray
def test_auto_where_ray_remembers_no_head(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr("ray._private.services.find_gcs_addresses", set)
    with pytest.raises(ClusterError, match="auto: no such cluster"), on_cluster("auto"):
        pass


@needs_ray
def test_a_head_that_wants_a_token_is_told_from_one_that_is_not_there(monkeypatch):
    import ray

    def init(**_options):
        raise ConnectionError("Failed to connect to Ray cluster at 192.0.2.2:6379")

    monkeypatch.setattr(ray, "init", init)
    with socket.create_server(("127.0.0.1", 0)) as head:
        address = f"127.0.0.1:{head.getsockname()[1]}"
        with pytest.raises(ClusterError, match="does not let this process in .* set RAY_AUTH_MODE=token"):
            with on_cluster(address):
                pass


@needs_ray
def test_a_local_cluster_that_does_not_come_up_is_tried_again_and_then_told(monkeypatch):
    import ray

    tries = []

    def init(**options):
        tries.append(options["address"])
        raise Exception("The current node timed out during startup.")

    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(ClusterError, match=r"Ray does not start \(The current node timed out"), on_cluster("local"):
        pass
    assert tries == ["local"] * 3  # never one that happens to run


def test_what_a_node_does_not_see_is_named(tmp_path):
    (tmp_path / "model").write_bytes(b"12345")
    (tmp_path / "token").write_text("1")
    code = cluster._code()

    def look(name="model", size=5, text="1", code=code):
        return cluster._look({"model": (str(tmp_path / name), size)}, str(tmp_path / "token"), text, code)

    assert look() is None
    for told, words in (
        (look("other"), "does not see the model"),
        (look(size=4), "has another model there (5 bytes, here 4)"),
        (look(text="2"), "does not see the folder"),
        (look(code="3.9.0 another"), "runs another Python or osnet"),
    ):
        assert told and words in told[1] and told[2]


@pytest.mark.parametrize(
    "words, told",
    [
        ("extract mini mini out --workers 2", "--workers without a cluster"),
        ("extract mini mini out --resource NPU=1 --on-error stop", "--resource, --on-error without a cluster"),
        ("extract mini mini out --cluster local --devices 0,1", "--devices beside --cluster"),
        ("extract mini mini out --cluster local --workers 0", "0 workers"),
        ("extract mini mini out --cluster local --resource NPU", "is no resource"),
        ("evaluate q.npz shards/gallery.json . s", "a list of shards without a cluster"),
        ("evaluate q.npz g.npz . s --pieces 2", "--pieces without a cluster"),
        ("evaluate q.npz g.npz . s --cluster local --rerank", "--rerank needs the whole gallery"),
        ("extract mini mini out --cluster local --batch-size 0", "batch size 0 is not a whole number from 1 to 65536"),
        ("extract mini mini out --cluster local --threads 0", "threads: 0 is not a whole number from 1 to 1024"),
        ("extract mini mini out --cluster local --threads -3", "threads: -3 is not a whole number"),
        ("extract mini mini out --cluster local --precision int8x", "'int8x' is not a precision"),
        ("evaluate q.npz dumpOutput . s --cluster local", "dumpOutput is no gallery for a cluster"),
        ("evaluate q.npz . . s --cluster local", "a folder is no gallery for a cluster"),
        ("evaluate q.npz g.json . s --cluster local --dataset mini", "--dataset beside a list of shards"),
    ],
)
def test_options_that_do_not_go_together(capsys, words, told):
    assert main(words.split()) == 2
    assert told in capsys.readouterr().err


def test_without_the_option_ray_is_not_imported_and_without_ray_the_extra_is_named(tmp_path):
    code = """
import sys
from osnet_lib.cli.main import main
import osnet_lib.cluster.extraction, osnet_lib.cluster.evaluation, osnet_lib.cluster.plan
assert "ray" not in sys.modules
sys.modules["ray"] = None
sys.exit(main(["extract", "mini", sys.argv[1], sys.argv[2], "--cluster", "local"]))
"""
    done = subprocess.run(
        [sys.executable, "-c", code, "mini", str(tmp_path / "out")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and "pip install 'osnet-ascend-study[scale]'" in done.stderr, done.stderr


@needs_ray
def test_what_nodes_tell_in_pages_is_not_printed():
    code = """
from osnet_lib.cluster.cluster import on_cluster
from osnet_lib.errors import ClusterError
try:
    with on_cluster("127.0.0.1:1"):
        pass
except ClusterError:
    pass
from ray._private.worker import print_to_stdstream
print_to_stdstream({"lines": ["Task failed. There are 3 retries"], "pid": "raylet", "is_err": False}, False)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "retries" not in done.stdout + done.stderr
