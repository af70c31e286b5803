"""Speeds of the study: one result a batch size and condition."""

from __future__ import annotations

from ..core.machine import describe_machine
from ..core.results import Result, result_name, write_result
from ..inference.benchmark import Benchmark, better, run_benchmark
from ..inference.session import open_session
from ..network.checkpoint import Checkpoint
from .models import model_label, runnable_model
from .workspace import Workspace


def measure_performance(
    workspace: Workspace,
    checkpoint: Checkpoint,
    batch_size: int,
    backend: str = "auto",
    device: int = 0,
    threads: int | None = None,
    rounds: int = 50,
    warmup: int = 5,
    progress: bool = True,
) -> Benchmark:
    """Benchmark one batch size and write one result; a disturbed one is timed once more, and the better kept."""
    with open_session(runnable_model(workspace, checkpoint, batch_size, backend), backend, device, threads) as session:
        measured = run_benchmark(session, batch_size, rounds, warmup, progress)
        if measured.verdict and measured.verdict.disturbed:
            measured = better(measured, run_benchmark(session, batch_size, rounds, warmup, progress))
    conditions = measured.conditions
    write_result(
        workspace.results,
        Result(
            "performance",
            result_name(
                model_label(checkpoint),
                conditions["backend"],
                conditions["provider"],
                conditions["precision"],
                f"t{conditions['threads']}",
                f"bs{batch_size}",
            ),
            {
                "model": checkpoint.describe(),
                "session": conditions,
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
