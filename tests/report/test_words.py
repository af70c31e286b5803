"""Sentences from templates: every language has the same ones, and they need the same values."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from helpers.paths import ROOT
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
    starts = ("fact ", "caption ", "question ", "figure ", "step ")
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
