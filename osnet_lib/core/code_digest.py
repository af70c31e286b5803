"""What code a result depends on, so that it is redone when, and only when, that code changed.

A module depends on the modules that it imports, wherever in it the import stands, and those on theirs. The closure is
hashed without comments, docstrings and formatting; a file of ``resources/`` counts with the modules that name it.
Imports for type checking alone do not count. The root of the package offers names of its modules, in a table `FACE`:
who imports the root reaches the modules of the names that are used, and only who hands the root on reaches all of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping, Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ..errors import StudyError
from .files import fingerprint, sha256

PACKAGE = Path(__file__).parents[1]


@dataclass(frozen=True)
class _Module:
    """A parsed file: its code as a digest, the modules it imports and the strings in it."""

    digest: str
    imports: frozenset[str]
    strings: frozenset[str]


class _Package(Mapping[str, _Module]):
    """The modules of a package by dotted name; each is parsed when it is asked for, and once."""

    def __init__(self, package: Path):
        self._paths = {
            ".".join((package.name, *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__"): path
            for path in sorted(package.rglob("*.py"))
        }
        self._parsed: dict[str, _Module] = {}

    def __getitem__(self, name: str) -> _Module:
        if name not in self._parsed:
            self._parsed[name] = self._parse(name, self._paths[name])
        return self._parsed[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)

    def _parse(self, name: str, path: Path) -> _Module:
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise StudyError(
                f"is no Python source ({error})", where=path, cure="Correct it; the library cannot be imported."
            ) from error
        home = name if path.stem == "__init__" else name.rpartition(".")[0]
        return _Module(fingerprint(_code(tree)), frozenset(_imports(tree, home, self._paths.keys())), _strings(tree))


@lru_cache(maxsize=4)
def read_package(package: Path = PACKAGE) -> Mapping[str, _Module]:
    """Every module of a package by dotted name; read once in a process, whose own code does not change either.

    A module that Python cannot parse raises StudyError when it is looked up.
    """
    return _Package(package)


_BLOCKS = "body", "orelse", "finalbody", "handlers", "cases"  # where a node holds statements, which are no expressions


def _code(tree: ast.Module) -> str:
    """The syntax tree without positions and, unless the module reads them, without docstrings and bare strings."""
    nodes = list(ast.walk(tree))
    if not any(getattr(node, "id", getattr(node, "attr", None)) == "__doc__" for node in nodes):
        for node in nodes:
            for block in _BLOCKS:
                if isinstance(held := getattr(node, block, None), list):
                    setattr(node, block, [item for item in held if not _is_text(item)])
    return ast.dump(tree)


def _is_text(node: object) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _running(tree: ast.Module) -> Iterator[ast.AST]:
    """Every statement but those that only a type checker sees."""
    queue: list[ast.AST] = [tree]
    while queue:
        node = queue.pop()
        yield node
        typing = isinstance(node, ast.If) and ast.unparse(node.test).removeprefix("typing.") == "TYPE_CHECKING"
        for block in ("orelse",) if typing else _BLOCKS:
            held = getattr(node, block, None)
            queue += held if isinstance(held, list) else []


def _imports(tree: ast.Module, home: str, known: AbstractSet[str]) -> Iterator[str]:
    """The modules that code imports, each with the packages around it, which run first; the root where it is all."""
    root = min(known, key=len)
    for node in _running(tree):
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            around = home.split(".")[: len(home.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*around, *filter(None, [node.module])])
            named = [f"{base}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in named:
            parts = name.split(".")
            found = known & {".".join(parts[:length]) for length in range(1, len(parts) + 1)}
            yield from found - {root} or found


def _strings(tree: ast.Module) -> frozenset[str]:
    return frozenset(
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def closure(modules: Iterable[str], package: Path = PACKAGE) -> dict[str, str]:
    """Digests of modules, of all that they import and of the resources they name, by dotted name or file name.

    The root of the package stands for all of it.
    """
    known, seen, queue = read_package(package), set[str](), list(modules)
    while queue:
        name = queue.pop()
        if name == package.name:
            queue.extend(known.keys() - seen - {name})
        elif name not in seen:
            seen.add(name)
            queue.extend(known[name].imports)
    strings = {text for name in seen for text in known[name].strings}
    # Beside weights x.safetensors their card x.json is read, which code names by its suffix only.
    stems = {path.stem for path in _resources(package) if any(path.name in text for text in strings)}
    digests = {name.removeprefix(f"{package.name}."): known[name].digest for name in sorted(seen)}
    return digests | {path.name: sha256(path) for path in _resources(package) if path.stem in stems}


def _resources(package: Path) -> list[Path]:
    return sorted(
        path for path in (package / "resources").rglob("*") if path.is_file() and not path.name.startswith(".")
    )


def code_digest(*objects: object, package: Path = PACKAGE) -> str:
    """Hex SHA-256 of the closure of the modules in which functions or classes of the package are defined.

    Raises
    ------
    StudyError
        Something that is not defined in one of its modules, so that nothing is known about it.
    """
    modules = {getattr(thing, "__module__", "") for thing in objects}
    for name in sorted(modules - read_package(package).keys()):
        raise StudyError(
            f"not a module of {package.name}",
            where=name,
            cure="Give functions and classes that are defined in its modules.",
        )
    return fingerprint(closure(modules, package))


def source_closure(source: str, package: Path = PACKAGE) -> dict[str, str]:
    """The closure of a script or notebook; the whole package where it hands that on, or only IPython can parse it."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return closure({package.name}, package)
    return closure(_imports(_Unfold(package).visit(tree), "", read_package(package).keys()), package)


class _Unfold(ast.NodeTransformer):
    """Writes ``import toy as t; t.name()`` and ``from toy import name`` as imports of the module that defines it."""

    def __init__(self, package: Path):
        self.root, self.face = package.name, read_face(package)
        self.modules = {name.split(".")[1] for name in read_package(package) if "." in name}

    def visit_Module(self, tree: ast.Module) -> ast.Module:
        renamed = {
            alias.asname or alias.name
            for node in ast.walk(tree)
            if isinstance(node, ast.Import)
            for alias in node.names
            if alias.name == self.root
        }
        uses = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
        uses = [node for node in uses if isinstance(node.value, ast.Name) and node.value.id in renamed]
        handed_on = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id in renamed]
        if len(handed_on) > len(uses) or any(not self._home(node.attr) for node in uses):
            return tree
        self.generic_visit(tree)
        tree.body += [self._import(node.attr) for node in uses]
        return tree

    def visit_Import(self, node: ast.Import) -> ast.stmt:
        kept = [alias for alias in node.names if alias.name != self.root]
        return ast.Import(kept) if kept else ast.Pass()

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.stmt | list[ast.stmt]:
        if node.module != self.root or any(not self._home(alias.name) for alias in node.names):
            return node
        return [self._import(alias.name) for alias in node.names]

    def _home(self, name: str) -> str | None:
        """Where a name of the root is defined: a module, or the root itself for one of its modules."""
        if name in self.face:
            return f"{self.root}.{self.face[name]}"
        return self.root if name in self.modules else None

    def _import(self, name: str) -> ast.stmt:
        return ast.ImportFrom(self._home(name), [ast.alias(name)], 0)


@lru_cache(maxsize=4)
def read_face(package: Path = PACKAGE) -> dict[str, str]:
    """What the root of the package offers: modules, without the package's name, by the name that they define."""
    for node in ast.parse((package / "__init__.py").read_bytes()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "FACE":
            return dict(ast.literal_eval(node.value))
    return {}
