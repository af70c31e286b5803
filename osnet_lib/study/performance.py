"""Speeds of the study: one result a batch size and condition, measured once and kept while its conditions hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tqdm import tqdm

from ..core.code_digest import code_digest
from ..core.disturbance import DISTURBED
from ..core.files import fingerprint
from ..core.host import environment
from ..core.machine import describe_machine
from ..core.results import Result, read_result, read_results, result_name, write_result
from ..errors import ResultError
from ..inference.benchmark import better, check_benchmark, run_benchmark
from ..inference.session import Session
from .models import checkpoint_of, model_label
from .runnable import open_runnable
from .study import Study, distinct_batches


def measure_speeds(
    study: Study,
    batch_sizes: Sequence[int] = (),
    threads: int | None = None,
    rounds: int = 50,
    warmup: int = 5,
    again: bool = False,
) -> list[Result]:
    """`measure_performance` at the study's batch size and others, from the smallest to the largest.

    Raises
    ------
    SessionError
        Batch sizes that are no sequence of whole numbers from 1.
    """
    sizes = sorted({study.batch_size, *distinct_batches(batch_sizes, "batch_sizes")})
    return [
        measure_performance(replace(study, batch_size=size), threads, rounds, warmup, again)
        for size in tqdm(sizes, desc="performance", unit="batch size", disable=not study.progress)
    ]


def measure_performance(
    study: Study, threads: int | None = None, rounds: int = 50, warmup: int = 5, again: bool = False
) -> Result:
    """Time the study's batch size and write one result; a disturbed one is timed once more, the better kept.

    A result of the same model, code, session, rounds, versions and machine is used again.

    Parameters
    ----------
    again : bool
        But not one that was disturbed.
    """
    check_benchmark(study.batch_size, rounds, warmup)
    with open_runnable(study, threads) as session:
        fixed = _conditions(study, session, rounds, warmup)
        name = _name(study, session)
        held = _held(study, name, fixed)
        if held and not (again and held.values.get("verdict") == DISTURBED):
            return held
        measured = run_benchmark(session, study.batch_size, rounds, warmup, study.progress)
        if measured.verdict and measured.verdict.disturbed:
            measured = better(measured, run_benchmark(session, study.batch_size, rounds, warmup, study.progress))
    conditions = {**fixed, "warmed_up": measured.warmup}
    return read_result(write_result(study.place.results, Result("performance", name, conditions, measured.values())))


def speeds_beside(study: Study, measured: Result) -> list[Result]:
    """The results of this workspace that differ from one in the batch size only, itself among them, by batch size."""
    family = _family(measured)
    results = (result for result in read_results(study.place.results, "performance") if _family(result) == family)
    return sorted(results, key=lambda result: result.conditions["batch_size"])


def _family(result: Result) -> str:
    return result.name.rpartition("-bs")[0]


def _name(study: Study, session: Session) -> str:
    facts = session.facts
    return result_name(
        model_label(checkpoint_of(study)),
        facts.backend,
        facts.provider,
        facts.precision,
        f"t{facts.threads}",
        f"bs{study.batch_size}",
    )


def _conditions(study: Study, session: Session, rounds: int, warmup: int) -> dict[str, Any]:
    """What a speed holds for, but for the machine."""
    return {
        "model": checkpoint_of(study).describe(),
        "session": session.describe(),
        "batch_size": study.batch_size,
        "rounds": rounds,
        "warmup": warmup,
        "code": code_digest(run_benchmark),
        "environment": environment(),
    }


def _held(study: Study, name: str, fixed: dict[str, Any]) -> Result | None:
    """The result of before, where it is whole and its conditions are these."""
    try:
        held = read_result(study.place.results / Result("performance", name, {}, {}).file_name)
    except ResultError:  # none yet; or edited, damaged, of another version: it is measured anew
        return None
    machine = held.conditions.get("machine")
    stated = {key: held.conditions.get(key) for key in fixed}
    same = fingerprint([stated, _undated(machine)]) == fingerprint([fixed, _undated(describe_machine())])
    return held if same else None


def _undated(machine: Any) -> Any:
    return {key: value for key, value in machine.items() if key != "date"} if isinstance(machine, dict) else machine
