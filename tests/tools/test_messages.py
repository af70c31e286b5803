"""tools/messages.py, and the catalogues of the Chinese edition: every message is translated and lost nothing."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.paths import ROOT

sys.path.insert(0, str(ROOT / "tools"))
pytest.importorskip("jupyter_book")
messages = pytest.importorskip("messages")


@pytest.fixture(scope="module")
def collected(tmp_path_factory) -> Path:
    """The messages of the book, a file a page."""
    return messages.collect(ROOT, tmp_path_factory.mktemp("messages"))


def pages(folder: Path, suffix: str) -> set[str]:
    return {path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob(f"*{suffix}")}


@pytest.mark.parametrize(
    "message, translation, missing",
    [
        ("At batch 8 it takes 1.5 s.", "batch 8 时用时 1.5 秒。", []),
        ("At batch 8 it takes 1.5 s.", "batch 8 时用时 15 秒。", ["number 1.5"]),
        ("8 of 8", "8 个", ["number 8"]),
        ("See [the page](a.md#b).", "见[该页](a.md#b)。", []),
        ("See [the page](a.md#b).", "见[该页](a.md)。", ["link a.md#b"]),
        ("{numref}`fig-cmc` shows it.", "见 {numref}`fig-cmc`。", []),
        ("{numref}`fig-cmc` shows it.", "见图 `fig-cmc`。", ["role {numref}`fig-cmc`"]),
        ("{ref}`explorer <there>`", "{ref}`浏览器 <there>`", []),
        ("{ref}`explorer <there>`", "{ref}`浏览器 <here>`", ["role {ref}`there`"]),
        ("`{pid}` and `{camid}` are numbers", "`{pid}` 和 `{camid}` 是数字", []),
        ("Say `osnet --help`.", "执行 `osnet`。", ["code `osnet --help`"]),
        ("OSNet x1.0 and float32", "网络", []),  # figures within names are no numbers
    ],
)
def test_what_a_translation_lost_is_found(message, translation, missing):
    assert messages.lost(message, translation) == missing


CATALOGUE = 'msgid ""\nmsgstr "Content-Type: text/plain; charset=utf-8\\n"\n\n'


@pytest.mark.parametrize(
    "entry, said",
    [
        ('msgid "One `word`."\nmsgstr "一个 `word`。"\n', []),
        ('msgid "One `word`."\nmsgstr ""\n', ["page: not translated: One `word`."]),
        ('#, fuzzy\nmsgid "One `word`."\nmsgstr "一个 `word`。"\n', ["page: not translated: One `word`."]),
        ('msgid "One `word`."\nmsgstr "一个词。"\n', ["page: lost code `word`: One `word`."]),
        ('msgid "25.0 s"\nmsgstr ""\n\nmsgid "One `word`."\nmsgstr "一个 `word`。"\n', []),
        ('msgid "Another."\nmsgstr "另一个。"\n', ["page: not translated: One `word`."]),
    ],
)
def test_a_message_without_translation_is_found(tmp_path, entry, said):
    (tmp_path / "page.pot").write_text(
        CATALOGUE + 'msgid "25.0 s"\nmsgstr ""\n\nmsgid "One `word`."\nmsgstr ""\n', "utf-8"
    )
    (tmp_path / "page.po").write_text(CATALOGUE + entry, "utf-8")
    assert list(messages.untranslated(tmp_path, tmp_path)) == said


def test_every_message_of_the_book_is_translated_and_lost_nothing(collected):
    assert not list(messages.untranslated(collected))


def test_every_page_has_its_catalogue_and_no_other_is_left(collected):
    assert len(pages(collected, ".pot")) > 20
    assert pages(collected, ".pot") == pages(messages.CATALOGUES, ".po")


def test_what_a_run_computed_is_no_message(collected):
    accuracy = (collected / "executed" / "05_accuracy.pot").read_text("utf-8")
    assert "cumulative matching characteristic" in accuracy  # a caption
    assert "mini-market, by" not in accuracy and "| Rank-1" not in accuracy
