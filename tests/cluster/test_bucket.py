"""A data set in an object store on a cluster: features of the local zip, no keys anywhere, and a node that lacks it."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from helpers.ray_cluster import needs_ray, two_nodes
from helpers.s3_server import KEY, SECRET, needs_s3, s3_server
from osnet_lib.cli.main import main
from osnet_lib.features.store import load_features

pytestmark = [pytest.mark.cluster, needs_ray, needs_s3]


@pytest.fixture(scope="module")
def store():
    with s3_server() as running:
        yield running


@pytest.fixture(scope="module")
def cluster(store):
    with two_nodes() as running:
        yield running


@pytest.fixture(scope="module")
def packed(small_market, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "data.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(small_market.rglob("*.jpg")):
            archive.write(file, file.relative_to(small_market))
    return path


@pytest.fixture(scope="module")
def expected(packed, small_weights, tmp_path_factory) -> Path:
    """One machine's features, of the local zip."""
    folder = tmp_path_factory.mktemp("one")
    words = ["extract", str(small_weights), str(packed), str(folder), "--backend", "torch", "--batch-size", "4"]
    assert main([*words, "--threads", "1"]) == 0
    return folder


def test_workers_read_a_bucket_and_give_the_features_of_the_local_zip(
    cluster, store, packed, small_weights, expected, tmp_path, capfd
):
    remote = store.put(packed, "data.zip")
    words = ["extract", str(small_weights), remote, str(tmp_path), "--backend", "torch", "--batch-size", "4"]
    assert main([*words, "--cluster", cluster.address, "--resource", "CPU=1"]) == 0
    for split in ("query", "gallery"):
        one, made = load_features(expected / f"{split}.npz"), load_features(tmp_path / f"{split}.npz")
        assert np.array_equal(one.names, made.names) and np.array_equal(one.features, made.features)
        assert one.conditions["dataset"] == made.conditions["dataset"] and made.conditions["cluster"]["same_bits"]
    told = capfd.readouterr()
    assert not mentions_keys(told.out + told.err + json.dumps(made.conditions))
    for folder in (tmp_path, session_folder()):
        for file in folder.rglob("*"):
            if file.is_file():
                assert not mentions_keys(file.read_bytes().decode("utf-8", "replace")), file


def mentions_keys(text: str) -> bool:
    return KEY in text or SECRET in text


def session_folder() -> Path:
    """Where Ray writes the logs of all nodes on this machine."""
    import ray

    return Path(ray._private.worker._global_node.get_session_dir_path())


def test_a_node_whose_environment_leads_to_no_store_is_named(
    cluster, store, packed, small_weights, tmp_path, monkeypatch, capsys
):
    remote = store.put(packed, "data.zip")
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        cluster.nodes.append(cluster.add())
    words = ["extract", str(small_weights), remote, str(tmp_path), "--backend", "torch"]
    assert main([*words, "--cluster", cluster.address, "--resource", "CPU=1"]) == 2
    told = capsys.readouterr().err
    assert f"{remote}: node " in told and "does not see the data set (cannot be read (Could not connect" in told
    assert "give it endpoint and access keys before ray start" in told and len(told.strip().splitlines()) == 1
    assert not mentions_keys(told)
