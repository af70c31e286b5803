"""Every result says in one line what it is, with its figures; none prints its arrays."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import osnet_lib.core.line as line
from helpers.paths import ROOT
from helpers.results import performance
from osnet_lib.ascend.atc import AtcCommand
from osnet_lib.ascend.convert import OmFile
from osnet_lib.comparison.assessment import Assessment, Variant
from osnet_lib.comparison.pair import compare_sides, measured_side
from osnet_lib.comparison.stages import compare_stage
from osnet_lib.conversion.onnx_file import OnnxFile
from osnet_lib.conversion.parity import Parity
from osnet_lib.core.results import NOT_MEASURED, Result
from osnet_lib.datasets.ground_truth import GroundTruth
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.diagnosis.findings import Finding
from osnet_lib.features.projection import IdentityMap, Projection
from osnet_lib.features.store import Features
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.inference.session import Session
from osnet_lib.metrics import bootstrap, evaluate, paired_test, verify
from osnet_lib.network.checkpoint import Checkpoint
from osnet_lib.network.osnet import build_model

HASH = "0123456789abcdef" * 4


def split(features, pids, camid: int, prefix: str) -> Features:
    names = np.array([f"{prefix}{row}.jpg" for row in range(len(pids))])
    return Features(names, np.array(pids), np.full(len(pids), camid), np.array(features, np.float32))


PAIR = split([[0, 1], [1, 0]], [1, 2], 1, "q"), split([[0.1, 1], [0.2, 1], [1, 0.5]], [1, 2, 3], 2, "g")
BETTER = split([[0, 1], [1, 0]], [1, 2], 1, "q"), split([[0.1, 1], [1, 0.2], [1, 0.5]], [1, 2, 3], 2, "g")
SCORE, OTHER = evaluate(*PAIR), evaluate(*BETTER)
COMPARISON = compare_sides(measured_side("ours", *PAIR), measured_side("theirs", *BETTER))
PLANE = Projection(np.zeros((4, 2)), np.array([0.5, 0.25]))


def session(batch_size: int | None = 8, simulated: bool = False) -> Session:
    shape, gears = (batch_size, 3, 256, 128), () if batch_size is None else (batch_size,)
    engine = SimpleNamespace(
        model=Path("x/osnet.onnx"), sha256=HASH, input_shape=shape, input_dtype=np.dtype(np.float32), gears=gears,
        precision="float32", provider="CPU", device="Some CPU", simulated=simulated, close=lambda: None,
    )  # fmt: skip
    return Session("onnxruntime", engine, 2)


CASES = [
    (session(), "osnet.onnx, batch 8, on Some CPU: onnxruntime, float32, 2 threads"),
    (session(None, True), "osnet.onnx, any batch, on Some CPU (simulated): onnxruntime, float32, 2 threads"),
    (
        Checkpoint(Path("x/w.pth"), build_model("osnet_x0_25").eval(), "osnet_x0_25", 751, HASH),
        "osnet_x0_25 of w.pth (sha256 01234567): 201,864 parameters, trained on Market-1501 (751 identities)",
    ),
    (
        OnnxFile(Path("a.onnx"), HASH, 11, 6, 99, "in", ("batch", 3, 256, 128), "out", ("batch", 512), {}),
        "a.onnx (sha256 01234567): opset 11, 99 nodes, float32, [batch, 3, 256, 128] to [batch, 512]",
    ),
    (
        OmFile(Path("a.om"), HASH, AtcCommand(Path("a.onnx"), Path("a"), (1, 8), "Ascend310P3"), None, 12.34, ()),
        "a.om (sha256 01234567): Ascend310P3, batch 1, 8, made in 12.3 s, 0 warnings",
    ),
    (
        Parity("onnx", 8, 15, 2e-6, 1e-7, 0.9999999, 3e-7),
        (
            "onnx at batch 8: passed on 15 images, features differ by up to 2.0e-06 (mean 1.0e-07), smallest cosine "
            "0.9999999, from the image alone 3.0e-07"
        ),
    ),
    (
        Benchmark(np.full(10, 20.0), 8, 5, {"threads": 2}),
        "400.0 images/s, 2.50 ms an image (at batch 8, 10 rounds, unknown)",
    ),
    (Benchmark(np.ones(10), 8, 5, {"simulated": True}), f"{NOT_MEASURED} (at batch 8, 10 rounds)"),
    (COMPARISON.candidate.score, "theirs: Rank-1 100.00 %, mAP 100.00 % (euclidean, 2 queries)"),
    (COMPARISON.candidate, "theirs: Rank-1 100.00 %, mAP 100.00 % (euclidean, 2 queries)"),
    (COMPARISON.candidate.measured, repr(OTHER)),
    (COMPARISON.acceptance, "passed: Rank-1 +50.00 points, mAP +25.00 points (theirs against ours)"),
    (
        COMPARISON,
        "nearest image changed for 1 queries; passed: Rank-1 +50.00 points, mAP +25.00 points (theirs against ours)",
    ),
    (
        compare_stage("onnx", 8, PAIR, PAIR),
        (
            "onnx at batch size 8: holds, Rank-1 50.00 %, mAP 75.00 % (euclidean), smallest cosine 1.000000, nearest "
            "image changed for 0 of 2 queries"
        ),
    ),
    (
        Assessment(SCORE, bootstrap(SCORE), bootstrap(SCORE, clusters=PAIR[0].pids), verify(*PAIR)),
        (
            "Rank-1 50.00 % (0.0 to 100.0), mAP 75.00 % (50.0 to 100.0): 95 % intervals, resampling 2 identities "
            "(euclidean, 2 queries)"
        ),
    ),
    (Variant("as extracted", SCORE, None, None), f"as extracted: {SCORE!r}"),
    (
        Variant("unit length", OTHER, paired_test(SCORE, OTHER), None),
        f"unit length: {OTHER!r}; no difference, 0 lost and 1 won",
    ),
    (
        Result("accuracy", "mini-x", {}, {"rank": {"1": 0.93}, "mAP": 0.8455}),
        "accuracy mini-x: Rank-1 93.00 %, mAP 84.55 %",
    ),
    (performance(8), "performance bs8: 100.0 images/s"),
    (Result("parity", "x", {}, {"stages": [{}, {}]}), "parity x: 2 stages"),
    (Result("evaluation", "x", {}, {"same": True}), "evaluation x: the same figures"),
    (Result("evaluation", "x", {}, {"rank": "?"}), "evaluation x: no figures"),
    (
        GroundTruth({"q": ("a", "b"), "r": ("c",)}, {"q": (), "r": ("d",)}),
        "lists of 2 queries: 3 good images and 1 junk",
    ),
    (PLANE, "4 features on a plane, with 50.0 % and 25.0 % of their variance"),
    (
        IdentityMap(PLANE, np.array([1, 1, 2, 2]), np.ones(4, int), np.array([True, False, False, False]), "cosine"),
        "1 queries, 2 identities (cosine): 4 features on a plane, with 50.0 % and 25.0 % of their variance",
    ),
    (
        Finding("BGR", "wrong", "These are features of BGR", "cosine >= 0.999999 for 8 images", "Swap."),
        "wrong, BGR: cosine >= 0.999999 for 8 images",
    ),
]


@pytest.mark.parametrize("result, words", CASES, ids=lambda part: type(part).__name__)
def test_one_line_with_the_figures(result, words):
    assert repr(result) == words
    assert len(words) <= line.MOST and "\n" not in words


def test_a_data_set_counts_its_images(tiny_market):
    gallery = ["0001_c2s1_000001_00.jpg", "0000_c2s1_000002_00.jpg", "-1_c2s1_000003_00.jpg"]
    folder = tiny_market("some data", query=["0001_c1s1_000001_00.jpg"], bounding_box_test=gallery)
    with open_market1501(folder) as dataset:
        assert repr(dataset) == "some data: 1 queries, 2 gallery images, 1 junk, 3 train"
        assert repr(replace(dataset, is_market1501=True)).startswith("some data (Market-1501): 1 queries")


@pytest.mark.parametrize(
    "result", [CASES[0][0], CASES[2][0], COMPARISON.acceptance, Result("parity", "x" * 300, {}, {})]
)
def test_long_names_do_not_make_it_longer(result, monkeypatch):
    monkeypatch.setattr(line, "MOST", 30)
    assert len(repr(result)) == 30 and repr(result).endswith("…")


def test_a_closed_session_says_so():
    closed = session()
    closed.close()
    assert repr(closed).endswith("2 threads, closed")


# ---- whoever holds arrays -------------------------------------------------------------------------------------------

ARRAYS = {"ndarray", "Tensor", "OSNet"}


def dataclasses_in(sources: Iterable[str]) -> list[ast.ClassDef]:
    trees = [ast.parse(source) for source in sources if "@dataclass" in source]
    classes = [node for tree in trees for node in tree.body if isinstance(node, ast.ClassDef)]
    return [one for one in classes if any("dataclass" in ast.unparse(mark) for mark in one.decorator_list)]


def holding_arrays(classes: list[ast.ClassDef]) -> set[str]:
    """Those with a field of arrays, or of others that have one."""
    named = {
        one.name: {
            word
            for part in one.body
            if isinstance(part, ast.AnnAssign)
            for word in re.findall(r"\w+", ast.unparse(part.annotation))
        }
        for one in classes
    }
    found: set[str] = set()
    while more := {name for name, words in named.items() if words & (ARRAYS | found)} - found:
        found |= more
    return found


def silent(classes: list[ast.ClassDef]) -> set[str]:
    """The public ones of these without words of their own."""
    methods = {(one.name, part.name) for one in classes for part in one.body if isinstance(part, ast.FunctionDef)}
    holding = holding_arrays(classes)
    return {name for name in holding if (name, "__repr__") not in methods and not name.startswith("_")}


def test_who_holds_arrays_says_what_it_is():
    classes = dataclasses_in(path.read_text("utf-8") for path in (ROOT / "osnet_lib").rglob("*.py"))
    assert {"Evaluation", "Features", "Comparison", "Checkpoint", "Search"} <= holding_arrays(classes)
    assert silent(classes) == set()


def test_a_silent_one_would_be_noticed():
    inner = "@dataclass(frozen=True)\nclass Inner:\n    rows: dict[str, np.ndarray]\n"
    outer = "@dataclass\nclass Outer:\n    inner: Inner | None\n    def __repr__(self): return ''\n"
    plain = "@dataclass\nclass Plain:\n    size: int\n"
    assert silent(dataclasses_in([inner, outer, plain])) == {"Inner"}
    assert silent(dataclasses_in([inner, outer.replace("__repr__", "text"), plain])) == {"Inner", "Outer"}
