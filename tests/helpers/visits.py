"""What a browser finds on the pages of the book, each opened once in each view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext

from helpers.axe_exceptions import THEME

THEMES = ("light", "dark")
WIDTHS = (1440, 390)  # of the window, in CSS pixels


@dataclass(frozen=True)
class View:
    """A width of the window in CSS pixels, and the theme that the reader's system asks for."""

    width: int
    theme: str

    def __str__(self) -> str:
        return f"{self.width}-{self.theme}"


VIEWS = [View(width, theme) for width in WIDTHS for theme in THEMES]


@dataclass
class Visit:
    """One page in one view.

    `errors` are those of scripts and of the console, `requests` what failed or went elsewhere, `wide` the elements that
    make the page wider than the window, `axe` findings as ``rule: selector``, `cut` the beginnings of commands that do
    not end on the screen, `small` the words of charts that are lower than 9 pixels, `dimmed` images that are not shown
    as they are, `tables` what is wrong with a wide table, `ground` the colour of the page and `charts` those of each
    chart's paper and first words, `weight` the bytes of all that the page loads, `alternatives` the text of each
    image by its source, `links` absolute addresses, `anchors` the identifiers to which a link can point.
    """

    name: str
    picture: Path
    theme: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    wide: list[str] = field(default_factory=list)
    axe: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    small: list[str] = field(default_factory=list)
    dimmed: list[str] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    ground: str = ""
    charts: list[list[str]] = field(default_factory=list)
    weight: int = 0
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
  const unread = table => {  // a wide table that loses its first column when it is moved, or shows words before numbers
    let box = table.parentElement;
    while (box && box.scrollWidth <= box.clientWidth + 1) box = box.parentElement;
    if (!table.checkVisibility() || !box || !table.closest('.bd-article').contains(box) || width > 600) return [];
    const first = table.rows[table.rows.length - 1].cells[0], words = table.textContent.trim().slice(0, 40), wrong = [];
    box.scrollLeft = 1e4;
    if (first.getBoundingClientRect().left < box.getBoundingClientRect().left - 2) wrong.push(`moves away: ${words}`);
    box.scrollLeft = 0;
    if (first.getBoundingClientRect().width > 0.6 * width) wrong.push(`wide first column: ${words}`);
    const body = [...table.rows].slice(1), count = table.rows[0].cells.length;
    if (body.some(row => row.cells.length !== count)) return wrong;
    const long = i => body.some(row => row.cells[i].textContent.trim().length > 24);
    const rest = [...Array(count).keys()].slice(1).map(long);
    if (rest.includes(true) && rest.lastIndexOf(false) > rest.indexOf(true)) wrong.push(`words first: ${words}`);
    return wrong;
  };
  const page = Math.max(document.documentElement.scrollWidth, document.body.scrollWidth);
  return {
    wide: page <= width ? [] : [`${page} > ${width}`].concat([...document.body.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > width + 1 && !scrolls(e)).slice(0, 5).map(name)),
    cut: [...document.querySelectorAll('.bd-article pre')].filter(e => e.scrollWidth > e.clientWidth + 1)
        .map(e => e.textContent.trim().slice(0, 60)),
    small: [...document.querySelectorAll('svg.chart text')].filter(e => e.checkVisibility() &&
        parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a < 8.95 && Math.abs(e.getScreenCTM().b) < 0.01)
        .map(e => e.textContent.trim()),
    dimmed: [...document.querySelectorAll('.bd-content img')].filter(e => getComputedStyle(e).filter !== 'none' ||
        getComputedStyle(e).opacity !== '1').map(name),
    tables: [...document.querySelectorAll('.bd-article table')].flatMap(unread),
    ground: getComputedStyle(document.body).backgroundColor,
    charts: [...document.querySelectorAll('svg.chart')].map(e => [e.querySelector('path'), e.querySelector('text')]
        .map(e => getComputedStyle(e).fill)),
    images: [...document.images].map(i => [i.getAttribute('src'), i.getAttribute('alt') || '']).concat(
        [...document.querySelectorAll('svg.chart')].map((e, i) => [`chart ${i}`, e.getAttribute('aria-label')])),
    links: [...document.links].map(a => a.href),
    anchors: [...document.querySelectorAll('[id]')].map(e => e.id),
  };
}"""


# Serious and critical findings, as `rule: selector`, but for those of the theme that are let pass. Style sheets are not
# loaded again: axe would look for what they import beside the page. Contrast takes axe nine tenths of its time, and is
# a matter of colour, size and what lies below alone: one element of each kind is looked at.
_AUDIT = """async ([rules, theme]) => {
  document.getAnimations().forEach(change => change.cancel());  // from one theme to the other
  const excepted = (rule, target) => theme.some(([id, place]) => id === rule &&
      target.length === 1 && document.querySelector(target[0])?.closest(place));
  const general = {resultTypes: ['violations'], preload: false};
  const audit = async (where, options) => (await axe.run(where, {...options, ...general})).violations
      .filter(v => ['serious', 'critical'].includes(v.impact)).flatMap(
      v => v.nodes.filter(n => !excepted(v.id, n.target)).map(n => `${v.id}: ${n.target.join(' ')}`));
  const below = new Map();
  const ground = e => {
    if (!e) return '';
    if (!below.has(e)) {
      const style = getComputedStyle(e);
      const here = [style.backgroundColor, style.backgroundImage, style.opacity];
      const seen = here.filter((value, i) => value !== ['rgba(0, 0, 0, 0)', 'none', '1'][i]);
      below.set(e, [ground(e.parentElement), ...seen].join(' ').trim());
    }
    return below.get(e);
  };
  const kinds = new Map();
  for (const e of document.body.querySelectorAll('*')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()) || !e.checkVisibility()) continue;
    const style = getComputedStyle(e);
    const kind = [style.color, style.fontSize, style.fontWeight, ground(e)].join();
    if (!kinds.has(kind)) kinds.set(kind, e);
  }
  const found = await audit({include: [...kinds.values()]}, {runOnly: ['color-contrast']});
  return [...new Set(found.concat(await audit(document, rules)))];
}"""
_RULES = {
    "light": {"rules": {"color-contrast": {"enabled": False}}},
    "dark": {"runOnly": ["link-in-text-block"]},  # what depends on the theme; the rest was looked at in light
}


def pages_of(book: Path) -> list[str]:
    """Every page of the build, as a path below it, without those that only lead to another."""
    there = [path for path in book.rglob("*.html") if 'http-equiv="refresh"' not in path.read_text("utf-8").lower()]
    found = [path.relative_to(book) for path in there]  # each edition has such folders
    return sorted(path.as_posix() for path in found if not {"_static", "_sources", "_downloads"} & {*path.parts})


def _bytes(url: str, address: str, book: Path) -> int:
    """Size of a file of the book by its address; what a page holds itself counts with the page."""
    path = book / unquote(urlsplit(url.removeprefix(address)).path)
    return path.stat().st_size if url.startswith(address) and path.is_file() else 0


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

    def failed(request) -> None:
        if request.failure != "net::ERR_ABORTED":  # the visit of the next page stops what was still on its way
            requests.append(f"failed ({request.failure}): {request.url}")

    context.on("console", console)
    context.on("weberror", lambda error: errors.append(str(error.error)))
    context.on("request", sent)
    context.on("response", answered)
    context.on("requestfailed", failed)
    return errors, requests


def visit_all(
    browser: Browser, book: Path, address: str, width: int, pictures: Path, themes: Sequence[str] = THEMES
) -> list[Visit]:
    """Open every page of a book once at a width, and look at it in each theme, as the reader's system changes to it.

    Parameters
    ----------
    address : str
        Of the book, with ``/`` at its end: of a server, or ``file:``.
    pictures : Path
        Folder for the pictures of pages on which something was found.
    themes : sequence of str
        Those in which axe looks at the page; with none of them it is looked at in light, without axe.
    """
    script = Axe().axe_script
    seen = []
    size = {"width": width, "height": 900}
    with browser.new_context(viewport=size, color_scheme="light", reduced_motion="reduce") as context:
        errors, requests = watch(context, address)
        loaded: set[str] = set()
        context.on("request", lambda request: loaded.add(request.url))
        page = context.new_page()
        for name in pages_of(book):
            for found in (errors, requests, loaded):
                found.clear()
            page.emulate_media(color_scheme="light")
            page.goto(address + name, wait_until="load")
            if themes:
                page.evaluate(script)
            for theme in themes or ("light",):
                page.emulate_media(color_scheme=theme)
                page.wait_for_function("theme => document.documentElement.dataset.theme === theme", arg=theme)
                found = page.evaluate(_LOOK)
                visit = Visit(name, pictures / str(View(width, theme)) / (name.replace("/", "-")[:-5] + ".png"), theme)
                visit.wide, visit.links, visit.anchors = found["wide"], found["links"], set(found["anchors"])
                visit.alternatives = dict(found["images"])
                for kind in ("cut", "small", "dimmed", "tables", "ground", "charts"):
                    setattr(visit, kind, found[kind])
                visit.weight = sum(_bytes(url, address, book) for url in loaded)
                if themes:
                    excepted = [list(entry[:2]) for entry in THEME]
                    visit.axe = page.evaluate(_AUDIT, [_RULES[theme], excepted])
                visit.errors, visit.requests = list(errors), list(requests)
                if visit.errors or visit.requests or visit.wide or visit.axe:
                    visit.picture.parent.mkdir(parents=True, exist_ok=True)
                    page.screenshot(path=str(visit.picture), full_page=True)
                seen.append(visit)
    return seen
