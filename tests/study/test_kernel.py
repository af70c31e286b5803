"""The study's own kernel: its interpreter, and every way it can end told in one line."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import papermill
import pytest

from helpers.notebooks import toy
from helpers.paths import ROOT
from osnet_lib.cli.outcomes import outcome
from osnet_lib.errors import BusyError, ParityError, StudyError
from osnet_lib.study import kernel
from osnet_lib.study.run import Run, execute, run_study


@pytest.fixture
def others(tmp_path, monkeypatch) -> Path:
    """A kernel named python3, found before that of this environment, which leaves its mark and fails."""
    folder = tmp_path / "jupyter"
    (folder / "kernels" / "python3").mkdir(parents=True)
    argv = [sys.executable, "-c", f"open({str(tmp_path / 'started')!r}, 'w')", "{connection_file}"]
    spec = {"argv": argv, "display_name": "Another Python", "language": "python"}
    (folder / "kernels" / "python3" / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(folder))
    return tmp_path / "started"


def test_the_study_s_own_interpreter_runs_it_in_the_study_s_folder(work, others, monkeypatch):
    """In a folder whose name papermill would take for a format, and which the variable names by a relative path."""
    monkeypatch.setenv("OSNET_WORKSPACE", "elsewhere")
    work = type(work)(work.root / "a {strange} folder")
    toy(work.notebooks, "who", "a: int = 1", "import os, sys; print(sys.executable, os.getcwd(), sep='\\n')")
    shown = nbformat.read(execute(work, Run("who", {"a": 2}), progress=False), as_version=4).cells[-1]
    assert shown.outputs[0].text.splitlines() == [sys.executable, str(work.root)] and not others.exists()


ENDS = [
    (
        "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
        StudyError,
        r"ended by signal 9 \(SIGKILL\)\. A system",
    ),
    (
        "import os; print('fatal: no chip', file=sys.__stderr__); os.abort()",
        StudyError,
        r"ended by signal 6 \(SIGABRT\)",
    ),
    ("import os; os._exit(3)", StudyError, r"the kernel ended with exit code 3\. Run the study again"),
    ("raise MemoryError", StudyError, "cell 3 failed with MemoryError"),
    ("raise ValueError('two\\nlines')", StudyError, "cell 3 failed with ValueError: two lines"),
    (
        "from osnet_lib.errors import BusyError; raise BusyError('held', where='q.part', cure='Wait.')",
        BusyError,
        "cell 3 failed with BusyError: q.part: held. Wait.",
    ),
    (
        "from osnet_lib.errors import ParityError; raise ParityError('off', where='a.onnx')",
        ParityError,
        "cell 3 failed with ParityError: a.onnx: off",
    ),
    ("raise KeyboardInterrupt", KeyboardInterrupt, ""),
]


@pytest.mark.parametrize("cell, kind, words", ENDS, ids=lambda value: getattr(value, "__name__", None))
def test_each_end_of_a_kernel_is_told_in_one_line_and_nothing_else(work, capfd, cell, kind, words):
    toy(work.notebooks, "end", "a: int = 1", f"import sys; {cell}")
    with pytest.raises(kind) as ended:
        execute(work, Run("end", {"a": 2}), progress=False)
    assert type(ended.value) is kind and re.search(words, str(ended.value)) and "\n" not in str(ended.value)
    assert capfd.readouterr() == ("", "")
    assert not list(work.executed.glob("*"))
    assert outcome(ended.value)[0] == {StudyError: 2, BusyError: 75, ParityError: 1, KeyboardInterrupt: 130}[kind]


def test_a_kernel_that_does_not_start_says_what_is_missing(work, capfd, monkeypatch):
    monkeypatch.setattr(kernel, "_COMMAND", [sys.executable, "-m", "no_such_kernel"])
    toy(work.notebooks, "end", "a: int = 1")
    with pytest.raises(
        StudyError, match=r"end\.ipynb: no kernel started: .*No module named no_such_kernel\)\. Try .*pip"
    ):
        execute(work, Run("end"), progress=False)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "spec, words",
    [
        ({}, "names no kernel"),
        ({"kernelspec": {"name": "", "display_name": ""}}, "names no kernel"),
        ({"kernelspec": {"name": "julia-1.11", "display_name": "J", "language": "julia"}}, "is for a kernel of julia"),
    ],
)
def test_a_notebook_that_no_python_kernel_runs_is_refused_before_anything_runs(work, spec, words):
    toy(work.notebooks, "first", "a: int = 1")
    toy(work.notebooks, "end", "a: int = 1", metadata=spec)
    with pytest.raises(StudyError, match=rf"end\.ipynb: {words}\. Restore it"):
        run_study(work, [Run("first"), Run("end")], progress=False, say=lambda _: None)
    assert not work.executed.exists()


def test_an_interrupted_study_ends_with_130_and_leaves_no_kernel(work):
    toy(
        work.notebooks,
        "wait",
        "a: int = 1",
        "import os, time; open('pid', 'w').write(str(os.getpid())); time.sleep(300)",
    )
    script = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"  # ignored in the background
        "from osnet_lib.cli import main; from osnet_lib.study import run;"
        "run.run_matrix = lambda *_: [run.Run('wait')]; sys.exit(main.main(['study', '--no-book']))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OSNET_WORKSPACE": str(work.root)}
    study = subprocess.Popen([sys.executable, "-c", script], env=environment, stderr=subprocess.PIPE, text=True)
    pid = work.root / "pid"
    while not (pid.is_file() and pid.read_text()):
        assert study.poll() is None
        time.sleep(0.05)
    study.send_signal(signal.SIGINT)
    said = study.communicate(timeout=120)[1]
    assert study.returncode == 130 and said.splitlines()[-1].startswith("osnet: interrupted; the next run continues")
    assert "Traceback" not in said and not Path(f"/proc/{pid.read_text()}").exists()


def test_papermill_alone_takes_paths_from_the_folder_of_the_command(tmp_path, small_market, small_weights, monkeypatch):
    """As ``papermill notebooks/X.ipynb out.ipynb -p dataset set`` does, from the folder where the data lies."""
    (tmp_path / "set").symlink_to(small_market)
    (tmp_path / "w.pth").symlink_to(small_weights)
    cells = [
        "dataset: str = 'mini'  # d\nweights: str = 'mini'  # w\nworkspace: str = ''  # p",
        "from osnet_lib.network.weights import find_weights",
        "from osnet_lib.study.dataset import open_dataset",
        "from osnet_lib.study.workspace import open_workspace",
        "with open_dataset(dataset, open_workspace(workspace)) as images: print(images.path)",
        "print(find_weights(weights), open_workspace(workspace).root, sep='\\n')",
    ]
    toy(tmp_path / "notebooks", "where", cells[0], "\n".join(cells[1:]))
    monkeypatch.chdir(tmp_path)
    parameters = {"dataset": "set", "weights": "w.pth", "workspace": "room"}
    made = papermill.execute_notebook("notebooks/where.ipynb", "out.ipynb", parameters=parameters, progress_bar=False)
    assert made.cells[-1].outputs[0].text.splitlines() == [str(tmp_path / name) for name in ("set", "w.pth", "room")]
