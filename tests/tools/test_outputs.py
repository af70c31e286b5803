"""tools/outputs.py: which cells were stored after a run."""

from __future__ import annotations

import importlib.util

import nbformat
import pytest

from helpers.paths import ROOT

_spec = importlib.util.spec_from_file_location("outputs", ROOT / "tools" / "outputs.py")
tool = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(tool)


@pytest.mark.parametrize(
    "changes, told",
    [
        ({}, []),
        ({"execution_count": 3}, ["a.ipynb: code cell 2 holds outputs or an execution count"]),
        (
            {"outputs": [nbformat.v4.new_output("stream", text="x")]},
            ["a.ipynb: code cell 2 holds outputs or an execution count"],
        ),
    ],
)
def test_cells_that_were_run_are_named(tmp_path, changes, told):
    cells = [nbformat.v4.new_markdown_cell("# A"), nbformat.v4.new_code_cell("1"), nbformat.v4.new_code_cell("2")]
    cells[2].update(changes)
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "a.ipynb")
    assert tool.stored_outputs(tmp_path) == told


def test_the_notebooks_of_the_study_are_clean():
    assert tool.stored_outputs(ROOT / "notebooks") == []
