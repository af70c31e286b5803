"""The tables of the chapter on clusters are those of the benchmark's result file."""

from __future__ import annotations

import importlib

import pytest

from helpers.paths import ROOT
from osnet_lib.core.files import read_json, read_text


@pytest.fixture(scope="module")
def benchmark():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        yield importlib.import_module("cluster")


@pytest.mark.parametrize("table", ["report", "projections"])
def test_the_page_shows_what_the_file_holds(benchmark, table):
    measured = read_json(ROOT / "book" / "cluster.json")
    assert getattr(benchmark, table)(measured) in read_text(ROOT / "book" / "cluster.md")
