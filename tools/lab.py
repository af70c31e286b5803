"""Open JupyterLab on copies of the notebooks in ``lab/``, which git ignores: what is tried there changes no source.

Run by ``make lab``. A copy follows its source until somebody edits it; running it is no edit. In the copies the roles
of the book, which Jupyter shows as they are typed, are words: figures have their number and caption, citations their
authors and year.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import nbformat
from jupyter_core.paths import jupyter_config_dir
from pybtex.database import Person, parse_file

import osnet_lib  # noqa: F401  # kernels of the lab inherit what it switches off

ROOT = Path(__file__).resolve().parents[1]
RECORD = ".copies.json"  # digest of each copy as it was made
# JupyterLab shows standard error, where progress is told, on red; tracebacks keep it.
STYLE = "[data-mime-type='application/vnd.jupyter.stderr'] { background: transparent !important; }\n"


def digest(notebook: nbformat.NotebookNode) -> str:
    """Of what somebody can edit: kinds and sources of the cells, not their outputs."""
    return sha256(json.dumps([(cell.cell_type, cell.source) for cell in notebook.cells]).encode()).hexdigest()


def citations(bibliography: Path) -> dict[str, str]:
    """``Zagoruyko and Komodakis, 2017`` of each key."""

    def names(people: list[Person]) -> str:
        last = [" ".join(person.last_names) for person in people]
        return f"{last[0]} et al." if len(last) > 2 else " and ".join(last)

    entries = parse_file(str(bibliography)).entries
    return {
        key: f"{names(entry.persons.get('author', [])) or entry.fields['title']}, {entry.fields.get('year', 'no year')}"
        for key, entry in entries.items()
    }


def plain(notebook: nbformat.NotebookNode, cited: dict[str, str]) -> nbformat.NotebookNode:
    """A copy that reads well without MyST."""
    figures = [
        cell.metadata["mystnb"]["figure"] for cell in notebook.cells if "figure" in cell.metadata.get("mystnb", {})
    ]
    numbers = {figure.get("name"): number for number, figure in enumerate(figures, 1)}
    roles: dict[str, Callable[[str], str]] = {
        "numref": lambda name: f"Figure {numbers[name]}" if name in numbers else "the figure",
        "cite:p": lambda keys: f"({'; '.join(cited[key.strip()] for key in keys.split(','))})",
        "cite:t": lambda keys: " and ".join(cited[key.strip()] for key in keys.split(",")),
    }
    cells = []
    for cell in nbformat.from_dict(notebook).cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(
                r"\{([\w:]+)\}`([^`]+)`",
                lambda found: roles[found[1]](found[2]) if found[1] in roles else f"*{found[2]}*",
                cell.source,
            )
            cell.source = re.sub(r"\]\((\d\d_\w+)\)", r"](\1.ipynb)", cell.source)
        cells.append(cell)
        if figure := cell.metadata.get("mystnb", {}).get("figure"):
            caption = f"**Figure {numbers[figure.get('name')]}.** {figure['caption']}"
            made = nbformat.v4.new_markdown_cell(caption)
            made.id = f"{cell.id}-caption" if "id" in cell else made.id
            cells.append(made)
    return nbformat.from_dict({**notebook, "cells": cells})


def refresh(sources: Path, copies: Path, cited: dict[str, str]) -> list[str]:
    """Bring the copies up to date, but for those that somebody edited, and say in lines what was left alone."""
    copies.mkdir(exist_ok=True)
    record = copies / RECORD
    made = json.loads(record.read_text("utf-8")) if record.is_file() else {}
    left = []
    for source in sorted(sources.glob("*.ipynb")):
        copy, new = copies / source.name, plain(nbformat.read(source, 4), cited)
        there = digest(nbformat.read(copy, 4)) if copy.is_file() else None
        if there == digest(new):
            pass  # what it computed stays
        elif there is None or there == made.get(source.name):
            nbformat.write(new, copy)
        else:
            left.append(f"{copy} was edited, so it stays as it is; remove it for a fresh copy.")
            continue
        made[source.name] = digest(new)
    record.write_text(json.dumps(made, indent=1), "utf-8")
    return left


def main() -> None:
    """Refresh the copies, say where they are, and become JupyterLab."""
    copies = ROOT / "lab"
    said = refresh(ROOT / "notebooks", copies, citations(ROOT / "book" / "references.bib"))
    print(f"The notebooks are copies in {copies}; run and edit them, the sources stay as they are.", *said, sep="\n")
    settings = copies / ".jupyter"
    style = settings / "custom" / "custom.css"
    style.parent.mkdir(parents=True, exist_ok=True)
    style.write_text(STYLE, "utf-8")
    own = jupyter_config_dir()  # the reader's own, which counts as well
    paths = os.pathsep.join(filter(None, [own, os.environ.get("JUPYTER_CONFIG_PATH")]))
    lab = os.environ.get("JUPYTERLAB_SETTINGS_DIR", str(Path(own) / "lab" / "user-settings"))
    changes = {"JUPYTER_CONFIG_DIR": str(settings), "JUPYTER_CONFIG_PATH": paths, "JUPYTERLAB_SETTINGS_DIR": lab}
    options = [
        str(copies),
        "--LabApp.custom_css=True",
        "--LabApp.news_url=None",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        *sys.argv[1:],
    ]
    sys.stdout.flush()
    os.execve(sys.executable, [sys.executable, "-m", "jupyterlab", *options], {**os.environ, **changes})


if __name__ == "__main__":
    main()
