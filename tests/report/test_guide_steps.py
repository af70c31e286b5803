"""The guide's sections: every one stands on the page and in the Chinese README, with a command that exists."""

from __future__ import annotations

import re
import shlex

import pytest

from helpers.paths import ROOT
from osnet_lib.cli.main import _parser
from osnet_lib.report.guide_steps import GUIDE_STEPS
from osnet_lib.report.words import Sentence, languages, templates

README = (ROOT / "README.zh.md").read_text("utf-8")


def test_every_section_of_the_guide_has_a_row():
    sections = [step.section for step in GUIDE_STEPS]
    assert sections == ["3.1", "3.2", "4.1", "4.2", "4.3", "5.1", "5.2", "6.1", "6.2", "6.3", "7.1"]


@pytest.mark.parametrize("step", GUIDE_STEPS, ids=lambda step: step.section)
def test_the_chinese_readme_says_what_the_book_says(step):
    (row,) = re.findall(rf"^\| {re.escape(step.title.text('zh_CN'))} \|.*$", README, re.MULTILINE)
    assert all(f"`{command}`" in row for command in step.command.split("; "))
    assert f"`{step.chapter}`" in row and (ROOT / "notebooks" / f"{step.chapter}.ipynb").is_file()
    assert row.endswith(f"| {step.differs.text('zh_CN')} |")


@pytest.mark.parametrize("language", languages())
def test_a_title_begins_with_its_number(language):
    assert all(step.title.text(language).startswith(f"{step.section} ") for step in GUIDE_STEPS)


@pytest.mark.parametrize("step", GUIDE_STEPS, ids=lambda step: step.section)
def test_a_result_is_a_sentence_of_its_chapter(step):
    assert all(name in templates() for name in step.answers)
    opening = [Sentence("no run"), Sentence("chapter link", chapter="x")]
    assert step.result([]).text() == "not measured yet"
    if not step.answers:
        assert step.result(opening) == tuple(opening)
    else:
        assert step.result(opening).text() == "not measured yet"


@pytest.mark.parametrize(
    "command", [command for step in GUIDE_STEPS for command in step.command.split("; ")], ids=lambda text: text[:20]
)
def test_a_command_is_one_of_the_shell(command):
    name, *words = shlex.split(command)
    assert name == "osnet"
    assert _parser().parse_args(words)


def test_the_chinese_readme_begins_with_the_two_commands_and_is_named():
    block = README.partition("```sh\n")[2].partition("```")[0]
    assert [line.split("#")[0].strip() for line in block.splitlines()] == ["make book", "make test"]
    assert "README.zh.md" in (ROOT / "README.md").read_text("utf-8")
