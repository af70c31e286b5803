"""Sentences with this run's numbers: templates with named values, filled from the catalogue of a language.

A sentence is the text in English, and remembers the name of its template and its values; so the book writes it again in
its own language, without computing anything anew.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib import import_module
from string import Formatter
from types import ModuleType
from typing import Any

import numpy as np

from ..core.table import Table
from ..errors import StudyError
from . import catalogue

DEFAULT = "en"
MIME = "application/vnd.osnet.sentences+json"  # beside the text in a notebook: names and values, for another language
_LONG = (
    "chip",
    "data",
    "label",
    "heading",
    "rate",
    "note",
    "what",
    "names",
    "batches",
)  # in a pattern: may be several words
_FIELD = re.compile(r"\{\w+\}")
_LINK = re.compile(r"\[([^]]*)\]\([^)]*\)")
_CITED, _CITATION = re.compile(r"\{cite:t\}`([^`]*)`"), re.compile(r" ?\{cite:p\}`[^`]*`")


def languages() -> tuple[str, ...]:
    """Languages that have a catalogue."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(catalogue.__path__)))


def templates(language: str = DEFAULT) -> Mapping[str, str]:
    """The templates of a language by name; StudyError where it has no catalogue."""
    if language not in languages():
        raise StudyError(
            f"no catalogue of sentences for {language!r}",
            where="language",
            cure=f"Use one of {', '.join(languages())}.",
        )
    return _module(language).TEMPLATES


def _module(language: str) -> ModuleType:
    return import_module(f"{catalogue.__name__}.{language}")


def word(text: str, language: str = DEFAULT) -> str:
    """A heading, name, caption or word of a table in a language; as it is where its catalogue does not have it."""
    known = look_up(text, language)
    if known is not None:
        return known
    parts = text.split("; ")
    said = [word(part, language) for part in parts] if len(parts) > 1 else parts
    return text if said == parts else templates(language)["between reasons"].join(said)


def look_up(text: str, language: str, words: str = "TABLE_WORDS") -> str | None:
    """What one of the catalogue's collections has for a text, by itself or by a pattern; None where it has nothing."""
    exact, patterns = _words(language, words)
    if text in exact:
        return exact[text]
    for pattern, other in patterns:
        if found := pattern.fullmatch(text):
            values = {name: look_up(value, language, words) for name, value in found.groupdict().items()}
            return other.format(**{name: values[name] or word(found[name], language) for name in values})
    return None


@cache
def _words(language: str, words: str) -> tuple[Mapping[str, str], Sequence[tuple[re.Pattern[str], str]]]:
    """What stands for itself, and what has any text where braces stand."""
    known: Mapping[str, str] = getattr(_module(language), words, {})
    exact = {name: other for name, other in known.items() if "{" not in name}
    longest = sorted((name for name in known if "{" in name), key=lambda name: len(_FIELD.sub("", name)), reverse=True)
    return exact, [(_pattern(name), known[name]) for name in longest]


def _pattern(name: str) -> re.Pattern[str]:
    """What stands in braces is a word or a number; only what is in `_LONG` may be several words."""
    parts = []
    for before, field, _, _ in Formatter().parse(name):
        some = ".+?" if field in _LONG else r"[\d.,:%−-]+" if field == "number" else r"\S+"
        parts.append(re.escape(before) + (f"(?P<{field}>{some})" if field else ""))
    return re.compile("".join(parts))


def translated(table: Table, language: str = DEFAULT) -> Table:
    """A table with headings, caption and words of its cells in a language."""
    if language == DEFAULT:
        return table
    columns = {column: word(column, language) for column in table.columns}
    rows = [[_cell(cell, language) for cell in row] for row in table.rows]
    formats = {columns[column]: form for column, form in table.formats.items()}
    return Table(
        tuple(columns.values()), tuple(map(tuple, rows)), table.caption and word(table.caption, language), formats
    )


def _cell(cell: Any, language: str) -> Any:
    if isinstance(cell, bool):
        return word("yes" if cell else "no", language)
    return word(cell, language) if isinstance(cell, str) else cell


def picture_sentences(language: str = DEFAULT) -> Mapping[str, str]:
    """Sentences on pictures, by the names of `osnet_lib.plots.descriptions`; none in the language of these."""
    return getattr(_module(language), "ALTERNATIVES", {})


def script_words(language: str = DEFAULT) -> Mapping[str, str]:
    """What the scripts of ``resources/`` say, by their own words; none in the language of these."""
    return getattr(_module(language), "SCRIPT_WORDS", {})


def search_words(language: str = DEFAULT) -> Mapping[str, Sequence[str]]:
    """By page, what readers of a language type into the search."""
    return getattr(_module(language), "SEARCH_WORDS", {})


def needed(template: str) -> frozenset[str]:
    """The names of the values that a template needs."""
    return frozenset(name.partition(".")[0].partition("[")[0] for _, name, _, _ in Formatter().parse(template) if name)


def fill(name: str, language: str = DEFAULT, /, **values: Any) -> str:
    """A template with its values; a value that is a sentence is filled in the same language."""
    given = {key: text(value, language) for key, value in values.items()}
    return templates(language)[name].format(**given)


def text(value: Any, language: str = DEFAULT) -> Any:
    """A sentence, or several, in a language; a word that its catalogue has; anything else as it is."""
    if isinstance(value, (Sentence, Said)):
        return value.text(language)
    return word(value, language) if isinstance(value, str) and language != DEFAULT else value


def _bundle(said: Sentence | Said) -> dict[str, Any]:
    """What a notebook shows: the text, and beside it what that was filled from."""
    words = plain(str(said))
    return {"text/plain": words, "text/markdown": words, MIME: said.as_dict()}


class Sentence(str):
    """A filled template: text in English, with the `name` and the `values` that it was filled from."""

    name: str
    values: dict[str, Any]

    def __new__(cls, name: str, /, **values: Any) -> Sentence:
        given = {key: value.item() if isinstance(value, np.generic) else value for key, value in values.items()}
        made = super().__new__(cls, fill(name, **given))
        made.name, made.values = name, given
        return made

    def text(self, language: str = DEFAULT) -> str:
        return fill(self.name, language, **self.values)

    def as_dict(self) -> dict[str, Any]:
        """Name and values, ready for JSON."""
        return {"name": self.name, "values": {key: _stored(value) for key, value in self.values.items()}}

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return _bundle(self)


class Said(tuple[Any, ...]):
    """Sentences one after the other; a notebook shows their text, and keeps what they were filled from.

    Attributes
    ----------
    between : str
        The template that stands between them.
    """

    between: str

    def __new__(cls, *sentences: Any, between: str = "between sentences") -> Said:
        made = super().__new__(cls, (sentence for sentence in sentences if sentence is not None))
        made.between = between
        return made

    def __str__(self) -> str:
        return self.text()

    __repr__ = __str__

    def text(self, language: str = DEFAULT) -> str:
        return templates(language)[self.between].join(text(sentence, language) for sentence in self)

    def as_dict(self) -> dict[str, Any]:
        """Names and values, ready for JSON."""
        return {"said": list(map(_stored, self)), "between": self.between}

    def _repr_mimebundle_(self, **_options: Any) -> dict[str, Any]:
        return _bundle(self)


def joined(parts: Iterable[Any]) -> Said:
    """A list in a sentence, of sentences or of plain words."""
    return Said(*parts, between="between items")


def _stored(value: Any) -> Any:
    return value.as_dict() if isinstance(value, (Sentence, Said)) else value


def said_again(stored: Any) -> Any:
    """What `Sentence.as_dict` and `Said.as_dict` stored; anything else as it is."""
    if isinstance(stored, Mapping) and stored.keys() == {"said", "between"}:
        return Said(*map(said_again, stored["said"]), between=stored["between"])
    if isinstance(stored, Mapping) and stored.keys() == {"name", "values"}:
        return Sentence(stored["name"], **{key: said_again(value) for key, value in stored["values"].items()})
    return stored


def named_facts(facts: Mapping[str, Any]) -> Table:
    """Facts as a table, under names for the eye in place of the keys of files."""
    known = templates()
    return Table.from_mapping({known.get(f"fact {key}", key.replace("_", " ")): value for key, value in facts.items()})


def plain(markdown: str) -> str:
    """Markdown as it reads where no book is built: the words of links, without citations but those that are words."""
    return _LINK.sub(r"\1", _CITATION.sub("", _CITED.sub(r"\1", markdown)))
