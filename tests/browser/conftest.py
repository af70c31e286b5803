"""A Chromium and the built book, for tests that click."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from helpers.paths import ROOT


@pytest.fixture(scope="session")
def book() -> Path:
    """Folder of the built book: that of this checkout, or the one that ``BOOK`` names."""
    folder = Path(os.environ.get("BOOK", ROOT / "_build" / "html"))
    if not (folder / "index.html").is_file():
        pytest.exit(f"no built book in {folder}: run make book first", returncode=2)
    return folder


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, driven by Playwright."""
    playwright = pytest.importorskip("playwright.sync_api")
    executable = shutil.which("chromium")
    if not executable:
        pytest.exit("no Chromium: apt-get install chromium", returncode=2)
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=executable, args=["--no-sandbox"])
        yield opened
        opened.close()


@pytest.fixture
def page(browser):
    """A page of its own for a test that clicks."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        yield opened
