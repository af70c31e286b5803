"""The architecture page: its picture and table, from the contract in ``pyproject.toml`` and the imports in the code.

Nothing here is typed twice: rows are the contract's, arrows and numbers of modules come from the syntax trees of the
package, and what a package is for is the first paragraph of its docstring. Imports for type checking alone do not run
and are not drawn. An import that the contract forbids is a warning, so the strict build fails as ``make check`` does.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import layered
from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

from osnet_lib.core.code_digest import PACKAGE, read_package
from osnet_lib.report.words import Sentence, fill, word

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # Sphinx itself needs it there

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Architecture:
    """Packages in the rows of the contract, and what they import.

    Attributes
    ----------
    rows : lists of str
        The packages that exist, the top row first; a module beside them, such as `errors`, counts as one.
    modules : dict
        How many modules a package holds.
    imports : dict
        The packages that a package imports, by name.
    purposes : dict
        The first paragraph of a package's docstring.
    """

    rows: tuple[tuple[str, ...], ...]
    modules: Mapping[str, int]
    imports: Mapping[str, frozenset[str]]
    purposes: Mapping[str, str]

    @property
    def row(self) -> dict[str, int]:
        """The row of a package, from 1."""
        return {name: number for number, names in enumerate(self.rows, 1) for name in names}

    @property
    def forbidden(self) -> list[tuple[str, str]]:
        """Imports that do not point downwards."""
        return [
            (source, target)
            for source in self.row
            for target in sorted(self.imports[source])
            if self.row[target] <= self.row[source]
        ]

    @property
    def arrows(self) -> list[tuple[str, str]]:
        """The imports that do not follow from others, those that are forbidden left out."""
        below = {
            source: {target for target in self.imports[source] if self.row[target] > self.row[source]}
            for source in self.row
        }

        def reached(name: str) -> set[str]:
            return below[name].union(*map(reached, below[name]))

        return [
            (source, target)
            for source in self.row
            for target in sorted(below[source], key=lambda name: (self.row[name], name))
            if not any(target in reached(other) for other in below[source])
        ]

    @property
    def summary(self) -> Sentence:
        """The picture in words, for those who do not see it."""
        upwards = len(self.forbidden)
        direction = Sentence("imports upwards", count=upwards) if upwards else Sentence("imports downwards")
        count = sum(map(len, self.imports.values()))
        counted = {"packages": len(self.row), "rows": len(self.rows), "imports": count}
        return Sentence("architecture", **counted, direction=direction)


def read_architecture(project: Path, package: Path = PACKAGE) -> Architecture:
    """The architecture of a package under the layers contract of a ``pyproject.toml``.

    Raises
    ------
    ValueError
        No such contract, or a package that has no row in it.
    """
    contracts = tomllib.loads(project.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next((contract for contract in contracts if contract["type"] == "layers"), None)
    if layers is None:
        raise ValueError(f"{project.name} has no contract of type layers")
    counts: dict[str, int] = {}
    imports: dict[str, set[str]] = {}
    for name, module in read_package(package).items():
        home = _home(name)
        if home and home not in layers.get("exhaustive_ignores", []):
            counts[home] = counts.get(home, 0) + 1
            imports.setdefault(home, set()).update(filter(None, map(_home, module.imports)))
    rows = [tuple(name for name in re.split(r"[\s|:()]+", layer) if name in counts) for layer in layers["layers"]]
    for name in sorted(counts.keys() - {name for names in rows for name in names}):
        raise ValueError(f"{name} has no row in the contract of {project.name}")
    return Architecture(
        tuple(filter(None, rows)),
        counts,
        {name: frozenset(found - {name}) for name, found in imports.items()},
        {name: _purpose(package, name) for name in counts},
    )


def _home(module: str) -> str:
    """The package of a module, or its own name where it stands beside the packages; empty for the root."""
    return module.split(".")[1] if "." in module else ""


def _purpose(package: Path, name: str) -> str:
    path = package / name / "__init__.py"
    source = (path if path.is_file() else package / f"{name}.py").read_text(encoding="utf-8")
    return " ".join((ast.get_docstring(ast.parse(source)) or "").partition("\n\n")[0].split())


class _FromCode(SphinxDirective):
    """A directive whose page is made anew when the contract or the code changes."""

    def read(self) -> Architecture:
        project = Path(self.env.srcdir) / "pyproject.toml"
        for path in (project, *PACKAGE.rglob("*.py")):
            self.env.note_dependency(str(path))
        return read_architecture(project)


class Picture(_FromCode):
    """The packages in their rows, with an arrow for each import that does not follow from others."""

    def run(self) -> list[nodes.Node]:
        found = self.read()
        for source, target in found.forbidden:
            logger.warning(
                "%s imports %s, which does not stand in a lower row of the contract",
                source,
                target,
                location=self.get_location(),
                type="architecture",
            )
        names, language = list(found.row), self.env.config.language
        summary = found.summary.text(language)
        nothing = fill("no package", language)
        svg = layered.draw(
            found.rows,
            found.arrows,
            summary,
            notes={name: _modules(found.modules[name]).text(language) for name in names},
            hints={
                name: fill("imports", language, name=name, others=_listed(found, name) or nothing) for name in names
            },
            links={name: self._page(name) for name in names},
        )
        caption = fill("architecture drawn", language, summary=summary, arrows=len(found.arrows))
        return [
            nodes.raw(
                "",
                f'<figure class="architecture">\n<div>{svg}</div>\n<figcaption>{escape(caption)}</figcaption>'
                "\n</figure>",
                format="html",
            )
        ]

    def _page(self, name: str) -> str:
        page = f"book/api/{name if (PACKAGE / name).is_dir() else PACKAGE.name}"
        anchor = f"module-{PACKAGE.name}.{name}"
        return f"{self.env.app.builder.get_relative_uri(self.env.docname, page)}#{anchor}"


def _modules(count: int) -> Sentence:
    return Sentence("one module") if count == 1 else Sentence("modules", count=count)


def _listed(found: Architecture, name: str) -> str:
    return ", ".join(sorted(found.imports[name], key=lambda other: (found.row[other], other)))


class Table(_FromCode):
    """A row for each package: where it stands, what it is for and all that it imports."""

    def run(self) -> list[nodes.Node]:
        if self.env.app.builder.name == "gettext":  # what the code says is no message
            return []
        found = self.read()
        language = self.env.config.language
        headings = (word(name, language) for name in ("row", "package", "what it is for", "imports"))
        lines = [f"| {' | '.join(headings)} |", "| --: | --- | --- | --- |"]
        for name, row in found.row.items():
            others = _listed(found, name)
            purpose = word(found.purposes[name], language).replace("|", r"\|")
            lines.append(f"| {row} | {{py:mod}}`{name} <{PACKAGE.name}.{name}>` | {purpose} | {others} |")
        box = nodes.container(classes=["architecture"])
        self.state.nested_parse(StringList(lines, self.get_source_info()[0]), self.content_offset, box)
        return [box]


def setup(app: Sphinx) -> dict:
    app.add_directive("architecture-picture", Picture)
    app.add_directive("architecture-table", Table)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
