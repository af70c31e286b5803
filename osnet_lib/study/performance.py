"""Speeds of the study: one result a batch size and condition."""

from __future__ import annotations

from ..core.machine import describe_machine
from ..core.results import Result, result_name, write_result
from ..inference.benchmark import Benchmark, better, run_benchmark
from .models import checkpoint_of, model_label
from .runnable import open_runnable
from .study import Study


def measure_performance(study: Study, threads: int | None = None, rounds: int = 50, warmup: int = 5) -> Benchmark:
    """Benchmark the study's batch size, write one result; a disturbed one is timed once more, the better kept."""
    checkpoint, batch_size, progress = checkpoint_of(study), study.batch_size, study.progress
    with open_runnable(study, threads) as session:
        measured = run_benchmark(session, batch_size, rounds, warmup, progress)
        if measured.verdict and measured.verdict.disturbed:
            measured = better(measured, run_benchmark(session, batch_size, rounds, warmup, progress))
    facts = measured.session
    write_result(
        study.place.results,
        Result(
            "performance",
            result_name(
                model_label(checkpoint),
                facts.backend,
                facts.provider,
                facts.precision,
                f"t{facts.threads}",
                f"bs{batch_size}",
            ),
            {
                "model": checkpoint.describe(),
                "session": measured.conditions,
                "batch_size": batch_size,
                "rounds": rounds,
                "warmup": warmup,
                "warmed_up": measured.warmup,
                "machine": describe_machine(),
            },
            measured.values(),
        ),
    )
    return measured
