"""`osnet manifest`, and a manifest wherever a data set is taken."""

from __future__ import annotations

import json
import re
from itertools import product

import numpy as np
import pytest
from PIL import Image

from osnet_lib.cli.main import main
from osnet_lib.features.store import load_features


@pytest.fixture(scope="module")
def duke(tmp_path_factory):
    """Three people in two cameras under names of DukeMTMC-reID, the gallery as PNG."""
    root = tmp_path_factory.mktemp("duke") / "DukeMTMC-reID"
    for folder, kind in (("query", "jpg"), ("bounding_box_test", "png")):
        (root / folder).mkdir(parents=True)
        for pid, camid in product((1, 20, 300), (2, 8)):
            pixels = np.random.default_rng(pid + camid).integers(0, 256, (32, 16, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / folder / f"{pid:04d}_c{camid}_f{len(folder):07d}.{kind}")
    return root


@pytest.fixture(scope="module")
def listed(duke):
    assert main(["manifest", str(duke), str(duke / "manifest.csv"), "--pattern", "dukemtmc"]) == 0
    return duke / "manifest.csv"


def test_a_manifest_is_written_and_told(duke, tmp_path, capsys):
    output = duke / "other.csv"
    assert main(["manifest", str(duke), str(output), "--pattern", "{pid}_c{camid}_f{}"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said == [f"{output}: {split} 6 images, 3 identities, 2 cameras" for split in ("query", "gallery")]
    lines = output.read_text("utf-8").splitlines()
    assert lines[:2] == ["split,path,pid,camid", "gallery,bounding_box_test/0001_c2_f0000017.png,1,2"]
    assert len(lines) == 13
    output.unlink()


@pytest.mark.parametrize(
    "options, what",
    [
        (["m.csv", "--pattern", "veri"], "does not fit"),
        (["m.txt", "--pattern", "dukemtmc"], "m.txt: a manifest is written as .csv. Call it m.txt.csv"),
        (["m.csv", "--pattern", "{}{pid}_c{camid}_f{}"], "0001_c2_f0000017.png: does not fit"),
        (["m.csv", "--pattern", "dukemtmc", "--query", "query", "--gallery", "query"], "m.csv, line .*is listed twice"),
    ],
)
def test_what_cannot_be_opened_is_not_written(duke, capsys, options, what):
    before = sorted(duke.iterdir())
    assert main(["manifest", str(duke), str(duke / options[0]), *options[1:]]) == 2
    error = capsys.readouterr().err
    assert re.search(what, error) and error.count("\n") == 1 and ".tmp" not in error
    assert sorted(duke.iterdir()) == before


def test_the_market_layout_names_the_command_that_helps(duke, small_weights, tmp_path, capsys):
    assert main(["extract", str(small_weights), str(duke), str(tmp_path)]) == 2
    assert "it looks like one of dukemtmc. Make a manifest" in capsys.readouterr().err


def test_from_images_to_a_score_by_both_ways(listed, small_weights, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights, rows = str(small_weights), {}
    assert main(["extract", weights, str(listed), "features", "--batch-size", "2", "--threads", "1"]) == 0
    for split in ("query", "gallery"):
        assert main(["preprocess", f"{listed}/{split}", f"{split}_bin"]) == 0
        assert main(["info", "bin", f"{split}_bin", f"{split}.info", "128", "256"]) == 0
        assert main(["infer", weights, f"{split}.info", split, "--batch-size", "2", "--threads", "1"]) == 0
        rows[split] = load_features(f"features/{split}.npz")
    lines = listed.read_text("utf-8").splitlines()[1:]
    expected = {line.split(",")[1]: line for line in lines if line.startswith("query")}
    assert rows["query"].names.tolist() == sorted(expected)  # paths from the manifest's folder
    for name, pid, camid in zip(*(a.tolist() for a in (rows["query"].names, rows["query"].pids, rows["query"].camids))):
        assert expected[name] == f"query,{name},{pid},{camid}"
    dumps = [f"{split}/dumpOutput_device0" for split in ("query", "gallery")]
    sides = {"npz": ["features/query.npz", "features/gallery.npz"], "dumps": dumps}
    for name, side in sides.items():
        assert main(["evaluate", *side, ".", name, "--dataset", str(listed)]) == 0
    assert json.loads((tmp_path / "npz.json").read_text()) == json.loads((tmp_path / "dumps.json").read_text())
    capsys.readouterr()
    assert main(["diagnose", dumps[0], weights, str(listed), "--images", "3"]) == 1  # untrained weights
    assert "right: agrees" in capsys.readouterr().out
    assert main(["evaluate", *dumps, ".", "x"]) == 2  # without the manifest nothing tells who is on an image
    assert "not in Market-1501's form" in capsys.readouterr().err
    next(iter((tmp_path / dumps[0]).iterdir())).unlink()
    assert main(["evaluate", *dumps, ".", "x", "--dataset", str(listed)]) == 2
    assert "no feature of query/" in capsys.readouterr().err


def test_a_split_that_a_manifest_has_not(listed, tmp_path, capsys):
    assert main(["preprocess", f"{listed}/train", str(tmp_path / "bin")]) == 2
    assert "a manifest has no split train. Give one of" in capsys.readouterr().err


def test_dumps_of_images_that_are_not_listed_are_refused(listed, tmp_path, capsys):
    (tmp_path / "dump").mkdir()
    np.zeros(512, "<f4").tofile(tmp_path / "dump" / "stranger_0.bin")
    assert (
        main(["evaluate", str(tmp_path / "dump"), str(tmp_path / "dump"), str(tmp_path), "x", "--dataset", str(listed)])
        == 2
    )
    assert "stranger_0.bin: is of an image that the data set does not list" in capsys.readouterr().err
