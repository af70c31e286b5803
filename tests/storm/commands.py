"""The commands that are killed, and the small files that they work on.

`study` is two toy notebooks through `run_study`; `LEFT_OUT` says why others are not here.
"""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path

from helpers.guide_files import PURE
from helpers.networks import checkpoint_path, onnx_path
from helpers.notebooks import toy
from helpers.paths import ROOT
from osnet_lib.datasets.minimarket import World, render_minimarket
from osnet_lib.guide.binfiles import preprocess_folder
from osnet_lib.guide.info import write_info
from osnet_lib.inference.extract import extract_features
from osnet_lib.inference.session import open_session
from osnet_lib.study.dataset import open_dataset
from stand_ins.host import BIN

_OSNET = (sys.executable, "-m", "osnet_lib")
_STUDY = """
from pathlib import Path
from osnet_lib.study.run import Run, run_study
from osnet_lib.study.workspace import Workspace
run_study(Workspace(Path(".").resolve()), [Run("add", {"a": 2}), Run("keep", {})], progress=False)
"""
_KEEP = """
import time
from pathlib import Path
from osnet_lib.core.results import Result, write_result
time.sleep(0.5)
conditions = {"model": {"architecture": "x", "sha256": "a"}, "metric": "euclidean"}
conditions |= {"dataset": {"file": "data", "sha256": "b"}}
session = {"backend": "torch", "provider": "cpu", "device": "cpu", "precision": "float32", "threads": 1}
conditions |= {"session": session}
values = {"rank": {"1": 0.5}, "mAP": 0.5, "num_valid": 2}
path = write_result(Path("results"), Result("accuracy", "kept", conditions, values))
"""


@dataclass(frozen=True)
class Command:
    """A command line; `weight` says how often it is drawn, the slow ones less often."""

    name: str
    words: tuple[str, ...]
    weight: int = 4
    environment: dict[str, str] = field(default_factory=dict)


def _osnet(name: str, line: str, weight: int = 4, **environment: str) -> Command:
    return Command(name, (*_OSNET, *line.split()), weight, environment)


_ATC = {
    "PATH": os.pathsep.join([str(BIN), os.environ.get("PATH", "")]),
    "STAND_IN_PYTHON": sys.executable,
    "STAND_IN_ATC_SLEEP": "0.5",
}
COMMANDS = (
    _osnet("preprocess", "preprocess data/bounding_box_test made"),
    _osnet("preprocess, uint8", "preprocess data/query made --uint8", 2),
    _osnet("info", "info bin prep made.info 128 256", 2),
    _osnet("infer", "infer network.onnx prep.info made --batch-size 2 --threads 1"),
    _osnet("infer, bin", "infer network.onnx prep.info made --batch-size 2 --threads 1 --format bin", 2),
    _osnet("extract", "extract network.onnx data made --batch-size 2 --threads 1"),
    _osnet("evaluate", "evaluate features/query.npz features/gallery.npz . made --rerank --k1 5 --k2 2"),
    _osnet("compare", "compare features features --json made.json", 2),
    _osnet(
        "manifest",
        "manifest data made.csv --pattern market1501 --query query --gallery bounding_box_test",
        2,
    ),
    _osnet("simplify", "simplify dynamic.onnx made.onnx --batch-size 2", 2),
    _osnet("export", "export weights.pt made.onnx", 1),
    _osnet("convert", "convert network.onnx made --soc-version Ascend310 --aipp", 3, **_ATC),
    _osnet(
        "benchmark", "benchmark network.onnx --batch-size 2 --rounds 9 --threads 1 --output made --json made.json", 2
    ),
    _osnet("import-results", "import-results PureInfer_perf_of_osnet_x1_0_bs8_in_device_0.txt --results made", 2),
    _osnet("bundle", "bundle made.zip", 2),
    _osnet("extract, cluster", "extract network.onnx data made --batch-size 2 --cluster local --workers 2", 1),
    _osnet("evaluate, cluster", "evaluate features/query.npz features/gallery.npz . made --cluster local", 1),
    Command("study", (sys.executable, "-c", _STUDY), 2),
)
LEFT_OUT = {
    "train": "renders and trains for minutes",
    "tune": "the times of a run decide what it scores and names; what it keeps is made as the study's is",
    "diagnose": "writes nothing",
    "plan": "writes nothing",
    "doctor": "writes nothing",
}


def make_inputs(folder: Path) -> Path:
    """What the commands read."""
    world = World(train_pids=0, test_pids=6, pictures_per_camera=2, distractors=6, junk=4)
    render_minimarket(folder / "data", world, progress=False)
    shutil.copy(checkpoint_path(), folder / "weights.pt")
    shutil.copy(onnx_path(), folder / "dynamic.onnx")
    shutil.copy(onnx_path(2), folder / "network.onnx")
    (folder / "PureInfer_perf_of_osnet_x1_0_bs8_in_device_0.txt").write_text(PURE)
    toy(folder / "notebooks", "add", "a: int = 1  # first", "print(a + 1)")
    toy(folder / "notebooks", "keep", "b: int = 1  # none", _KEEP)
    before = Path.cwd()
    os.chdir(folder)  # paths in an info file start from the folder of the command
    try:
        preprocess_folder("data/query", "prep", progress=False)
        write_info("prep", "prep.info")
        with open_session("network.onnx", threads=1) as session, open_dataset("data") as dataset:
            for split in ("query", "gallery"):
                extract_features(session, dataset, getattr(dataset, split), f"features/{split}.npz", 2, progress=False)
    finally:
        os.chdir(before)
    return folder


def environment_of(command: Command, folder: Path) -> dict[str, str]:
    """Nothing outside of the folder is read or kept."""
    own = {"HOME": str(folder.parent), "OSNET_CACHE": str(folder.parent / "cache"), "OMP_NUM_THREADS": "1"}
    own |= {"PYTHONPATH": str(ROOT), "OSNET_WORKSPACE": str(folder), "IPYTHONDIR": str(folder.parent / "ipython")}
    return {**os.environ, **own, **command.environment}
