"""tools/lab.py: copies that read well in Jupyter, follow their sources, and keep what somebody wrote."""

from __future__ import annotations

import importlib.util
import os
import re

import nbformat
import pytest

from helpers.paths import ROOT

_spec = importlib.util.spec_from_file_location("lab", ROOT / "tools" / "lab.py")
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)

CITED = tool.citations(ROOT / "book" / "references.bib")


def notebook(text: str, code: str = "1", **figure: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_code_cell(code, metadata={"mystnb": {"figure": figure}} if figure else {})
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(text), cell])


@pytest.fixture
def folders(tmp_path):
    """Sources with one notebook, and a function that brings the copies up to date."""
    (tmp_path / "notebooks").mkdir()
    nbformat.write(notebook("one"), tmp_path / "notebooks" / "a.ipynb")
    return tmp_path, lambda: tool.refresh(tmp_path / "notebooks", tmp_path / "lab", CITED)


def test_authors_and_year_stand_for_a_key():
    assert CITED["zhou2019osnet"] == "Zhou et al., 2019"
    assert CITED["zagoruyko2017attention"] == "Zagoruyko and Komodakis, 2017"


@pytest.mark.parametrize(
    "typed, shown",
    [
        ("see {numref}`fig-a`", "see Figure 1"),
        ("maps {cite:p}`zagoruyko2017attention`", "maps (Zagoruyko and Komodakis, 2017)"),
        ("[next](06_stages), [Market](https://a.b/c)", "[next](06_stages.ipynb), [Market](https://a.b/c)"),
        ("a {term}`gallery`", "a *gallery*"),
        ("`{}` and {numref}`fig-elsewhere`", "`{}` and the figure"),
    ],
)
def test_roles_become_words(typed, shown):
    made = tool.plain(notebook(typed, caption="All of it.", name="fig-a"), CITED)
    assert made.cells[0].source == shown
    assert made.cells[2].source == "**Figure 1.** All of it."


@pytest.mark.parametrize("path", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_role_is_left_in_a_chapter(path):
    source = nbformat.read(path, 4)
    made = tool.plain(source, CITED)
    nbformat.validate(made)
    prose = "\n".join(cell.source for cell in made.cells if cell.cell_type == "markdown")
    assert not re.search(r"\{[\w:]+\}`", prose)
    captions = sum("figure" in cell.metadata.get("mystnb", {}) for cell in source.cells)
    assert prose.count("**Figure ") == captions
    assert [c.source for c in made.cells if c.cell_type == "code"] == [
        c.source for c in source.cells if c.cell_type == "code"
    ]


def test_a_copy_follows_its_source_and_keeps_its_outputs_while_that_is_the_same(folders):
    root, refresh = folders
    assert refresh() == []
    copy = root / "lab" / "a.ipynb"
    ran = nbformat.read(copy, 4)
    ran.cells[1].outputs = [nbformat.v4.new_output("stream", text="x")]
    nbformat.write(ran, copy)
    assert refresh() == [] and nbformat.read(copy, 4).cells[1].outputs
    nbformat.write(notebook("two"), root / "notebooks" / "a.ipynb")
    assert refresh() == [] and nbformat.read(copy, 4).cells[0].source == "two"


def test_what_somebody_edited_stays_and_is_named(folders):
    root, refresh = folders
    refresh()
    copy = root / "lab" / "a.ipynb"
    nbformat.write(notebook("one", "2"), copy)
    (line,) = refresh()
    assert str(copy) in line and "edited" in line
    assert nbformat.read(copy, 4).cells[1].source == "2"
    copy.unlink()
    assert refresh() == [] and nbformat.read(copy, 4).cells[1].source == "1"
    assert nbformat.read(root / "notebooks" / "a.ipynb", 4).cells[1].source == "1"


def test_the_lab_and_its_kernels_report_to_nobody(tmp_path, monkeypatch):
    started = []
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "citations", lambda _path: CITED)
    monkeypatch.setattr(tool.os, "execve", lambda *given: started.append(given))
    for name in ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED"):
        assert os.environ[name]  # by the import of the package
    (tmp_path / "notebooks").mkdir()
    tool.main()
    ((_, words, environment),) = started
    assert {"--LabApp.news_url=None", "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"} <= set(words)
    assert (environment["ORT_DISABLE_TELEMETRY"], environment["RAY_USAGE_STATS_ENABLED"]) == ("1", "0")
