"""Getting about in the book: the search, the contents, the next page, from a server and from the disk."""

from __future__ import annotations

import json
import re

import pytest

from helpers.visits import watch

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def results(page, place: str, words: str) -> list[tuple[str, str]]:
    """Title and summary of each result of a search, best first."""
    page.goto(f"{place}search.html?q={words}")
    page.wait_for_function("/found|match/.test(document.querySelector('.search-summary')?.textContent)")
    items = page.locator("#search-results ul.search li")
    return [(item.locator("a").first.inner_text(), item.inner_text()) for item in items.all()]


@pytest.mark.parametrize("words", ["uncertainty", "confidence interval", "Rank-1", "rank-1", "accuracy", "throughput"])
def test_the_search_leads_to_the_summary(page, place, words):
    errors, _ = watch(page.context, place)
    found = results(page, place, words)
    assert any(re.match(r"(\d+\. )?Summary", title) for title, _ in found[:3]), found[:5]
    assert not errors


def test_a_summary_below_a_result_is_prose(page, address):
    found = dict(results(page, address, "interval"))
    page.wait_for_selector("#search-results p.context")
    said = page.locator("#search-results p.context").all_inner_texts()
    assert found and any("interval" in text.lower() for text in said)
    assert not [text for text in said if re.search(r"\bimport \w|\w+ = \w|def \w", text)]


def test_a_reader_goes_from_the_first_page_to_the_next_and_to_a_chapter(page, place):
    errors, requests = watch(page.context, place)
    page.goto(f"{place}index.html")
    page.wait_for_url("**/book/intro.html")
    page.locator("a.right-next").click()
    page.wait_for_url("**/book/reading.html")
    page.locator(".bd-sidebar-primary a", has_text="Accuracy").first.click()
    page.wait_for_url("**/executed/05_accuracy.html")
    assert re.match(r"(\d+\. )?Accuracy", page.locator("article h1").inner_text())
    assert not errors + requests


def test_a_chapter_offers_what_it_computed(visits, book):
    chapters = [visit for visit in visits if visit.name.startswith("executed/")]
    assert len(chapters) >= 12
    offered = 0
    for visit in chapters:
        (notebook,) = {link for link in visit.links if link.endswith(f"_sources/{visit.name[:-5]}.ipynb")}
        ran = json.loads((book / notebook[notebook.index("_sources/") :]).read_text("utf-8"))
        assert any(cell.get("outputs") for cell in ran["cells"]), f"{visit.name} offers a notebook that did not run"
        names = {link.rpartition("/")[2] for link in visit.links if "/_downloads/" in link}
        assert names == {*ran["metadata"]["study"]["results"], *ran["metadata"]["study"]["shown"]}, visit.name
        offered += len(names)
    assert offered > 5


@pytest.mark.parametrize("words", ["吞吐率", "置信区间", "精度"])
def test_the_search_in_chinese_leads_to_the_summary(page, place, words):
    errors, _ = watch(page.context, place)
    page.goto(f"{place}zh/search.html?q={words}")
    links = page.locator("#search-results ul.search li a")
    links.first.wait_for()
    assert any("汇总" in title for title in links.all_inner_texts()[:5])
    assert not errors


@pytest.mark.parametrize("name", ["book/intro", "executed/05_accuracy", "search"])
def test_a_page_leads_to_itself_in_the_other_language_and_back(page, place, name):
    page.goto(f"{place}{name}.html")
    for address, tag in ((f"{place}zh/{name}.html", "zh-CN"), (f"{place}{name}.html", "en")):
        page.locator("a.edition").first.click()
        page.wait_for_url(address)
        assert page.locator("html").get_attribute("lang") == tag
