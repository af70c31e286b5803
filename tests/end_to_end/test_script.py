"""A script as a new user would write it: own crops to scores with intervals, and two models compared."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import torch

from helpers.paths import ROOT
from osnet_lib.network.osnet import build_model

SCRIPT = """
import osnet_lib as ol

scores, features = {}, {}
for name in ("a.pth", "b.pth"):
    with ol.open_dataset("crops/manifest.csv") as crops, ol.open_session(name) as session:
        query, gallery = features[name] = ol.extract(session, crops, progress=False)
    score = scores[name] = ol.evaluate(query, gallery)
    interval = ol.bootstrap(score, clusters=query.pids).rank1
    print(name, score, f"Rank-5 {score.rank(5):.2f}", f"{interval.low:.2f} to {interval.high:.2f}")
print(ol.compare(features["a.pth"], features["b.pth"]).text())
print(ol.paired_test(scores["a.pth"], scores["b.pth"], clusters=query.pids))
"""


def test_own_crops_to_a_comparison_of_two_models(tmp_path, small_market, small_weights):
    assert len(SCRIPT.strip().splitlines()) < 20 and "osnet_lib." not in SCRIPT
    (tmp_path / "crops").mkdir()
    for folder, split in (("query", "query"), ("bounding_box_test", "gallery")):
        (tmp_path / "crops" / split).mkdir()
        for path in (small_market / folder).glob("[0-9]*.jpg"):
            pid, camid = path.name.split("_")[:2]
            shutil.copy(path, tmp_path / "crops" / split / f"person {pid} seen by {camid[1]}, {path.stem[-9:]}.jpg")
    shutil.copy(small_weights, tmp_path / "a.pth")
    torch.save(build_model("osnet_x0_25", 751, seed=1).state_dict(), tmp_path / "b.pth")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OSNET_CACHE": str(tmp_path / "cache")}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=500
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    pattern = "person {pid} seen by {camid}, {}.jpg"
    run("-m", "osnet_lib", "manifest", "crops", "crops/manifest.csv", "--pattern", pattern)
    told = run("-c", SCRIPT).splitlines()
    for line, name in zip(told, ("a.pth", "b.pth")):
        assert line.startswith(f"{name} Rank-1 ") and "mINP" in line and "Rank-5" in line and " to " in line
    assert any(line.startswith("The nearest image changed for ") for line in told)
    assert "McNemar" in told[-1] or "rank alike" in told[-1]
