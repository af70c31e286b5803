"""The buttons of the pages: none without an address, and with one they lead to sources."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("sphinx_book_theme")
HERE = "https://github.com/somebody/study"


@pytest.mark.parametrize("address", ["", HERE])
def test_buttons_come_with_an_address_and_lead_to_sources(tmp_path, build, monkeypatch, address):
    (tmp_path / "executed").mkdir()
    (tmp_path / "index.rst").write_text("Title\n=====\n\n.. toctree::\n\n   executed/08_performance\n")
    page = '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# A"}], "metadata": {}, "nbformat": 4, '
    (tmp_path / "executed" / "08_performance.ipynb").write_text(page + '"nbformat_minor": 4}')
    monkeypatch.setenv("BOOK_REPOSITORY", address)
    build(tmp_path, extensions="myst_nb,repository", html_theme="sphinx_book_theme", nb_execution_mode="off")
    html = (tmp_path / "html" / "executed" / "08_performance.html").read_text("utf-8")
    assert 'href="../_sources/executed/08_performance.ipynb"' in html
    links = re.findall(rf'href="({HERE}[^"]*)"', html)
    if not address:
        assert not links and "edit-button" not in html
        return
    assert HERE in links and any("/issues/new" in link for link in links)
    assert f"{HERE}/edit/main/notebooks/08_performance.ipynb" in links
