"""The study's shell commands on the real Market-1501 test split and a real checkpoint.

`test_subsample_scores_as_the_full_features_do` runs everywhere the data is; the whole split takes minutes and is asked
for with ``make test-market``, which also derives the figures of the subsample from the full features.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from osnet_lib.cli import main
from osnet_lib.features import Features, load_features
from osnet_lib.market1501 import Sample, open_market1501
from osnet_lib.metrics import evaluate

# (Rank-1 hits, mAP) of the README of the data, computed with torchreid's own evaluate_rank.
FULL = {"euclidean": (3071, 0.749377), "cosine": (3081, 0.773947)}
# The same features cut down by `in_subsample`; derived by the full run below.
SUBSAMPLE = {"euclidean": (215, 0.958711), "cosine": (216, 0.969146)}
SUBSAMPLE_QUERIES = 216


def in_subsample(pid: int, frame: int) -> bool:
    """One person in fifteen, and one distractor in fifteen."""
    return (frame if pid == 0 else pid) % 15 == 0


def scores(query: Features, gallery: Features, metric: str) -> tuple[int, float]:
    score = evaluate(query.features, query.pids, query.camids, gallery.features, gallery.pids, gallery.camids, metric)
    return score.hits(1), score.mAP


def cut(features: Features, samples: tuple[Sample, ...]) -> Features:
    """Rows of the subsample, picked by file name."""
    wanted = {sample.name for sample in samples if in_subsample(sample.pid, sample.frame)}
    keep = np.array([name in wanted for name in features.names])
    return Features(features.names[keep], features.pids[keep], features.camids[keep], features.features[keep])


@pytest.fixture(scope="module")
def subset(market_zip, tmp_path_factory) -> Path:
    """The subsample as a folder in the published layout; bytes as published, removed with the test's folder."""
    folder = tmp_path_factory.mktemp("market") / "subset"
    with open_market1501(market_zip) as market:
        for split, samples in (("query", market.query), ("bounding_box_test", market.gallery)):
            (folder / split).mkdir(parents=True)
            for sample in samples:
                if in_subsample(sample.pid, sample.frame):
                    (folder / split / sample.name).write_bytes(market.read(sample))
    return folder


@pytest.mark.market
def test_subsample_scores_as_the_full_features_do(subset, market_weights, tmp_path, capsys):
    model = tmp_path / "osnet.onnx"
    assert main(["export", str(market_weights), str(model)]) == 0
    assert main(["extract", str(model), str(subset), str(tmp_path), "--batch-size", "16"]) == 0
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


@pytest.mark.market_full
def test_the_whole_test_split_gives_the_published_figures(market_zip, market_weights, tmp_path):
    assert main(["extract", str(market_weights), str(market_zip), str(tmp_path), "--batch-size", "32"]) == 0
    query, gallery = load_features(tmp_path / "query.npz"), load_features(tmp_path / "gallery.npz")
    assert (len(query), len(gallery)) == (3368, 15913)
    for metric, (hits, mAP) in FULL.items():
        found = scores(query, gallery, metric)
        assert found[0] == hits and found[1] == pytest.approx(mAP, abs=1e-4)
    assert main(["compare", "published:osnet_x0_25", str(tmp_path)]) == 0  # the guide's gate
    assert main(["compare", "published:osnet_x1_0", str(tmp_path)]) == 1
    with open_market1501(market_zip) as market:
        some = cut(query, market.query), cut(gallery, market.gallery)
    assert len(some[0]) == SUBSAMPLE_QUERIES
    for metric, (hits, mAP) in SUBSAMPLE.items():
        found = scores(*some, metric)
        assert found[0] == hits and found[1] == pytest.approx(mAP, abs=1e-5)
