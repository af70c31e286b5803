"""Whether the speeds of this edition were disturbed, said on its first page: computed from the result files."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from osnet_lib.core.disturbance import DISTURBED
from osnet_lib.core.results import read_results
from osnet_lib.report.performance import speeds_sentence, verdict_of


class Speeds(SphinxDirective):
    """One sentence; a warning where a speed was disturbed."""

    def run(self) -> list[nodes.Node]:
        folder = Path(self.env.srcdir) / "results"
        for path in sorted(folder.glob("performance-*.json")):
            self.env.note_dependency(str(path))
        results = read_results(folder, "performance")
        box = nodes.warning if any(verdict_of(result) == DISTURBED for result in results) else nodes.note
        return [box("", nodes.paragraph(text=speeds_sentence(results)))]


def setup(app: Sphinx) -> dict:
    app.add_directive("speeds", Speeds)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
