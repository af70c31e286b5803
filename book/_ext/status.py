"""The status page: run times, versions, machine, what was disturbed, and what changed since the last run."""

from __future__ import annotations

from pathlib import Path

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from osnet_lib.core.host import environment
from osnet_lib.core.machine import describe_machine
from osnet_lib.core.results import results_by_kind
from osnet_lib.report.performance import speeds_sentence
from osnet_lib.report.status import (
    changes_sentence,
    changes_table,
    disturbed_table,
    machine_table,
    run_times_table,
)
from osnet_lib.report.summary import all_results
from osnet_lib.report.words import translated
from osnet_lib.study.outcome import headlines_path, read_headlines, read_stamps
from osnet_lib.study.workspace import Workspace


class Status(SphinxDirective):
    """One part of the page: ``runs``, ``machine``, ``disturbed`` or ``changes``."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        if self.env.app.builder.name == "gettext":  # what a run wrote is no message
            return []
        workspace, language = Workspace(Path(self.env.srcdir)), self.env.config.language
        for path in (*workspace.results.glob("*.json"), *workspace.executed.glob("*.ipynb"), headlines_path(workspace)):
            self.env.note_dependency(str(path))
        parts = {
            "runs": self._runs,
            "machine": self._machine,
            "disturbed": self._disturbed,
            "changes": self._changes,
        }
        box = nodes.container(classes=["status"])
        lines = "\n\n".join(parts[self.arguments[0]](workspace, language)).splitlines()
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return [box]

    def _runs(self, workspace: Workspace, language: str) -> list[str]:
        stamps = read_stamps(workspace)
        runs = [(stamp.chapter, stamp.seconds, stamp.date, len(stamp.results)) for stamp in stamps]
        return [translated(run_times_table(runs), language).to_markdown()]

    def _machine(self, _workspace: Workspace, language: str) -> list[str]:
        return [translated(machine_table(describe_machine(), environment()), language).to_markdown()]

    def _disturbed(self, workspace: Workspace, language: str) -> list[str]:
        results = results_by_kind(workspace.results)
        said, table = speeds_sentence(results["performance"]).text(language), disturbed_table(all_results(results))
        return [said, translated(table, language).to_markdown()] if table.rows else [said]

    def _changes(self, workspace: Workspace, language: str) -> list[str]:
        held = read_headlines(workspace)
        return [
            changes_sentence(held).text(language),
            translated(changes_table(held, language), language).to_markdown(),
        ]


def setup(app: Sphinx) -> dict:
    app.add_directive("status", Status)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
