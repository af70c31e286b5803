"""What the study runs, what it skips, and what a kill leaves behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from helpers.notebooks import toy
from helpers.paths import ROOT
from osnet_lib.core.code_digest import PACKAGE, read_package
from osnet_lib.core.files import sha256
from osnet_lib.errors import StudyError
from osnet_lib.features.store import load_features
from osnet_lib.study.run import Run, execute, is_current, run_key, run_matrix, run_study
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace


@pytest.fixture
def work(tmp_path):
    toy(tmp_path / "notebooks", "add", "a: int = 1  # first", "print(a + 1)")
    return Workspace(tmp_path)


def test_matrix_times_the_guide_s_batches_and_the_reader_s():
    runs = {run.notebook: run for run in run_matrix(Study(batch_size=64))}
    names = list(runs)
    assert names[:-1] == sorted(names[:-1]) and names[0] == "00_one_query" and names[-1] == "10_summary"
    given = runs["08_performance"].parameters
    assert given["batch_size"] == 64 and given["batch_sizes"] == [1, 4, 8, 16, 32]


def test_a_notebook_is_given_what_it_declares():
    study = Study(dataset="there", weights="w.pth", batch_size=2, backend="torch", device=3, precision="int8")
    given = {run.notebook: run.parameters for run in run_matrix(study)}
    assert given["02_convert"] == {"weights": str(Path("w.pth").absolute()), "batch_size": 2, "progress": True}
    assert given["11_roofline"] == given["10_summary"] == {} and given["06_stages"]["stage_batches"] == [1, 2]
    assert given["05_accuracy"]["precision"] == "int8" and given["05_accuracy"]["device"] == 3
    assert {name[:2] for name, some in given.items() if "dataset" in some} == {
        "00",
        "01",
        "03",
        "04",
        "05",
        "06",
        "07",
        "12",
    }


def test_matrix_repeats_no_notebook():
    names = [run.notebook for run in run_matrix(Study(batch_size=8))]
    assert len(names) == len(set(names)) == 13


def test_copies_of_an_older_matrix_are_removed(work):
    work.executed.mkdir()
    for size in (1, 16):
        (work.executed / f"08_performance_bs{size:03d}.ipynb").write_text("{}")
    run_study(work, [Run("add")], progress=False, say=lambda _: None)
    assert [path.name for path in work.executed.iterdir()] == ["add.ipynb"]


@pytest.mark.parametrize(
    "given, kept",
    [
        ({}, {}),
        ({"dataset": "mini", "weights": "market1501", "workspace": ""}, None),
        (
            {"dataset": "sub/../set", "weights": "~/w.pth", "a": "set"},
            {"dataset": "set", "weights": "h/w.pth", "a": "set"},
        ),
        ({"dataset": "market1501", "workspace": "."}, {"dataset": "market1501", "workspace": "."}),
    ],
)
def test_paths_count_from_the_folder_of_the_command(tmp_path, monkeypatch, given, kept):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "h"))
    expected = given if kept is None else {k: v if k == "a" else str(tmp_path / v) for k, v in kept.items()}
    run = Run("add", given)
    monkeypatch.chdir("/")
    assert run.parameters == expected


def test_second_run_executes_nothing(work):
    runs, said = [Run("add", {"a": 2})], []
    assert run_study(work, runs, progress=False, say=said.append) == ["add"]
    stamp = (work.executed / "add.ipynb").stat().st_mtime_ns
    assert run_study(work, runs, progress=False, say=said.append) == []
    assert (work.executed / "add.ipynb").stat().st_mtime_ns == stamp
    assert "done in" in said[0] and said[1].endswith("add: current")
    assert nbformat.read(work.executed / "add.ipynb", as_version=4).cells[-1].outputs[0].text == "3\n"


@pytest.mark.parametrize("change", ["parameter", "source", "copy", "result", "edited result"])
def test_what_changed_is_executed_again(work, change):
    source = work.notebooks / "write.ipynb"
    cells = [
        "a: int = 1  # first",
        f"import pathlib; p = pathlib.Path({str(work.results)!r}); p.mkdir(exist_ok=True)",
        "(p / 'performance-toy.json').write_text(str(a))",
    ]
    toy(work.notebooks, "write", *cells)
    run = Run("write", {"a": 2})
    run_study(work, [run], progress=False, say=lambda _: None)
    if change == "parameter":
        run = Run("write", {"a": 3})
    elif change == "source":
        toy(work.notebooks, "write", *cells, "print('more')")
    elif change == "copy":
        (work.executed / "write.ipynb").write_text("{")
    elif change == "edited result":
        path = work.results / "performance-toy.json"
        path.write_text(path.read_text() + " ")
    else:
        (work.results / "performance-toy.json").unlink()
    assert source.is_file() and run_study(work, [run], progress=False, say=lambda _: None) == ["write"]


def test_a_new_result_makes_readers_stale(work):
    run = Run("add", {"a": 1}, reads=("performance",))
    run_study(work, [run], progress=False, say=lambda _: None)
    work.results.mkdir()
    (work.results / "accuracy-x.json").write_text("{}")
    assert is_current(work, run, run_key(work, run))
    (work.results / "performance-x.json").write_text("{}")
    assert not is_current(work, run, run_key(work, run))


STAMPS = [{}, [], 7, None, {"key": 3}, {"results": {}}, {"key": "", "results": ["x.json"]}, {"key": "", "results": {}}]


@pytest.mark.parametrize("stamp", [*STAMPS, "nested", "other key"])
def test_a_copy_whose_stamp_says_nothing_is_made_again(work, stamp):
    run = Run("add", {"a": 1})
    execute(work, run, progress=False)
    copy = work.executed / "add.ipynb"
    notebook = json.loads(copy.read_text())
    key = run_key(work, run)
    assert notebook["metadata"]["study"]["results"] == {} and is_current(work, run, key)
    notebook["metadata"]["study"] = stamp
    copy.write_text("[" * 100_000 if stamp == "nested" else json.dumps(notebook))
    assert not is_current(work, run, key)


HARM = {
    "no nbformat_minor": lambda notebook: notebook.pop("nbformat_minor"),
    "no nbformat": lambda notebook: notebook.pop("nbformat"),
    "a later nbformat": lambda notebook: notebook.update(nbformat=9),
    "metadata that are no object": lambda notebook: notebook.update(metadata=[]),
    "a kernel that is no object": lambda notebook: notebook["metadata"].update(kernelspec=3),
    "no source": lambda notebook: notebook["cells"][0].update(source=None),
    "tags that are no list": lambda notebook: notebook["cells"][0]["metadata"].update(tags=7),
    "an empty cell": lambda notebook: notebook["cells"][0].clear(),
    "cells that are no list": lambda notebook: notebook.update(cells={"a": 1}),
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_notebook_that_is_none_is_refused(work, harm):
    path = work.notebooks / "add.ipynb"
    notebook = json.loads(path.read_text())
    harm(notebook)
    path.write_text(json.dumps(notebook))
    with pytest.raises(
        StudyError, match=r"^.*add\.ipynb: (not a notebook \(\w+\)|names no kernel)\W+ ?Restore it from the repository"
    ):
        run_key(work, Run("add"))


def test_unknown_parameter_is_refused_before_anything_runs(work):
    with pytest.raises(StudyError, match=r"add\.ipynb: unknown parameter batchsize\. It takes: a"):
        run_study(work, [Run("add"), Run("add", {"batchsize": 4})], progress=False)
    assert not work.executed.exists()


def test_failed_cell_stops_the_study_and_keeps_the_notebook(work):
    toy(work.notebooks, "break", "a: int = 1  # first", "{}['no such key']", "print('not reached')")
    with pytest.raises(StudyError, match="failed with KeyError: 'no such key'") as caught:
        run_study(work, [Run("break"), Run("add")], progress=False, say=lambda _: None)
    kept = Path(caught.value.where)
    assert kept.is_file() and str(kept) in str(caught.value) and "no such key" in kept.read_text()
    assert list(work.executed.iterdir()) == []


def test_scripts_that_a_notebook_runs_belong_to_its_key(work):
    scripts = {path.name: sha256(path) for path in (ROOT / "benchmarks").glob("*.py")}
    assert "metrics.py" in scripts
    assert run_key(work, Run("add", files=("benchmarks/*.py",)))["files"] == scripts
    assert run_key(work, Run("add"))["files"] == {}
    assert [run.notebook for run in run_matrix(Study()) if run.files] == ["09_evaluation_speed"]


@pytest.mark.parametrize("content, words", [(None, "no such notebook"), ("{", "not a notebook")])
def test_missing_or_damaged_notebook(work, content, words):
    if content is not None:
        (work.notebooks / "gone.ipynb").write_text(content)
    with pytest.raises(StudyError, match=f"gone.ipynb: {words}"):
        execute(work, Run("gone"), progress=False)


# Which chapters a change of one module reaches; that of a comment reaches none.
REACH = [
    (
        "metrics/reranking.py",
        "changed = 1",
        {"00_one_query", "04_inference", "05_accuracy", "06_stages"}
        | {"07_ranking", "09_evaluation_speed", "10_summary", "12_engines"},
    ),
    ("inference/benchmark.py", "changed = 1", {"08_performance", "12_engines"}),
    ("report/roofline.py", "changed = 1", {"11_roofline"}),
    ("report/stages.py", "changed = 1", {"06_stages", "10_summary"}),
    (
        "datasets/minimarket.py",
        "changed = 1",
        {
            "00_one_query",
            "01_export",
            "03_preprocess",
            "04_inference",
            "05_accuracy",
            "06_stages",
            "07_ranking",
            "08_performance",
            "12_engines",
        },
    ),
    ("network/training.py", "changed = 1", set()),
    ("cli/main.py", "changed = 1", set()),
    ("report/roofline.py", "# a comment", set()),
    ("core/files.py", '"""Another bare string."""', set()),
]


def library_keys(package: Path) -> dict:
    """Per notebook, what its key says of the package."""
    read_package.cache_clear()
    runs = {run.notebook: run for run in run_matrix(Study(ROOT))}
    keys = {name: run_key(Workspace(ROOT), run, package)["library"] for name, run in runs.items()}
    read_package.cache_clear()
    return keys


@pytest.fixture(scope="module")
def copied(tmp_path_factory) -> tuple[Path, dict]:
    """A copy of the package, and the keys of the notebooks with it."""
    package = tmp_path_factory.mktemp("copied") / "osnet_lib"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    return package, library_keys(package)


@pytest.mark.parametrize("module, line, reached", REACH)
def test_a_changed_module_reaches_what_imports_it_and_nothing_else(module, line, reached, copied):
    (package, before), text = copied, (copied[0] / module).read_text()
    (package / module).write_text(f"{text}\n{line}\n")
    after = library_keys(package)
    (package / module).write_text(text)
    assert {name for name in before if before[name] != after[name]} == reached


def study_process(checkout: Path, *notebooks: str) -> list[str]:
    """Run the study of a copied checkout in a process of its own; the names it executed."""
    script = (
        "import json, sys; from pathlib import Path; from osnet_lib.study.run import *;"
        "from osnet_lib.study.workspace import Workspace; runs = [Run(n) for n in sys.argv[2:]];"
        "print(json.dumps(run_study(Workspace(Path(sys.argv[1])), runs, False, lambda _: None)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(
        [sys.executable, "-c", script, str(checkout), *notebooks],
        env=environment,
        cwd=checkout,
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def test_editing_the_library_executes_the_notebooks_that_use_it(tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "osnet_lib", ignore=shutil.ignore_patterns("__pycache__"))
    toy(
        tmp_path / "notebooks",
        "names",
        "a: int = 1  # unused",
        "from osnet_lib.core.results import result_name",
        "print(result_name('a', 'b'))",
    )
    toy(
        tmp_path / "notebooks",
        "quotes",
        "a: int = 1  # unused",
        "from osnet_lib.published.quoted import published_accuracy",
        "print(len(published_accuracy()))",
    )
    assert study_process(tmp_path, "names", "quotes") == ["names", "quotes"]
    assert study_process(tmp_path, "names", "quotes") == []
    module = tmp_path / "osnet_lib" / "core" / "results.py"
    module.write_text(module.read_text().replace('return "-".join(', 'return "+".join('))
    assert study_process(tmp_path, "names", "quotes") == ["names"]
    assert nbformat.read(tmp_path / "executed" / "names.ipynb", as_version=4).cells[-1].outputs[0].text == "a+b\n"


def made(folder: Path) -> dict:
    """Features of a study, without how long the extraction took."""
    features = {path.name: load_features(path) for path in sorted((folder / "work" / "features").glob("*.npz"))}
    return {name: [f.names.tolist(), f.features.tolist()] for name, f in features.items()}


@pytest.mark.timeout(1800)
def test_a_killed_study_completes_with_the_same_features(small_market, small_weights, tmp_path):
    script = (
        "import sys; from pathlib import Path; from osnet_lib.study.run import *;"
        "from osnet_lib.study.workspace import Workspace;"
        "c = dict(dataset=sys.argv[2], weights=sys.argv[3], batch_size=2, progress=False, workspace=sys.argv[1]);"
        "run_study(Workspace(Path(sys.argv[1])), [Run('04_inference', c)], False, print)"
    )

    def start(folder: Path) -> subprocess.Popen:
        folder.mkdir(exist_ok=True)
        shutil.copytree(ROOT / "notebooks", folder / "notebooks", dirs_exist_ok=True)
        arguments = [sys.executable, "-c", script, str(folder), str(small_market), str(small_weights)]
        return subprocess.Popen(arguments, cwd=folder, stdout=subprocess.PIPE, text=True, start_new_session=True)

    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert start(whole).wait(timeout=500) == 0
    process = start(killed)
    deadline = time.monotonic() + 500
    while not list((killed / "work" / "features").glob("*.part")) and process.poll() is None:
        assert time.monotonic() < deadline, "the extraction never started"
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # kernel included, in the middle of the extraction or right after it
    process.wait()
    assert process.returncode == -signal.SIGKILL
    assert not list((killed / "executed").glob("0*.ipynb"))
    assert start(killed).wait(timeout=500) == 0
    assert made(killed) == made(whole) and len(made(whole)) == 2  # query and gallery
