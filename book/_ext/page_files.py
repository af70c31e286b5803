"""At the end of each executed notebook: itself and the result files that it wrote or shows, each with its origin."""

from __future__ import annotations

import json
from pathlib import Path

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_result
from osnet_lib.report.provenance import file_origin
from osnet_lib.report.words import fill


class PageFiles(SphinxTransform):
    """Append the links; the names come from the stamp that the study leaves in the notebook."""

    default_priority = 500  # before Sphinx collects what is to be downloaded

    def apply(self, **_options: object) -> None:
        path = Path(self.env.doc2path(self.env.docname))
        sections = list(self.document.findall(nodes.section))
        if path.suffix != ".ipynb" or not sections:
            return
        stamp = json.loads(path.read_text("utf-8"))["metadata"].get("study", {})
        names = sorted({*stamp.get("results", ()), *stamp.get("shown", ())})
        there = [name for name in names if (Path(self.env.srcdir) / "results" / name).is_file()]
        # Sphinx lays a copy of each source beside the pages; a second one would double the size of the book.
        depth = self.env.docname.count("/")
        source = f"{'../' * depth}_sources/{self.env.docname}.ipynb"
        notebook = nodes.reference("", path.name, refuri=source, classes=["download"])
        language = self.env.config.language
        ran, files = (fill(name, language) for name in ("notebook as it ran", "files of page"))
        links = [nodes.inline("", ran), notebook]
        items = [nodes.list_item("", nodes.paragraph("", "", *links))]
        for name in there:
            self.env.note_dependency(f"results/{name}")
            target = addnodes.download_reference("", "", nodes.literal("", name), reftarget=f"/results/{name}")
            origin = nodes.inline("", f" {self._origin(name)}", classes=["provenance"])
            items.append(nodes.list_item("", nodes.paragraph("", "", target, origin)))
        title = nodes.rubric("", files)
        sections[0] += nodes.container("", title, nodes.bullet_list("", *items), classes=["page-files"])

    def _origin(self, name: str) -> str:
        path = Path(self.env.srcdir) / "results" / name
        return file_origin(read_result(path), sha256(path)).text(self.env.config.language)


def setup(app: Sphinx) -> dict:
    app.add_transform(PageFiles)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
