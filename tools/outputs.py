"""Fail where a notebook in ``notebooks/`` holds outputs or execution counts: sources are stored without them."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]


def stored_outputs(folder: Path) -> list[str]:
    """A line for every cell of a notebook in `folder` that was run and stored."""
    return [
        f"{path.name}: code cell {number} holds outputs or an execution count"
        for path in sorted(folder.glob("*.ipynb"))
        for number, cell in enumerate((c for c in nbformat.read(path, 4).cells if c.cell_type == "code"), 1)
        if cell.outputs or cell.execution_count is not None
    ]


if __name__ == "__main__":
    found = stored_outputs(ROOT / "notebooks")
    print("\n".join(found) or "notebooks: stored without outputs")
    sys.exit(bool(found))
