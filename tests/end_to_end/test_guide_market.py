"""The guide's six steps by shell on the real Market-1501; the CPU stands in place of the NPU, the files are the same.

The subsample of `test_market` runs everywhere the data is; the whole split (9 GB of .bin files, minutes) is asked for
with ``make test-market``.
"""

from __future__ import annotations

import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from helpers.market import FULL, SUBSAMPLE, SUBSAMPLE_QUERIES
from osnet_lib.cli.main import main

FORMS = "txt", "bin"
QUERIES, GALLERY, JUNK = 3368, 15913, 3819


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """An empty folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def osnet(line: str, **names: Path) -> str:
    """Run a command as the shell would; what it printed."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        assert main([word.format(**names) for word in line.split()]) == 0, f"osnet {line}"
    return printed.getvalue()


def six_steps(folder: Path, weights: Path, market: Path) -> dict[str, tuple[str, float, float]]:
    """Do what the guide does; by form of the features, what is shown of Rank-1, and Rank-1 and mAP of the JSON."""
    osnet("export {weights} osnet_x0_25.onnx", weights=weights)
    osnet("simplify osnet_x0_25.onnx osnet_x0_25_bs16_sim.onnx --batch-size 16")
    for split, source in (("query", "query"), ("gallery", "bounding_box_test")):
        osnet(f"preprocess {{source}} ./{split}_prep_dataset/", source=market / source)
        osnet(f"info bin ./{split}_prep_dataset ./{split}_prep_bin.info 128 256")
        for form in FORMS:
            osnet(
                f"infer osnet_x0_25_bs16_sim.onnx ./{split}_prep_bin.info {form}/{split} --batch-size 16 "
                f"--device-id 0 --format {form}",
            )
    pairs = {form: (f"{form}/query/dumpOutput_device0/", f"{form}/gallery/dumpOutput_device0/") for form in FORMS}
    osnet("extract osnet_x0_25_bs16_sim.onnx {market} . --batch-size 16", market=market)
    pairs["npz"] = ("query.npz", "gallery.npz")
    found = {}
    for form, (query, gallery) in pairs.items():
        line = f"evaluate {query} {gallery} ./ result_{form}.json"
        shown = osnet(f"{line} --info query_prep_bin.info gallery_prep_bin.info")
        values = [float(entry["value"]) for entry in json.loads((folder / f"result_{form}.json").read_text())["value"]]
        found[form] = (shown.splitlines()[1], *values)
    return found


def check(found: dict[str, tuple[str, float, float]], expected: tuple[int, float], queries: int) -> None:
    hits, mAP = expected
    assert set(found) == {"txt", "bin", "npz"}
    for shown, rank1, precision in found.values():
        assert shown.startswith(f"Rank-1  {hits}/{queries} ") and rank1 == pytest.approx(hits / queries, abs=1e-7)
        assert precision == pytest.approx(mAP, abs=1e-4)
    assert found["txt"] == found["bin"]


@pytest.mark.market
def test_six_steps_on_the_subsample(subset, market_weights, folder):
    check(six_steps(folder, market_weights, subset), SUBSAMPLE["euclidean"], SUBSAMPLE_QUERIES)


@pytest.mark.market_full
def test_six_steps_on_the_whole_test_split(market_zip, market_weights, folder):
    try:
        check(six_steps(folder, market_weights, market_zip), FULL["euclidean"], QUERIES)
        for split, images in (("query", QUERIES), ("gallery", GALLERY + JUNK)):
            sizes = [path.stat().st_size for path in (folder / f"{split}_prep_dataset").iterdir()]
            assert sizes == [393_216] * images
            for form in FORMS:
                names = [path.name for path in (folder / form / split / "dumpOutput_device0").iterdir()]
                assert len(names) == images and all(name.endswith(f"_1.{form}") for name in names)
    finally:
        for prepared in folder.glob("*_prep_dataset"):
            shutil.rmtree(prepared)  # pytest keeps the folders of its last runs, and this is 9 GB
