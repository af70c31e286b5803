"""The study's shell commands on the real Market-1501 test split and a real checkpoint.

`test_subsample_scores_as_the_full_features_do` runs everywhere the data is; the whole split takes minutes and is asked
for with ``make test-market``, which also derives the figures of the subsample from the full features.
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from helpers.engines import needs_openvino
from helpers.market import (
    FULL,
    FULL_HITS,
    FULL_LISTS,
    FULL_MINP,
    FULL_OWN_MAP,
    SUBSAMPLE,
    SUBSAMPLE_QUERIES,
    in_subsample,
)
from osnet_lib.cli.main import main
from osnet_lib.datasets.ground_truth import GroundTruth, read_ground_truth
from osnet_lib.datasets.market1501 import Sample, open_market1501
from osnet_lib.features.store import Features, load_features
from osnet_lib.metrics import evaluate, evaluate_lists


def scores(query: Features, gallery: Features, metric: str) -> tuple[int, float]:
    score = evaluate(query, gallery, metric=metric)
    return score.hits(1), score.mAP


def cut(features: Features, samples: tuple[Sample, ...]) -> Features:
    """Rows of the subsample, picked by file name."""
    wanted = {sample.name for sample in samples if in_subsample(sample.pid, sample.frame)}
    keep = np.array([name in wanted for name in features.names])
    return Features(features.names[keep], features.pids[keep], features.camids[keep], features.features[keep])


ENGINES = pytest.mark.parametrize("backend", ["auto", pytest.param("openvino", marks=needs_openvino)])


@ENGINES
@pytest.mark.market
def test_subsample_scores_as_the_full_features_do(subset, market_weights, tmp_path, capsys, backend):
    model = tmp_path / "osnet.onnx"
    assert main(["export", str(market_weights), str(model)]) == 0
    assert main(["extract", str(model), str(subset), str(tmp_path), "--batch-size", "16", "--backend", backend]) == 0
    for metric, (hits, mAP) in SUBSAMPLE.items():
        capsys.readouterr()
        arguments = [
            "evaluate",
            str(tmp_path / "query.npz"),
            str(tmp_path / "gallery.npz"),
            str(tmp_path),
            metric,
            "--metric",
            metric,
        ]
        assert main(arguments) == 0
        assert f"Rank-1  {hits}/{SUBSAMPLE_QUERIES} " in capsys.readouterr().out
        written = {
            entry["key"]: float(entry["value"])
            for entry in json.loads((tmp_path / f"{metric}.json").read_text())["value"]
        }
        assert written["R1"] == pytest.approx(hits / SUBSAMPLE_QUERIES, abs=1e-7)  # float32, as in the guide
        assert written["mAP"] == pytest.approx(mAP, abs=1e-4)


@pytest.fixture(scope="module")
def published_lists(market_zip, market_rest) -> GroundTruth:
    """The real ``gt_query/``, which lies in another archive than the images that it counts."""
    with open_market1501(market_zip) as market:
        return read_ground_truth(replace(market, path=market_rest))


@pytest.mark.market
def test_the_published_lists_are_read(published_lists):
    assert len(published_lists.good) == len(published_lists.junk) == 3368
    for kind, count in FULL_LISTS.items():
        assert sum(map(len, getattr(published_lists, kind).values())) == count
    assert sum(not names for names in published_lists.junk.values()) == 14  # 13 by a zero, one by an empty list


@ENGINES
@pytest.mark.market_full
def test_the_whole_test_split_gives_the_published_figures(
    market_zip, market_weights, published_lists, tmp_path, backend
):
    words = ["extract", str(market_weights), str(market_zip), str(tmp_path), "--batch-size", "32"]
    assert main([*words, "--backend", backend]) == 0
    query, gallery = load_features(tmp_path / "query.npz"), load_features(tmp_path / "gallery.npz")
    assert (len(query), len(gallery)) == (3368, 15913)
    for metric, (hits, mAP) in FULL.items():
        score = evaluate(query, gallery, metric=metric)
        assert tuple(score.hits(k) for k in (1, 5, 10, 20)) == FULL_HITS[metric] and score.hits(1) == hits
        assert score.mAP == pytest.approx(mAP, abs=1e-5)
        assert metric != "euclidean" or score.mINP == pytest.approx(FULL_MINP, abs=1e-5)
        good, junk = published_lists.indices(query.names, gallery.names)
        own = evaluate_lists(query.features, gallery.features, good=good, junk=junk, metric=metric)
        assert tuple(own.hits(k) for k in (1, 5, 10, 20)) == FULL_HITS[metric]
        assert own.mAP_trapezoid == pytest.approx(FULL_OWN_MAP[metric], abs=1e-5)
    assert main(["compare", "published:osnet_x0_25", str(tmp_path)]) == 0  # the guide's gate
    assert main(["compare", "published:osnet_x1_0", str(tmp_path)]) == 1
    with open_market1501(market_zip) as market:
        some = cut(query, market.query), cut(gallery, market.gallery)
    assert len(some[0]) == SUBSAMPLE_QUERIES
    for metric, (hits, mAP) in SUBSAMPLE.items():
        found = scores(*some, metric)
        assert found[0] == hits and found[1] == pytest.approx(mAP, abs=1e-5)
