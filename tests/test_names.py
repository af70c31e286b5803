"""Names that cannot be confused: a public one is defined once, and none hides a module of its package."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import osnet_lib

PACKAGE = Path(osnet_lib.__file__).parent


def defined(path: Path) -> Iterator[str]:
    """Public functions, classes and variables that the module itself defines."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names = [node.name]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [
                part.id
                for target in targets
                for part in ast.walk(target)
                if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Store)
            ]
        else:
            names = []
        yield from (name for name in names if not name.startswith("_"))


def imported(path: Path) -> Iterator[str]:
    """Names that a package takes out of its modules."""
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.level and node.module:
            yield from (alias.asname or alias.name for alias in node.names)


def defined_twice(root: Path) -> dict[str, list[str]]:
    """Every public name with several modules that define it."""
    homes = defaultdict(set)
    for path in root.rglob("*.py"):
        if path.name != "__main__.py":
            for name in defined(path):
                homes[name].add(path.relative_to(root).as_posix())
    return {name: sorted(paths) for name, paths in sorted(homes.items()) if len(paths) > 1}


def hidden_modules(root: Path) -> list[str]:
    """Names that a package exports, or another of its modules defines, and that are modules of the package as well."""
    found = []
    for package in sorted(path.parent for path in root.rglob("__init__.py")):
        files = sorted(package.glob("*.py"))
        modules = {path.stem for path in files} | {path.parent.name for path in package.glob("*/__init__.py")}
        for path in files:
            names = {*defined(path), *imported(path)} if path.stem == "__init__" else set(defined(path)) - {path.stem}
            found += [f"{path.relative_to(root).as_posix()}: {name}" for name in sorted(names & modules)]
    return found


def test_no_public_name_is_defined_in_two_modules():
    found = defined_twice(PACKAGE)
    catalogues = {path.relative_to(PACKAGE).as_posix() for path in (PACKAGE / "report" / "catalogue").glob("*.py")}
    assert {name: homes for name, homes in found.items() if not catalogues.issuperset(homes)} == {}


def test_no_name_hides_a_module():
    assert hidden_modules(PACKAGE) == []


@pytest.fixture
def package(tmp_path) -> Path:
    """A small package with everything that is looked for; what is right or private is not."""
    for name, text in {
        "__init__.py": "from .far import near\nfrom .apart import apart as away\nfrom . import far\n",
        "__main__.py": "def run(): pass\n",
        "near.py": "SIZE, _A = 1, 2\nfor i in (): x = i\n",
        "far.py": "def near(): pass\ndef run(): pass\nSIZE: int = 1\n_A = 1\n",
        "apart.py": "def apart(): pass\n",
        "room/__init__.py": "from .apart import apart\nclass Run: pass\n",
        "room/apart.py": "class Run:\n    SIZE = 1\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_what_is_found(package):
    assert defined_twice(package) == {"Run": ["room/__init__.py", "room/apart.py"], "SIZE": ["far.py", "near.py"]}
    assert hidden_modules(package) == ["__init__.py: near", "far.py: near", "room/__init__.py: apart"]
