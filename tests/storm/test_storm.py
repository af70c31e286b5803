"""A few kills of cheap commands; ``make storm`` makes 100 of all."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from osnet_lib.cli.main import _parser
from storm import runner
from storm.commands import COMMANDS, LEFT_OUT, Command
from storm.report import report
from storm.state import is_temporary, state

_CHEAP = ("preprocess", "info", "evaluate", "infer", "manifest", "import-results")


@pytest.mark.timeout(600)
def test_six_kills_of_cheap_commands():
    chosen = [one for one in COMMANDS if one.name in _CHEAP]
    ended = runner.storm(chosen, len(_CHEAP), 2, 2)
    assert len(ended) == len(_CHEAP) and not any(one.faults for one in ended), report(ended, 0, 2)


def test_every_command_is_killed_or_says_why_not():
    killed = {one.name.partition(",")[0] for one in COMMANDS}
    offered = next(action.choices for action in _parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert killed | LEFT_OUT.keys() == set(offered) and not killed & LEFT_OUT.keys()


# ---- the harness itself: programs that are as they must not be ------------------------------------------------------

_SLOW = "import pathlib, time; p = pathlib.Path('made.txt'); p.write_text('a'); time.sleep({pause}); p.write_text('ab')"


@pytest.fixture
def bare(monkeypatch):
    """No inputs, which take their time."""

    def make(folder: Path) -> Path:
        folder.mkdir()
        return folder

    monkeypatch.setattr(runner, "make_inputs", make)


def kill(program: str, seed: int = 0) -> runner.Killed:
    command = Command("odd", (sys.executable, "-c", program))
    return runner.storm([command], 1, seed, 1)[0]


@pytest.fixture
def by_kill(monkeypatch, bare):
    monkeypatch.setattr(runner, "_SIGNALS", (signal.SIGKILL,))
    monkeypatch.setattr(runner.Random, "uniform", lambda *_: 0.3)


def test_half_a_file_under_its_final_name_is_seen(by_kill):
    one = kill(_SLOW.format(pause=2))
    assert one.met == "work" and one.faults == ("made.txt is not whole after the kill",)
    assert "odd, SIGKILL at 0.30 of the work: made.txt is not whole after the kill" in report([one], 1, 0)


def test_an_end_that_differs_is_seen(by_kill):
    program = (
        "import pathlib, time; p = pathlib.Path('made.part'); p.open('a').write('a'); time.sleep(2); p.replace('made')"
    )
    one = kill(program)
    assert one.faults == ("made differs in the end",) and one.halves == 1


def test_a_run_that_cannot_go_on_is_seen(by_kill):
    program = (
        "import pathlib, sys, time; p = pathlib.Path('made.part'); p.exists() and sys.exit('taken'); "
        "p.write_text('a'); time.sleep(2); p.replace('made')"
    )
    first, *others = kill(program).faults
    assert first.startswith("the next run ended with 1: taken") and others == ["made lacks in the end"]


def test_what_a_good_program_leaves_is_no_fault(by_kill):
    program = "import pathlib, time; p = pathlib.Path('made.part'); p.write_text('a'); time.sleep(2); p.replace('made')"
    one = kill(program)
    assert one.faults == () and one.halves == 1 and "0 kills with faults" in report([one], 1, 0)


def test_a_program_that_fails_undisturbed_ends_the_storm(bare):
    with pytest.raises(RuntimeError, match="odd fails undisturbed: .*'no'"):
        kill("import sys; sys.exit('no')")


@pytest.mark.parametrize(
    "path, temporary",
    [
        (".made.npz.12.0a1b2c3d.tmp", True),
        (".made.12.0a1b2c3d.tmp.npz", True),
        (".made.x1.tmp/made.om", True),
        ("made/query.npz.part", True),
        ("made/query.npz.part.json", True),
        ("made/query.npz", False),
        ("made.tmp", False),
    ],
)
def test_names_of_what_is_not_finished(path, temporary):
    assert is_temporary(path) is temporary


def test_times_are_blotted_out_and_nothing_else(tmp_path):
    def write(folder: str, seconds: float, figure: float) -> dict[str, object]:
        place = tmp_path / folder
        place.mkdir()
        conditions = {"seconds": seconds, "resumed_at": int(seconds), "batch": 2}
        np.savez(place / "f.npz", features=np.full(3, figure), conditions=np.array(json.dumps(conditions)))
        (place / "r.json").write_text(json.dumps({"seconds": seconds, "mAP": figure}))
        (place / "perf_vision_x.txt").write_text(f"throughputRate: {seconds}")
        (place / "made.sha256").write_text("".join(f"{word}\n" for word in ("a", "b")[:: 1 if seconds > 1 else -1]))
        return state(place)

    first = write("a", 1.5, 0.7)
    assert first == write("b", 0.25, 0.7) and len(first) == 4
    other = write("c", 1.5, 0.8)
    assert {name for name in first if first[name] != other[name]} == {"f.npz", "r.json"}
    shutil.rmtree(tmp_path / "a")
    assert os.listdir(tmp_path) and state(tmp_path / "b", frozenset({"r.json"})).keys() == first.keys() - {"r.json"}
