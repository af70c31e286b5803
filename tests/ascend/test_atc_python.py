"""The Python that ATC finds: never ours, asked what it is, and judged by what CANN lists."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from osnet_lib.ascend.atc_python import (
    TBE_PACKAGES,
    HostPython,
    ask_python,
    atc_environment,
    find_atc_python,
    lists_are_known,
)
from stand_ins.host import add_python


@pytest.mark.parametrize(
    "given, kept",
    [
        ({"PATH": "/v/bin:/usr/bin", "VIRTUAL_ENV": "/v"}, {"PATH": "/usr/bin"}),
        ({"PATH": "/usr/bin:/v/bin:/bin", "VIRTUAL_ENV": "/v/"}, {"PATH": "/usr/bin:/bin"}),
        ({"PATH": "/v2/bin:/bin", "VIRTUAL_ENV": "/v"}, {"PATH": "/v2/bin:/bin"}),
        ({"PATH": "/v/bin", "VIRTUAL_ENV": "/v", "VIRTUAL_ENV_PROMPT": "v"}, {"PATH": ""}),
        (
            {"PYTHONPATH": "/cann/python:/v/lib/site-packages", "VIRTUAL_ENV": "/v", "LD_LIBRARY_PATH": "/cann"},
            {"PYTHONPATH": "/cann/python", "LD_LIBRARY_PATH": "/cann"},
        ),
        ({"PATH": "/usr/bin", "VIRTUAL_ENV": ""}, {"PATH": "/usr/bin"}),
        ({}, {}),
    ],
)
def test_what_atc_inherits(given, kept):
    assert atc_environment(given) == kept


@pytest.mark.parametrize("prefix, kept", [("/own", "/usr/bin"), (sys.base_prefix, "/own/bin:/usr/bin")])
def test_an_environment_that_was_not_activated_is_left_out_too(monkeypatch, prefix, kept):
    monkeypatch.setattr(sys, "prefix", prefix)
    assert atc_environment({"PATH": "/own/bin:/usr/bin"})["PATH"] == kept


def test_a_python_is_asked_what_it_is():
    import numpy

    found = ask_python(sys.executable, os.environ)
    assert found.version == sys.version_info[:3] and found.numpy == numpy.__version__
    assert Path(found.executable).samefile(sys.executable) and set(found.missing) <= set(TBE_PACKAGES.values())
    assert "scipy" not in found.missing and "protobuf" not in found.missing


def test_the_first_python_on_the_path_of_atc_answers(tmp_path, monkeypatch):
    add_python(tmp_path / "venv" / "bin", version=[3, 13, 1])
    add_python(tmp_path / "host", version=[3, 9, 2], numpy="1.22.0", missing=["absl"])
    path = os.pathsep.join([str(tmp_path / "venv" / "bin"), str(tmp_path / "host")])
    found = find_atc_python({"PATH": path, "VIRTUAL_ENV": str(tmp_path / "venv")})
    assert found == HostPython(str(tmp_path / "host" / "python3"), (3, 9, 2), "1.22.0", ("absl-py",))
    assert str(found) == f"{tmp_path}/host/python3 (Python 3.9.2, numpy 1.22.0)"


@pytest.mark.parametrize("script", ["exit 1", "echo no JSON", "true", "kill -9 $$"])
def test_a_python_that_does_not_answer_is_none(tmp_path, script):
    (tmp_path / "python3").write_text(f"#!/bin/sh\n{script}\n")
    (tmp_path / "python3").chmod(0o755)
    assert find_atc_python({"PATH": str(tmp_path)}) is None
    assert find_atc_python({"PATH": "/nowhere"}) is None


GOOD = HostPython("/usr/bin/python3", (3, 9, 2), "1.22.0")


@pytest.mark.parametrize(
    "python, cann, faults, unlisted",
    [
        (GOOD, (8, 2), [], []),
        (GOOD, None, [], []),
        (HostPython("p", (3, 11, 4), "1.24.0"), (8, 1), [], []),
        (HostPython("p", (3, 7, 0), "1.19.2"), (8, 3), [], []),
        (HostPython("p", (3, 11, 5), "1.24.1"), (8, 1), [], ["Python 3.11.5", "numpy 1.24.1"]),
        (HostPython("p", (3, 6, 9), "1.19.1"), (8, 1), [], ["Python 3.6.9", "numpy 1.19.1"]),
        (HostPython("p", (3, 11, 5), "1.26.4"), None, [], []),
        (HostPython("p", (3, 9, 2), "2.0.0"), (6, 0), ["numpy 2.0.0"], []),
        (HostPython("p", (3, 9, 2), "2.0.0"), None, ["numpy 2.0.0"], []),
        (HostPython("p", (3, 9, 2), "2.0.0rc1"), (8, 3), ["numpy 2.0.0rc1"], ["numpy 2.0.0rc1"]),
        (HostPython("p", (3, 13, 0), "2.1.0"), (9, 0), [], []),
        (HostPython("p", (3, 13, 0), "1.24.0"), (8, 0), ["Python 3.13.0"], []),
        (HostPython("p", (3, 9, 2), "1.22.0", ("attrs", "scipy")), (9, 0), ["lacks attrs, scipy"], []),
        (HostPython("p", (3, 9, 2), None, ("numpy",)), (8, 1), ["lacks numpy"], []),
        (HostPython("p", (3, 9, 2), None), (8, 1), ["numpy that does not import"], []),
    ],
)
def test_judgement(python, cann, faults, unlisted):
    for found, wanted in ((python.faults(cann), faults), (python.unlisted(cann), unlisted)):
        assert len(found) == len(wanted) and all(words in clause for words, clause in zip(wanted, found)), found
    assert python.cure().startswith("Put a Python from 3.7 to 3.11.4 first on PATH")


@pytest.mark.parametrize(
    "python, end",
    [
        (GOOD, "PATH."),
        (HostPython("/p", (3, 9, 2), "2.0.0"), "/p -m pip install 'numpy>=1.19.2,<=1.24.0'"),
        (HostPython("/p", (3, 9, 2), "1.22.0", ("attrs",)), "/p -m pip install attrs"),
        (HostPython("/p", (3, 9, 2), None, ("numpy", "cffi")), "/p -m pip install 'numpy>=1.19.2,<=1.24.0' cffi"),
        (HostPython("/p", (3, 13, 0), "2.0.0"), "PATH."),  # which has no wheel of such a numpy
    ],
)
def test_the_cure_installs_what_is_missing(python, end):
    assert python.cure().endswith(end)


@pytest.mark.parametrize("cann, known", [((8, 0), 0), ((8, 1), 1), ((8, 3), 1), ((8, 5), 0), ((9, 0), 0), (None, 0)])
def test_whose_list_is_known(cann, known):
    assert lists_are_known(cann) is bool(known)


def test_the_question_is_one_that_python_3_7_understands():
    import ast

    from osnet_lib.ascend import atc_python

    ast.parse(atc_python._PROBE, feature_version=(3, 7))
    assert json.dumps(list(TBE_PACKAGES)) and len(TBE_PACKAGES) == 13
