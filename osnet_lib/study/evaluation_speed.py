"""How fast the evaluation itself is: the programs of ``benchmarks/`` run, kept as results, shown as tables."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..checks import whole_number
from ..core.code_digest import code_digest
from ..core.disturbance import Watch, judge
from ..core.files import read_json, sha256
from ..core.host import environment
from ..core.results import Result, read_results, result_name, write_result
from ..datasets.market1501 import PUBLISHED
from ..errors import StudyError
from ..metrics import evaluate, evaluate_distances, rerank
from .study import Study
from .workspace import REPOSITORY

SCRIPTS = REPOSITORY / "benchmarks"
BENCHMARKS = ("metrics", "reranking", "distractors")
MARKET = tuple(PUBLISHED[split]["images"] - PUBLISHED[split]["junk"] for split in ("query", "gallery"))


def measure_evaluation_speed(
    study: Study,
    queries: int = MARKET[0],
    gallery: int = MARKET[1],
    share: float = 0.25,
    distractors: Sequence[int] = (0, 25_000, 50_000, 100_000),
    rounds: int = 3,
    scripts: Path = SCRIPTS,
) -> list[Result]:
    """Run the three benchmarks of the evaluation as child processes and write a result file each.

    Parameters
    ----------
    study : Study
        The results of its workspace take the files; one that was made by the same code, on the same machine's cores and
        versions, with the same sizes, is reused.
    queries, gallery : int
        Synthetic images for `evaluate` against plain loops, and gallery to which distractors are added.
    share : float
        Part of both sizes for re-ranking, whose dense contestant takes time and memory with the square, and of the
        queries when distractors are added; above 0, at most 1.
    distractors : sequence of int
        Images added to the gallery, ascending.
    rounds : int
        Timed rounds of every contestant.

    Returns
    -------
    list of Result
        Kind "evaluation": metrics, reranking, distractors.

    Raises
    ------
    StudyError
        Scripts that are not there, as in an installation without the checkout; sizes without sense; contestants whose
        figures differ, or a memory above the limit: then nothing is written.
    """
    if not 0 < share <= 1:
        raise StudyError(f"a share of {share}", where="share", cure="Give a part of the size: above 0, at most 1.")
    cure = "Give a list of whole numbers; with papermill: -y 'distractors: [0, 100000]'."
    if isinstance(distractors, (str, int)):
        raise StudyError(f"{distractors!r} is no list", where="distractors", cure=cure)
    for number in distractors:
        whole_number(number, "distractors", at_least=0, error=StudyError, cure=cure)
    some, part = (max(1, round(number * share)) for number in (queries, gallery))
    sizes = {
        "metrics": ["--queries", queries, "--gallery", gallery, "--rounds", rounds],
        "reranking": ["--queries", some, "--gallery", part, "--rounds", rounds],
        "distractors": ["--queries", some, "--gallery", gallery, "--rounds", rounds, "--distractors", *distractors],
    }
    code = {"package": code_digest(evaluate, evaluate_distances, rerank), "scripts": _hashes(scripts)}
    held = {result.name: result for result in read_results(study.place.results, "evaluation")}
    results = []
    for name in tqdm(BENCHMARKS, desc="evaluation speed", unit="benchmark", disable=not study.progress):
        arguments = [str(word) for word in sizes[name]]
        fixed = {"arguments": arguments, "code": code, "environment": environment()}
        file_name = result_name(name, *(word.strip("-") for word in arguments))
        result = held.get(file_name)
        if result is None or {key: result.conditions[key] for key in fixed} != fixed:
            measured = _run(scripts / f"{name}.py", arguments)
            result = Result("evaluation", file_name, {**measured.pop("conditions"), **fixed}, measured)
            write_result(study.place.results, result)
        results.append(result)
    return results


def _hashes(scripts: Path) -> dict[str, str]:
    """SHA-256 of every script by name."""
    missing = [f"{name}.py" for name in BENCHMARKS if not (scripts / f"{name}.py").is_file()]
    if missing:
        raise StudyError(
            f"no {', '.join(missing)}",
            where=scripts,
            cure="The benchmarks are part of the repository, not of the installed package: clone it and "
            "install it with pip install -e .",
        )
    return {path.name: sha256(path) for path in sorted(scripts.glob("*.py"))}


def _run(script: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON that a benchmark writes, with the verdict on what the machine did meanwhile."""
    with tempfile.TemporaryDirectory(prefix="osnet-evaluation-") as folder:
        target = Path(folder, "measured.json")
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        watch = Watch()
        watch.start()
        done = subprocess.run(
            [sys.executable, str(script), *arguments, "--json", str(target)],
            text=True,
            capture_output=True,
            env={**os.environ, "PYTHONPATH": path},
        )
        if done.returncode:
            said = (done.stdout if target.is_file() else done.stderr).strip().splitlines()[-3:]
            raise StudyError(
                f"exit code {done.returncode}: {' | '.join(said) or 'no message'}",
                where=script,
                cure=f"Run it by hand: python {script.name} {' '.join(arguments)}.",
            )
        verdict = judge(None, watch.stop())
        judged = {"verdict": verdict.word, "reasons": list(verdict.reasons), "evidence": verdict.evidence}
        return {**read_json(target), **judged}
