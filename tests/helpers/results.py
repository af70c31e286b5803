"""Results and scores made up for tables and figures, and tables as records."""

from __future__ import annotations

import numpy as np

from osnet_lib.core.host import environment
from osnet_lib.core.results import Result
from osnet_lib.core.table import Table
from osnet_lib.features.store import Features
from osnet_lib.metrics import evaluate

SESSION = {
    "backend": "onnxruntime",
    "provider": "CPUExecutionProvider",
    "device": "Some CPU",
    "precision": "float32",
    "threads": 2,
    "model": "osnet_bs8_sim.onnx",
    "model_sha256": "c" * 64,
    "versions": {"onnxruntime": "1.2", "numpy": "2.0"},
}


def rows(table: Table) -> list[dict]:
    return [dict(zip(table.columns, row)) for row in table.rows]


def facts(table: Table) -> dict:
    return dict(table.rows)


def accuracy(network: str = "osnet_x0_25", rank1: float = 0.911817, metric: str = "euclidean") -> Result:
    return Result(
        "accuracy",
        f"{network}-{metric}",
        {
            "model": {"architecture": network, "sha256": "a1b2c3d4" * 8},
            "session": SESSION,
            "metric": metric,
            "dataset": {"file": "Market.zip", "sha256": "b" * 64},
            "environment": environment(),
        },
        {"rank": {"1": rank1}, "mAP": 0.749377, "num_valid": 3368},
    )


def performance(batch_size: int, throughput: float = 100.0, weights: str = "a1b2c3d4", **session) -> Result:
    return Result(
        "performance",
        f"bs{batch_size}",
        {
            "model": {"architecture": "osnet_x1_0", "sha256": weights * 8},
            "session": {**SESSION, **session},
            "batch_size": batch_size,
            "environment": environment(),
        },
        {
            "throughput": throughput,
            "ave_latency": 10.0,
            "relative_spread": 0.05,
            "rounds": 50,
            "latency_ms": {"median": 80.0, "p99": 95.0},
        },
    )


def evaluation(metric: str = "euclidean"):
    """Five queries of as many people; number i finds its match behind i strangers."""
    gallery = np.eye(6, 8, dtype=np.float32)
    near = np.linspace(1, 0.2, 6, dtype=np.float32)
    query = np.zeros((5, 8), np.float32)
    for i in range(5):
        order = [(i + k + 1) % 6 for k in range(i)] + [i]
        query[i, order] = near[: i + 1]
    pids, gallery_pids = np.arange(5) + 1, np.arange(6) + 1
    sides = (query, pids, np.ones(5, int)), (gallery, gallery_pids, np.full(6, 2))
    score = evaluate(*sides, metric=metric, max_rank=6)
    names = np.array([f"{pid:04d}_c1s1_000001_00.jpg" for pid in pids])
    gallery_names = np.array([f"{pid:04d}_c2s1_000001_01.jpg" for pid in gallery_pids])
    return (
        score,
        Features(names, pids, np.ones(5, int), query),
        Features(gallery_names, gallery_pids, np.full(6, 2), gallery),
    )
