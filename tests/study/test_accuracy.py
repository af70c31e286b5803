"""Features and scores on a workspace: what is reused and written, and what the embedded data and weights are worth."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from helpers.engines import needs_openvino
from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_results
from osnet_lib.datasets.market1501 import FOLDERS
from osnet_lib.datasets.minimarket import World, plan, render
from osnet_lib.errors import FeatureError
from osnet_lib.features.store import Features
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.session import open_session
from osnet_lib.metrics import evaluate, evaluate_distances, expand_queries, normalize, rerank
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.osnet import build_model
from osnet_lib.network.weights import MINI
from osnet_lib.study import accuracy
from osnet_lib.study.dataset import open_dataset
from osnet_lib.study.features import measure_features
from osnet_lib.study.parity import sample_images
from osnet_lib.study.runnable import open_runnable
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace


@pytest.mark.parametrize("backend", ["onnxruntime", "torch", pytest.param("openvino", marks=needs_openvino)])
def test_backends_agree_on_features_and_score(work, checkpoint, small_market, backend):
    study = Study(work, small_market, checkpoint, 3, backend, progress=False)
    query, gallery = measure_features(study)
    scores = accuracy.measure_accuracy(study, query, gallery)
    results = read_results(work.results, "accuracy")
    assert [r.conditions["metric"] for r in results] == ["cosine", "euclidean"]
    assert all(
        r.conditions["session"]["backend"] == backend and r.conditions["model"]["sha256"] == checkpoint.sha256
        for r in results
    )
    assert results[1].values["mAP"] == scores["euclidean"].evaluation.mAP and results[1].values["gt_query"] is None
    with open_session(checkpoint, "torch") as session, open_dataset(small_market) as dataset:
        expected = session.run(sample_images(dataset, 3))
    assert np.abs(query.features[:3] - expected).max() < 1e-4
    assert accuracy.accuracy_results(study) == results
    assert accuracy.accuracy_results(replace(study, weights=replace(checkpoint, sha256="other"))) == []


def test_variants_are_what_their_names_say(work, checkpoint, small_market):
    study = Study(work, small_market, checkpoint, 4, progress=False)
    query, gallery = measure_features(study)
    variants = {variant.name: variant for variant in accuracy.measure_variants(study, query, gallery)}
    mirrored = measure_features(study, flip=True)
    assert list(variants) == [
        "as extracted",
        "unit length",
        "flip test",
        "multi-query, mean (the gallery's own)",
        "query expansion",
        "re-ranking",
    ]

    def score(some, others, **options) -> float:
        sides = (some, query.pids, query.camids), (others, gallery.pids, gallery.camids)
        return evaluate(*sides, **options).mAP

    flipped = [(a.features + b.features) / 2 for a, b in zip((query, gallery), mirrored)]
    expected = {
        "as extracted": score(query.features, gallery.features),
        "unit length": score(normalize(query.features), normalize(gallery.features)),
        "flip test": score(*flipped),
        "query expansion": score(expand_queries(query, gallery), gallery.features, metric="cosine"),
        "re-ranking": evaluate_distances(query, gallery, distances=rerank(query, gallery)).mAP,
    }
    for name, mAP in expected.items():
        assert variants[name].evaluation.mAP == pytest.approx(mAP, abs=1e-6), name
    assert np.abs(mirrored[0].features - query.features).max() > 1e-3
    assert variants["as extracted"].test is None and variants["flip test"].test.queries == len(query)
    stored = read_results(work.results, "variants")[0].values["variants"]
    assert [v["mAP"] for v in stored] == [v.evaluation.mAP for v in variants.values()]


@pytest.fixture(scope="module")
def fifth(tmp_path_factory):
    """Every fifth person of mini-market's test split, and the distractors."""
    folder = tmp_path_factory.mktemp("data") / "mini-market"
    for picture in plan(World()):
        if picture.split != "train" and picture.pid % 5 == 0:
            (folder / FOLDERS[picture.split]).mkdir(parents=True, exist_ok=True)
            (folder / FOLDERS[picture.split] / picture.name).write_bytes(render(picture, World()))
    return folder


@pytest.fixture(scope="module")
def card():
    return json.loads(MINI.with_suffix(".json").read_text("utf-8"))


def test_the_data_sets_own_boxes_and_lists_are_used_where_it_has_them(work, checkpoint, small_market, tmp_path):
    root = tmp_path / "market"
    shutil.copytree(small_market, root)
    names = sorted(path.name for path in (root / "bounding_box_test").glob("*.jpg"))
    with open_dataset(small_market) as dataset:
        queries, first = dataset.query, dataset.query[0]
    (root / "gt_bbox").mkdir()
    drawn = f"{first.pid:04d}_c{first.camid}s1_999999_00.jpg"
    shutil.copy(root / "bounding_box_test" / names[-1], root / "gt_bbox" / drawn)
    (root / "gt_query").mkdir()
    for sample in queries:  # only images of the next camera are good, so that the lists matter
        same = [i for i, name in enumerate(names, 1) if name.startswith(f"{sample.pid:04d}_")]
        good = [i for i in same if f"_c{sample.camid}s" not in names[i - 1]][:1]
        for kind, values in (("good", good), ("junk", [i for i in same if i not in good])):
            path = root / "gt_query" / f"{Path(sample.name).stem}_{kind}.mat"
            savemat(path, {f"{kind}_index": np.array([values], float)})
    study = Study(work, root, checkpoint, 4, progress=False)
    query, gallery = measure_features(study)
    variants = {variant.name: variant for variant in accuracy.measure_variants(study, query, gallery)}
    scores = accuracy.measure_accuracy(study, query, gallery)
    for metric, found in scores.items():
        (stored,) = [r for r in read_results(work.results, "accuracy") if r.conditions["metric"] == metric]
        own = stored.values["gt_query"]
        assert own["mAP_trapezoid"] == found.by_lists.mAP_trapezoid < own["mAP"] and own["metric"] == metric
        assert stored.values["mAP"] == found.evaluation.mAP != own["mAP"]
    assert "multi-query, mean (gt_bbox)" in variants
    changed = variants["multi-query, mean (gt_bbox)"].evaluation.ap != variants["as extracted"].evaluation.ap
    same_as_first = (query.pids == first.pid) & (query.camids == first.camid)
    assert not changed[~same_as_first].any()  # the one box that was drawn belongs to one query
    lists = variants["gt_query's own lists"].evaluation
    assert np.array_equal(lists.ap, lists.inp) and lists.num_valid == len(query)  # one good image each


def test_a_handful_of_images_takes_smaller_neighbourhoods(work, checkpoint, tiny_market):
    study = Study(work, tiny_market(), checkpoint, 4, progress=False)
    query, gallery = measure_features(study)
    names = [variant.name for variant in accuracy.measure_variants(study, query, gallery)]
    assert names[-1] == f"re-ranking (k1 {len(query) + len(gallery) - 1}, k2 6)"


def test_features_that_do_not_say_where_they_are_from_are_refused_at_once(work, checkpoint):
    features = Features(np.array(["a"]), np.array([1]), np.array([1]), np.ones((1, 512), np.float32))
    with pytest.raises(FeatureError, match="do not say what they were made from"):
        accuracy.measure_accuracy(Study(work, weights=checkpoint), features, features)


def test_a_model_that_normalises_on_the_device_is_diagnosed_by_its_onnx(work, checkpoint, small_market, monkeypatch):
    """Features of an OM with AIPP: no wrong input could be given to it, so the ONNX behind it stands in."""
    opened = []

    def on_the_device(study):
        session = open_runnable(study)
        session.input_dtype = np.dtype(np.uint8)
        return session

    def spy(model, *arguments):
        opened.append(model)
        return open_session(model, *arguments)

    study = Study(work, small_market, checkpoint, 4, progress=False)
    query, gallery = measure_features(study)
    monkeypatch.setattr("osnet_lib.study.accuracy.open_runnable", on_the_device)
    monkeypatch.setattr("osnet_lib.study.accuracy.open_session", spy)
    found = accuracy.diagnose_features(study, query, gallery)
    assert len(opened) == 1 and opened[0].name.endswith("_bs4_sim.onnx")
    assert {"query: agrees", "gallery: agrees"} <= {finding.name for finding in found}


def features_of(data: Path, weights: Path, folder: Path) -> list[Features]:
    with open_dataset(data) as dataset, open_session(weights) as session:
        return [
            extract_features(session, dataset, samples, folder / f"{number}.npz", 16, progress=False)
            for number, samples in enumerate((dataset.query, dataset.gallery))
        ]


class TestEmbedded:
    """mini-market must tell good from bad, and the embedded weights must be good on it."""

    def test_weights_score_on_a_fifth_of_the_people_as_they_did(self, fifth, tmp_path):
        query, gallery = features_of(fifth, MINI, tmp_path)
        score = evaluate(query, gallery)
        assert (len(query), len(gallery)) == (60, 337)
        assert score.hits(1) == 58 and score.mAP == pytest.approx(0.953622, abs=1e-4)  # as cut from the whole run

    def test_an_untrained_network_scores_badly(self, fifth, card, tmp_path):
        path = tmp_path / "untrained.pth"  # a fifth of the time; the card has x1.0, and all people
        torch.save(build_model("osnet_x0_25", 751, seed=1501).state_dict(), path)
        assert evaluate(*features_of(fifth, path, tmp_path)).rank(1) < 0.60
        assert card["untrained"]["rank"]["1"] < 0.60

    @pytest.mark.market_full
    def test_weights_score_what_their_card_says(self, card, tmp_path):
        study = Study(Workspace(tmp_path), weights=load_checkpoint(MINI), progress=False)
        score = accuracy.measure_accuracy(study, *measure_features(study))["euclidean"].evaluation
        assert 0.85 <= score.rank(1) <= 0.98
        allowed = 2 / card["data"]["test_queries"]  # rounding may turn two
        assert score.rank(1) == pytest.approx(card["result"]["rank"]["1"], abs=allowed)

    def test_card_belongs_to_the_file(self, card):
        assert card["sha256"] == sha256(MINI) and card["file"] == MINI.name
        assert "never a Market-1501 accuracy" in card["warning"]
        assert {"data", "recipe", "training", "environment"} <= set(card) and card["recipe"]["seed"] == card["data"][
            "seed"
        ]
