"""tools/check_types.py: what it makes of mypy's output; mypy itself does not run."""

from __future__ import annotations

import importlib
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STRICT = 'osnet_lib/metrics/distance.py:12: error: "int" has no attribute "x"  [attr-defined]\n'
LOOSE = 'osnet_lib/plots/maps.py:12:5: error: Item "None" has no attribute "y"  [union-attr]\n'
NOTE = "osnet_lib/plots/maps.py:12: note: error: is only a word here\n"
RECORD = "2 with Python 3.11\n"


@pytest.fixture
def tool(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "tools")
    return importlib.import_module("check_types")


@pytest.mark.parametrize("output, status, record, python, wrong", [
    ("", 0, "0 with Python 3.11", "3.11", []),
    (2 * LOOSE + NOTE, 1, RECORD, "3.11", []),
    (3 * LOOSE, 1, RECORD, "3.11", ["3 elsewhere, where 2 are known"]),
    (3 * LOOSE, 1, RECORD, "3.12", ["3 elsewhere, where 2 are known"]),
    (LOOSE, 1, RECORD, "3.11", ["write 1 into tools/types.count"]),
    ("", 0, RECORD, "3.11", ["write 0 into tools/types.count"]),
    (LOOSE, 1, RECORD, "3.13", []),
    (2 * LOOSE + STRICT, 1, RECORD, "3.11", ["1 in packages that have none"]),
    (2 * LOOSE + STRICT, 1, RECORD, "3.10", ["1 in packages that have none"]),
    (3 * LOOSE + 2 * STRICT, 1, RECORD, "3.11", ["2 in packages that have none", "3 elsewhere"]),
    ("osnet_lib/checks.py:1: error: E  [misc]\n", 1, "0 with Python 3.11", "3.11", ["1 in packages that have none"]),
    ("osnet_lib\\core\\host.py:1: error: E  [misc]\n", 1, "0 with Python 3.11", "3.11", ["1 in packages"]),
    ("osnet_lib/cli/checks.py:1: error: E  [misc]\n", 1, "1 with Python 3.11", "3.11", []),
    ("No module named mypy\n", 1, RECORD, "3.11", ["mypy did not finish (exit status 1)"]),
    ("osnet_lib/plots/maps.py:3: error: Invalid syntax  [syntax]\n", 2, RECORD, "3.11", ["mypy did not finish"]),
    ("", 0, "two", "3.11", ["tools/types.count holds 'two'"]),
])  # fmt: skip
def test_decisions(tool, output, status, record, python, wrong):
    found = tool.judge(output, status, record, python)
    assert len(found) == len(wrong)
    for sentence, part in zip(found, wrong):
        assert part in sentence


@pytest.mark.parametrize("output, status, code", [("", 0, None), (LOOSE, 1, 1), (STRICT, 1, 1)])
def test_the_exit_code_is_1_where_something_is_wrong(tool, monkeypatch, tmp_path, capsys, output, status, code):
    (tmp_path / "tools").mkdir()
    (tmp_path / tool.RECORD).write_text("0 with Python 3.11", "utf-8")
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool.subprocess, "run", lambda *a, **k: subprocess.CompletedProcess(a, status, output))
    if code is None:
        tool.main()
        assert "0 elsewhere" in capsys.readouterr().out
    else:
        with pytest.raises(SystemExit) as stopped:
            tool.main()
        assert str(stopped.value).startswith("types: 1 ")
        assert output in capsys.readouterr().out


def test_the_strict_packages_are_those_of_mypy(tool):
    section = (ROOT / "pyproject.toml").read_text("utf-8").partition("[[tool.mypy.overrides]]")[2].partition("]\n")[0]
    modules = re.findall(r'"osnet_lib\.([\w.*]+)"', section)
    assert tuple(m[:-1].replace(".", "/") if m.endswith("*") else f"{m}.py" for m in modules) == tool.STRICT


def test_the_record_can_be_read(tool):
    assert not any("write it like" in sentence for sentence in tool.judge("", 0, (ROOT / tool.RECORD).read_text(), ""))
