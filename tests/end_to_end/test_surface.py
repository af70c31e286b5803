"""What people and their scripts rely on stays, and what earlier versions wrote is read: all compared with a record."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import surface
from helpers.surface import lacking
from osnet_lib.core.cache import artefact
from osnet_lib.core.results import KINDS, read_result
from osnet_lib.features.store import load_features
from osnet_lib.metrics import evaluate
from osnet_lib.study.run import Run, is_current
from osnet_lib.study.workspace import Workspace

HERE = Path(__file__).parent
RECORD = json.loads((HERE / "surface.json").read_text("utf-8"))
BEFORE = HERE / "before"  # files that version 0.1.0 wrote, one of a kind


@pytest.mark.parametrize("part", ["commands", "make", "notebooks"])
def test_what_stays(part):
    found = json.loads(json.dumps(surface.surface()[part]))
    assert lacking(RECORD[part], found) == []


def test_a_lost_option_would_be_noticed():
    found = json.loads(json.dumps(RECORD["commands"]))
    del found["extract"]["--threads"]
    found["study"]["--batch-size"]["default"] = 8
    assert lacking(RECORD["commands"], found) == [
        "extract > --threads: gone",
        "study > --batch-size > default > 16 became 8",
    ]


def test_files_that_commands_write_keep_their_names(tmp_path, small_market, small_weights):
    assert surface.files_made(tmp_path, small_market, small_weights) == RECORD["files"]


def osnet(*words: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "osnet_lib", *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    "code, words",
    [
        (0, ["--version"]),
        (1, ["compare", "{perfect}", str(BEFORE / "features")]),
        (2, ["info", "bin", "no-such-folder", "x.info", "128", "256"]),
        (2, ["no-such-command"]),
    ],
)
def test_exit_codes(code, words, tmp_path):
    """Done, a gate that failed (these features are worse than perfect ones), refused."""
    for split in ("query", "gallery"):
        with np.load(BEFORE / "features" / f"{split}.npz") as held:
            arrays = dict(held)
        np.savez(tmp_path / f"{split}.npz", **{**arrays, "features": np.eye(512, dtype=np.float32)[arrays["pids"]]})
    done = osnet(*[word.format(perfect=tmp_path) for word in words])
    assert done.returncode == code and "Traceback" not in done.stderr, done.stderr


# ---- what earlier versions wrote ------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted((BEFORE / "results").glob("*.json")), ids=lambda path: path.name.split("-")[0])
def test_results_made_before_are_read(path):
    result = read_result(path)
    assert result.file_name == path.name and result.conditions["environment"]["python"]


def test_there_is_a_result_of_every_kind():
    assert {path.name.split("-")[0] for path in (BEFORE / "results").glob("*.json")} == set(KINDS)


def test_features_made_before_score_as_they_did():
    query, gallery = (load_features(BEFORE / "features" / f"{split}.npz") for split in ("query", "gallery"))
    score = evaluate(query, gallery)
    held = json.loads((BEFORE / "scores.json").read_text("utf-8"))["value"]
    assert [f"{score.rank(1):.6f}", f"{score.mAP:.6f}"] == [f"{float(entry['value']):.6f}" for entry in held]


def test_an_artefact_made_before_is_made_again(tmp_path):
    """Its key holds the digest of code that has changed since."""
    shutil.copytree(BEFORE / "features", tmp_path / "features")
    path = tmp_path / "features" / "query.npz"
    artefact(path, {"code": "of today"}, lambda target: target.write_bytes(b"made again"))
    assert path.read_bytes() == b"made again"


def test_a_notebook_executed_before_is_run_again(tmp_path):
    work = Workspace(tmp_path)
    work.executed.mkdir()
    stamp = {"metadata": {"study": {"key": "of then", "results": []}}, "cells": [], "nbformat": 4, "nbformat_minor": 5}
    (work.executed / "10_summary.ipynb").write_text(json.dumps(stamp))
    assert not is_current(work, Run("10_summary"), {"library": "of today"})
