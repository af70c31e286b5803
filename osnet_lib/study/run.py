"""The study as data: which notebook runs with which parameters, and what is already current."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError

from ..core.code_digest import PACKAGE, source_closure
from ..core.files import absolute, atomic_path, fingerprint, read_json, read_text, sha256
from ..core.host import environment
from ..core.machine import now
from ..core.results import KINDS
from ..datasets.collection import open_collection
from ..errors import BusyError, ParityError, StudyError
from ..network.weights import find_weights
from .descriptions import pass_on_descriptions
from .kernel import quiet, run_notebook
from .models import GUIDE_BATCHES
from .outcome import keep_headlines
from .parameters import fold_parameters
from .study import Study
from .workspace import Workspace

_NAMES = {"dataset": ("mini",), "weights": ("mini", "market1501"), "workspace": ("",)}  # what is no path there
_ERRORS = {kind.__name__: kind for kind in (ParityError, BusyError)}  # a gate stays a gate, whoever met it


@dataclass(frozen=True)
class Run:
    """One execution of one notebook.

    Attributes
    ----------
    notebook : str
        Name of the source without ``.ipynb``.
    parameters : dict
        What papermill injects. Paths among them count from the folder of the command, not from that of the kernel.
    reads : tuple of str
        Kinds of result files that the notebook shows, so that a new one makes it stale.
    files : tuple of str
        Patterns of files beside the package that it runs, which make it stale as well.
    """

    notebook: str
    parameters: dict = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    files: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        paths = {
            name: str(absolute(self.parameters[name]))
            for name, others in _NAMES.items()
            if self.parameters.get(name, others[0]) not in others
        }
        object.__setattr__(self, "parameters", {**self.parameters, **paths})


def run_matrix(study: Study) -> list[Run]:
    """Every run of a study, in order; the guide's batch sizes and its own are timed.

    A notebook is given those fields of the study that it declares as parameters.
    """
    common = {part.name: getattr(study, part.name) for part in fields(study) if part.name != "workspace"}
    common |= {name: str(common[name]) for name in ("dataset", "weights")}

    def chapter(name: str, reads: tuple[str, ...] = (), **given) -> Run:
        known = papermill.inspect_notebook(read_notebook(study.place.notebooks / f"{name}.ipynb"))
        parameters = {key: value for key, value in common.items() if key in known}
        return Run(name, parameters | given, reads)

    first = ("00_one_query", "01_export", "02_convert", "03_preprocess", "04_inference")
    return [
        *map(chapter, first),
        chapter("05_accuracy", reads=("accuracy",)),
        chapter("06_stages", stage_batches=sorted({1, study.batch_size})),
        chapter("07_ranking"),
        chapter("08_performance", reads=("performance",), batch_sizes=list(GUIDE_BATCHES)),
        replace(chapter("09_evaluation_speed", reads=("evaluation",)), files=("benchmarks/*.py",)),
        chapter("11_roofline"),
        chapter("12_engines"),
        chapter("10_summary", reads=KINDS),  # last, since it shows what all others found
    ]


def read_notebook(path: Path) -> nbformat.NotebookNode:
    """Read a notebook; raises StudyError where it is missing, damaged or not for a Python kernel."""
    try:
        with quiet():
            notebook = nbformat.reads(read_text(path), as_version=4)
            nbformat.validate(notebook)  # which reading only warns of
    except FileNotFoundError as error:
        raise StudyError(
            "no such notebook", where=path, cure="The sources are the chapters in notebooks/, 01_export and so on."
        ) from error
    except Exception as error:  # nbformat raises many kinds for one cause
        raise StudyError(
            f"not a notebook ({type(error).__name__})", where=path, cure="Restore it from the repository."
        ) from error
    kernel = notebook.metadata.get("kernelspec", {})
    if (language := kernel.get("language", "python" if kernel.get("name") else None)) != "python":
        raise StudyError(
            f"is for a kernel of {language}" if language else "names no kernel",
            where=path,
            cure="Restore it from the repository, or choose a Python kernel in Jupyter and save it.",
        )
    kernel["language"] = language  # which papermill wants told
    return notebook


def _code(notebook: nbformat.NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def check_parameters(path: Path, parameters: dict) -> None:
    """Refuse a parameter that the notebook does not declare: papermill would only warn and run the default."""
    known = papermill.inspect_notebook(read_notebook(path))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise StudyError(
            f"unknown parameter {', '.join(unknown)}", where=path, cure=f"It takes: {', '.join(known) or 'none'}."
        )


def run_key(workspace: Workspace, run: Run, package: Path = PACKAGE) -> dict:
    """Everything the outcome of a run depends on, each as a hash or a plain value."""
    notebook = read_notebook(workspace.notebooks / f"{run.notebook}.ipynb")
    code = _code(notebook)
    text = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in notebook.cells]
    dataset, weights = run.parameters.get("dataset", "mini"), run.parameters.get("weights", "mini")
    key = {
        "notebook": fingerprint(text),
        "parameters": run.parameters,
        "library": source_closure("\n".join(code), package),
        "weights": sha256(find_weights(weights)),
        "environment": environment(),
        "files": {path.name: sha256(path) for pattern in run.files for path in sorted(package.parent.glob(pattern))},
        "dataset": "mini" if dataset == "mini" else _dataset_digest(dataset),
    }
    return key | results_key(workspace, run)


def results_key(workspace: Workspace, run: Run) -> dict:
    """Hashes of the result files that a run shows; empty where it shows none."""
    paths = [path for kind in run.reads for path in sorted(workspace.results.glob(f"{kind}-*.json"))]
    return {"results": {path.name: sha256(path) for path in paths}} if run.reads else {}


def _dataset_digest(dataset: str) -> str:
    with open_collection(dataset) as opened:
        return opened.digest


def is_current(workspace: Workspace, run: Run, key: dict) -> bool:
    """Whether the executed copy was made from the same key and the results it wrote are still there, unchanged."""
    copy = workspace.executed / f"{run.notebook}.ipynb"
    if not copy.is_file():
        return False
    try:
        stamp = read_json(copy)["metadata"]["study"]
        same, written = stamp["key"] == fingerprint(key), stamp["results"].items()
    except (ValueError, KeyError, TypeError, AttributeError):  # of another tool, of before, or edited
        return False
    return same and all(_is_unharmed(workspace.results / name, digest) for name, digest in written)


def _is_unharmed(path: Path, digest: str) -> bool:
    return path.is_file() and sha256(path) == digest


def execute(workspace: Workspace, run: Run, progress: bool = True) -> Path:
    """Run one notebook through papermill and put the executed copy where the book looks.

    Raises
    ------
    StudyError
        An unknown parameter; a cell that failed (its error, and the path of the notebook as far as it got); a kernel
        that did not start or was killed.
    ParityError, BusyError
        The same, where the cell failed with this error.
    """
    source, target = workspace.notebooks / f"{run.notebook}.ipynb", workspace.executed / f"{run.notebook}.ipynb"
    check_parameters(source, run.parameters)
    key, before, started = run_key(workspace, run), _stamps(workspace.results), time.perf_counter()
    broken = workspace.failed / target.name
    broken.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as temporary:
        try:
            run_notebook(
                read_notebook(source),
                temporary,
                run.parameters,
                workspace.root,
                {**os.environ, "OSNET_WORKSPACE": str(workspace.root)},
                progress,
                source,
            )
        except PapermillExecutionError as error:
            temporary.replace(broken)
            if error.ename == KeyboardInterrupt.__name__:
                raise KeyboardInterrupt from error
            raise _ERRORS.get(error.ename, StudyError)(
                f"cell {error.exec_count} failed with {error.ename}: {' '.join(str(error.evalue).split())}",
                where=broken,
                cure="Open it to see the failing cell, then run the study again.",
            ) from error
        stamps = sorted(_stamps(workspace.results).items())
        written = {name: sha256(workspace.results / name) for name, stamp in stamps if before.get(name) != stamp}
        notebook = read_notebook(temporary)
        pass_on_descriptions(notebook)
        fold_parameters(notebook)
        # The key is of before the run, so that an edit meanwhile is seen; results that it wrote and read belong to it.
        key |= results_key(workspace, run)
        shown = sorted(key.get("results", ()))
        notebook.metadata["study"] = {
            "key": fingerprint(key),
            "results": written,
            "shown": shown,
            "seconds": round(time.perf_counter() - started, 1),
            "date": now(),
        }
        notebook.metadata.pop("papermill", None)  # holds absolute paths and times, nothing the book shows
        nbformat.write(notebook, temporary)
    broken.unlink(missing_ok=True)
    return target


def _stamps(folder: Path) -> dict[str, int]:
    return {p.name: p.stat().st_mtime_ns for p in folder.glob("*.json")}


def run_study(
    workspace: Workspace, runs: list[Run], progress: bool = True, say: Callable[[str], None] = print
) -> list[str]:
    """Execute every run that is not current, in order, and remove executed copies of runs that are not in the matrix.

    Returns
    -------
    list of str
        Names of the runs that were executed.
    """
    for run in runs:  # a typo is refused before hours of work, not after
        check_parameters(workspace.notebooks / f"{run.notebook}.ipynb", run.parameters)
    executed = []
    for number, run in enumerate(runs, 1):
        label = f"[{number:2d}/{len(runs)}] {run.notebook}"
        if is_current(workspace, run, run_key(workspace, run)):
            say(f"{label}: current")
            continue
        started = time.perf_counter()
        execute(workspace, run, progress)
        executed.append(run.notebook)
        say(f"{label}: done in {time.perf_counter() - started:.1f} s")
    names = {run.notebook for run in runs}
    for copy in workspace.executed.glob("*.ipynb"):
        if copy.stem not in names:  # of an earlier matrix; what it measured stays in the results
            copy.unlink()
    keep_headlines(workspace, now())
    return executed
