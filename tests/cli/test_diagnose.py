"""``osnet diagnose`` in the shell: what it says, and exit code 0, 1 or 2."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from helpers import networks
from helpers.guide_files import write_feature
from osnet_lib.cli import main as cli
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.minimarket import World, render_minimarket
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.diagnosis.findings import check_rows
from osnet_lib.features.store import Features, load_features, save_features
from osnet_lib.inference.session import open_session
from osnet_lib.network.weights import MINI


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    """A data set of 9 queries and 12 gallery images."""
    world = World(train_pids=0, test_pids=3, pictures_per_camera=1, distractors=3, junk=1)
    return render_minimarket(tmp_path_factory.mktemp("data") / "market", world, progress=False)


@pytest.fixture(scope="module")
def trained(market, tmp_path_factory):
    """A folder with right features of the embedded weights."""
    return extracted(market, MINI, tmp_path_factory.mktemp("trained"))


@pytest.fixture(scope="module")
def place(market, tmp_path_factory):
    """A folder with right features of a small network with random weights."""
    return extracted(market, networks.onnx_path(), tmp_path_factory.mktemp("diagnose"))


def extracted(data, model, folder):
    with open_market1501(data) as dataset, open_session(model, threads=1) as session:
        for split, samples in (("query", dataset.query), ("gallery", dataset.gallery)):
            made = [session.run(preprocess(dataset.image(sample))[None]) for sample in samples]
            features = Features(
                np.array([s.name for s in samples]),
                np.array([s.pid for s in samples]),
                np.array([s.camid for s in samples]),
                np.concatenate(made),
                {"session": session.describe(), "dataset": {"sha256": dataset.digest}},
            )
            save_features(folder / f"{split}.npz", features)
    return folder


@pytest.fixture
def osnet(capsys, market):
    """Diagnose features: exit code, lines on standard output, the last line on standard error."""

    def run(features, model=networks.onnx_path(), *options: str) -> tuple[int, list[str], str]:
        code = cli.main(
            ["diagnose", str(features), str(model), str(market), "--threads", "1", "--images", "4", *options]
        )
        out, err = capsys.readouterr()
        return code, out.splitlines(), (err.splitlines() or [""])[-1]

    return run


def damaged(place, folder, split="query", **changes):
    """A copy of the features in which those of one split are changed."""
    for name in ("query", "gallery"):
        features = load_features(place / f"{name}.npz")
        save_features(folder / f"{name}.npz", replace(features, **changes) if name == split else features)
    return folder


def test_right_features(osnet, trained):
    code, out, _err = osnet(trained, "mini")
    assert code == 0 and [line.split(". ")[0] for line in out] == [
        "query: right: agrees",
        "gallery: right: agrees",
        "query and gallery: right: score",
    ]
    assert all("4 images recomputed: cosine >= " in line for line in out[:2]) and "(euclidean)" in out[2]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_features_of_random_weights(osnet, place, metric):
    """They are what the model gives, and tell nobody apart."""
    code, out, err = osnet(place, networks.onnx_path(), "--metric", metric)
    assert code == 1 and err == f"osnet: gate failed: {place}: wrong: chance"
    assert all("right: agrees" in line for line in out[:2]) and f"({metric}), where guessing gives" in out[2]


def test_the_same_picture_under_two_names(capsys, market, tmp_path):
    """The rows are equal because the pictures are: nothing that the score of both condemns."""
    copy = shutil.copytree(market, tmp_path / "market")
    with open_market1501(copy) as dataset:
        first, second, *_ = (copy / "bounding_box_test" / s.name for s in dataset.gallery if s.pid > 0)
    second.write_bytes(first.read_bytes())
    (tmp_path / "features").mkdir()
    features = extracted(copy, MINI, tmp_path / "features")
    assert [f.name for f in check_rows(load_features(features / "gallery.npz"))] == ["repeated rows"]
    code = cli.main(["diagnose", str(features), "mini", str(copy), "--threads", "1", "--images", "2"])
    out = capsys.readouterr().out.splitlines()
    assert code == 0 and [line.split(". ")[0] for line in out] == [
        "query: right: agrees",
        "gallery: right: agrees",
        "query and gallery: right: score",
    ]


def test_one_file_and_a_checkpoint(osnet, place):
    code, out, _err = osnet(place / "query.npz", networks.checkpoint_path(), "--backend", "torch")
    assert code == 0 and len(out) == 1 and out[0].startswith("query.npz: right: agrees. ")
    assert "which gives the same features within rounding as osnet_x0_25.pt" in out[0]


@pytest.mark.parametrize("split", ["query", "gallery"])
def test_a_folder_with_one_split(osnet, place, tmp_path, split):
    save_features(tmp_path / f"{split}.npz", load_features(place / f"{split}.npz"))
    code, out, _err = osnet(tmp_path)
    assert code == 0 and [line.split(". ")[0] for line in out] == [f"{split}: right: agrees"]


def test_a_dump_folder(osnet, place, tmp_path):
    features = load_features(place / "query.npz")
    (tmp_path / "dump").mkdir()
    for name, feature in zip(features.names, features.features):
        write_feature(tmp_path / "dump", name.split(".")[0], feature)
    code, out, _err = osnet(tmp_path / "dump")
    assert code == 0 and [line.split(". ")[0] for line in out] == ["dump: right: agrees"]


def test_wrong_names(osnet, place, tmp_path):
    right = load_features(place / "gallery.npz").features
    code, out, err = osnet(damaged(place, tmp_path, "gallery", features=np.roll(right, 1, axis=0)))
    assert code == 1 and err == f"osnet: gate failed: {tmp_path}: wrong: wrong names"
    assert [line.split(". ")[0] for line in out] == ["query: right: agrees", "gallery: wrong: wrong names"]


def test_a_stale_file(osnet, place, tmp_path):
    stale = np.random.default_rng(0).gamma(1, size=load_features(place / "query.npz").features.shape)
    conditions = {"session": {"model": "old.onnx", "model_sha256": "0" * 64}}
    code, out, err = osnet(damaged(place, tmp_path, features=stale.astype(np.float32), conditions=conditions))
    assert code == 1 and err.endswith("wrong: other model") and "made by old.onnx (sha256 00000000…)" in out[0]


def test_imagenet_weights(osnet, place, tmp_path):
    head = {"classifier.weight": torch.zeros(1000, 512), "classifier.bias": torch.zeros(1000)}
    torch.save(networks.state_dict() | head, tmp_path / "imagenet.pth")
    code, out, err = osnet(place / "query.npz", tmp_path / "imagenet.pth")
    assert code == 1 and err.endswith("wrong: ImageNet weights")
    assert out[0].startswith(f"{tmp_path / 'imagenet.pth'}: wrong: ImageNet weights. ") and "1000 rows" in out[0]
    assert "right: agrees" in out[1]  # the features are those of these weights all the same


@pytest.mark.parametrize(
    "features, model, options, words",
    [
        ("nothing.npz", None, (), "nothing.npz: no such feature file. Make it with: osnet extract"),
        ("query.npz", "nothing.pth", (), "nothing.pth: no such weights"),
        ("query.npz", None, ("--images", "1"), "images: 1 is not a whole number of 2 or more"),
        ("query.npz", None, ("--backend", "abacus"), "'abacus' is not a backend"),
    ],
)
def test_bad_input(osnet, place, features, model, options, words):
    code, out, err = osnet(place / features, model or networks.onnx_path(), *options)
    assert code == 2 and not out and words in err and err.startswith("osnet: ")


def test_features_that_are_not_finite_are_refused_by_name(osnet, place, tmp_path):
    with np.load(place / "query.npz") as stored:
        arrays = dict(stored)
    arrays["features"][3, 5] = np.nan
    np.savez(tmp_path / "query.npz", **arrays)
    code, _out, err = osnet(tmp_path / "query.npz")
    assert code == 2 and f"1 features are not finite, the first is of {arrays['names'][3]}" in err
    assert "input normalisation" in err
