"""The benchmark of extraction: what it compares and says of it; no speed is looked at."""

from __future__ import annotations

import importlib
import json
import sys
from types import ModuleType

import numpy as np
import pytest

from helpers.networks import onnx_path
from helpers.paths import ROOT


@pytest.fixture
def extraction(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("extraction")


def test_computing_decoding_and_both_are_timed_in_turns(extraction, tiny_market, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "simplejpeg", None)  # as where it is not installed
    options = ["--dataset", str(tiny_market()), "--model", str(onnx_path()), "--batch-size", "2", "--rounds", "2"]
    code = extraction.main([*options, "--seconds", "1", "--json", str(tmp_path / "e.json")])
    measured, said = json.loads((tmp_path / "e.json").read_text()), capsys.readouterr().out
    assert measured["same"] and code == (0 if measured["fits"] else 1)
    (found,) = measured["by_model"].values()
    assert {extraction.PURE, extraction.DECODE, extraction.WHOLE} <= set(found["times_ms"])
    pure, decode, whole = (
        np.array(found["times_ms"][name]) for name in (extraction.PURE, extraction.DECODE, extraction.WHOLE)
    )
    assert found["of_what_both_allow"]["median"] == pytest.approx(np.median((pure + decode) / whole))
    assert "same features to the bit" in said and "simplejpeg is not installed" in said


def test_decoders_are_compared_where_there_is_another(extraction, tiny_market, monkeypatch):
    other = ModuleType("simplejpeg")
    other.decode_jpeg = lambda data, colours: np.zeros((1, 1, 3), np.uint8)
    monkeypatch.setitem(sys.modules, "simplejpeg", other)
    files = [path.read_bytes() for path in (tiny_market() / "query").iterdir()]
    found = extraction.compare_decoders(files)
    assert set(found["microseconds"]) == {"pillow", "simplejpeg"}
    assert found["images"] == found["images_that_differ"] == len(files)
