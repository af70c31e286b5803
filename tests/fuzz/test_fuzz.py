"""A few hundred inputs of a fixed seed; ``make fuzz`` reads 50,000."""

from __future__ import annotations

import json
import subprocess
from random import Random

import pytest

from fuzz import mutations, runner, worker
from fuzz.__main__ import drawn
from fuzz.issue import INPUTS
from fuzz.odd import ODD
from fuzz.report import report
from fuzz.targets import TARGETS

SEED = 11


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> list[runner.Ended]:
    """Whole seeds, the inputs of the issue and damaged ones, by one worker."""
    inputs = [{"issue": name} for name in INPUTS]
    inputs += [
        {"target": name, "number": number} for name in TARGETS for number in range(6 if TARGETS[name].weight > 3 else 2)
    ]
    return runner.run(inputs, SEED, 1, failures=tmp_path_factory.mktemp("failures"))


def test_no_input_ends_badly(ended):
    bad = [one for one in ended if one.is_bad]
    assert not bad, report(bad, 0, SEED)
    assert len(ended) > 250


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_once_ended_badly(ended, name):
    one = next(one for one in ended if one.asked.get("issue") == name)
    assert one.outcome == (INPUTS[name].ends if INPUTS[name].ends == "result" else f"refused: {INPUTS[name].ends}")


def test_a_whole_file_is_read(ended):
    """Else damage to it would say nothing."""
    read = {one.target: one.outcome for one in ended if one.asked.get("number") == 0}
    assert read.keys() == TARGETS.keys()
    first_is_foreign = {"checkpoint without CRC", "features"}  # their seeds in alphabetical order
    assert {name for name, outcome in read.items() if outcome != "result"} == first_is_foreign


# ---- the harness itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "word, ends",
    [
        ("whole", "result"),
        ("changed", "silent"),
        ("refuse", "refused: DatasetError"),
        ("bug", "outside the errors"),
        ("memory", "memory"),
        ("more memory than there is", "memory"),
    ],
)
def test_how_an_input_ends(tmp_path, word, ends):
    reader = worker.Reader(tmp_path, SEED)
    reader.seeds(ODD)
    assert reader.read(ODD, word.encode(), "whole")["class"] == ends


_WORKER = """
import sys
from pathlib import Path
from types import SimpleNamespace
from fuzz import worker
from fuzz.odd import ODD
sys.modules["fuzz.issue"] = SimpleNamespace(INPUTS={})  # neither is needed, and both take seconds to import
sys.modules["fuzz.targets"] = SimpleNamespace(TARGETS={"odd": ODD})
words = ("whole", "crash", "hang", "spin", "refuse")
worker.MOST_SECONDS = 1
worker.Reader.make = lambda self, target, number: ("whole", words[number].encode())
worker.main(Path(sys.argv[-2]), int(sys.argv[-1]))
"""


@pytest.mark.parametrize(
    "number, word, ends, said",
    [(1, "crash", "crash", "SIGSEGV"), (2, "hang", "time", "waits"), (3, "spin", "time", "over")],
)
def test_a_worker_that_dies_or_hangs_is_put_down_to_its_input(tmp_path, monkeypatch, number, word, ends, said):
    start = subprocess.Popen

    def popen(words: list[str], **options) -> subprocess.Popen:
        return start([words[0], "-c", _WORKER, *words[-2:]], **options)

    monkeypatch.setattr(runner, "MOST_SECONDS", 2)
    monkeypatch.setattr(runner.subprocess, "Popen", popen)
    inputs = [{"target": "odd", "number": one} for one in (4, number, 4)]
    ended = runner.run(inputs, SEED, 1, failures=tmp_path / "failures")
    assert [one.outcome for one in ended] == ["refused: DatasetError", ends, "refused: DatasetError"]
    place, shown = ended[1].place, report(ended, 1, SEED)
    assert said in ended[1].words and place.read_bytes() == word.encode()
    assert json.loads(place.with_name(f"{place.name}.json").read_text())["target"] == "odd"
    assert "1 bad outcomes" in shown and f"AGAIN=failures/{place.name}" in shown


@pytest.mark.parametrize("form", mutations.FORMS)
def test_an_input_can_be_made_again_from_its_number(tmp_path, form):
    target = next(one for one in TARGETS.values() if one.forms == (form,))
    first, second = worker.Reader(tmp_path / "a", SEED), worker.Reader(tmp_path / "b", SEED)
    made = [(one.make(target, number)) for one in (first, second) for number in range(30)]
    assert made[:30] == made[30:]
    assert len({data for _, data in made}) > 20


def test_inputs_are_drawn_by_weight():
    chosen = drawn(3000, SEED, list(TARGETS))
    counts = {name: sum(one["target"] == name for one in chosen) for name in TARGETS}
    assert counts["picture"] > 5 * counts["checkpoint"] > 0 and chosen == drawn(3000, SEED, list(TARGETS))
    numbers = [one["number"] for one in chosen if one["target"] == "picture"]
    assert numbers == list(range(len(numbers)))


def test_edits_of_json_leave_its_values_alone():
    """They hold objects of their own, whatever is put into them next."""
    before = repr(mutations._ODD)
    for number in range(300):
        mutations.edit_json(b'{"a": [1, {"b": 2}], "c": "x"}', Random(number))
    assert repr(mutations._ODD) == before
