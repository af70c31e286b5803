"""Getting about in the book: the search, the contents, the next page, from a server and from the disk."""

from __future__ import annotations

import pytest

from helpers.visits import watch

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]


@pytest.fixture(params=["http", "file"])
def place(request, book):
    """Address of the book, with ``/`` at its end."""
    return request.getfixturevalue("address") if request.param == "http" else book.resolve().as_uri() + "/"


def results(page, place: str, words: str) -> list[tuple[str, str]]:
    """Title and summary of each result of a search, best first."""
    page.goto(f"{place}search.html?q={words}")
    page.wait_for_selector("#search-results h2, #search-results .search-summary")
    page.wait_for_function("/finished|did not match|found/.test(document.querySelector('.search-summary').textContent)")
    items = page.locator("#search-results ul.search li")
    return [(item.locator("a").first.inner_text(), item.inner_text()) for item in items.all()]


@pytest.mark.parametrize("words", ["uncertainty", "confidence interval", "Rank-1", "rank-1", "accuracy", "throughput"])
def test_the_search_leads_to_the_summary(page, place, words):
    errors, _ = watch(page.context, place)
    found = results(page, place, words)
    assert any(title.startswith("Summary") for title, _ in found[:3]), found[:5]
    assert not errors
