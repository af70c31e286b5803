"""Notebooks of a few lines."""

from __future__ import annotations

from pathlib import Path

import nbformat

PYTHON = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}


def toy(folder: Path, name: str, *cells: str, metadata: dict = PYTHON) -> None:
    """A notebook whose first cell holds the parameters."""
    notebook = nbformat.v4.new_notebook(metadata=metadata)
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook.cells[0].metadata["tags"] = ["parameters"]
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")
