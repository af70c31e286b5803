"""The alternative text of a picture in another language than that in which its notebook ran."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from string import Formatter

from ..plots.descriptions import SENTENCES
from .words import DEFAULT, picture_sentences, word


def retold(text: str, language: str = DEFAULT) -> str:
    """The sentences of `osnet_lib.plots.descriptions` that a text is made of, in a language.

    A picture keeps its text in English alone; its values are read out of it again. A text that is made of other
    sentences is returned as it is.
    """
    known = picture_sentences(language)
    found = _parts(text) if known else None
    if found is None:
        return text
    return "".join(
        known[name].format(**{field: word(value, language) for field, value in values.items()})
        for name, values in found
    )


def _parts(text: str) -> list[tuple[str, Mapping[str, str]]] | None:
    """Names of sentences with their values; None where the text is not made of them."""
    if not text:
        return []
    for name, pattern in _patterns():
        for end in (match.end() for match in re.finditer(r"\.(?: |$)", text)):
            if found := pattern.fullmatch(text[:end].rstrip()):
                rest = _parts(text[end:])
                if rest is not None:
                    return [(name, found.groupdict()), *rest]
    return None


@cache
def _patterns() -> list[tuple[str, re.Pattern[str]]]:
    """The longest first: where two fit, the one that says more."""
    names = sorted(SENTENCES, key=lambda name: len(SENTENCES[name]), reverse=True)
    return [(name, re.compile(_pattern(SENTENCES[name]))) for name in names]


def _pattern(sentence: str) -> str:
    return "".join(
        re.escape(before) + (f"(?P<{field}>.+?)" if field else "")
        for before, field, _, _ in Formatter().parse(sentence)
    )
