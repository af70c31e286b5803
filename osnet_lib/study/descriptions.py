"""Alternative texts of an executed notebook's pictures, put where the book looks for them."""

from __future__ import annotations

import nbformat


def pass_on_descriptions(notebook: nbformat.NotebookNode) -> None:
    """Copy the ``alt`` of each picture from its output to its cell.

    A figure hands its text over with the picture, as nbconvert expects it; MyST-NB reads it from the cell alone.
    """
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            texts = [facts["alt"] for facts in output.get("metadata", {}).values() if "alt" in facts]
            if texts:
                cell.metadata.setdefault("mystnb", {}).setdefault("image", {})["alt"] = texts[0]
