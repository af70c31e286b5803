"""Alternative texts in another language: every sentence on a picture has its counterpart, with all its values."""

from __future__ import annotations

import re

import pytest

from osnet_lib.plots.descriptions import SENTENCES
from osnet_lib.report.alternatives import retold
from osnet_lib.report.words import needed, picture_sentences


def filled(name: str) -> tuple[str, list[str]]:
    """A sentence with values, and these."""
    given = {field: (i + 2) * 1.5 for i, field in enumerate(sorted(needed(SENTENCES[name])))}
    plain = re.sub(r"\{(\w+)[^}]*\}", r"{\1}", SENTENCES[name])
    return plain.format(**given), [str(value) for value in given.values()]


def test_the_sentences_are_the_same_and_need_the_same_values():
    other = picture_sentences("zh_CN")
    assert other.keys() == SENTENCES.keys()
    assert not [name for name in SENTENCES if needed(other[name]) != needed(SENTENCES[name])]


@pytest.mark.parametrize("name", SENTENCES)
def test_a_sentence_is_told_again_with_its_values(name):
    text, values = filled(name)
    again = retold(text, "zh_CN")
    assert again.endswith("。") and not re.search(r"\b(the|of|and|with)\b", again)
    assert all(value in again for value in values)
    assert retold(text) == text


def test_several_sentences_are_told_one_after_the_other():
    text = "Images per second against the batch size. The fastest is A, 2 threads at batch 8, with 90."
    assert retold(text, "zh_CN") == "吞吐率（张/秒）随 batch 的变化。最快的是 batch 8 的 A，2 个线程，为 90 张/秒。"


def test_other_text_stays():
    assert retold("A picture of somebody.", "zh_CN") == "A picture of somebody."
