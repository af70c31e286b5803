"""``osnet evaluate`` on what people hand over: what is wrong ends in one line, and re-ranking takes its own numbers."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from helpers.guide_files import write_feature
from helpers.market import write_ground_truth
from osnet_lib.cli.main import main
from osnet_lib.datasets.ground_truth import read_ground_truth
from osnet_lib.datasets.market1501 import LANDMARKS, PUBLISHED, open_market1501
from osnet_lib.errors import OSNetError
from osnet_lib.features.store import Features, save_features
from osnet_lib.metrics import evaluate_distances, evaluate_lists, rerank

CENTRES = np.random.default_rng(0).standard_normal((2000, 512))


def split(names: list[str]) -> Features:
    """Features that tell people apart, labelled as the names say."""
    pids, camids = (np.array([int(name.split("_")[i].lstrip("c")[:4].split("s")[0]) for name in names]) for i in (0, 1))
    noise = np.random.default_rng(1).standard_normal((len(names), 512))
    return Features(np.array(names), pids, camids, (CENTRES[pids] + noise).astype(np.float32))


def people(box: int, pids: range = range(1, 9), more: tuple[str, ...] = ()) -> list[str]:
    return [f"{pid:04d}_c{camid}s1_{camid:06d}_{box:02d}.jpg" for pid in pids for camid in (1, 2, 3)] + list(more)


def market(part: str, count: int | None = None) -> list[str]:
    """Made-up names around the landmarks of Market-1501, as many as published or `count`."""
    count = PUBLISHED[part]["images"] - PUBLISHED[part]["junk"] if count is None else count
    known = sorted(LANDMARKS[part])
    box = 0 if part == "query" else 1
    return known + [f"{i % 1500 + 1:04d}_c{i % 6 + 1}s9_{i:06d}_{box:02d}.jpg" for i in range(count - len(known))]


QUERY, GALLERY = split(people(0)), split(people(1, more=("0000_c1s1_000001_01.jpg", "0000_c2s1_000002_01.jpg")))


def taken(features: Features, rows) -> Features:
    return Features(*(getattr(features, name)[rows] for name in ("names", "pids", "camids", "features")))


def rows_set(features: Features, rows, value: float) -> Features:
    matrix = features.features.copy()
    matrix[rows] = value
    return replace(features, features=matrix)


def constant(features: Features) -> Features:
    return replace(features, features=np.ones_like(features.features))


# What is handed over; the exit code, and the one line on standard error (none where it is empty).
HANDED = {
    "as it should be": (QUERY, GALLERY, 0, ""),
    "in another order": (QUERY, taken(GALLERY, np.random.default_rng(2).permutation(len(GALLERY))), 0, ""),
    "float16": (replace(QUERY, features=QUERY.features.astype(np.float16)), GALLERY, 0, ""),
    "float64": (QUERY, replace(GALLERY, features=GALLERY.features.astype(np.float64)), 0, ""),
    "a person that the gallery lacks": (QUERY, taken(GALLERY, GALLERY.pids != 3), 0, ""),
    "cameras counted from 0": (
        replace(QUERY, camids=QUERY.camids - 1),
        replace(GALLERY, camids=GALLERY.camids - 1),
        0,
        "",
    ),
    "one row of zeros": (QUERY, rows_set(GALLERY, 0, 0), 0, "warning: .*g.npz: 1 of 26 features are all zero"),
    "many rows of zeros": (QUERY, rows_set(GALLERY, slice(0, 9), 0), 0, "warning: .*: 9 of 26 features are all zero"),
    "many equal rows": (rows_set(QUERY, slice(3, 9), 2), GALLERY, 0, "warning: .*q.npz: 5 of 24 features repeat"),
    "equal queries": (constant(QUERY), GALLERY, 0, "warning: .*q.npz: all 24 features are equal"),
    "NaN": (QUERY, rows_set(GALLERY, 1, np.nan), 2, "g.npz: 1 features are not finite, the first is of 0001_c2"),
    "infinity": (rows_set(QUERY, [3, 5], np.inf), GALLERY, 2, "q.npz: 2 features are not finite"),
    "swapped": (GALLERY, QUERY, 2, "q.npz and .*g.npz: query and gallery are swapped: 0000_c1s1_000001_01.jpg, which"),
    "the same twice": (QUERY, QUERY, 2, "q.npz and .*g.npz: 24 images are in both, the first is 0001_c1s1"),
    "pids of other rows": (QUERY, replace(GALLERY, pids=np.roll(GALLERY.pids, 5)), 2, "g.npz: .* has pid .* the names"),
    "one camera": (
        replace(QUERY, camids=np.ones_like(QUERY.camids)),
        GALLERY,
        2,
        "npz: .* has camid 1 and .* names say",
    ),
    "a query cut short": (
        split(market("query", 3000)),
        GALLERY,
        2,
        "q.npz: 3,000 features of the 3,368 of Market-1501",
    ),
    "a gallery cut short": (
        QUERY,
        split(market("gallery", 500)),
        2,
        "g.npz: 500 features of the 15,913 of Market-1501",
    ),
    "Market-1501 swapped": (
        split(market("gallery", 3000)),
        split(market("query", 900)),
        2,
        "swapped: these are the names of Market-1501",
    ),
}


def run(folder: Path, capsys, *options: str, query: str = "q.npz", gallery: str = "g.npz") -> tuple[int, str, str]:
    code = main(["evaluate", str(folder / query), str(folder / gallery), str(folder), "r", *options])
    out, err = capsys.readouterr()
    return code, out, "\n".join(line for line in re.split(r"[\r\n]+", err) if line.startswith(("osnet", "warning")))


@pytest.mark.parametrize("query, gallery, code, told", HANDED.values(), ids=HANDED)
def test_features_handed_over(query, gallery, code, told, tmp_path, capsys):
    save_features(tmp_path / "q.npz", query)
    save_features(tmp_path / "g.npz", gallery)
    found, out, err = run(tmp_path, capsys)
    assert found == code and re.search(f"{told}.*" if told else "^$", err) and "\n" not in err, err
    assert (tmp_path / "r.json").exists() == ("mAP" in out) == (code == 0)


DUMPED = [name for name in HANDED if not re.search("float|pids|camera|zeros|short|Market", name)]


@pytest.mark.parametrize("name", DUMPED)
def test_dump_folders_are_told_the_same(name, tmp_path, capsys):
    query, gallery, code, told = HANDED[name]
    for folder, features in (("q", query), ("g", gallery)):
        (tmp_path / folder).mkdir()
        for image, row in zip(features.names, features.features):
            write_feature(tmp_path / folder, image.split(".")[0], row)
    found, _, err = run(tmp_path, capsys, query="q", gallery="g")
    told = "holds NaN or infinity" if "finite" in told else told.replace(".npz", "")
    assert found == code and re.search(told or "^$", err), err


def test_the_lists_of_the_data_set_score_as_well(tmp_path, capsys, small_market):
    root = tmp_path / "market"
    shutil.copytree(small_market, root)
    with open_market1501(root) as data:
        query, gallery = (split([sample.name for sample in part]) for part in (data.query, data.gallery))
    save_features(tmp_path / "q.npz", query)
    save_features(tmp_path / "g.npz", gallery)
    plain = run(tmp_path, capsys, "--dataset", str(root))
    assert plain[0] == 0 and "gt_query" not in plain[1]
    write_ground_truth(root, none=(0, 1))
    with open_market1501(root) as data:
        good, junk = read_ground_truth(data).indices(query.names, gallery.names)
    for metric in ("euclidean", "cosine"):
        code, out, err = run(tmp_path, capsys, "--dataset", str(root), "--metric", metric)
        own = evaluate_lists(query.features, gallery.features, good=good, junk=junk, metric=metric).mAP_trapezoid
        assert code == 0 and not err and f"mAP     {own:.6f} by Market-1501's own code (trapezoid)" in out
    before = [line for line in plain[1].splitlines() if not line.endswith(".json")]
    assert run(tmp_path, capsys, "--dataset", str(root))[1].splitlines()[: len(before)] == before
    code, _, err = run(tmp_path, capsys, "--dataset", str(root), "--cluster", "local")
    assert code == 2 and "a data set with gt_query beside --cluster. Give --info in its place" in err


def test_a_missing_row_is_named_by_following_the_cure(tmp_path, capsys, small_market):
    with open_market1501(small_market) as data:
        query, gallery = (split([sample.name for sample in part]) for part in (data.query, data.gallery))
    save_features(tmp_path / "q.npz", query)
    save_features(tmp_path / "g.npz", taken(gallery, slice(1, None)))
    code, _, err = run(tmp_path, capsys, "--dataset", str(small_market))
    assert code == 2 and f"g.npz: no feature of {gallery.names[0].split('.')[0]}" in err


# Re-ranking


@pytest.fixture
def few(tmp_path) -> Path:
    """Five queries and six gallery images."""
    save_features(tmp_path / "q.npz", taken(QUERY, slice(0, 5)))
    save_features(tmp_path / "g.npz", taken(GALLERY, slice(0, 6)))
    return tmp_path


@pytest.mark.parametrize(
    "options, values",
    [
        ("--k1 4 --k2 2", {"k1": 4, "k2": 2}),
        ("--k1 10 --k2 11 --lambda 0", {"k1": 10, "k2": 11, "lambda_value": 0.0}),
        ("--k1 1 --k2 1 --lambda 1", {"k1": 1, "k2": 1, "lambda_value": 1.0}),
    ],
)
def test_re_ranking_takes_its_numbers(few, capsys, options, values):
    code, out, err = run(few, capsys, "--rerank", *options.split())
    query, gallery = taken(QUERY, slice(0, 5)), taken(GALLERY, slice(0, 6))
    score = evaluate_distances(query, gallery, distances=rerank(query, gallery, **values))
    assert code == 0 and not err and f"mAP     {score.mAP:.6f}" in out and "re-ranking" in out


@pytest.mark.parametrize(
    "options, told",
    [
        ("--rerank", r"k1: 20 is not a whole number from 1 to 10\. .*together are 11 images.* \(--k1\)"),
        ("--rerank --k1 11", "k1: 11 is not a whole number from 1 to 10"),
        ("--rerank --k1 0", "k1: 0 is not a whole number from 1 to 10"),
        ("--rerank --k1 -3", "k1: -3 is not a whole number"),
        ("--rerank --k1 3 --k2 12", r"k2: 12 is not a whole number from 1 to 11\. .* \(--k2\)"),
        ("--rerank --k1 3 --k2 0", "k2: 0 is not a whole number from 1 to 11"),
        ("--rerank --k1 3 --k2 2 --lambda 1.5", r"lambda_value: a weight of 1\.5\. Choose a number from 0 to 1"),
        ("--rerank --k1 3 --k2 2 --lambda -0.1", r"lambda_value: a weight of -0\.1"),
        ("--rerank --k1 3 --k2 2 --lambda nan", r"lambda_value: a weight of nan"),
        ("--k1 3", r"evaluate: --k1 without re-ranking\. Give --rerank as well"),
        ("--lambda 0.5 --k2 3", r"evaluate: --k2, --lambda without re-ranking"),
    ],
)
def test_re_ranking_refuses_what_the_set_does_not_hold(few, capsys, options, told):
    code, _, err = run(few, capsys, *options.split())
    assert code == 2 and re.search(f"^osnet: {told}", err) and "\n" not in err, err
    assert not (few / "r.json").exists()


def test_the_bounds_are_those_of_python_as_well():
    with pytest.raises(OSNetError, match="k1: 20 is not a whole number from 1 to 10"):
        rerank(QUERY.features[:5], GALLERY.features[:6])
