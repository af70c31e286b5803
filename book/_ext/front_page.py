"""The first page: five answers as tiles, and the way from checkpoint to score as a picture, from this run's files."""

from __future__ import annotations

from html import escape
from pathlib import Path

import pipeline
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from osnet_lib.core.disturbance import DISTURBED
from osnet_lib.core.results import read_results
from osnet_lib.report.front import Tile, tiles
from osnet_lib.report.performance import speeds_sentence, verdict_of
from osnet_lib.report.words import fill, plain
from osnet_lib.study.outcome import results_of_run
from osnet_lib.study.workspace import Workspace


class _OfRun(SphinxDirective):
    """A directive whose page is made anew when the run wrote other files."""

    def workspace(self) -> Workspace:
        found = Workspace(Path(self.env.srcdir))
        for path in (*found.results.glob("*.json"), *found.executed.glob("*.ipynb")):
            self.env.note_dependency(str(path))
        return found


class Answers(_OfRun):
    """A tile a question, and whether speeds were disturbed: above the tiles as a warning, below them as a note."""

    def run(self) -> list[nodes.Node]:
        if self.env.app.builder.name == "gettext":  # what a run wrote is no message
            return []
        workspace, language = self.workspace(), self.env.config.language
        grid = nodes.container(classes=["tiles"])
        grid += [self._tile(tile, language) for tile in tiles(results_of_run(workspace))]
        speeds = read_results(workspace.results, "performance")
        words = nodes.paragraph(text=speeds_sentence(speeds).text(language))
        if any(verdict_of(result) == DISTURBED for result in speeds):
            return [nodes.warning("", words), grid]
        return [grid, nodes.note("", words)]

    def _tile(self, tile: Tile, language: str) -> nodes.container:
        box = nodes.container(classes=["tile", *(["missing"] if tile.missing else [])])
        parts = {
            "question": f"[{tile.question.text(language)}](/executed/{tile.chapter}.ipynb)",
            "figure": tile.figure.text(language),
            "answer": plain(tile.answer.text(language)),
            "mark": tile.mark.text(language),
        }
        for name, words in parts.items():
            part = nodes.container(classes=[f"tile-{name}"])
            if words:
                self.state.nested_parse(StringList([words], self.get_source_info()[0]), self.content_offset, part)
                box += part
        return box


class Pipeline(_OfRun):
    """The steps with the files that pass between them; a step leads to its chapter."""

    def run(self) -> list[nodes.Node]:
        builder, language = self.env.app.builder, self.env.config.language

        def address(chapter: str) -> str:
            return builder.get_relative_uri(self.env.docname, f"executed/{chapter}")

        svg = pipeline.draw(pipeline.levels(self.workspace()), address, language)
        caption = f"<figcaption>{escape(fill('pipeline', language))}</figcaption>"
        return [nodes.raw("", f'<figure class="pipeline">\n{svg}\n{caption}\n</figure>', format="html")]


def setup(app: Sphinx) -> dict:
    app.add_directive("answers", Answers)
    app.add_directive("pipeline", Pipeline)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
