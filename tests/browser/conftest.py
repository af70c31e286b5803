"""The built book, its address, and a browser; each view of the book is visited once, whatever tests ask of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from helpers.chromium import ARGUMENTS, MISSING, find_chromium, serve
from helpers.paths import ROOT
from helpers.visits import VIEWS, Visit, visit_all

SCREENSHOTS = ROOT / "_build" / "browser"


@pytest.fixture(scope="session")
def book() -> Path:
    """Folder of the built book: that of this checkout, or the one that ``BOOK`` names."""
    folder = Path(os.environ.get("BOOK", ROOT / "_build" / "html"))
    if not (folder / "index.html").is_file():
        pytest.exit(f"no built book in {folder}: run make book first", returncode=2)
    return folder


@pytest.fixture(scope="session")
def address(book) -> Iterator[str]:
    with serve(book) as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    executable = find_chromium()
    if not executable:
        pytest.exit(MISSING, returncode=2)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=executable, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture(scope="session", params=VIEWS, ids=str)
def visits(request, browser, book, address) -> list[Visit]:
    """Every page of the book in one view, from ``http``."""
    return visit_all(browser, book, address, request.param, SCREENSHOTS)


@pytest.fixture
def page(browser, request):
    """A page of its own for a test that clicks; its picture is kept when the test fails."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        yield opened
