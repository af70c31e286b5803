"""The parameters of an executed notebook, once, with the values that ran."""

from __future__ import annotations

import ast

import nbformat

DECLARED, INJECTED = "parameters", "injected-parameters"  # tags of papermill's


def fold_parameters(notebook: nbformat.NotebookNode) -> None:
    """Write the values that papermill injected into the cell that declares the parameters, and drop its own cell.

    The copy runs again as it is, and papermill reads its parameters as those of the source.
    """
    injected = [cell for cell in notebook.cells if INJECTED in cell.metadata.get("tags", ())]
    declared = next((cell for cell in notebook.cells if DECLARED in cell.metadata.get("tags", ())), None)
    if declared is None:
        return
    given = {
        node.targets[0].id: ast.unparse(node.value)
        for cell in injected
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    declared.source = "\n".join(_with_value(line, given) for line in declared.source.splitlines())
    notebook.cells = [cell for cell in notebook.cells if cell not in injected]


def _with_value(line: str, given: dict[str, str]) -> str:
    """A line ``name: type = value  # help`` with the value that was given, if one was."""
    name, value = line.partition(":")[0].strip(), line.partition("=")[2].partition("  # ")
    if name not in given:
        return line
    return f"{line.partition('=')[0]}= {given[name]}{value[1]}{value[2]}"
