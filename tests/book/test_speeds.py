"""The sentence on the book's first page, computed from the results when the book is built."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers.paths import ROOT
from helpers.results import performance
from osnet_lib.core.results import write_result

pytest.importorskip("sphinx")


@pytest.fixture
def build(tmp_path):
    """A function that builds a page with the directive, in a process of its own, and returns its HTML."""

    def run() -> str:
        (tmp_path / "index.rst").write_text("Title\n=====\n\n.. speeds::\n")
        words = [
            "-C",
            "-W",
            "-q",
            "-D",
            "extensions=speeds",
            "-D",
            "html_theme=basic",
            str(tmp_path),
            str(tmp_path / "html"),
        ]
        paths = os.pathsep.join(map(str, (ROOT / "book" / "_ext", ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", *words],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        return (tmp_path / "html" / "index.html").read_text("utf-8")

    return run


@pytest.mark.parametrize(
    "verdicts, kind, words",
    [
        ([], "note", "No speed was measured for this edition."),
        (["quiet", "quiet"], "note", "Nothing disturbed the speeds of this edition: 2 of 2"),
        (["quiet", "disturbed"], "warning", "The speeds of this edition are disturbed"),
        ([None], "note", "is unknown: 0 of 1"),
    ],
)
def test_the_first_page_says_whether_speeds_were_disturbed(build, tmp_path, verdicts, kind, words):
    for size, verdict in enumerate(verdicts, 1):
        result = performance(size)
        if verdict:
            result.values.update(verdict=verdict, reasons=["other programs used 1.00 cores, more than 0.1"])
        write_result(tmp_path / "results", result)
    page = build()
    assert f"admonition {kind}" in page and words in page
    assert ("other programs used 1.00 cores" in page) is ("disturbed" in verdicts)


def test_it_stands_on_the_root_of_the_book():
    root = ROOT / "book" / "intro.md"
    first, _, _ = root.read_text("utf-8").partition("\n## ")
    assert "```{speeds}" in first and "speeds: book/_ext" in (ROOT / "_config.yml").read_text("utf-8")
    assert "root: book/intro" in (ROOT / "_toc.yml").read_text("utf-8")
