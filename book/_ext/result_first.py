"""A page with numbers begins with what it found: cells tagged ``result`` go below the title, code is folded away.

Nothing is computed: the outputs of an executed notebook are put into the order of a reader, in the language of the
book. The notebook itself, which the page offers, keeps the order in which it ran.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_result
from osnet_lib.report.provenance import provenance_sentence
from osnet_lib.report.summary import by_distance
from osnet_lib.report.words import MIME, Said, Sentence, fill, said_again, templates

RESULT, PARAMETERS = "result", "parameters"  # tags of cells
Cell = dict[str, Any]


def arrange(notebook: Mapping[str, Any], language: str, origin: Said | None = None) -> dict[str, Any]:
    """The cells of an executed notebook as a page: title, what was found, from which file, then how.

    Parameters
    ----------
    notebook : dict
        As nbformat 4 stores it; it is not changed.
    language : str
        Of the sentences and captions.
    origin : Said, optional
        Which result files the page is of.
    """
    cells = copy.deepcopy(notebook["cells"])
    if not cells or cells[0]["cell_type"] != "markdown":
        return {**notebook, "cells": cells}
    title, _, rest = "".join(cells[0]["source"]).partition("\n")
    found: list[Cell] = []
    how: list[Cell] = []
    for cell in cells[1:]:
        how.append(cell)
        if cell["cell_type"] != "code":
            continue
        shown: list[Cell] = []
        if RESULT in _tags(cell):
            found += _shown(cell, language, "answer-first")
        elif any(map(_said, cell["outputs"])):
            shown = _shown(cell, language)
        if RESULT in _tags(cell) or shown:  # what it showed stands elsewhere
            cell["outputs"] = []
            cell["metadata"].pop("mystnb", None)
        _fold(cell, language)
        _caption(cell, language)
        how += shown
    if found and origin:
        found.append(_markdown(f":::{{container}} provenance\n{origin.text(language)}\n:::"))
    return {**notebook, "cells": [_markdown(title), *found, *([_markdown(rest.strip())] if rest.strip() else []), *how]}


def _shown(cell: Cell, language: str, frame: str = "") -> list[Cell]:
    """The outputs of a cell as cells without code: sentences as text of the page, the rest as it is."""
    cells = []
    for output in cell["outputs"]:
        said = _said(output)
        if said is not None:
            text = said.text(language)
            cells.append(_markdown(f":::{{container}} {frame}\n{text}\n:::" if frame else text))
        else:
            alone = {**copy.deepcopy(cell), "outputs": [output], "id": f"{cell.get('id', 'cell')}-{len(cells)}"}
            alone["metadata"]["tags"] = ["remove-input"]
            _caption(alone, language)
            cells.append(alone)
    return cells


def _said(output: Mapping[str, Any]) -> Said | Sentence | None:
    stored = output.get("data", {}).get(MIME)
    return None if stored is None else said_again(stored)


def _fold(cell: Cell, language: str) -> None:
    """Hide the code behind a line that opens it."""
    tags = _tags(cell)
    if not any(tag.startswith(("remove-", "hide-")) for tag in tags):
        cell["metadata"]["tags"] = [*tags, "hide-input"]
    shown = cell["metadata"].setdefault("mystnb", {})
    name = "parameters shown" if PARAMETERS in tags else "code shown"
    shown.setdefault("code_prompt_show", fill(name, language))
    shown.setdefault("code_prompt_hide", fill(name, language))


def _caption(cell: Cell, language: str) -> None:
    """Begin the caption of a figure with what to conclude, where it says with which values."""
    figure = cell["metadata"].get("mystnb", {}).get("figure")
    values = _values(cell["outputs"])
    if figure and values:
        name = f"caption {figure.get('name', '')}"
        if name in templates(language):
            figure["caption"] = f"{fill(name, language, **values)} {figure.get('caption', '')}".strip()


def _values(outputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What a figure was described with."""
    for output in outputs:
        for facts in output.get("metadata", {}).values():
            if isinstance(facts, Mapping) and facts.get("values"):
                return dict(facts["values"])
    return {}


def _tags(cell: Cell) -> list[str]:
    return cell["metadata"].get("tags", [])


def _markdown(source: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def origin_of(notebook: Mapping[str, Any], results: Path) -> Said | None:
    """From which result file of its run a page is, and how many more there are; None for a page without."""
    written = notebook["metadata"].get("study", {}).get("results", {})
    there = [read_result(results / name) for name in written if (results / name).is_file()]
    if not there:
        return None
    main = min(there, key=by_distance)
    return provenance_sentence(main, sha256(results / main.file_name), len(there) - 1)


def begin_with_the_result(app: Sphinx, page: str, source: list[str]) -> None:
    """Arrange an executed notebook before it is read."""
    if Path(app.env.doc2path(page)).suffix != ".ipynb":
        return
    notebook = json.loads(source[0])
    origin = origin_of(notebook, Path(app.srcdir) / "results")
    source[0] = json.dumps(arrange(notebook, app.config.language, origin))


def setup(app: Sphinx) -> dict:
    app.connect("source-read", begin_with_the_result)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
