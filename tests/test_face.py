"""The face of the package: few names, imported when they are asked for, each in the place where it is defined."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from importlib import import_module

import pytest

import osnet_lib as ol
from helpers.paths import ROOT

HEAVY = {"torch", "onnx", "onnxruntime", "onnxsim", "matplotlib", "scipy", "numpy", "PIL", "papermill"}


def child(code: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=300)


def test_the_names_are_those_that_the_table_says():
    assert ol.__all__ == sorted(ol.FACE, key=lambda name: (name.lower() == name, name)) and len(ol.FACE) <= 15
    assert set(ol.FACE) <= set(dir(ol))
    for name, module in ol.FACE.items():
        found = getattr(ol, name)
        assert found is getattr(import_module(f"osnet_lib.{module}"), name)
        assert found.__module__ == f"osnet_lib.{module}" and found.__doc__


def test_a_checker_of_types_sees_the_same_names():
    tree = ast.parse((ROOT / "osnet_lib" / "__init__.py").read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert seen == ol.FACE


def test_another_name_is_none():
    with pytest.raises(AttributeError, match=r"module 'osnet_lib' has no attribute 'evalute'"):
        _ = ol.evalute


def test_importing_it_imports_nothing_heavy():
    done = child("import osnet_lib, sys; print(*{name.partition('.')[0] for name in sys.modules})")
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


BLOCK = """
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
from osnet_lib.cli.main import main
sys.exit(main({words}))
"""
CONVERT, CPU = {"torch", "onnx", "google", "onnxsim", "safetensors", "gdown"}, {"onnxruntime"}
STUDY = {"papermill", "nbformat", "nbclient", "matplotlib", "jupyter_client", "ipykernel"}


@pytest.mark.parametrize(
    "absent, words, extra",
    [
        (CONVERT | CPU | STUDY, ["export", "mini", "x.onnx"], "convert"),
        (CONVERT | CPU | STUDY, ["simplify", "x.onnx", "y.onnx", "--batch-size", "1"], "convert"),
        (CONVERT | CPU | STUDY, ["extract", "mini", "{data}", "out"], "convert"),
        (CPU | STUDY, ["extract", "{model}", "{data}", "out", "--backend", "onnxruntime"], "cpu"),
        (STUDY, ["study", "--no-book"], "study"),
    ],
)
def test_a_command_without_its_extra_names_it(absent, words, extra, tmp_path, small_market):
    from helpers.networks import onnx_path

    places = {"data": str(small_market), "model": str(onnx_path(2))}
    given = [word.format(**places) if word.startswith("{") else word for word in words]
    done = child(f"import os; os.chdir({str(tmp_path)!r})\n" + BLOCK.format(absent=absent, words=given))
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.splitlines()) == 1 and f"osnet-ascend-study[{extra}]" in done.stderr


def test_scoring_needs_no_extra(tmp_path):
    """Features of any tool, scored where only numpy, scipy, Pillow and tqdm are installed."""
    before = ROOT / "tests" / "end_to_end" / "before" / "features"
    words = ["evaluate", str(before / "query.npz"), str(before / "gallery.npz"), str(tmp_path), "r.json"]
    done = child(BLOCK.format(absent=CONVERT | CPU | STUDY, words=words))
    assert done.returncode == 0 and "mAP" in done.stdout, done.stderr
    words = ["compare", str(before), str(before)]
    done = child(BLOCK.format(absent=CONVERT | CPU | STUDY, words=words))
    assert done.returncode == 0 and "rank alike" in done.stdout, done.stderr
