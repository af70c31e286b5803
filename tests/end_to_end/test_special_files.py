"""A pipe, a device or a loop of links in place of a user's file: every command refuses it at once, in one line."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from helpers.guide_files import STEMS
from helpers.networks import onnx_path
from osnet_lib.cli.main import main
from osnet_lib.features.store import Features, save_features

_ROW = np.ones((1, 8), np.float32)
MAKE = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path.name),
}
# Each X is the special file.
COMMANDS = {
    "data set": "extract mini X out",
    "manifest": "extract mini X.csv out",
    "manifest, packed": "extract mini X.parquet out",
    "model": "extract X mini out",
    "checkpoint": "export X out.onnx",
    "ONNX file": "simplify X out.onnx --batch-size 1",
    "AIPP file": "convert MODEL out --soc-version Ascend310 --aipp X",
    "features": "compare X X",
    "result": "compare X.json X.json",
    "info": "infer mini X out --batch-size 1",
    "images": "preprocess X out",
    "features to score": "evaluate X.npz X.npz . out.json",
    "shards to score": "evaluate FEATURES X.json . out.json --cluster local",
    "measured rate": "plan --images 10 --measured X.npz",
    "model to tune": "tune X.onnx",
    "text to pack": "bundle out.zip --log X",
}


@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("line", COMMANDS.values(), ids=COMMANDS)
def test_it_is_refused_and_not_waited_for(tmp_path, monkeypatch, capfd, line, kind):
    monkeypatch.chdir(tmp_path)
    for suffix in ("", ".csv", ".parquet", ".json", ".npz", ".onnx"):
        MAKE[kind](tmp_path / f"X{suffix}")
    if "MODEL" in line:
        line = line.replace("MODEL", str(onnx_path(1)))
    if "FEATURES" in line:
        save_features(tmp_path / "q.npz", Features(np.array(["0001_c1s1_000001_00.jpg"]), *np.ones((2, 1), int), _ROW))
        line = line.replace("FEATURES", str(tmp_path / "q.npz"))
    assert main(line.split()) == 2
    out, err = capfd.readouterr()
    assert not out and err.startswith("osnet: ") and err.count("\n") == 1 and "X" in err
    assert not (tmp_path / "out.onnx").exists()


def test_a_dump_with_a_pipe_ends_a_process_of_its_own(tmp_path):
    """With a limit of time, so that a wait is a failure and no hang of the tests."""
    os.mkfifo(tmp_path / f"{STEMS[0]}_1.txt")
    command = [sys.executable, "-m", "osnet_lib", "evaluate", str(tmp_path), str(tmp_path), "mini", "r.json"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 2 and "Traceback" not in ended.stderr
    assert f"{STEMS[0]}_1.txt: cannot be read (is a named pipe" in ended.stderr.splitlines()[-1]
