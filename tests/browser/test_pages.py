"""Every page of the built book in a real browser: nothing fails, nothing is cut off, everything is said in words."""

from __future__ import annotations

import re
from urllib.parse import unquote, urldefrag

import pytest

from helpers.visits import WIDTHS, pages_of, visit_all

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


# What of a page does not reach paper: tables and commands that lie outside it or are not shown, and white words.
_PAPER = """() => {
  const parts = [...document.querySelectorAll('.bd-article :is(table, pre)')], wrong = [];
  for (const e of parts) {
    if (e.closest('[data-live] .picks')) continue;
    const box = e.getBoundingClientRect(), words = e.textContent.trim().slice(0, 50);
    if (!e.checkVisibility() || !box.width) wrong.push(`not shown: ${words}`);
    else if (box.right > innerWidth + 1 || e.scrollWidth > e.clientWidth + 2) wrong.push(`cut off: ${words}`);
  }
  if (getComputedStyle(document.querySelector('.bd-article p')).color.match(/\\d+/g).slice(0, 3).some(c => c > 120))
    wrong.push('white words');
  return {tables: parts.filter(e => e.tagName === 'TABLE').length, wrong};
}"""


def told(visits, kind: str) -> str:
    """What was found, a line for a page, with the picture of it."""
    return "\n".join(f"{v.name}: {'; '.join(getattr(v, kind))} ({v.picture})" for v in visits if getattr(v, kind))


def test_every_page_is_visited(visits, book):
    assert [visit.name for visit in visits] == pages_of(book)
    assert len(visits) > 20


def test_no_script_fails(visits):
    assert not told(visits, "errors")


def test_nothing_is_requested_elsewhere_or_in_vain(visits):
    assert not told(visits, "requests")


def test_no_page_is_wider_than_the_window(visits):
    assert not told(visits, "wide")


def test_no_command_is_cut_off(visits):
    assert not told(visits, "cut")


def test_tables_keep_their_first_column_and_put_numbers_before_words(visits):
    assert not told(visits, "tables")


def test_photographs_are_not_dimmed(visits):
    assert sum(bool(visit.alternatives) for visit in visits) > 3
    assert not told(visits, "dimmed")


def test_words_of_charts_can_be_read(visits):
    assert sum(len(visit.charts) for visit in visits) > 8
    assert not told(visits, "small")


def test_charts_take_the_colours_of_the_page(visits):
    def light(colour: str) -> float:
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    charts = [(visit, *colours) for visit in visits for colours in visit.charts]
    assert charts
    for visit, paper, ink in charts:
        assert paper == visit.ground, visit.name
        assert abs(light(ink) - light(paper)) > 150, visit.name


def test_a_page_weighs_a_megabyte_and_a_half_at_most(visits):
    assert all(visit.weight > 100_000 for visit in visits)
    assert not [(visit.name, visit.weight) for visit in visits if visit.weight > 1_500_000]


def test_paper_shows_every_column_and_command(book, address, browser):
    """A4 at 96 pixels an inch without margins of 1 cm, in a reader's dark theme."""
    with browser.new_context(viewport={"width": 718, "height": 1040}, color_scheme="dark") as context:
        page = context.new_page()
        wrong, tables = [], 0
        for name in pages_of(book):
            if name.removeprefix("zh/").startswith(("book/api", "genindex", "search")):
                continue  # made by Sphinx, without tables or commands
            page.goto(address + name)
            page.emulate_media(media="print")
            page.evaluate("dispatchEvent(new Event('beforeprint'))")
            found = page.evaluate(_PAPER)
            tables += found["tables"]
            wrong += [f"{name}: {words}" for words in found["wrong"]]
            page.evaluate("dispatchEvent(new Event('afterprint'))")
            assert page.evaluate("document.documentElement.dataset.theme") == "dark"
            page.emulate_media(media="screen")
    assert tables > 20
    assert not wrong


def test_axe_finds_nothing_serious_of_our_own(visits):
    assert not told(visits, "axe")


def is_sentence(text: str) -> bool:
    """At least four words, a capital letter or figure first, a full stop last, and no name of a file; or Chinese."""
    if re.fullmatch(r".*[\u4e00-\u9fff]{3}.*。", text):
        return True
    return (
        len(text.split()) >= 4
        and bool(re.match(r"[A-Z0-9].*\.$", text))
        and not re.search(r"\.(png|svg|jpe?g)\b", text)
    )


@pytest.mark.parametrize(
    "text, good",
    [
        ("../_images/8c2d.png", False),
        ("Rank-1 is 93 % here.", True),
        ("Rank-1 is 93 % here", False),
        ("A picture.", False),
        ("逐轮时延，每个 batch 一条。", True),
        ("一张图像", False),
        ("See the image x.png in full.", False),
    ],
)
def test_what_counts_as_a_sentence(text, good):
    assert is_sentence(text) is good


def test_every_image_is_described_in_a_sentence(visits):
    described = [(v.name, source, text) for v in visits for source, text in v.alternatives.items()]
    assert len(described) > 10
    assert not [image for image in described if not is_sentence(image[2])]


def unresolved(visits, address: str, book) -> list[str]:
    """Links within the book that lead to no page, no file, or to an anchor that the page does not have."""
    anchors = {visit.name: visit.anchors for visit in visits}
    wrong = []
    for visit in visits:
        for link in visit.links:
            place, anchor = urldefrag(link)
            if not place.startswith(address):
                if not place.startswith(("http://", "https://", "mailto:")):
                    wrong.append(f"{visit.name}: {link} leaves the book")
                continue
            name = unquote(place.removeprefix(address)).partition("?")[0] or "index.html"
            if not (book / name).is_file():
                wrong.append(f"{visit.name}: no {name}")
            elif anchor and unquote(anchor) not in anchors.get(name, {unquote(anchor)}):
                wrong.append(f"{visit.name}: no #{unquote(anchor)} in {name}")
    return sorted(set(wrong))


def test_every_link_and_anchor_resolves(visits, address, book):
    assert sum(len(visit.links) for visit in visits) > 500
    assert not unresolved(visits, address, book)


def test_the_book_works_from_the_disk_too(browser, book):
    address = book.resolve().as_uri() + "/"
    visits = visit_all(browser, book, address, WIDTHS[0], book.parent / "browser" / "file", themes=())
    assert not told(visits, "errors") + told(visits, "requests")
    assert not unresolved(visits, address, book)
