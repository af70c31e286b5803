"""The built book, its address, and a browser; each view of the book is visited once, whatever tests ask of it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

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


@pytest.fixture(scope="session")
def tour(browser, book, address) -> Callable[[int], list[Visit]]:
    """A function that visits every page of the book at a width, in both themes, from ``http``; once a width."""
    return cache(lambda width: visit_all(browser, book, address, width, SCREENSHOTS))


@pytest.fixture(scope="session", params=VIEWS, ids=str)
def visits(request, tour) -> list[Visit]:
    """Every page of the book in one view."""
    return [visit for visit in tour(request.param.width) if visit.theme == request.param.theme]


@pytest.fixture(params=["http", "file"])
def place(request, book) -> str:
    """Address of the book, with ``/`` at its end: of the server, then of the disk."""
    return request.getfixturevalue("address") if request.param == "http" else book.resolve().as_uri() + "/"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Keep a picture of the page on which a test failed, and name it below the failure."""
    report = yield
    if report.when == "call" and report.failed and "page" in item.funcargs:
        picture = SCREENSHOTS / (re.sub(r"\W+", "-", item.name) + ".png")
        item.funcargs["page"].screenshot(path=str(picture), full_page=True)
        report.sections.append(("picture", str(picture)))
    return report


@pytest.fixture
def page(browser) -> Iterator[Page]:
    """A page of its own for a test that clicks."""
    with browser.new_context(viewport={"width": 1440, "height": 900}) as context:
        opened = context.new_page()
        opened.set_default_timeout(10_000)
        yield opened
