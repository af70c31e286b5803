"""The API reference: a page a package, a section a module, from the docstrings by Sphinx's autodoc.

The pages name a package only; its modules are found, so a new one appears by itself. A name has its entry where it is
defined: what an ``__init__`` passes on is not listed again.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, NumpyDocstring
from sphinx.util.docutils import SphinxDirective
from sphinx.util.nodes import nested_parse_with_titles

from osnet_lib.core.code_digest import PACKAGE, read_package

# Types are words ("float64 array (n, 512)"): they are printed and not looked up.
_SECTIONS = Config(
    napoleon_custom_sections=[("Parameters", "params_style"), ("Attributes", "params_style")], napoleon_use_rtype=False
)


def public_modules(names: Iterable[str]) -> list[str]:
    """The modules without an underscore at the front of any part."""
    return sorted(name for name in names if not any(part.startswith("_") for part in name.split(".")))


def modules_of(package: str, source: Path = PACKAGE) -> list[str]:
    """A package, then the public modules that lie in it itself, not in packages below it."""
    names = public_modules(read_package(source))
    return [
        package,
        *(
            name
            for name in names
            if name.rpartition(".")[0] == package
            and not source.parent.joinpath(*name.split("."), "__init__.py").is_file()
        ),
    ]


def page(modules: Iterable[str]) -> list[str]:
    """The lines of a page in reStructuredText; the first module goes under the title that the page has."""
    lines: list[str] = []
    for name in modules:
        title = name.rpartition(".")[2]
        if lines:
            lines += [title, "-" * len(title), ""]
        lines += [f".. automodule:: {name}", "   :members:", "   :ignore-module-all:", ""]
    return lines


class PackageReference(SphinxDirective):
    """All public modules of one package."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        for path in PACKAGE.rglob("*.py"):
            self.env.note_dependency(str(path))
        section = nodes.section()
        section.document = self.state.document
        lines = StringList(page(modules_of(self.arguments[0])), self.get_source_info()[0])
        nested_parse_with_titles(self.state, lines, section, self.content_offset)
        return section.children


def read_sections(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Sections of numpy's style as fields; a property has none, and a colon in its first line is only a colon."""
    if what not in ("property", "attribute", "data"):
        lines[:] = NumpyDocstring(lines, _SECTIONS, app, what, name, thing, options).lines()  # type: ignore[arg-type]


def skip_foreign(app: Sphinx, what: str, name: str, thing: object, skip: bool, options: object) -> bool | None:
    """Leave out what another project put into a class, such as the methods that matplotlib adds."""
    home = getattr(thing, "__module__", None)
    return True if what == "class" and isinstance(home, str) and home.split(".")[0] != PACKAGE.name else None


def find_definition(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, contnode: nodes.Element
) -> nodes.Node | None:
    """A name of this package without an entry: a link to where it is defined, or code; None if it does not exist."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith(f"{PACKAGE.name}."):
        return None
    try:
        thing = pkgutil.resolve_name(target)
    except (ImportError, AttributeError, ValueError):
        return None
    if isinstance(thing, ModuleType):  # every module has its entry
        return None
    defined = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
    domain = env.get_domain("py")
    return domain.resolve_xref(env, node["refdoc"], app.builder, "obj", defined, node, contnode) or contnode


def setup(app: Sphinx) -> dict:
    app.setup_extension("sphinx.ext.autodoc")
    app.add_directive("package-reference", PackageReference)
    app.connect("autodoc-process-docstring", read_sections)
    app.connect("autodoc-skip-member", skip_foreign)
    app.connect("missing-reference", find_definition)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
