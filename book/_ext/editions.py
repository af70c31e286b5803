"""The book in several languages: each page leads to itself in the other ones, and titles of parts are translated.

``editions`` in the configuration names the languages that are built beside each other (`osnet_lib.study.book`), the
first into the folder itself, each other into one of its own below it. Without it there is one language and no switch.
"""

from __future__ import annotations

import importlib.util
import re

from docutils import nodes
from result_first import message
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.search.zh import SearchChinese
from sphinx.transforms import SphinxTransform

from osnet_lib.report.words import fill

NAMES = {"en": "English", "zh_CN": "中文"}  # each in its own language
_HAN = re.compile(r"[\u3400-\u9fff]+")
TAGS = {"en": "en", "zh_CN": "zh-CN"}  # as HTML names them


def folder(language: str, languages: list[str]) -> str:
    """Where an edition lies below the book, with ``/`` at its end; empty for the first."""
    return "" if language == languages[0] else f"{language.partition('_')[0]}/"


def other_editions(page: str, language: str, languages: list[str]) -> list[dict[str, str]]:
    """Name, tag and relative address of a page in each other language; works from the disk too."""
    here = f"{folder(language, languages)}{page}"
    return [
        {
            "name": NAMES[other],
            "tag": TAGS[other],
            "address": f"{'../' * here.count('/')}{folder(other, languages)}{page}.html",
        }
        for other in languages
        if other != language
    ]


class PartTitles(SphinxTransform):
    """Translate the titles of the parts, which stand in ``_toc.yml`` and come into a page after its translation."""

    default_priority = 101  # after sphinx-external-toc

    def apply(self, **_options: object) -> None:
        for toctree in self.document.findall(addnodes.toctree):
            if title := toctree.get("caption"):
                toctree["caption"] = message(self.app, self.env.docname, title)


def offer_editions(app: Sphinx, page: str, _template: str, context: dict, _doctree: nodes.document | None) -> None:
    """Give the template the other editions, and the search page what it cannot find."""
    languages, language = app.config.editions, app.config.language
    context["other_editions"] = other_editions(page, language, languages) if language in languages else []
    if page == "search" and language.startswith("zh") and importlib.util.find_spec("jieba") is None:
        context["search_limits"] = fill("search by titles", language)


class _Words(set):
    """Words that are looked up often; Sphinx keeps a list of them, in which that takes long."""

    extend = set.update


class HanWords(SearchChinese):
    """The index of a Chinese edition: jieba divides what is Chinese alone, for most of a page of code is not."""

    def init(self, options: dict) -> None:
        super().init(options)
        self.latin_terms = _Words()

    def split(self, text: str) -> list[str]:
        latin = self.latin1_letters.findall(text)
        self.latin_terms.extend(latin)
        return [*super().split(" ".join(_HAN.findall(text))), *latin]


def setup(app: Sphinx) -> dict:
    app.add_search_language(HanWords)
    app.add_config_value("editions", [], "html")
    app.add_transform(PartTitles)
    app.connect("html-page-context", offer_editions)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
