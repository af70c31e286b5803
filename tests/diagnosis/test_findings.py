"""What features and weights say of themselves: one test for each finding, and none on what is right."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings, strategies as st

from helpers import networks
from osnet_lib.diagnosis.findings import (
    Finding,
    check_features,
    check_rows,
    check_weights,
    in_order,
    repeated_rows,
)
from osnet_lib.errors import MetricError
from osnet_lib.features.store import Features
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.osnet import build_model


def people(seed: int = 0, pids: int = 20, cameras: int = 3, noise: float = 0.5) -> tuple[Features, Features]:
    """Query and gallery in which the images of a person resemble each other."""
    random = np.random.default_rng(seed)
    looks = random.gamma(1, size=(pids, 512))

    def split(name: str, shots: int) -> Features:
        pid, camid, shot = (
            axis.ravel() for axis in np.meshgrid(range(pids), range(1, cameras + 1), range(shots), indexing="ij")
        )
        matrix = looks[pid] + noise * random.gamma(1, size=(len(pid), 512))
        return Features(
            np.array([f"{name}_{p}_{c}_{s}" for p, c, s in zip(pid, camid, shot)]),
            pid + 1,
            camid,
            matrix.astype(np.float32),
        )

    return split("query", 1), split("gallery", 2)


def names(findings, severity="wrong"):
    return [finding.name for finding in findings if finding.severity == severity]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("seed", range(4))
def test_working_features_raise_no_alarm(seed, metric):
    found = check_features(*people(seed), metric)
    assert [(f.name, f.severity) for f in found] == [("score", "right")] and metric in found[0].evidence
    assert not check_rows(people(seed)[0])


def zeros(matrix):
    matrix[[2, 5]] = 0
    return matrix


def repeated(matrix):
    matrix[-1] = matrix[4]
    return matrix


def nan(matrix):
    matrix[7, 3] = np.nan
    return matrix


def dead(matrix):
    matrix[:, :300] = 0
    return matrix


@pytest.mark.parametrize(
    "change, name, severity, words",
    [
        (zeros, "rows of zeros", "wrong", "2 of 60 rows are all zero, the first is of query_0_3_0"),
        (
            repeated,
            "repeated rows",
            "wrong",
            ("1 of 60 rows repeat another one bit by bit, the first is query_19_3_0 like query_1_2_0"),
        ),
        (nan, "not finite", "wrong", "1 of 60 rows hold NaN or infinity, the first is of query_2_2_0"),
        (lambda m: m * np.float32(np.inf), "not finite", "wrong", "60 of 60 rows"),
        (lambda m: m[:1].repeat(60, 0), "all equal", "wrong", "their spread over 60 images"),
        (lambda m: m[:1] + 1e-4 * m, "all equal", "wrong", "their spread over 60 images"),
        (lambda m: m * 0, "all equal", "wrong", "their spread over 60 images is 0.0e+00 of 1"),
        (
            lambda m: np.pad(m, ((0, 0), (0, 239))),
            "width",
            "wrong",
            "[60, 751] instead of [N, 512]; 751 or 1000 would be",
        ),
        (lambda m: m[:, :100], "width", "wrong", "[60, 100] instead of [N, 512]"),
        (dead, "dead values", "harmless", "300 of 512 are zero for all 60 images"),
    ],
)
def test_rows_that_no_working_network_gives(change, name, severity, words):
    query, gallery = people()
    query = replace(query, features=change(query.features.copy()))
    found = check_rows(query)
    assert [(f.name, f.severity) for f in found] == [(name, severity)] and words in found[0].evidence
    assert f"query: {name}" in [f.name for f in check_features(query, gallery)]
    assert names(check_features(query, gallery)) == ([f"query: {name}"] if severity == "wrong" else [])


def test_a_single_row_is_not_all_equal():
    query, _ = people()
    one = Features(query.names[:1], query.pids[:1], query.camids[:1], query.features[:1])
    assert check_rows(one) == []


def test_rows_that_may_be_equal():
    query, _ = people()
    matrix = repeated(query.features.copy())
    asked = []
    assert check_rows(replace(query, features=matrix), lambda a, b: asked.append((a, b)) or True) == []
    assert asked == [(4, 59)]


@pytest.mark.parametrize("change", [repeated, zeros, dead])
def test_rows_that_were_looked_at_already(change):
    query, gallery = people()
    query = replace(query, features=change(query.features.copy()))
    assert check_features(query, gallery)[0].name.startswith("query: ")
    assert [f.name for f in check_features(query, gallery, rows=False)] == ["score"]


@pytest.mark.parametrize("rows", [True, False])
def test_an_unknown_metric(rows):
    """Raised even where wrong rows would end the check before any score."""
    query, gallery = people()
    query = replace(query, features=zeros(query.features.copy()))
    with pytest.raises(MetricError, match="unknown distance 'manhattan'.* Use one of euclidean, cosine"):
        check_features(query, gallery, "manhattan", rows)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=12))
def test_repeated_rows_are_those_of_a_plain_loop(values):
    matrix = np.array(values, np.float32)[:, None] * np.ones((1, 4), np.float32)
    expected = [(values.index(value), i) for i, value in enumerate(values) if value and values.index(value) < i]
    assert [tuple(pair) for pair in repeated_rows(matrix)] == expected


@pytest.mark.parametrize(
    "cameras, shift, name, words",
    [
        (1, 0, "single camera", "the camid of all 20 queries and 40 gallery images is 1"),
        (2, 100, "no score", "none of the 40 queries has a match"),
    ],
)
def test_data_that_cannot_be_scored(cameras, shift, name, words):
    query, gallery = people(cameras=cameras)
    found = check_features(query, replace(gallery, pids=gallery.pids + shift))
    assert names(found) == [name] and words in found[0].evidence and "pid names the person" in found[0].cure


def test_the_same_images_in_query_and_gallery():
    query, _ = people()
    found = check_features(query, query)
    assert names(found) == ["shared images"]
    assert f"60 of 60 queries are in the gallery, the first is {min(query.names)}" in found[0].evidence


@pytest.mark.parametrize("seed", range(4))
def test_a_score_as_by_chance(seed):
    """Features that say nothing of the person, and features under the wrong names."""
    query, gallery = people(seed, pids=60)
    random = np.random.default_rng(seed)
    noise = replace(gallery, features=random.gamma(1, size=gallery.features.shape).astype(np.float32))
    mixed = replace(gallery, features=random.permutation(gallery.features))
    for features in (noise, mixed):
        found = check_features(query, features)
        assert names(found) == ["chance"] and "where guessing gives an mAP of 0.0" in found[0].evidence


@pytest.mark.parametrize(
    "content, name, words",
    [
        (lambda: networks.state_dict(classes=1000), "ImageNet weights", "1000 rows"),
        (lambda: build_model("osnet_x0_25", 751, seed=3).state_dict(), "untrained weights", "batch norms hold mean 0"),
        (lambda: build_model("osnet_ain_x1_0", 0, seed=3).state_dict(), "untrained weights", "batch norms hold mean 0"),
    ],
)
@pytest.mark.filterwarnings("ignore::osnet_lib.network.checkpoint.CheckpointWarning")
def test_weights_that_were_not_trained_for_it(tmp_path, content, name, words):
    torch.save(content(), tmp_path / "w.pt")
    found = check_weights(load_checkpoint(tmp_path / "w.pt"))
    assert names(found) == [name] and words in found[0].evidence and found[0].cure


@pytest.mark.parametrize("classes", [0, 751, 702])
def test_trained_weights_raise_no_alarm(tmp_path, classes):
    torch.save(networks.state_dict(classes=classes), tmp_path / "w.pt")
    assert check_weights(load_checkpoint(tmp_path / "w.pt")) == []


def test_the_zoo_s_weights_raise_no_alarm(market_weights):
    assert check_weights(load_checkpoint(market_weights)) == []


def test_text():
    right = Finding("agrees", "right", "All is well", "we looked")
    bad = Finding("BGR", "wrong", "It is BGR", "we saw it", "Turn it.")
    assert bad.text() == "It is BGR: we saw it. Turn it." and right.text() == "All is well: we looked."
    assert in_order([right, bad]) == [bad, right]
