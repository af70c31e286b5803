"""The order of a page with numbers: title, what was found, then how, with the code folded away."""

from __future__ import annotations

import copy
import re
import sys

import pytest

from helpers.paths import ROOT
from helpers.results import parity
from osnet_lib.core.results import write_result
from osnet_lib.core.table import Table
from osnet_lib.report.words import Said, Sentence

sys.path.insert(0, str(ROOT / "book" / "_ext"))
result_first = pytest.importorskip("result_first")

SAID = Said(Sentence("stage at batch", stage="int8", batch=8))


def markdown(source: str) -> dict:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str, *outputs: dict, tags: tuple[str, ...] = (), **metadata) -> dict:
    return {
        "cell_type": "code",
        "execution_count": 1,
        "id": source[:8],
        "metadata": {**({"tags": list(tags)} if tags else {}), **metadata},
        "outputs": list(outputs),
        "source": source,
    }


def shown(data: dict, **metadata) -> dict:
    return {"output_type": "execute_result", "data": data, "metadata": metadata, "execution_count": 1}


FIGURE = {"figure": {"caption": "How to read it.", "name": "fig-cameras"}}
VALUES = {"most": 1, "most_images": 30, "least": 2, "least_images": 20}
NOTEBOOK = {
    "nbformat": 4,
    "nbformat_minor": 5,
    "metadata": {"study": {"results": {}}},
    "cells": [
        markdown("# Title\n\n**Purpose.** To test."),
        code("a: int = 1  # a", tags=("parameters",)),
        code("said", shown(SAID._repr_mimebundle_()), tags=("result",)),
        code("plot", shown({"image/png": "x"}, **{"image/png": {"values": VALUES}}), tags=("result",), mystnb=FIGURE),
        code("more", shown({"text/plain": "1"})),
    ],
}


def test_what_was_found_comes_below_the_title_and_its_code_stays_where_it_ran():
    before = copy.deepcopy(NOTEBOOK)
    cells = result_first.arrange(NOTEBOOK, "en", Said(Sentence("no run")))["cells"]
    assert before == NOTEBOOK
    title, said, figure, origin, purpose, parameters, *how = cells
    assert title["source"] == "# Title" and purpose["source"].startswith("**Purpose.**")
    assert said["source"] == ":::{container} answer-first\nint8 at batch 8\n:::"
    assert figure["metadata"]["tags"] == ["remove-input"] and figure["outputs"]
    assert "not run yet" in origin["source"] and "provenance" in origin["source"]
    assert parameters["metadata"]["mystnb"]["code_prompt_show"] == "Parameters of this run"
    assert [cell["source"] for cell in how] == ["said", "plot", "more"]
    assert [len(cell["outputs"]) for cell in how] == [0, 0, 1]
    assert all("hide-input" in cell["metadata"]["tags"] for cell in (parameters, *how))
    assert "figure" not in how[1]["metadata"]["mystnb"]  # a label stands once


def test_a_caption_begins_with_what_to_conclude():
    figure = result_first.arrange(NOTEBOOK, "en")["cells"][2]
    assert figure["metadata"]["mystnb"]["figure"]["caption"] == (
        "Camera 1 took the most images, 30, and camera 2 the fewest, 20. How to read it."
    )


def test_sentences_elsewhere_become_text_of_the_page_below_their_code():
    outputs = shown(SAID._repr_mimebundle_()), shown({"text/plain": "1"})
    notebook = {**NOTEBOOK, "cells": [markdown("# T"), code("x", *outputs)]}
    title, cell, said, rest = result_first.arrange(notebook, "en")["cells"]
    assert title["source"] == "# T" and cell["outputs"] == [] and "hide-input" in cell["metadata"]["tags"]
    assert said == markdown("int8 at batch 8") and rest["outputs"] == [outputs[1]]


def test_a_page_names_the_file_that_its_run_wrote(tmp_path):
    path = write_result(tmp_path, parity())
    notebook = {"metadata": {"study": {"results": {path.name: "x", "gone.json": "y"}}}}
    assert "From `parity-osnet.json`: sha256 " in str(result_first.origin_of(notebook, tmp_path))
    assert result_first.origin_of({"metadata": {}}, tmp_path) is None


def test_every_notebook_has_a_result_that_moves_up():
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        assert '"result"' in path.read_text("utf-8"), path.name


def test_chapters_have_the_numbers_of_the_table_of_contents():
    listed = re.findall(
        r"^\| (\d+) \| \{doc\}`/executed/(\w+)`", (ROOT / "book" / "reading.md").read_text("utf-8"), re.M
    )
    chapters = re.findall(r"file: executed/(\w+)", (ROOT / "_toc.yml").read_text("utf-8"))
    assert [(str(number), name) for number, name in enumerate(chapters, 1)] == listed


TABLE = Table(("what was found", "images/s", "note"), ((Sentence("no run"), 1.5, "95 % sure"), (None, 2.0, "quiet")))


def page_of(language: str, **cell) -> dict:
    notebook = {**NOTEBOOK, "cells": [markdown("# T"), code("x", **cell)]}
    notebook["cells"][1]["outputs"] = [shown({"text/html": TABLE._repr_html_()})]
    return result_first.arrange(notebook, language, translate=lambda text: f"<{text}>")["cells"][1]


def test_a_table_is_shown_in_the_language_of_the_book():
    html = page_of("zh_CN")["outputs"][0]["data"]["text/html"]
    assert ">结论</th>" in html and ">张/秒</th>" in html and ">还没有运行过。</td>" in html and ">无干扰</td>" in html
    assert ">95\u00a0% sure</td>" in html and "data-said" not in html
    english = page_of("en")["outputs"][0]["data"]["text/html"]
    assert ">The study was not run yet.</td>" in english and "data-said" not in english


def test_captions_and_alternative_texts_follow_the_language():
    picture = {"alt": "Latency round by round, a strip for each batch size."}
    cell = page_of("zh_CN", mystnb={"figure": {"caption": "Own."}, "image": picture})
    assert cell["metadata"]["mystnb"]["figure"]["caption"] == "<Own.>"
    assert cell["metadata"]["mystnb"]["image"]["alt"] == "逐轮时延，每个 batch 一条。"


def test_the_head_of_a_notebook_is_its_sentences():
    assert [said.name for said in result_first.opening(NOTEBOOK)] == ["stage at batch"]
    assert result_first.opening({"cells": []}) == []
    assert result_first.captions(NOTEBOOK) == ["How to read it."]


def test_a_name_of_a_folder_stays_and_the_split_is_said():
    rows = Table.from_records(
        [{"split": "query", "folder": "query"}, {"split": "gallery", "folder": "bounding_box_test"}]
    )
    html = result_first._table(rows._repr_html_(), "zh_CN")
    assert re.findall(r"<t[hd][^>]*>([^<]*)</t", html) == [
        "子集",
        "文件夹",
        "查询图像",
        "query",
        "图库",
        "bounding_box_test",
    ]
