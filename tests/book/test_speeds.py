"""The sentence on the book's first page, computed from the results when the book is built."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from helpers.paths import ROOT
from helpers.results import performance
from osnet_lib.core.results import write_result

pytest.importorskip("sphinx")


@pytest.fixture
def first_screen(tmp_path):
    """A function that renders the first page of the book in a process of its own; gives what is above its sections."""

    def run() -> str:
        for name in ("intro.md", "references.bib"):
            shutil.copy(ROOT / "book" / name, tmp_path / name)
        settings = {
            "extensions": "myst_parser,sphinxcontrib.bibtex,speeds",
            "root_doc": "intro",
            "bibtex_bibfiles": "references.bib",
            "html_theme": "basic",
            "suppress_warnings": "myst.xref_missing",  # the other pages are not here
        }
        words = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
        paths = os.pathsep.join(map(str, (ROOT / "book" / "_ext", ROOT)))
        done = subprocess.run(
            [sys.executable, "-m", "sphinx", "-C", "-q", *words, str(tmp_path), str(tmp_path / "html")],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr
        above, heading, _ = (tmp_path / "html" / "intro.html").read_text("utf-8").partition("<h2>")
        assert heading and "OSNet on Ascend" in above
        return above

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
def test_the_first_page_says_whether_speeds_were_disturbed(first_screen, tmp_path, verdicts, kind, words):
    for size, verdict in enumerate(verdicts, 1):
        result = performance(size)
        if verdict:
            result.values.update(verdict=verdict, reasons=["other programs used 1.00 cores, more than 0.1"])
        write_result(tmp_path / "results", result)
    page = first_screen()
    assert f"admonition {kind}" in page and words in page
    assert ("other programs used 1.00 cores" in page) is ("disturbed" in verdicts)
    assert ("are disturbed" in page) is ("disturbed" in verdicts) is ("admonition warning" in page)


def test_that_page_is_the_root_of_the_book():
    assert "speeds: book/_ext" in (ROOT / "_config.yml").read_text("utf-8")
    assert "root: book/intro" in (ROOT / "_toc.yml").read_text("utf-8")
