"""The buttons of the pages: none without an address, and with one they lead to sources."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

from helpers.paths import ROOT

pytest.importorskip("sphinx_book_theme")
HERE = "https://github.com/somebody/study"


@pytest.mark.parametrize("address", ["", HERE])
def test_buttons_come_with_an_address_and_lead_to_sources(tmp_path, address):
    (tmp_path / "executed").mkdir()
    (tmp_path / "index.rst").write_text("Title\n=====\n\n.. toctree::\n\n   executed/08_performance_bs004\n")
    page = '{"cells": [{"cell_type": "markdown", "metadata": {}, "source": "# A"}], "metadata": {}, "nbformat": 4, '
    (tmp_path / "executed" / "08_performance_bs004.ipynb").write_text(page + '"nbformat_minor": 4}')
    options = ("extensions=myst_nb,repository", "html_theme=sphinx_book_theme", "nb_execution_mode=off")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-C",
            "-q",
            *(w for o in options for w in ("-D", o)),
            tmp_path,
            tmp_path / "html",
        ],
        env={**os.environ, "BOOK_REPOSITORY": address, "PYTHONPATH": str(ROOT / "book" / "_ext")},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    html = (tmp_path / "html" / "executed" / "08_performance_bs004.html").read_text("utf-8")
    links = re.findall(rf'href="({HERE}[^"]*)"', html)
    if not address:
        assert not links and "edit-button" not in html
        return
    assert HERE in links and any("/issues/new" in link for link in links)
    assert f"{HERE}/edit/main/notebooks/08_performance.ipynb" in links
