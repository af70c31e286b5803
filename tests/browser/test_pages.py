"""Every page of the built book in a real browser: nothing fails, nothing is cut off, everything is said in words."""

from __future__ import annotations

import re
from urllib.parse import unquote, urldefrag

import pytest

from helpers.visits import VIEWS, visit_all

pytestmark = [pytest.mark.browser, pytest.mark.timeout(600)]


def told(visits, kind: str) -> str:
    """What was found, a line for a page, with the picture of it."""
    return "\n".join(f"{v.name}: {'; '.join(getattr(v, kind))} ({v.picture})" for v in visits if getattr(v, kind))


def test_every_page_is_shown_in_the_theme_that_is_asked_for(visits, request):
    assert len(visits) > 20
    assert {visit.theme for visit in visits} == {request.node.callspec.params["visits"].theme}


def test_no_script_fails(visits):
    assert not told(visits, "errors")


def test_nothing_is_requested_elsewhere_or_in_vain(visits):
    assert not told(visits, "requests")


def test_no_page_is_wider_than_the_window(visits):
    assert not told(visits, "wide")


def test_axe_finds_nothing_serious_of_our_own(visits):
    assert not told(visits, "axe")


def is_sentence(text: str) -> bool:
    """At least four words, a capital letter or figure first, a full stop last, and no name of a file."""
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
    visits = visit_all(browser, book, address, VIEWS[0], book.parent / "browser" / "file", audit=False)
    assert not told(visits, "errors") + told(visits, "requests")
    assert not unresolved(visits, address, book)
