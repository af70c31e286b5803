"""Sentences from templates: every language has the same ones, and they need the same values."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from string import Formatter

import numpy as np
import pytest

from helpers.paths import ROOT
from osnet_lib.core.code_digest import PACKAGE
from osnet_lib.core.table import Table
from osnet_lib.errors import StudyError
from osnet_lib.report import words
from osnet_lib.report.words import (
    DEFAULT,
    MIME,
    Said,
    Sentence,
    fill,
    joined,
    languages,
    named_facts,
    needed,
    plain,
    said_again,
    templates,
    translated,
    word,
)

GERMAN = {name: template.replace(" at batch ", " bei Stapel ") for name, template in templates().items()}


def unlike(other: dict[str, str]) -> list[str]:
    """Names of templates that a catalogue lacks, has too many, or that need other values than the English ones."""
    english = templates()
    return sorted(
        name
        for name in english.keys() | other.keys()
        if name not in english or name not in other or needed(english[name]) != needed(other[name])
    )


@pytest.fixture
def german(monkeypatch):
    """A second language, as a catalogue of its own would be."""
    monkeypatch.setattr(words, "_words", lambda _language, _words: ({}, []))
    monkeypatch.setattr(words, "templates", lambda language=DEFAULT: GERMAN if language == "de" else templates(DEFAULT))


@pytest.mark.parametrize("language", languages())
def test_every_catalogue_needs_the_same_values(language):
    assert unlike(dict(templates(language))) == []


def test_a_catalogue_that_lost_a_value_or_a_sentence_is_found():
    short = {**GERMAN, "stage at batch": "{stage}", "more": "x"}
    del short["one batch"]
    assert unlike(short) == ["more", "one batch", "stage at batch"]


def test_a_language_without_catalogue_is_refused():
    with pytest.raises(StudyError, match="no catalogue of sentences for 'xx'"):
        templates("xx")


def test_every_template_is_used():
    sources = [*(ROOT / "osnet_lib").rglob("*.py"), *(ROOT / "book" / "_ext").glob("*.py")]
    code = "\n".join(path.read_text("utf-8") for path in sources if path.parent.name != "catalogue")
    code += "\n".join(path.read_text("utf-8") for path in Path(ROOT / "notebooks").glob("*.ipynb"))
    whole = set(re.findall(r'"([^"\n{}]+)"', code))
    starts = ("fact ", "caption ", "question ", "figure ", "step ", "guide ", "differs ", "finding ")
    unused = [name for name in templates() if name not in whole and not name.startswith(starts)]
    assert unused == []
    captions = {name.removeprefix("caption ") for name in templates() if name.startswith("caption ")}
    assert not [label for label in captions if label not in code]


def test_a_sentence_is_its_text_and_keeps_its_values():
    said = Sentence("stage at batch", stage="int8", batch=np.int64(8))
    assert said == "int8 at batch 8" and said.values == {"stage": "int8", "batch": 8}
    again = said_again(json.loads(json.dumps(said.as_dict())))
    assert again == said and isinstance(again, Sentence)


def test_sentences_within_sentences_follow_the_language(german):
    where = Sentence("stage at batch", stage="int8", batch=8)
    said = Said(Sentence("stages break too", others=joined([where, "om"])), None)
    assert str(said) == "So it is at int8 at batch 8, om." and len(said) == 1
    stored = json.loads(json.dumps(said.as_dict()))
    assert said_again(stored).text("de") == "So it is at int8 bei Stapel 8, om."


def test_a_notebook_gets_text_and_what_it_was_filled_from():
    bundle = Said(Sentence("chapter link", chapter="01_export"))._repr_mimebundle_()
    assert bundle["text/plain"] == bundle["text/markdown"] == "01_export"
    assert said_again(bundle[MIME])[0].name == "chapter link"


def test_a_missing_value_is_no_blank():
    with pytest.raises(KeyError):
        fill("stage at batch", stage="onnx")


@pytest.mark.parametrize(
    "markdown, shown",
    [
        ("by [them](x.md) {cite:p}`key`.", "by them."),
        ("quoted from {cite:t}`key`.", "quoted from key."),
        ("as it is", "as it is"),
    ],
)
def test_markdown_reads_without_a_book(markdown, shown):
    assert plain(markdown) == shown


def test_facts_have_names_for_the_eye():
    assert named_facts({"multiply_adds": 3, "trained_on": "x"}).rows == (
        ("multiply-adds an image", 3),
        ("trained on", "x"),
    )


# ---------------------------------------------------------------------------------- words of tables, other languages
CHINESE = import_module("osnet_lib.report.catalogue.zh_CN")


@pytest.mark.parametrize(
    "text, shown",
    [
        ("images/s", "张/秒"),
        ("mAP", "mAP"),
        ("batch 8 (published)", "batch 8（公开数据）"),
        ("TPR at FPR 0.001", "FPR 为 0.001 时的 TPR"),
        ("Ascend 310P3 (published)", "Ascend 310P3（公开数据）"),
        (
            "other programs used 1.7 cores, more than 0.1; nobody watched it",
            "其他程序占用 1.7 个核，超过 0.1；没有监测",
        ),
        ("a file; and a word", "a file; and a word"),
        ("0002_c1s1_000451_03.jpg", "0002_c1s1_000451_03.jpg"),
    ],
)
def test_words_of_tables_follow_the_language(text, shown):
    assert word(text, "zh_CN") == shown and word(text) == text


def test_a_table_follows_the_language():
    rows, caption = (("simplified", 1234.5, True),), "Images per second, as published"
    table = Table(("stage", "images/s", "holds"), rows, caption, {"images/s": ".1f"})
    assert translated(table) is table
    other = translated(table, "zh_CN")
    assert other.columns == ("阶段", "张/秒", "精度保持") and other.rows == (("简化后", 1234.5, "是"),)
    assert other.caption == "每秒图像数（公开数据）" and other.formats == {"张/秒": ".1f"}


def plain_words(template: str) -> str:
    return " ".join(before for before, _, _, _ in Formatter().parse(template))


def fixed(template: str) -> Counter[str]:
    """Numbers and code words that stand in a template itself."""
    return Counter(re.findall(r"(?<![\w.])\d+(?:\.\d+)*|`[^`]+`|--\w[\w-]*|\w+_\w+(?:\.py)?", plain_words(template)))


@pytest.mark.parametrize("language", languages())
def test_a_template_in_another_language_lost_no_number_and_no_code_word(language):
    english, other = templates(), templates(language)
    assert not {name: lost for name in english if (lost := fixed(english[name]) - fixed(other[name]))}
    known = words_of(language)
    assert not {name: lost for name, there in known.items() if (lost := fixed(name) - fixed(there))}
    assert all(needed(name) == needed(there) for name, there in known.items())


def words_of(language: str) -> dict[str, str]:
    return getattr(import_module(f"osnet_lib.report.catalogue.{language}"), "TABLE_WORDS", {})


def headings() -> Iterator[str]:
    """Headings and names of the tables in the code: keys of the records of functions that return a table."""
    sources = [path for package in ("report", "comparison", "plots") for path in (PACKAGE / package).glob("*.py")]
    for path in [*sources, PACKAGE / "core" / "machine.py"]:
        for made in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(made, ast.FunctionDef) and (
                made.name in ("_scores", "machine_facts")
                or (made.returns is not None and ast.unparse(made.returns) == "Table")
            ):
                yield from _keys(made)


def _keys(made: ast.FunctionDef) -> Iterator[str]:
    for node in ast.walk(made):
        if isinstance(node, (ast.Dict, ast.DictComp)):
            for key in node.keys if isinstance(node, ast.Dict) else [node.key]:
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value
                elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "7" for part in key.values)
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "Table" and isinstance(node.args[0], ast.Tuple):
            yield from (part.value for part in node.args[0].elts if isinstance(part, ast.Constant))


def test_every_heading_of_a_table_has_its_word():
    found = set(headings())
    assert len(found) > 120 and {"images/s", "result file", "TPR at FPR 7", "processor"} <= found
    same = {name.replace("{k}", "7") for name, there in CHINESE.TABLE_WORDS.items() if name == there}
    assert sorted(name for name in found if word(name, "zh_CN") == name and name not in same) == []


def test_a_value_that_is_a_word_is_said_in_the_language():
    assert fill("stage at batch", "zh_CN", stage="simplified", batch=8) == "简化后（batch 8）"
