"""Collect the messages of the book, bring the catalogues in ``locale/`` up to date, and say what lacks a translation.

Messages are the text of pages and of notebook sources. What a run computed is no message, or each run would change
them. A new message stands there without translation afterwards, a changed one with the old translation and the mark
``fuzzy``; the tests fail until both are translated (``CONTRIBUTING.md``).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import yaml
from babel.messages.pofile import read_po

ROOT = Path(__file__).resolve().parents[1]
LANGUAGE = "zh_CN"
CATALOGUES = ROOT / "locale" / LANGUAGE / "LC_MESSAGES"
_COPIED = ("_static", "book", "_config.yml", "pyproject.toml")
# What a translation keeps, in the order in which it is looked for: what one takes is not seen by the next.
_KEPT = {
    "role": re.compile(r"(?<!`)(\{[\w:.+-]+\}`(?:[^`<]*<[^`>]*>|[^`]*)`)"),
    "link": re.compile(r"\]\(([^)\s]+)\)"),
    "code": re.compile(r"(`+[^`]+`+)"),
    "number": re.compile(r"(?<![\w.])(\d+(?:[.,]\d+)*)"),
}

# A cell of a table: a number with its unit, the same in every language.
_FIGURE = re.compile(r"[\d.,⁰¹²³⁴⁵⁶⁷⁸⁹]+( \w+)?")


def lost(message: str, translation: str) -> list[str]:
    """The roles, targets of links, code words and numbers of a message that its translation lacks."""
    found = []
    for kind, pattern in _KEPT.items():
        wanted, there = (Counter(map(_target, pattern.findall(text))) for text in (message, translation))
        found += [f"{kind} {what}" for what in (wanted - there).elements()]
        message, translation = (pattern.sub(" ", text) for text in (message, translation))
    return found


def _target(kept: str) -> str:
    """A role without its words, which may be translated where it names its target."""
    return re.sub(r"`[^`<]*<([^>]*)>`", r"`\1`", kept)


def collect(root: Path, folder: Path) -> Path:
    """Write the messages of the book of a checkout below `folder`, a ``.pot`` a page; returns where they are.

    The pages of the API reference, which are made of docstrings, are left out: they stay English.

    Raises
    ------
    RuntimeError
        The build of the messages failed; its output.
    """
    for name in _COPIED:
        copy = shutil.copytree if (root / name).is_dir() else shutil.copy
        copy(root / name, folder / name)
    shutil.copytree(root / "notebooks", folder / "executed", ignore=lambda _, names: {n for n in names if n[0] == "."})
    contents = yaml.safe_load((root / "_toc.yml").read_text("utf-8"))
    for part in contents["parts"]:
        part["chapters"] = [{"file": chapter["file"]} for chapter in part["chapters"]]
    (folder / "_toc.yml").write_text(yaml.safe_dump(contents), "utf-8")
    program = str(Path(sys.executable).with_name("jupyter-book"))
    command = [program, "build", str(folder), "-q", "--builder", "custom", "--custom-builder", "gettext"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stdout)
    return folder / "_build" / "gettext"


def update(messages: Path) -> None:
    """Bring the catalogues up to the messages; what no page says any more goes."""
    from sphinx_intl.basic import update as update_catalogues

    update_catalogues(str(ROOT / "locale"), str(messages), [LANGUAGE], line_width=-1, ignore_obsolete=True)
    for path in CATALOGUES.rglob("*.po"):
        if not (messages / path.relative_to(CATALOGUES).with_suffix(".pot")).is_file():
            path.unlink()


def untranslated(messages: Path, catalogues: Path = CATALOGUES) -> Iterator[str]:
    """A line for each message without translation, with one that is doubtful, or with one that lost something."""
    for template in sorted(messages.rglob("*.pot")):
        page = template.relative_to(messages).with_suffix("")
        path = (catalogues / page).with_suffix(".po")
        known = {message.id: message for message in _read(path)} if path.is_file() else {}
        for message in _read(template):
            translated = known.get(message.id)
            if _FIGURE.fullmatch(str(message.id)):
                continue
            if translated is None or not translated.string or translated.fuzzy:
                yield f"{page}: not translated: {message.id}"
            elif missing := lost(str(message.id), str(translated.string)):
                yield f"{page}: lost {', '.join(missing)}: {message.id}"


def _read(path: Path) -> list:
    with path.open("rb") as stream:
        return [message for message in read_po(stream) if message.id]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        collected = collect(ROOT, Path(temporary))
        update(collected)
        lines = list(untranslated(collected))
    print("\n".join(lines) or f"{CATALOGUES.relative_to(ROOT)}: every message is translated")
    sys.exit(bool(lines))
