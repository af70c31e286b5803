"""The extensions of the book as modules, which lie outside of any package."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from types import ModuleType

import pytest

from helpers.paths import ROOT


@pytest.fixture
def extension(monkeypatch) -> Callable[[str], ModuleType]:
    """A function that imports a module of ``book/_ext``."""
    pytest.importorskip("sphinx")
    monkeypatch.syspath_prepend(str(ROOT / "book" / "_ext"))
    return importlib.import_module
