"""Words that readers type into the search, and the page that answers: entries of the index, which come first.

``search_words`` in the configuration holds them, for each page a list, and the catalogue of another language its own.
A notebook stays free of directives that way, and reads well in Jupyter.
"""

from __future__ import annotations

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from osnet_lib.report.words import search_words


class SearchWords(SphinxTransform):
    """Put the words of a page into the index."""

    default_priority = 500  # before the domains of Sphinx look for entries

    def apply(self, **_options: object) -> None:
        page = self.env.docname
        words = [*self.config.search_words.get(page, ()), *search_words(self.config.language).get(page, ())]
        section = next(self.document.findall(nodes.section), None)
        if words and section is not None:
            section += addnodes.index(entries=[("single", word, "", "main", None) for word in dict.fromkeys(words)])


def setup(app: Sphinx) -> dict:
    app.add_config_value("search_words", {}, "env")
    app.add_transform(SearchWords)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
