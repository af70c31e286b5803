"""The first page as a reader sees it, rendered from result files: it answers four questions."""

from __future__ import annotations

import html
import json
import re
import shutil

import pytest

from helpers.paths import ROOT
from helpers.results import accuracy, engines, intervals, parity, performance, stages
from osnet_lib.core.files import sha256, write_json
from osnet_lib.core.results import Result, write_result

CHAPTERS = {
    "01_export": "parity",
    "05_accuracy": "accuracy",
    "06_stages": "stages",
    "12_engines": "engines",
    "11_roofline": "",
}


@pytest.fixture
def first_page(tmp_path, build):
    """A function that renders the first page of a book with these results, above and below its first heading."""

    def run(*results: Result) -> tuple[str, str]:
        (tmp_path / "book").mkdir()
        (tmp_path / "executed").mkdir()
        for name in ("intro.md", "status.md", "references.bib"):
            shutil.copy(ROOT / "book" / name, tmp_path / "book" / name)
        paths = {result.kind: write_result(tmp_path / "results", result) for result in results}
        for chapter, kind in CHAPTERS.items():
            written = {paths[kind].name: sha256(paths[kind])} if kind in paths else {}
            metadata = {"study": {"key": "k", "results": written, "shown": []}}
            cell = {"cell_type": "markdown", "metadata": {}, "source": f"# {chapter}"}
            notebook = {"cells": [cell], "metadata": metadata, "nbformat": 4, "nbformat_minor": 4}
            (tmp_path / "executed" / f"{chapter}.ipynb").write_text(json.dumps(notebook))
        build(
            tmp_path,
            extensions="myst_nb,sphinxcontrib.bibtex,front_page,status",
            root_doc="book/intro",
            nb_execution_mode="off",
            bibtex_bibfiles="book/references.bib",
            html_theme="basic",
            suppress_warnings="myst.xref_missing,toc.not_included",  # not all pages are here
        )
        above, heading, below = (tmp_path / "html" / "book" / "intro.html").read_text("utf-8").partition("<h2>")
        assert heading and "OSNet on Ascend" in above
        return above, below

    return run


def scored() -> Result:
    result = accuracy("osnet_x1_0")
    result.values["intervals"] = intervals()
    return result


def tile_texts(page: str) -> list[str]:
    """The words of every tile."""
    parts = re.split(r'<div class="tile[ "]', page)[1:]
    return [" ".join(html.unescape(re.sub("<[^>]*>", " ", f"<{part}")).split()) for part in parts]


def test_the_first_page_answers_four_questions(first_page):
    above, below = first_page(parity(), scored(), stages(), engines(), performance(8))
    same, good, lost, engine, published = tile_texts(above)
    assert "Conversion changed nothing" in same and "3.6e-06" in same
    assert "mAP 74.94 % (72.9 to 76.9)" in good and "Rank-1 is 91.18 % (89.2 to 93.2)" in good
    assert "Rank-1 94.2 %, mAP 82.6 %" in good and "torchreid" in good
    assert "nowhere" in lost and "60 queries" in lost
    assert "openvino bfloat16, streams fused, 2 threads: 1.80 times as fast" in engine
    assert "mAP changes by -0.03" in engine and "The timing was quiet." in engine
    assert (
        published.count("published") >= 2 and "batch 8" in published and "4,075 images/s on Ascend 310P3" in published
    )
    assert "ModelZoo" in published
    for chapter in CHAPTERS:
        assert f'href="../executed/{chapter}.html"' in above
    assert '<svg class="pipeline"' in below and 'href="../executed/06_stages.html"' in below
    assert "5 files" in below  # the result files


def test_the_status_page_tells_what_changed_and_what_was_disturbed(first_page, tmp_path):
    now, before = (
        {"date": date, "figures": {"how good": figure}} for date, figure in (("later", "9 %"), ("then", "8 %"))
    )
    write_json(tmp_path / "work" / "headlines.json", {"before": before, "now": now})
    slow = performance(8)
    slow.values.update(verdict="disturbed", reasons=["a busy loop"])
    first_page(parity(), slow)
    page = (tmp_path / "html" / "book" / "status.html").read_text("utf-8")
    words = " ".join(html.unescape(re.sub("<[^>]*>", " ", page)).split())
    assert "The run of later beside that of then" in words and "How good is it? 8 % 9 % yes" in words
    assert "performance-bs8.json a busy loop" in words and "01_export" in words and "numpy" in words


def test_what_was_not_run_says_which_chapter_to_run(first_page):
    above, below = first_page(parity())
    same, good, *_ = tile_texts(above)
    assert "3.6e-06" in same and "not measured yet" in good and "Run the chapter 05_accuracy" in good
    assert "none here" in below and "No speed was measured for this edition." in above


@pytest.mark.parametrize(
    "verdict, kind, words",
    [
        ("quiet", "note", "Nothing disturbed the speeds of this edition: 1 of 1"),
        ("disturbed", "warning", "The speeds of this edition are disturbed"),
    ],
)
def test_the_first_screen_says_whether_speeds_were_disturbed(first_page, verdict, kind, words):
    result = performance(8)
    result.values.update(verdict=verdict, reasons=["other programs used 1.00 cores, more than 0.1"])
    above, _ = first_page(result)
    assert f"admonition {kind}" in above and words in above
    assert ("other programs used 1.00 cores" in above) is (verdict == "disturbed")
    warned, tiles = above.find("admonition warning"), above.find('class="tiles')
    assert (0 < warned < tiles) is (verdict == "disturbed")


def test_that_page_is_the_root_of_the_book():
    assert "front_page: book/_ext" in (ROOT / "_config.yml").read_text("utf-8")
    assert "root: book/intro" in (ROOT / "_toc.yml").read_text("utf-8")
