"""Python source as `lineage` sees it: which statements bind a name, and which objects code changes in place."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Iterator

from .errors import StudyError

LOOSE = "<module>"  # statements that run on import: they count for every name of their module
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
IMPORTS = (ast.Import, ast.ImportFrom)
_COMPREHENSIONS = (ast.Lambda, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_CHANGES = {"add", "append", "clear", "extend", "insert", "pop", "register", "remove", "setdefault", "update"}


class Module:
    """One parsed file.

    Attributes
    ----------
    name : str
        Dotted, with the package.
    home : str
        The package from which its relative imports start.
    nodes : dict of str to list of ast.stmt
        Its top-level statements by the names they bind, without docstrings; under `LOOSE` those that may do more.

    Raises
    ------
    StudyError
        A file that Python cannot parse.
    """

    def __init__(self, name: str, path: Path):
        self.name, self.home = name, name if path.stem == "__init__" else name.rpartition(".")[0]
        self.nodes: dict[str, list[ast.stmt]] = {LOOSE: []}
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError) as error:
            raise StudyError(f"is no Python source ({error})", where=path,
                             cure="Correct it; the library cannot be imported.") from error
        if not any(getattr(node, "id", getattr(node, "attr", None)) == "__doc__" for node in ast.walk(tree)):
            tree = _Undocumented().visit(tree)
        for statement in tree.body:
            self._place(statement)

    @property
    def statements(self) -> list[ast.stmt]:
        """Its top-level statements other than functions and classes, imports included."""
        return [node for nodes in self.nodes.values() for node in nodes if not isinstance(node, DEFINITIONS)]

    def _place(self, node: ast.stmt) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            for statement in node.orelse:  # the body never runs
                self._place(statement)
        elif isinstance(node, IMPORTS) and len(node.names) > 1:
            for alias in node.names:  # each its own definition: another name beside it leaves the others alone
                self._place(type(node)(**{**dict(ast.iter_fields(node)), "names": [alias]}))
        else:
            names = bound_names(node)
            assigns = isinstance(node, (ast.Assign, ast.AnnAssign, ast.AugAssign)) and not list(changed_objects(node))
            only_binds = names and (assigns or isinstance(node, (*DEFINITIONS, *IMPORTS)))
            for name in names if only_binds else {*names, LOOSE}:
                self.nodes.setdefault(name, []).append(node)


class _Undocumented(ast.NodeTransformer):
    """Drops docstrings and other bare strings: they do not change what code does."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str) else node


def bound_names(node: ast.AST) -> set[str]:
    """Names that a statement binds in its own scope."""
    if isinstance(node, DEFINITIONS):
        return {node.name}
    if isinstance(node, IMPORTS):
        return {a.asname or a.name.partition(".")[0] for a in node.names if a.name != "*"}
    if isinstance(node, _COMPREHENSIONS):
        return set()
    found = {node.id} if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load) else set()
    return found.union(*map(bound_names, ast.iter_child_nodes(node)))


def local_names(node: ast.AST) -> set[str]:
    """Names that belong to a function, a class or what is inside, not to the module."""
    if not isinstance(node, DEFINITIONS):
        return set()
    inside = [n for child in ast.iter_child_nodes(node) for n in ast.walk(child)]
    found = {n.arg for n in inside if isinstance(n, ast.arg)} | {n.name for n in inside if isinstance(n, DEFINITIONS)}
    found |= {n.id for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    return found - {name for n in inside if isinstance(n, ast.Global) for name in n.names}


def changed_objects(node: ast.AST) -> Iterator[ast.expr]:
    """What code changes: ``x`` by ``x[i] = 1``, ``x.add(1)``, ``@x.register``, ``global x``; ``x.y`` by ``x.y = 1``."""
    for n in ast.walk(node):
        if isinstance(n, (ast.Subscript, ast.Attribute)) and not isinstance(n.ctx, ast.Load):
            yield n.value if isinstance(n, ast.Subscript) else n
        elif isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in _CHANGES:
            yield n.func.value
        elif isinstance(n, ast.Global):
            yield from (ast.Name(name, ast.Store()) for name in n.names)
        elif isinstance(n, DEFINITIONS):
            decorators = (d.func if isinstance(d, ast.Call) else d for d in n.decorator_list)
            yield from (d.value for d in decorators if isinstance(d, ast.Attribute))


def dotted(node: ast.AST, through_index: bool = False) -> list[str]:
    """``a.b.c`` as its names, with `through_index` ``a.b[0].c`` as ``a.b``; empty where it starts with no name."""
    names: list[str] = []
    while isinstance(node, ast.Attribute) or through_index and isinstance(node, ast.Subscript):
        names = [node.attr, *names] if isinstance(node, ast.Attribute) else []
        node = node.value
    return [node.id, *names] if isinstance(node, ast.Name) else []
