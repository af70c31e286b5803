"""Engines, precisions and graphs side by side on this machine: speed with its price in accuracy, and which to take."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from ..checks import MOST_ROUNDS, whole_number
from ..comparison.engines import on_front
from ..conversion.onnx_file import inspect_onnx
from ..conversion.parity import Tolerance
from ..core.code_digest import code_digest
from ..core.files import fingerprint, sha256
from ..core.results import Result, read_result, result_name, write_result
from ..errors import SessionError, StudyError
from ..inference.benchmark import random_batch, time_round
from ..inference.roof import ROOF_SIZE, measure_roofs
from ..inference.session import Session
from ..inference.side_by_side import paired_ratio, run_side_by_side
from ..inference.startup import Startup, measure_startup
from ..inference.tuned import TunedEngine, write_tuning
from .calibration import calibration_of
from .candidates import Candidate, fewer_threads, open_all
from .dataset import images_of
from .models import checkpoint_of, given_onnx, network_label, weights_file
from .prices import MeasuredEngine, Prices
from .stages import fair_share
from .study import Study

PAUSE = 0.02  # seconds before a round, longer than threads spin that the engine before has left
SLOWEST = 3  # times as long as the reference a call may take in a trial
GIVEN_UP_MS = 5000.0  # of the first call of a trial, after which there is no other
TRIALS = 3  # calls, of which the fastest counts
FASTEST = 3  # candidates of which fewer threads are tried


def measure_engines(
    study: Study,
    budget: float = 0.1,
    queries: int = 0,
    rounds: int = 10,
    every: bool = False,
    metric: str = "euclidean",
) -> Result:
    """Time and score what could compute the study's network here, choose, and write one result.

    The reference is ONNX Runtime in float32 on the plain graph, with a thread a core. All candidates are timed in turn;
    of two graphs the faster one stays. Of those that stay and are faster than the reference the features are compared
    with its own, in float32 on a sample, in fewer bits on the data set, which is scored. The fastest that meet the
    budget are timed again with fewer threads as well, for twice as many rounds.

    Parameters
    ----------
    budget : float
        Points of mAP that may be lost, compared with the upper end of the paired interval over identities.
    queries : int
        At most so many, see `osnet_lib.study.stages.fair_share`; 0 for the whole test split.
    rounds : int
        Timed rounds of each.
    every : bool
        Score all that stay, start each in a process of its own for start-up and memory, and measure its roof. Prices of
        fewer queries that leave open whether a faster one meets the budget are found again on the whole test split, for
        the choice; rows of the table stay with those that all have.

    Raises
    ------
    StudyError
        A budget that is none.
    SessionError, DatasetError, ExportError
        The reference does not work here; as the steps.
    """
    return _measure(study, budget, queries, rounds, every, metric)[0]


def tune(study: Study, budget: float = 0.1, queries: int = 0, rounds: int = 10) -> tuple[Result, Path]:
    """`measure_engines`, and the choice kept where the backend tuned finds it; the result and that file.

    Raises
    ------
    StudyError
        Nothing faster than the reference meets the budget, though there is something faster: it is named.
    """
    result, rows, recommended = _measure(study, budget, queries, rounds, False, "euclidean")
    dear = [row for row in rows if row.faster and row.loss and not row.meets(budget)]
    if dear and recommended is rows[0]:
        there = ", ".join(f"{row.candidate.engine} ({row.ratio.median:.2f} times, {_most(row)})" for row in dear)
        raise StudyError(
            f"nothing that is faster than ONNX Runtime in float32 costs at most {budget:g} points of mAP",
            where="budget",
            cure=f"There is {there}; or stay with the backend auto, which costs none.",
        )
    one, model = recommended.candidate, weights_file(study)
    choice = TunedEngine(one.path, sha256(one.path), one.backend, one.precision, one.threads)
    return result, write_tuning(model, choice, {"conditions": result.conditions, "values": result.values})


def _most(row: MeasuredEngine) -> str:
    return f"up to {row.loss[2]:.2f} points" if row.loss else "not scored"


def _measure(
    study: Study, budget: float, queries: int, rounds: int, every: bool, metric: str
) -> tuple[Result, list[MeasuredEngine], MeasuredEngine]:
    """The result; the candidates that stayed, the reference first; the recommended one."""
    if not (isinstance(budget, (int, float)) and 0 <= budget < float("inf")):
        raise StudyError(f"a budget of {budget!r}", where="budget", cure="Give points of mAP from 0, such as 0.1.")
    rounds = whole_number(rounds, "rounds", at_most=MOST_ROUNDS, error=StudyError)
    given_onnx(study)  # refuses weights that are not there before a data set is opened
    with images_of(study) as dataset:
        study = replace(study, dataset=dataset)
        query, gallery = fair_share(dataset, queries)
        with ExitStack() as stack:
            ready, left_out = open_all(study, calibration_of(dataset), stack)
            ready, slow = _in_the_race(ready)
            rows = _faster_graphs(_timed(study, ready, rounds))
        scored = Prices(study, dataset, query, gallery, metric)
        shown = tqdm(rows, desc="features", unit="engine", disable=not study.progress)
        kept = [scored.of(row, every) if every or row.faster or row is rows[0] else row for row in shown]
        settled = kept
        if every and not scored.whole:
            settled = _settled(kept, Prices(study, dataset, *fair_share(dataset, 0), metric), budget)
    fastest = sorted((row for row in settled[1:] if row.meets(budget)), key=lambda row: -row.ratio.median)[:FASTEST]
    finalists = _again(study, [settled[0], *fastest], 2 * rounds) if fastest else []
    fit = [row for row in finalists[1:] if row.faster]
    recommended = max(fit, key=lambda row: row.ratio.median, default=kept[0])
    roofs: list[dict[str, Any]] = []
    if every:
        kept = [replace(row, startup=_startup(study, row.candidate, left_out)) for row in kept]
        pairs = list(dict.fromkeys((row.candidate.backend, row.candidate.precision) for row in kept))
        roofs = [asdict(roof) for roof in measure_roofs(pairs, kept[0].candidate.threads, progress=study.progress)]
    front = on_front([(row.speed.throughput, row.loss[0]) if row.loss else None for row in kept])
    values = {
        "candidates": [{**row.as_dict(), "front": ahead} for row, ahead in zip(kept, front)],
        "left_out": {**left_out, **slow},
        "finalists": [row.as_dict() for row in finalists],
        "recommendation": recommended.as_dict(),
        "roofs": roofs,
        "roof_size": ROOF_SIZE,
    }
    conditions = {
        "model": _describe(study),
        "dataset": dataset.facts.as_dict(),
        "batch_size": study.batch_size,
        "threads": kept[0].candidate.threads,
        "budget": budget,
        "metric": metric,
        "queries": len(query),
        "gallery": len(gallery),
        "whole_split": len(query) == len(dataset.query),
        "images": fingerprint([sample.name for sample in (*query, *gallery)]),
        "rounds": rounds,
        "tolerance": asdict(Tolerance()),
        "code": code_digest(run_side_by_side),
    }
    name = result_name(dataset.path.stem, network_label(study), f"bs{study.batch_size}", f"q{len(query)}")
    path = write_result(study.place.results, Result("engines", name, conditions, values))
    return read_result(path), kept, recommended


def _timed(study: Study, ready: Sequence[tuple[Candidate, Session]], rounds: int) -> list[MeasuredEngine]:
    """All sessions in turn; the first is what the others are compared with."""
    sessions = [session for _, session in ready]
    timed = run_side_by_side(sessions, study.batch_size, rounds, 3, study.progress, pause=PAUSE)
    return [
        MeasuredEngine(candidate, speed, paired_ratio(timed[0].times, speed.times))
        for (candidate, _), speed in zip(ready, timed)
    ]


def _in_the_race(
    ready: Sequence[tuple[Candidate, Session]],
) -> tuple[list[tuple[Candidate, Session]], dict[str, str]]:
    """Without those that are far slower than the reference, which would only take time; and how slow they are."""
    slow: dict[str, str] = {}
    reference = 0.0
    for candidate, session in ready:
        size = session.batch_size or 1  # a call of a whole batch would take some minutes
        images = random_batch(session, size)
        an_image = time_round(session, images) / size
        if an_image * size < GIVEN_UP_MS:  # the first call is the slowest
            an_image = min(time_round(session, images) for _ in range(TRIALS)) / size
        reference = reference or an_image
        if an_image > SLOWEST * reference:
            slow[str(candidate)] = f"{reference / an_image:.2g} times as fast as the reference in a trial"
    return [one for one in ready if str(one[0]) not in slow], slow


def _faster_graphs(rows: Sequence[MeasuredEngine]) -> list[MeasuredEngine]:
    """Of every engine and precision the faster graph; the first row, the reference, stays as it is."""
    best = {row.candidate.engine: row for row in sorted(rows, key=lambda row: row.ratio.median)}
    return [row for row in rows if row is rows[0] or row is best[row.candidate.engine]]


def _settled(rows: Sequence[MeasuredEngine], whole: Prices, budget: float) -> list[MeasuredEngine]:
    """With prices of the whole test split for what is faster and neither shown to meet the budget nor to exceed it."""

    def is_open(row: MeasuredEngine) -> bool:
        return row.faster and row.loss is not None and row.loss[1] <= budget < row.loss[2]

    if not any(map(is_open, rows)):
        return list(rows)
    reference, *others = rows
    return [whole.of(reference, fully=True), *(whole.of(row, fully=True) if is_open(row) else row for row in others)]


def _again(study: Study, rows: Sequence[MeasuredEngine], rounds: int) -> list[MeasuredEngine]:
    """The reference, which comes first, and the others also with fewer threads; what is known of each stays."""
    tried = [(one, row) for row in rows[1:] for one in (row.candidate, *fewer_threads(row.candidate))]
    tried = [(rows[0].candidate, rows[0]), *tried]
    with ExitStack() as stack:
        timed = _timed(study, [(one, stack.enter_context(one.open())) for one, _ in tried], rounds)
    return [
        replace(row, candidate=new.candidate, speed=new.speed, ratio=new.ratio) for new, (_, row) in zip(timed, tried)
    ]


def _startup(study: Study, one: Candidate, left_out: dict[str, str]) -> Startup | None:
    try:
        return measure_startup(one.path, one.backend, one.asked, one.threads, study.batch_size)
    except SessionError as error:
        left_out[f"start-up of {one}"] = error.what
        return None


def _describe(study: Study) -> dict[str, Any]:
    if not given_onnx(study):
        return checkpoint_of(study).describe()
    path = weights_file(study)
    found = inspect_onnx(path)
    return {"file": path.name, "sha256": found.sha256, "architecture": found.metadata.get("architecture", "unknown")}
