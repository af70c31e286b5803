"""The extensions of the book as modules, which lie outside of any package."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from helpers.paths import ROOT


@pytest.fixture
def extension(monkeypatch) -> Callable[[str], ModuleType]:
    """A function that imports a module of ``book/_ext``."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    return importlib.import_module


@pytest.fixture
def build(monkeypatch, capsys) -> Callable[..., None]:
    """A function that builds a folder's pages into ``html/``, with the book's extensions, in this process.

    ``build(folder, extensions="myst_nb,status")``: settings take the place of those of a ``conf.py``, if there are any.
    """
    command = pytest.importorskip("sphinx.cmd.build")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))

    def run(folder: Path, *options: str, **settings: str) -> None:
        words = [word for name, value in settings.items() for word in ("-D", f"{name}={value}")]
        given = ["-C", *words] if settings else []
        assert command.build_main(["-q", *options, *given, str(folder), str(folder / "html")]) == 0, capsys.readouterr()

    return run
