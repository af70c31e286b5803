"""What a browser finds on the pages of the book, each opened once in each view."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext

from helpers.axe_exceptions import THEME

# What depends on the theme; the rest is the same in both and is looked at in light pages.
_COLOURS = ["color-contrast", "link-in-text-block"]


@dataclass(frozen=True)
class View:
    """A width of the window in CSS pixels, and the theme that the reader's system asks for."""

    width: int
    theme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}"


VIEWS = [View(width, theme) for width in (1440, 390) for theme in ("light", "dark")]


@dataclass
class Visit:
    """One page in one view.

    `errors` are those of scripts and of the console, `requests` what failed or went elsewhere, `wide` the elements that
    make the page wider than the window, `axe` findings as ``rule: selector``, `alternatives` the text of each image by
    its source, `links` absolute addresses, `anchors` the identifiers to which a link can point.
    """

    name: str
    picture: Path
    theme: str = ""
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    axe: list[str] = field(default_factory=list)
    alternatives: dict[str, str] = field(default_factory=dict)
    links: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)


_LOOK = """() => {
  const width = document.documentElement.clientWidth;
  const scrolls = e => { for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
      const o = getComputedStyle(p).overflowX;
      if (o === 'auto' || o === 'scroll' || o === 'hidden' || o === 'clip') return true; } return false; };
  const name = e => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') +
      [...e.classList].slice(0, 2).map(c => '.' + c).join('');
  const page = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  return {
    theme: document.documentElement.dataset.theme || '',
    wide: page <= width ? [] : [`${page} > ${width}`].concat([...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e)).slice(0, 5).map(name)),
    images: [...document.images].map(i => [i.getAttribute('src'), i.getAttribute('alt') || '']),
    links: [...document.links].map(a => a.href),
    anchors: [...document.querySelectorAll('[id]')].map(e => e.id),
  };
}"""


# Serious and critical findings, as `rule: selector`, but for those of the theme that are let pass. Style sheets are not
# loaded again: axe would look for what they import beside the page.
_AUDIT = """async ([rules, theme]) => {
  const found = await axe.run({...rules, resultTypes: ['violations'], preload: false});
  const excepted = (rule, target) => theme.some(([id, place]) => id === rule &&
      target.length === 1 && document.querySelector(target[0])?.closest(place));
  return found.violations.filter(v => ['serious', 'critical'].includes(v.impact)).flatMap(
      v => v.nodes.filter(n => !excepted(v.id, n.target)).map(n => `${v.id}: ${n.target.join(' ')}`));
}"""


def pages_of(book: Path) -> list[str]:
    """Every page of the build, as a path below it, without those that only lead to another."""
    there = [path for path in book.rglob("*.html") if 'http-equiv="refresh"' not in path.read_text("utf-8").lower()]
    found = [path.relative_to(book).as_posix() for path in there]
    return sorted(name for name in found if not name.startswith(("_static/", "_sources/", "_downloads/")))


def watch(context: BrowserContext, address: str) -> tuple[list[str], list[str]]:
    """Lists that fill with the script errors and the wrong requests of every page of a context."""
    errors: list[str] = []
    requests: list[str] = []

    def console(message) -> None:
        if message.type == "error":
            errors.append(message.text)

    def sent(request) -> None:
        if not request.url.startswith((address, "data:", "blob:")):
            requests.append(f"outside: {request.url}")

    def answered(response) -> None:
        if response.status >= 400:
            requests.append(f"{response.status}: {response.url}")

    context.on("console", console)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("request", sent)
    context.on("response", answered)
    context.on("requestfailed", lambda request: requests.append(f"failed ({request.failure}): {request.url}"))
    return errors, requests


def visit_all(
    browser: Browser, book: Path, address: str, view: View, pictures: Path, audit: bool = True
) -> list[Visit]:
    """Open every page of a book in a view; a page on which something was found is kept as a picture.

    Parameters
    ----------
    address : str
        Of the book, with ``/`` at its end: of a server, or ``file:``.
    audit : bool
        Whether axe looks at the pages too.
    """
    script = Axe().axe_script
    seen = []
    size = {"width": view.width, "height": 900}
    with browser.new_context(viewport=size, color_scheme=view.theme) as context:
        errors, requests = watch(context, address)
        page = context.new_page()
        for name in pages_of(book):
            errors.clear()
            requests.clear()
            page.goto(address + name, wait_until="load")
            found = page.evaluate(_LOOK)
            visit = Visit(name, pictures / str(view) / (name.replace("/", "-")[:-5] + ".png"), found["theme"])
            visit.wide, visit.links, visit.anchors = found["wide"], found["links"], set(found["anchors"])
            visit.alternatives = dict(found["images"])
            if audit:
                page.evaluate(script)
                rules = {"runOnly": _COLOURS} if view.theme == "dark" else {}
                visit.axe = page.evaluate(_AUDIT, [rules, [list(entry[:2]) for entry in THEME]])
            visit.errors, visit.requests = list(errors), list(requests)
            if visit.errors or visit.requests or visit.wide or visit.axe:
                visit.picture.parent.mkdir(parents=True, exist_ok=True)
                page.screenshot(path=str(visit.picture), full_page=True)
            seen.append(visit)
    return seen
