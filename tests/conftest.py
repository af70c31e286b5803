"""Fixtures that several test modules share: the real data where it is present, and tiny data sets made here."""

from __future__ import annotations

from helpers import cores  # noqa: F401 - before numpy and torch start threads

# isort: split

import os
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image

from helpers.market import TINY, in_subsample, write_ground_truth
from helpers.paths import ROOT
from osnet_lib.core.host import usable_cores
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.minimarket import World, render_minimarket
from osnet_lib.inference import benchmark
from osnet_lib.network.checkpoint import Checkpoint, load_checkpoint
from osnet_lib.network.osnet import build_model
from osnet_lib.study.workspace import Workspace

# How long an example takes, and to make one up, is the machine's business: others may use its cores.
settings.register_profile("shared machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared machine")

pytest_plugins = ["helpers.npu"]  # its fixture
SHARED = ROOT.parent / "shared" / "data"  # beside the repository


@pytest.fixture(scope="session", autouse=True)
def no_waiting():
    """No warm-up lasts for its own sake: no test looks at a speed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmark, "SETTLES_IN", 0.0)
        yield


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """One worker more than cores: an eighth of the time of a worker goes into waiting for processes."""
    return usable_cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole runs first, so that at the end no worker waits for another that has just begun a long one."""
    items.sort(key=lambda item: not {"end_to_end", "study"} & {*item.path.parts})


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """What is kept of one run for the next goes into a folder of the tests, not into that of whoever runs them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OSNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def _real(variable: str, name: str) -> Path:
    """The file that an environment variable names, else the one beside the repository, else skip."""
    if variable in os.environ:
        path = Path(os.environ[variable])
        assert path.exists(), f"{variable} names {path}, which does not exist"
        return path
    if not (SHARED / name).exists():
        pytest.skip(f"real data absent: set {variable} or put {name} into ../shared/data/")
    return SHARED / name


@pytest.fixture(scope="session")
def market_zip() -> Path:
    """The published test split of Market-1501."""
    return _real("MARKET1501_ZIP", "Market-1501-v15.09.15.zip")


@pytest.fixture(scope="session")
def market_rest() -> Path:
    """The rest of the published Market-1501: train split and ``gt_query/``."""
    return _real("MARKET1501_REST", "Market-1501-v15.09.15-train-gt.zip")


@pytest.fixture(scope="session")
def market_weights() -> Path:
    """The zoo's OSNet x0.25, trained on Market-1501."""
    return _real("MARKET1501_WEIGHTS", "osnet_x0_25_market1501.pt")


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


@pytest.fixture
def tiny_market(tmp_path):
    """A function that writes a data set in Market-1501's layout: ``tiny_market(folder=[names], ...) -> Path``.

    Without arguments it writes `TINY`; an argument replaces the names of one folder. Pixels depend on the name.
    """

    def write(root: str = "tiny", **folders: list[str]) -> Path:
        for folder, names in {**TINY, **folders}.items():
            (tmp_path / root / folder).mkdir(parents=True)
            for name in names:
                pixels = np.random.default_rng(list(name.encode())).integers(0, 256, (32, 16, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / root / folder / name, "JPEG", quality=90)
        return tmp_path / root

    return write


@pytest.fixture
def pack():
    """A function that zips a folder: ``pack(folder, prefix="top/") -> Path`` of the zip beside it."""

    def write(folder: Path, prefix: str = "", compression: int = zipfile.ZIP_DEFLATED) -> Path:
        path = folder.with_suffix(".zip")
        with zipfile.ZipFile(path, "w", compression) as archive:
            for file in sorted(folder.rglob("*"), reverse=True):  # not the order of the tables
                archive.write(file, prefix + file.relative_to(folder).as_posix())
        return path

    return write


@pytest.fixture
def late_clock(monkeypatch):
    """A function that puts a module's clock ahead, so that a time limit ends when a test wants it and never earlier.

    ``late_clock("package.module", ahead)``: `ahead` gives the seconds, whenever the module looks at its clock.
    """

    def put(module: str, ahead: Callable[[], float]) -> None:
        monkeypatch.setattr(f"{module}.time", SimpleNamespace(monotonic=lambda: time.monotonic() + ahead()))

    return put


@pytest.fixture(scope="session")
def small_market(tmp_path_factory) -> Path:
    """A rendered data set of a few people, in Market-1501's layout."""
    world = World(train_pids=0, test_pids=6, pictures_per_camera=2, distractors=6, junk=4)
    return render_minimarket(tmp_path_factory.mktemp("data") / "small", world, progress=False)


@pytest.fixture(scope="module")
def dataset(small_market):
    """`small_market`, open."""
    with open_market1501(small_market) as opened:
        yield opened


@pytest.fixture(scope="session")
def complete_market(small_market, tmp_path_factory) -> Path:
    """`small_market` with all that the complete download has: a train split, and ``gt_query/`` with lists of none."""
    root = tmp_path_factory.mktemp("data") / "complete"
    shutil.copytree(small_market, root)
    (root / "bounding_box_train").mkdir()
    for path in sorted((root / "bounding_box_test").glob("0*.jpg"))[:12]:
        shutil.copy(path, root / "bounding_box_train" / f"1{path.name[1:].replace('000_', '009_', 1)}")
    write_ground_truth(root, none=(0, 1))
    return root


@pytest.fixture(scope="session")
def small_weights(tmp_path_factory) -> Path:
    """A checkpoint of the smallest OSNet with seeded random weights."""
    path = tmp_path_factory.mktemp("weights") / "osnet.pth"
    torch.save(build_model("osnet_x0_25", 751, seed=0).state_dict(), path)
    return path


@pytest.fixture(scope="module")
def checkpoint(small_weights) -> Checkpoint:
    """`small_weights`, loaded."""
    return load_checkpoint(small_weights)


@pytest.fixture
def work(tmp_path) -> Workspace:
    """An empty workspace."""
    return Workspace(tmp_path)
