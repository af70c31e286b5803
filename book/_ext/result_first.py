"""A page with numbers begins with what it found: cells tagged ``result`` go below the title, code is folded away.

Nothing is computed: the outputs of an executed notebook are put into the order of a reader, in the language of the
book. The notebook itself, which the page offers, keeps the order in which it ran.
"""

from __future__ import annotations

import copy
import gettext
import json
import re
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from html import escape, unescape
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_result
from osnet_lib.report.alternatives import retold
from osnet_lib.report.labels import relabelled
from osnet_lib.report.provenance import provenance_sentence
from osnet_lib.report.result_tables import by_distance
from osnet_lib.report.words import MIME, Said, Sentence, fill, plain, said_again, templates, word

RESULT, PARAMETERS = "result", "parameters"  # tags of cells
_NAMES = frozenset({"query", "gallery", "image"})  # of folders and inputs, but where they head a column or row
Cell = dict[str, Any]
Translate = Callable[[str], str]
_TABLE = re.compile(r'<table class="dataframe">.*?</table>', re.DOTALL)
_TEXT = re.compile(r"(<(th|td|caption)\b[^>]*?)(?: data-said=\"([^\"]*)\")?>([^<]*)(?=</\2>)")


def arrange(
    notebook: Mapping[str, Any], language: str, origin: Said | None = None, translate: Translate = str
) -> dict[str, Any]:
    """The cells of an executed notebook as a page: title, what was found, from which file, then how.

    Parameters
    ----------
    notebook : dict
        As nbformat 4 stores it; it is not changed.
    language : str
        Of the sentences and captions.
    origin : Said, optional
        Which result files the page is of.
    translate : function
        Of what a notebook says without values, the captions: its text in the language.
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
        _describe(cell, language, translate)
        shown: list[Cell] = []
        if RESULT in _tags(cell):
            found += _shown(cell, language, "answer-first")
        elif any(map(_said, cell["outputs"])):
            shown = _shown(cell, language)
        if RESULT in _tags(cell) or shown:  # what it showed stands elsewhere
            cell["outputs"] = []
            cell["metadata"].pop("mystnb", None)
        _fold(cell, language)
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
            cells.append(alone)
    return cells


def opening(notebook: Mapping[str, Any]) -> list[Sentence]:
    """The sentences at the head of an executed notebook."""
    cells = (cell for cell in notebook["cells"] if RESULT in _tags(cell))
    found = (_said(output) for cell in cells for output in cell.get("outputs", ()))
    return [said for each in found if each for said in ([each] if isinstance(each, Sentence) else each)]


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


def _describe(cell: Cell, language: str, translate: Translate) -> None:
    """Captions, alternative texts, tables and labels in the language; a caption begins with what to conclude."""
    shown = cell["metadata"].get("mystnb", {})
    if figure := shown.get("figure"):
        name, values, caption = f"caption {figure.get('name', '')}", _values(cell["outputs"]), figure.get("caption", "")
        known = fill(name, language, **values) if values and name in templates(language) else ""
        figure["caption"] = fill("between sentences", language).join(filter(None, (known, translate(caption))))
    if picture := shown.get("image"):
        picture["alt"] = retold(picture.get("alt", ""), language)
    for output in cell["outputs"]:
        data = output.get("data", {})
        if html := data.get("text/html"):
            html = _TABLE.sub(lambda found: _table(found[0], language), "".join(html))
            data["text/html"] = relabelled(html, language)
        if drawing := data.get("image/svg+xml"):
            data["image/svg+xml"] = relabelled("".join(drawing), language)


def _table(html: str, language: str) -> str:
    """A table of `Table` in a language: sentences from what they were filled from, other texts by the catalogue."""

    def said(found: re.Match[str]) -> str:
        start, _, stored, text = found.groups()
        if stored:
            text = plain(said_again(json.loads(unescape(stored))).text(language))
        elif (text := unescape(text).replace("\u00a0", " ")) not in _NAMES or _heads(html, found.start()):
            text = word(text, language)
        return f"{start}>{escape(text)}".replace(" %", "\u00a0%")

    return _TEXT.sub(said, html)


def _heads(html: str, place: int) -> bool:
    """Whether a cell stands at the head of a column or row."""
    return "</td>" not in html[html.rfind("<tr>", 0, place) : place]


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


def captions(notebook: Mapping[str, Any]) -> list[str]:
    """What a notebook says below its figures, whatever they show."""
    figures = (cell["metadata"].get("mystnb", {}).get("figure", {}) for cell in notebook["cells"])
    return [figure["caption"] for figure in figures if figure.get("caption")]


def begin_with_the_result(app: Sphinx, page: str, source: list[str]) -> None:
    """Arrange an executed notebook before it is read; where messages are collected, its captions are text too."""
    if Path(app.env.doc2path(page)).suffix != ".ipynb":
        return
    notebook, language = json.loads(source[0]), app.config.language
    if app.builder.name == "gettext":
        made = arrange(notebook, language)
        made["cells"] += map(_markdown, captions(notebook))
    else:
        origin = origin_of(notebook, Path(app.srcdir) / "results")
        made = arrange(notebook, language, origin, partial(message, app, page))
    source[0] = json.dumps(made)


def message(app: Sphinx, page: str, text: str) -> str:
    """What the messages of a page (`locale/`) have for a text; the text where there is nothing."""
    for folder in app.config.locale_dirs if text else ():
        found = gettext.translation(page, Path(app.srcdir) / folder, [app.config.language], fallback=True)
        if (other := found.gettext(text)) != text:
            return other
    return text


def setup(app: Sphinx) -> dict:
    app.connect("source-read", begin_with_the_result)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
