"""Every text file that a user may have opened and saved elsewhere is read in whatever form it comes back."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from helpers.guide_files import PURE, VISION
from helpers.notebooks import toy
from helpers.texts import FORMS
from osnet_lib.ascend.aipp import read_aipp, write_aipp
from osnet_lib.ascend.cann import cann_version
from osnet_lib.comparison.score import read_score
from osnet_lib.core.cache import artefact
from osnet_lib.core.code_digest import PACKAGE
from osnet_lib.core.host import cpu_name
from osnet_lib.core.results import read_result
from osnet_lib.guide.dump import format_feature, parse_feature
from osnet_lib.guide.imports import import_results
from osnet_lib.guide.info import format_info, read_info
from osnet_lib.guide.metrics_json import write_guide_json
from osnet_lib.network.weights import MINI
from osnet_lib.report.models import card_table
from osnet_lib.study.run import read_notebook

BEFORE = Path(__file__).parent / "before"


def imported(path: Path) -> dict:
    (result,) = import_results([path], path.parent / "results", network="osnet_x1_0", batch_size=16)
    return read_result(result).values


def reused(path: Path) -> bool:
    """Whether the record beside an artefact is understood, so that it is not made again."""
    made = []
    artefact(path.with_name(path.name.removesuffix(".key.json")), {"a": 1}, made.append)
    return not made


def kept(folder: Path) -> str:
    artefact(folder / "x.bin", {"a": 1}, lambda path: path.write_bytes(b"x"))
    return (folder / "x.bin.key.json").read_text()


def card(path: Path) -> str:
    weights = path.with_suffix(".safetensors")
    weights.write_bytes(MINI.read_bytes())
    return str(card_table(weights))


def notebook(folder: Path) -> str:
    toy(folder, "n", "a: int = 1  # ü\nb = 2")
    return (folder / "n.ipynb").read_text("utf-8")


SUMMARY = {
    "args": ["ais_bench", "--model", "osnet_x1_0_bs16.om", "--device", "0"],
    "NPU_compute_time": {"min": 4.0, "max": 4.0, "mean": 4.0, "median": 4.0, "percentile(99%)": 4.0, "count": 1},
    "npu_compute_time_list": [4.0],
    "throughput": 4000.0,
}

# File name, a function that gives its text (of an empty folder), and one that reads the file.
FILES = {
    "info": (
        "query.info",
        lambda _: format_info(["./q/0001_c1s1_000001_00.bin", "./q/0002_c1s1_000002_00.bin"]),
        read_info,
    ),
    "pure": ("PureInfer_perf_of_osnet_x1_0_bs16_in_device_0.txt", lambda _: PURE, imported),
    "vision": ("perf_vision_batchsize_16_device_1.txt", lambda _: VISION, imported),
    "summary": ("x_summary.json", lambda _: json.dumps(SUMMARY, indent=1), imported),
    "feature": (
        "a_1.txt",
        lambda _: format_feature(np.arange(512, dtype=np.float32), "txt").decode().replace(" ", "\n"),
        lambda path: parse_feature(path.read_bytes(), "txt").tolist(),
    ),
    "result": (
        "accuracy-x.json",
        lambda _: next((BEFORE / "results").glob("accuracy-*.json")).read_text("utf-8"),
        lambda path: (read_result(path), read_score(path)),
    ),
    "the guide's score": ("g.json", lambda folder: write_guide_json(folder / "g", 0.9, 0.8).read_text(), read_score),
    "aipp": ("a.cfg", lambda folder: "# ü\n" + write_aipp(folder / "b.cfg").read_text(), read_aipp),
    "version": (
        "version.cfg",
        lambda _: "# version\ntoolkit_running_version=[7.6.0.1.220:8.0.0]\n",
        lambda path: cann_version(path.parent / "bin" / "atc"),
    ),
    "processor": ("cpuinfo", lambda _: "processor : 0\nmodel name : A chip\n", cpu_name),
    "card": (f"{MINI.stem}.json", lambda _: MINI.with_suffix(".json").read_text("utf-8"), card),
    "record": ("x.bin.key.json", kept, reused),
    "notebook": ("n.ipynb", notebook, lambda path: nbformat.writes(read_notebook(path))),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_says_the_same_in_every_form(name, tmp_path):
    file, write, read = FILES[name]
    text = write(tmp_path)
    found = {}
    for form, save in FORMS.items():
        (tmp_path / file).write_bytes(save(text))
        found[form] = read(tmp_path / file)
    assert found["plain"] and not [form for form, value in found.items() if value != found["plain"]]


def test_nothing_else_in_the_package_reads_a_text():
    """Who opens a file by itself would have to know of marks again."""
    reads = re.compile(r"\.read_text\(|json\.load\(|open\([^)]*\"r?t?\"|\bencoding=\"utf-8\"\)\.read")
    files = {path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py") if reads.search(path.read_text())}
    assert files == set()
