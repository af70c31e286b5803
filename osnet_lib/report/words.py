"""Sentences with this run's numbers: templates with named values, filled from the catalogue of a language.

A sentence is the text in English, and remembers the name of its template and its values; so the book writes it again in
its own language, without computing anything anew.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable, Mapping
from importlib import import_module
from string import Formatter
from typing import Any

import numpy as np

from ..core.table import Table
from ..errors import StudyError
from . import catalogue

DEFAULT = "en"
MIME = "application/vnd.osnet.sentences+json"  # beside the text in a notebook: names and values, for another language
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
    return import_module(f"{catalogue.__name__}.{language}").TEMPLATES


def needed(template: str) -> frozenset[str]:
    """The names of the values that a template needs."""
    return frozenset(name.partition(".")[0].partition("[")[0] for _, name, _, _ in Formatter().parse(template) if name)


def fill(name: str, language: str = DEFAULT, /, **values: Any) -> str:
    """A template with its values; a value that is a sentence is filled in the same language."""
    given = {key: text(value, language) for key, value in values.items()}
    return templates(language)[name].format(**given)


def text(value: Any, language: str = DEFAULT) -> Any:
    """A sentence, or several, in a language; anything else as it is."""
    return value.text(language) if isinstance(value, (Sentence, Said)) else value


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
        words = plain(str(self))
        return {"text/plain": words, "text/markdown": words, MIME: self.as_dict()}


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
