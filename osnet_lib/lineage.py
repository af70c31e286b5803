"""What a piece of code depends on, so that a result is redone when, and only when, its code changed.

A definition (function, class, constant or import at module level) depends on the names it mentions; those on the names
they mention; the closure is hashed without comments, docstrings and formatting. Package data counts when a definition
mentions its file name. Where a mention can mean several things all of them count; where it cannot be followed (a
module passed around, a star import, a name computed at run time, a global that functions change), all it can reach.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Iterable

from .errors import StudyError
from .files import fingerprint, sha256
from .syntax import DEFINITIONS, IMPORTS, LOOSE, Module, changed_objects, dotted, local_names

PACKAGE = Path(__file__).parent
Key = tuple[str, str]  # dotted module and name; ("data", file) for package data

_WHOLE = "*"  # every name of a module, and of the modules below it
_OWN_NAMES = {"eval", "exec", "globals", "locals", "vars"}  # reach any name of their own module
_ANY_NAME = {"__import__", "__package__", "__subclasses__", "__init_subclass__"}  # reach anything
_HERE = {"__file__", "__name__", "__spec__"}  # with the name of a data folder: the path of any file in it


@dataclass(frozen=True)
class Definition:
    """A hashed definition and the keys ``(module, name)`` it mentions."""

    digest: str
    mentions: frozenset[Key]


class _Package:
    """All modules and data files of a package, and what mentions of them stand for."""

    def __init__(self, root: Path):
        self.name = root.name
        self.modules: dict[str, Module] = {}
        self.data: dict[str, Path] = {}
        for path in sorted(p for p in root.rglob("*") if p.is_file() and not p.name.startswith(".")):
            parts = path.relative_to(root).with_suffix("").parts
            if path.suffix == ".py":
                name = ".".join((root.name, *(parts[:-1] if parts[-1] == "__init__" else parts)))
                self.modules[name] = Module(name, path)
            elif path.suffix != ".pyc":
                inside = root / "data" in path.parents
                self.data[path.relative_to(root / "data" if inside else root).as_posix()] = path
        self.bound: dict[str, dict[str, set[Key]]] = {}  # by module: what its imported names can be
        self.ran: dict[str, set[str]] = {}  # by module: the modules that importing it runs
        for name, module in self.modules.items():
            self.bound[name], self.ran[name] = self.imports(module.statements, module.home)
            self.ran[name] |= {name.rpartition(".")[0]} & self.modules.keys()

    def imports(self, nodes: Iterable[ast.AST], home: str = "") -> tuple[dict[str, set[Key]], set[str]]:
        """What the names that imports anywhere in `nodes` bind can be, and the modules that those imports run."""
        bound, ran = defaultdict(set), set()
        for node in (n for top in nodes for n in ast.walk(top)):
            if isinstance(node, ast.Import):
                for alias in (a for a in node.names if a.name.partition(".")[0] == self.name):
                    bound[alias.asname or self.name].add((alias.name if alias.asname else self.name, _WHOLE))
                    ran.add(alias.name)
            elif isinstance(node, ast.ImportFrom):
                around = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
                base = ".".join([*around, *filter(None, [node.module])])
                for alias in node.names:
                    inner, known = f"{base}.{alias.name}", base in self.modules
                    if inner in self.modules:
                        bound[alias.asname or alias.name].add((inner, _WHOLE))
                    if known and (inner not in self.modules or alias.name in self.modules[base].nodes):
                        bound[alias.asname or alias.name].add((base, alias.name))  # a star is _WHOLE
                    ran |= {base, inner}
        return bound, ran & self.modules.keys()

    def below(self, module: str, attributes: list[str]) -> set[Key]:
        """What ``module.a.b`` can be."""
        found = set()
        while attributes:
            inner = f"{module}.{attributes[0]}"
            if attributes[0] in self.modules[module].nodes or inner not in self.modules:
                found.add((module, attributes[0]))
            if inner not in self.modules:
                return found
            module, attributes = inner, attributes[1:]
        return found | {(module, _WHOLE)}

    def files(self, strings: set[str], here: bool) -> set[Key]:
        """Data files that `strings` name; ``x.json`` goes with ``x.npz``, a folder beside ``__file__`` is its files."""
        stems = {path.stem for path in self.data.values() if any(path.name in text for text in strings)}
        folders = strings if here and not stems else ()
        return {("data", key) for key, path in self.data.items() if path.stem in stems or path.parent.name in folders}


class _Reader(ast.NodeVisitor):
    """Collects what a statement mentions and which definitions it changes in place; without a module, for a script."""

    def __init__(self, package: _Package, node: ast.AST, module: Module | None = None):
        self.package, self.module = package, module
        self.bound, ran = package.imports([node], module.home if module else "")
        self.found: set[Key] = {(name, LOOSE) for name in ran} | self.bound.pop(_WHOLE, set())
        self._strings: set[str] = set()
        self._here = False
        if module:  # what a module or a class body imports can be reached as its attribute
            body = node.body if isinstance(node, ast.ClassDef) else []
            exposed = [s for s in body if isinstance(s, IMPORTS)] if isinstance(node, DEFINITIONS) else [node]
            self.found = self.found.union(*package.imports(exposed, module.home)[0].values())
            for name, keys in package.bound[module.name].items():
                self.bound[name] = self.bound[name] | keys
        self.visit(node)
        self.found |= package.files(self._strings, self._here)
        self.changed = self._changes(node)

    def _changes(self, node: ast.AST) -> set[Key]:
        """Definitions that `node` changes; not its module's own where it runs on import, for there it counts anyway."""
        local, changed = local_names(node), set()
        for names in (dotted(target, through_index=True) for target in changed_objects(node)):
            if names and names[0] not in local:
                changed |= self._meant(names)
        if self.module and node in self.module.nodes[LOOSE]:
            changed = {key for key in changed if key[0] != self.module.name}
        return changed

    def _defined(self, name: str) -> bool:
        """Whether the module binds the name other than by import."""
        return self.module is not None and any(not isinstance(n, IMPORTS) for n in self.module.nodes.get(name, ()))

    def _meant(self, names: list[str]) -> set[Key]:
        """The definitions that ``a.b.c`` can stand for; none for a name from another package."""
        found = {(self.module.name, names[0])} if self._defined(names[0]) else set()
        for module, name in self.bound.get(names[0], ()):
            found |= self.package.below(module, names[1:]) if name == _WHOLE else {(module, name)}
        return found

    def visit_Name(self, node: ast.Name) -> None:
        self.found |= self._meant([node.id])
        if self.module and node.id in self.module.nodes:  # also an import: from elsewhere, its statement is what counts
            self.found.add((self.module.name, node.id))
        if node.id in _OWN_NAMES:
            self.found = self.found.union(*self.bound.values(), [(self.module.name, _WHOLE)] if self.module else [])
        if node.id in _ANY_NAME:
            self.found.add((self.package.name, _WHOLE))
        self._here |= node.id in _HERE

    def visit_Attribute(self, node: ast.Attribute) -> None:
        names = dotted(node)
        if node.attr in _ANY_NAME or names[:2] == ["sys", "modules"]:
            self.found.add((self.package.name, _WHOLE))
        if names and names[0] in self.bound and not self._defined(names[0]):
            self.found |= self._meant(names)
        else:
            self.generic_visit(node)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        if node.name in _ANY_NAME:
            self.found.add((self.package.name, _WHOLE))
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, str):
            self._strings.add(node.value)
            if node.value.startswith(f"{self.package.name}."):  # for importlib, an entry point, a patch
                self.found |= self.package.below(self.package.name, list(filter(None, node.value.split(".")[1:])))
            if {"-m", self.package.name} <= self._strings:  # a command line
                self.found.add((self.package.name, _WHOLE))


class Definitions(dict[Key, Definition]):
    """Every definition of a package and every data file, by ``(module, name)``."""

    def __init__(self, root: Path):
        self.package = package = _Package(root)
        super().__init__({("data", key): Definition(sha256(path), frozenset()) for key, path in package.data.items()})
        changed: set[Key] = set()
        for module in package.modules.values():
            for name, nodes in module.nodes.items():
                readers = [_Reader(package, node, module) for node in nodes]
                changed = changed.union(*(reader.changed for reader in readers))
                ran = package.ran[module.name] if name == LOOSE else {module.name}
                mentions = {(other, LOOSE) for other in ran}.union(*(reader.found for reader in readers))
                digest = fingerprint([ast.dump(node) for node in nodes]) if nodes else ""
                self[module.name, name] = Definition(digest, frozenset(mentions))
            whole = {(module.name, name) for name in module.nodes}
            whole |= {(name, _WHOLE) for name in package.modules if name.rpartition(".")[0] == module.name}
            self[module.name, _WHOLE] = Definition("", frozenset(whole))
        for key in changed & self.keys():  # who changed it, and to what, is not written where it is defined
            self[key] = Definition(self[key].digest, self[key].mentions | {(package.name, _WHOLE)})


@lru_cache(maxsize=4)
def definitions(package: Path = PACKAGE) -> Definitions:
    """The definitions of a package; read once in a process, whose own code does not change either."""
    return Definitions(package)


def closure(roots: Iterable[Key], package: Path = PACKAGE) -> dict[str, str]:
    """Digests of everything `roots` depend on, themselves included, keyed ``"module.name"`` without the package."""
    table, seen, queue = definitions(package), set(), list(roots)
    while queue:
        key = queue.pop()
        key = key if key in table else (key[0], _WHOLE)  # an unknown name of a known module can be any of its names
        if key in table and key not in seen:
            seen.add(key)
            queue.extend(table[key].mentions)
    return {f"{module}.{name}".removeprefix(f"{package.name}."): table[module, name].digest
            for module, name in sorted(seen) if table[module, name].digest}


def code_digest(*functions, package: Path = PACKAGE) -> str:
    """Hex SHA-256 of the closure of functions or classes of this package.

    Raises
    ------
    StudyError
        Something that is not defined at the top of one of its modules, so that nothing is known about it.
    """
    roots = [(f.__module__, getattr(f, "__qualname__", repr(f)).partition(".")[0]) for f in functions]
    for root in (r for r in roots if r not in definitions(package)):
        raise StudyError(f"not a definition of {package.name}", where=".".join(root),
                         cure="Give functions and classes that are defined at the top of its modules.")
    return fingerprint(closure(roots, package))


def source_closure(source: str, package: Path = PACKAGE) -> dict[str, str]:
    """The closure of a script or notebook given as source code; the whole package where only IPython can parse it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return closure([(package.name, _WHOLE)], package)
    return closure(_Reader(definitions(package).package, tree).found, package)
