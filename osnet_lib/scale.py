"""How fast the evaluation itself is: the programs of ``benchmarks/`` run, kept as results, shown as tables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Sequence

from tqdm import tqdm

from .checks import whole_number
from .errors import StudyError
from .files import sha256
from .lineage import code_digest
from .market1501 import PUBLISHED
from .metrics import evaluate, evaluate_distances, rerank
from .results import Result, environment, read_results, result_name, write_result
from .table import Table
from .workspace import REPOSITORY, Workspace

SCRIPTS = REPOSITORY / "benchmarks"
BENCHMARKS = ("metrics", "reranking", "distractors")
MARKET = tuple(PUBLISHED[split]["images"] - PUBLISHED[split]["junk"] for split in ("query", "gallery"))
OURS = {"metrics": "evaluate", "reranking": "rerank"}
WORDS = {  # what the contestants of the scripts are
    "evaluate": "evaluate, this package", "rerank": "rerank, this package",
    "matrix product alone": "the matrix product alone", "argsort loop": "plain numpy: sort each row, loop over queries",
    "list loop": "plain Python, the steps of torchreid's", "dense": "published numpy algorithm, dense matrices",
}


def measure_evaluation_speed(workspace: Workspace, queries: int = MARKET[0], gallery: int = MARKET[1],
                             share: float = 0.25, distractors: Sequence[int] = (0, 25_000, 50_000, 100_000),
                             rounds: int = 3, progress: bool = True, scripts: Path = SCRIPTS) -> list[Result]:
    """Run the three benchmarks of the evaluation as child processes and write a result file each.

    Parameters
    ----------
    workspace : Workspace
        Its folder of results takes the files; one that was made by the same code, on the same machine's cores and
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
    held = {result.name: result for result in read_results(workspace.results, "evaluation")}
    results = []
    for name in tqdm(BENCHMARKS, desc="evaluation speed", unit="benchmark", disable=not progress):
        arguments = [str(word) for word in sizes[name]]
        fixed = {"arguments": arguments, "code": code, "environment": environment()}
        file_name = result_name(name, *(word.strip("-") for word in arguments))
        result = held.get(file_name)
        if result is None or {key: result.conditions[key] for key in fixed} != fixed:
            measured = _run(scripts / f"{name}.py", arguments)
            result = Result("evaluation", file_name, {**measured.pop("conditions"), **fixed}, measured)
            write_result(workspace.results, result)
        results.append(result)
    return results


def _hashes(scripts: Path) -> dict[str, str]:
    """SHA-256 of every script by name."""
    missing = [f"{name}.py" for name in BENCHMARKS if not (scripts / f"{name}.py").is_file()]
    if missing:
        raise StudyError(f"no {', '.join(missing)}", where=scripts,
                         cure="The benchmarks are part of the repository, not of the installed package: clone it and "
                              "install it with pip install -e .")
    return {path.name: sha256(path) for path in sorted(scripts.glob("*.py"))}


def _run(script: Path, arguments: Sequence[str]) -> dict[str, Any]:
    """The JSON that a benchmark writes."""
    with tempfile.TemporaryDirectory(prefix="osnet-evaluation-") as folder:
        target = Path(folder, "measured.json")
        path = os.pathsep.join(filter(None, [str(REPOSITORY), os.environ.get("PYTHONPATH")]))
        done = subprocess.run([sys.executable, str(script), *arguments, "--json", str(target)], text=True,
                              capture_output=True, env={**os.environ, "PYTHONPATH": path})
        if done.returncode:
            said = (done.stdout if target.is_file() else done.stderr).strip().splitlines()[-3:]
            raise StudyError(f"exit code {done.returncode}: {' | '.join(said) or 'no message'}", where=script,
                             cure=f"Run it by hand: python {script.name} {' '.join(arguments)}.")
        return json.loads(target.read_text("utf-8"))


def evaluation_speed_table(results: Sequence[Result]) -> Table:
    """Every contestant of evaluation and re-ranking: seconds, how many times ours that is, memory, measured or quoted.

    Rows of one benchmark stand together, this package first. Allocated is what a call takes beside its input; the
    whole process holds interpreter, libraries and input as well.
    """
    records = []
    for result in (r for r in results if r.conditions["benchmark"] in OURS):
        values, conditions = result.values, result.conditions
        ours = values["seconds"][OURS[conditions["benchmark"]]]["median"]
        size = {"queries": conditions["queries"], "gallery": conditions["gallery"]}
        allocated, whole = values.get("peak_bytes", {}), values.get("peak_rss_bytes", {})
        for name, times in sorted(values["seconds"].items(), key=lambda item: item[1]["median"] != ours):
            scaled = name == "list loop" and conditions["loop_queries"] < conditions["queries"]
            figure = f"scaled from {conditions['loop_queries']} queries" if scaled else "measured"
            records.append({
                **size, "program": WORDS.get(name, name), "figure": figure, "seconds": times["median"],
                "range": f"{times['min']:.2f} to {times['max']:.2f}", "times ours": times["median"] / ours,
                "allocated, MB": allocated[name] / 1e6 if name in allocated and not scaled else None,
                "whole process, MB": whole[name] / 1e6 if name in whole else None, "rounds": conditions["rounds"],
                "cores": conditions["environment"]["cores"]})
        for figure, kind in (("quoted, another machine", "quoted"), ("estimated for this machine", "estimated")):
            records += [{**size, "program": name, "figure": figure, "seconds": seconds, "times ours": seconds / ours,
                         "cores": 2} for name, seconds in values.get(f"{kind}_seconds", {}).items()]
    formats = dict.fromkeys(("allocated, MB", "whole process, MB"), ",.0f") | {"seconds": ".2f", "times ours": ".1f"}
    return Table.from_records(records, formats=formats if records else None)


def gallery_size_table(results: Sequence[Result]) -> Table:
    """Time and memory of the evaluation as distractors are added, one row a size of the gallery."""
    records = [{"queries": result.conditions["queries"], "distance": result.conditions["metric"],
                "distractors": size["distractors"], "gallery": size["gallery"], "seconds": size["seconds"]["median"],
                "range": f"{size['seconds']['min']:.2f} to {size['seconds']['max']:.2f}",
                "µs per gallery image": size["microseconds_per_image"], "features, MB": size["input_bytes"] / 1e6,
                "whole process, MB": size["peak_rss_bytes"] / 1e6, "Rank-1": size["rank1"], "mAP": size["mAP"],
                "rounds": result.conditions["rounds"], "cores": result.conditions["environment"]["cores"]}
               for result in results if result.conditions["benchmark"] == "distractors"
               for size in result.values["sizes"]]
    formats = {"seconds": ".2f", "µs per gallery image": ".2f", "features, MB": ",.0f", "whole process, MB": ",.0f",
               "Rank-1": ".2%", "mAP": ".2%"} if records else None
    return Table.from_records(records, formats=formats)


def evaluation_conditions_table(results: Sequence[Result]) -> Table:
    """Under what the benchmarks ran, one row a result file."""
    records = []
    for result in results:
        conditions, versions = result.conditions, result.conditions["environment"]["versions"]
        records.append({"result file": result.file_name, "width": conditions["width"],
                        "distance": conditions["metric"], "rounds": conditions["rounds"],
                        "cores": conditions["environment"]["cores"], "python": conditions["environment"]["python"],
                        "numpy": versions.get("numpy"), "same figures": result.values["same"]})
    return Table.from_records(records)


def explain_evaluation_speed(results: Sequence[Result]) -> str:
    """The ratios in words (Markdown), one sentence a result."""
    sentences = []
    for result in results:
        values, size = result.values, "{queries:,} queries, {gallery:,} gallery images".format(**result.conditions)
        if result.conditions["benchmark"] == "metrics":
            words = f"**Evaluation** ({size}): sorting every row takes {values['ratio']:.1f} times as long"
            words += f", a Python loop in the way of torchreid {values['ratios']['list loop']:.0f} times"
            for name, seconds in values["quoted_seconds"].items():
                ours = values["seconds"]["evaluate"]["median"]
                words += f"; {name}, quoted at {seconds:g} s, would be {seconds / ours:.1f} times"
            for name, seconds in values.get("estimated_seconds", {}).items():
                words += (f"; brought to this machine by the Python path, which ran on both, {name} would take "
                          f"{seconds:.1f} s, {seconds / ours:.1f} times")
        elif result.conditions["benchmark"] == "reranking":
            peaks = values["peak_rss_bytes"]
            words = (f"**Re-ranking** ({size}): the published dense algorithm takes {values['ratio']:.1f} times as "
                     f"long and {peaks['dense'] / peaks['rerank']:.1f} times the memory; distances are at most "
                     f"{values['difference']['max']:.0e} apart")
        else:
            largest = values["sizes"][-1]
            words = (f"**Distractors** ({size} and up to {largest['distractors']:,} more): an image of the largest "
                     f"gallery takes {values['ratio_per_image']:.2f} times as long as one of the smallest, and the "
                     f"whole process {values['peak_rss_bytes'] / 1e9:.2f} GB, {largest['input_bytes'] / 1e9:.2f} GB of "
                     "which are features")
        sentences.append(f"- {words}.")
    return "\n".join(sentences)
