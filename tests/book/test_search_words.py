"""The words of a page are main entries of the search, which come before all others."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("myst_nb")


def test_words_lead_to_their_page(tmp_path, build):
    (tmp_path / "index.rst").write_text("Title\n=====\n\n.. toctree::\n\n   page\n")
    page = {"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# A\n\nProse."}], "metadata": {}}
    (tmp_path / "page.ipynb").write_text(json.dumps({**page, "nbformat": 4, "nbformat_minor": 4}))
    settings = "extensions = ['myst_nb', 'search_words']\nnb_execution_mode = 'off'\nhtml_theme = 'basic'\n"
    (tmp_path / "conf.py").write_text(settings + "search_words = {'page': ['confidence interval', 'Rank-1']}\n")
    build(tmp_path, "-W")
    index = (tmp_path / "html" / "searchindex.js").read_text("utf-8").removeprefix("Search.setIndex(").rstrip(")")
    entries = json.loads(index)
    number = entries["docnames"].index("page")
    assert entries["indexentries"] == {"confidence interval": [[number, "", True]], "rank-1": [[number, "", True]]}
