"""The editions of the book: the same page in the other language, and the build that makes both."""

from __future__ import annotations

import shutil
import sys

import pytest
import yaml

from helpers.paths import ROOT
from osnet_lib.report.words import fill
from osnet_lib.study import book

sys.path.insert(0, str(ROOT / "book" / "_ext"))
editions = pytest.importorskip("editions")
LANGUAGES = ["en", "zh_CN"]


@pytest.mark.parametrize(
    "page, language, address",
    [
        ("index", "en", "zh/index.html"),
        ("book/intro", "en", "../zh/book/intro.html"),
        ("book/api/core", "en", "../../zh/book/api/core.html"),
        ("search", "zh_CN", "../search.html"),
        ("executed/05_accuracy", "zh_CN", "../../executed/05_accuracy.html"),
    ],
)
def test_a_page_leads_to_itself_in_the_other_language(page, language, address):
    (other,) = editions.other_editions(page, language, LANGUAGES)
    assert other["address"] == address
    assert other["tag"] == {"en": "zh-CN", "zh_CN": "en"}[language]


def test_every_language_has_a_name_and_a_tag():
    languages = ["en", *book.EDITIONS]
    assert languages == LANGUAGES
    assert editions.NAMES.keys() == editions.TAGS.keys() == set(languages)


def test_the_configuration_of_an_edition_is_that_of_the_book_in_its_language(tmp_path):
    shutil.copy(ROOT / "_config.yml", tmp_path)
    made = book._configurations(tmp_path)
    outputs = [output for _, output in made]
    assert outputs == [tmp_path, tmp_path / "_build" / "zh_CN"]
    english, chinese = (yaml.safe_load(path.read_text("utf-8")) for path, _ in made)
    for found, language in ((english, "en"), (chinese, "zh_CN")):
        settings = found["sphinx"]["config"]
        assert settings["language"] == language and settings["editions"] == LANGUAGES
        assert all(folder == str(tmp_path / "book/_ext") for folder in found["sphinx"]["local_extensions"].values())
    assert english["title"] == yaml.safe_load((ROOT / "_config.yml").read_text("utf-8"))["title"]
    assert english["title"] == fill("book title") and chinese["title"] == fill("book title", "zh_CN")
    for found in (english, chinese):  # but for title, search field and language they are one
        del found["title"], found["sphinx"]["config"]["language"]
        found["sphinx"]["config"]["html_theme_options"].pop("search_bar_text")
    assert english == chinese


def test_latin_words_of_a_chinese_page_are_found_with_and_without_a_tokeniser():
    words = editions.HanWords({}).split("离线模型 (OM) 的 throughput")
    assert {"OM", "throughput"} <= set(words)
    chinese = {word for word in words if not word.isascii()}
    assert chinese <= {"离线", "模型", "的"} and bool(chinese) is (
        editions.importlib.util.find_spec("jieba") is not None
    )
