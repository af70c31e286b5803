"""The parameters of an executed notebook: one cell, with the values that ran."""

from __future__ import annotations

import nbformat
import papermill

from helpers.notebooks import PYTHON
from osnet_lib.study.parameters import fold_parameters

SOURCE = 'weights: str = "mini"  # mini, or a checkpoint\nsizes: list = []  # batch sizes\nrounds: int = 50  # timed'


def executed(injected: str | None):
    notebook = nbformat.v4.new_notebook(metadata=PYTHON)
    cell = nbformat.v4.new_code_cell(SOURCE)
    cell.metadata["tags"] = ["parameters"]
    notebook.cells = [cell]
    if injected is not None:
        given = nbformat.v4.new_code_cell(injected)
        given.metadata["tags"] = ["injected-parameters"]
        notebook.cells.append(given)
    notebook.cells.append(nbformat.v4.new_code_cell("print(rounds)"))
    return notebook


def test_values_that_ran_take_the_place_of_the_defaults(tmp_path):
    notebook = executed('# Parameters\nweights = "a = b.pth"\nsizes = [1, 4]\n')
    fold_parameters(notebook)
    declared, last = notebook.cells
    assert declared.source.splitlines() == [
        "weights: str = 'a = b.pth'  # mini, or a checkpoint",
        "sizes: list = [1, 4]  # batch sizes",
        "rounds: int = 50  # timed",
    ]
    assert last.source == "print(rounds)"
    nbformat.write(notebook, tmp_path / "n.ipynb")
    assert papermill.inspect_notebook(str(tmp_path / "n.ipynb"))["sizes"]["default"] == "[1, 4]"


def test_a_notebook_without_given_values_stays():
    notebook = executed(None)
    fold_parameters(notebook)
    assert notebook.cells[0].source == SOURCE and len(notebook.cells) == 2
    empty = nbformat.v4.new_notebook()
    fold_parameters(empty)
    assert empty.cells == []
