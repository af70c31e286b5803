"""The page on the guide: for each of its sections the command, the chapter, what this run found, and what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from result_first import opening
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from osnet_lib.core.files import read_json
from osnet_lib.report.guide_steps import GUIDE_STEPS
from osnet_lib.report.words import plain, word

HEADINGS = ("section of the guide", "command", "chapter", "result of this run", "what differs")


class GuideTable(SphinxDirective):
    """A row for each section."""

    def run(self) -> list[nodes.Node]:
        if self.env.app.builder.name == "gettext":  # what a run wrote is no message
            return []
        box = nodes.container(classes=["guide-steps"])
        self.state.nested_parse(StringList(list(self._lines()), self.get_source_info()[0]), self.content_offset, box)
        return [box]

    def _lines(self) -> Iterator[str]:
        language, executed = self.env.config.language, Path(self.env.srcdir) / "executed"
        yield f"| {' | '.join(word(heading, language) for heading in HEADINGS)} |"
        yield "| --- " * len(HEADINGS) + "|"
        for step in GUIDE_STEPS:
            path = executed / f"{step.chapter}.ipynb"
            self.env.note_dependency(str(path))
            said = step.result(opening(read_json(path))).text(language)
            commands = "<br>".join(f"`{command}`" for command in step.command.split("; "))
            link = f"{{doc}}`/executed/{step.chapter}`"
            cells = (step.title.text(language), commands, link, plain(said), step.differs.text(language))
            yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def setup(app: Sphinx) -> dict:
    app.add_directive("guide-steps", GuideTable)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
