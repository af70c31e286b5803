"""Words inside charts, in the drawings and in what answers to the pointer, in another language than their notebook's.

A drawing keeps its words as text: they are looked up in the ``CHART_WORDS`` of a language's catalogue, then among its
words of tables. A script says its own by ``say("identity {pid}", …)``: their counterparts, in ``SCRIPT_WORDS``, are
put before it. Nothing is drawn or computed anew.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import partial
from html import escape, unescape
from typing import Any
from unicodedata import east_asian_width

from ..plots.widget import as_script
from .words import DEFAULT, look_up, script_words

Change = Callable[[str], str]
_KEPT = re.compile(r"(<style\b.*?</style>|<table\b.*?</table>)", re.DOTALL)  # tables have words of their own
_DATA = re.compile(r'(<script type="application/json">)(.*?)(?=</script>)', re.DOTALL)
_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_SAID = re.compile(r'\bsay\(\s*"([^"]+)"')
_LINE = re.compile(r"(?<=>)[^<>]*(?=</text>)")
_LABEL = re.compile(
    r"(?<=<g>)(?P<lines>\s*(?:<text\b[^>]*>[^<]*</text>\s*){2,})(?=</g>)"  # one label on several lines
    r'|(?<=>)[^<>]+(?=<)|(?<=aria-label=")[^"]+'
)
_WORD = re.compile(r"[A-Za-z]{2}")


def label(text: str, language: str) -> str | None:
    """A label in a language; None where its catalogue has nothing for it."""
    known = look_up(text, language, "CHART_WORDS")
    return look_up(text, language) if known is None else known


def relabelled(markup: str, language: str = DEFAULT) -> str:
    """SVG, or a widget of `osnet_lib.plots.widget`, with its labels in a language; what has no counterpart stays."""
    if language == DEFAULT:
        return markup
    said = script_words(language)
    return _changed(markup, lambda text: label(text, language) or text, lambda text: said.get(text, text))


def unsaid(markup: str, language: str) -> list[str]:
    """Labels of a drawing or widget that have words but no counterpart in a language."""
    found: list[str] = []

    def note(text: str) -> str:
        found.extend([text] * bool(_WORD.search(text) and label(text, language) is None))
        return text

    def note_said(text: str) -> str:
        found.extend([text] * (text not in script_words(language)))
        return text

    _changed(markup, note, note_said)
    return list(dict.fromkeys(found))


def said_by(script: str) -> list[str]:
    """What a script of ``resources/`` may say, as it stands there."""
    return list(dict.fromkeys(_SAID.findall(script)))


def _changed(markup: str, change: Change, say: Change) -> str:
    """Markup with its labels changed, those of drawings in a script's data too, and another's words before a script."""
    parts = _KEPT.split(markup)
    for place in range(0, len(parts), 2):
        drawn, start, scripts = parts[place].partition("<script")
        drawn = _LABEL.sub(partial(_label, change), drawn)
        scripts = _DATA.sub(lambda found: found[1] + as_script(_data(json.loads(found[2]), change)), start + scripts)
        parts[place] = drawn + _SCRIPT.sub(partial(_script, say), scripts)
    return "".join(parts)


def _label(change: Change, found: re.Match[str]) -> str:
    if found["lines"]:
        return _lines(found[0], change)
    text = unescape(found[0])
    words = text.strip()
    return escape(text.replace(words, change(words))) if words else found[0]


def _lines(markup: str, change: Change) -> str:
    """A label of which each line is a text of its own: its counterpart fills as many lines as it needs."""
    lines = [unescape(line) for line in _LINE.findall(markup)]
    text = " ".join(lines)
    changed = change(text)
    if changed == text:
        return markup
    filled = iter(_broken(changed, max(map(_width, lines)), len(lines)))
    return _LINE.sub(lambda _: escape(next(filled)), markup)


def _broken(text: str, width: int, count: int) -> list[str]:
    """Text on `count` lines of about `width`, the last ones empty where it is short; Latin words stay whole."""
    parts = re.findall(
        r"[\x21-\x7e±·×]+ ?|.[\u3001\u3002\uff09\uff0c\uff1a\uff1b]*", text
    )  # no line begins with a comma
    lines = [""]
    for part in parts:
        if lines[-1] and len(lines) < count and _width(lines[-1] + part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    return [line.strip() for line in lines] + [""] * (count - len(lines))


def _width(text: str) -> int:
    """How wide a text is about, in Latin letters."""
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _data(value: Any, change: Change) -> Any:
    """Plain JSON with the drawings in it changed."""
    if isinstance(value, dict):
        return {name: _data(held, change) for name, held in value.items()}
    if isinstance(value, list):
        return [_data(held, change) for held in value]
    drawn = isinstance(value, str) and value.startswith("<svg")
    return _LABEL.sub(partial(_label, change), value) if drawn else value


def _script(say: Change, found: re.Match[str]) -> str:
    """A script behind what it says, where that is other than its own words."""
    words = {text: say(text) for text in said_by(found[1])}
    if all(text == other for text, other in words.items()):
        return found[0]
    return f'<script type="application/json" class="words">{as_script(words)}</script>\n{found[0]}'
