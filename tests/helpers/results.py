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


MACHINE = {"date": "2026-01-02T03:04:05+00:00", "processor": "Some CPU"}


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


def intervals(rank1: float = 0.911817, mAP: float = 0.749377) -> dict:
    """Of `accuracy`, as `Assessment` writes them."""

    def around(value: float) -> dict:
        return {"value": value, "low": value - 0.02, "high": value + 0.02}

    found = {"rank1": around(rank1), "mAP": around(mAP), "rank1_exact": around(rank1), "level": 0.95}
    return {"queries": found, "identities": found}


def parity(worst: float = 3.6e-6) -> Result:
    def stage(name: str, batch: int, off: float) -> dict:
        facts = {"stage": name, "batch_size": batch, "images": 2 * batch - 1, "max_abs": off, "mean_abs": off / 10}
        return {**facts, "min_cosine": 1.0, "row_max_abs": 0.0, "allowed_max_abs": 1e-4, "allowed_cosine": 0.99999}

    stages = [stage("onnx", 8, 1e-6), stage("simplified", 1, 2e-6), stage("simplified", 8, worst)]
    conditions = {"model": {"architecture": "osnet_x1_0", "sha256": "a" * 64}, "machine": MACHINE}
    return Result("parity", "osnet", conditions | {"environment": environment()}, {"stages": stages})


def stages(broken: bool = False, whole: bool = False) -> Result:
    def stage(name: str, batch: int | None, changed: int, mAP: float, breaks: bool = False) -> dict:
        change = {"value": mAP, "low": mAP - 0.001, "high": mAP + 0.001}
        paired = {"mAP": change, "rank1": change, "lost": changed // 2, "won": 1}
        return {
            "name": name,
            "batch_size": batch,
            "queries": 60,
            "max_abs": 0.01 * changed,
            "top1_changed": changed,
            "kendall_tau": 1 - changed / 100,
            "paired": paired,
            "broken": "mAP falls" if breaks else None,
        }

    some = [stage("torch", None, 0, 0.0), stage("onnx", 1, 0, 0.0), stage("int8", 1, 8, -0.02, broken)]
    some.append(stage("int8", 16, 7, -0.02, broken))
    conditions = {
        "model": {"architecture": "osnet_x1_0", "sha256": "a" * 64},
        "dataset": {"file": "mini-market", "sha256": "b" * 64},
        "metric": "euclidean",
        "queries": 60,
        "whole_split": whole,
        "machine": MACHINE,
        "environment": environment(),
    }
    return Result("stages", "osnet", conditions, {"stages": some, "first_broken": None, "verdict": ""})


def engine_row(
    backend: str, precision: str, speed: float, loss=(0.0, 0.0, 0.0), *, graph="plain", verdict="quiet", scored=True
):
    paired = {"lost": 2, "won": 1, "p": 0.25}
    price = {"rank1": [0.9, 0.8, 0.95], "mAP": [0.7, 0.6, 0.8], "paired": paired, "queries": 60}
    return {
        "backend": backend,
        "precision": precision,
        "graph": graph,
        "threads": 2,
        "throughput": speed,
        "size_bytes": 9_000_000,
        "ratio": {
            "median": speed / 50,
            "interval": [speed / 60, speed / 40] if speed != 50 else [1.0, 1.0],
            "pairs": 9,
        },
        "verdict": verdict,
        "features": {"max_abs": 0.04, "images": 64},
        "price": price if scored else None,
        "loss": loss,
        "startup": {"seconds": 1.25, "memory_bytes": 120_000_000} if scored else None,
        "front": True,
    }


ENGINE_ROWS = [
    engine_row("onnxruntime", "float32", 50.0),
    engine_row("openvino", "bfloat16", 90.0, (0.03, -0.01, 0.07), graph="streams fused"),
    engine_row("openvino", "int8", 100.0, (1.8, 1.1, 2.5), verdict="disturbed"),
    engine_row("torch", "float32", 20.0, None, scored=False),
]


def engines(recommended: int = 1, rows=ENGINE_ROWS) -> Result:
    conditions = {
        "model": {"architecture": "osnet_x1_0", "sha256": "0" * 64, "multiply_adds": 1_000_000_000},
        "dataset": {"file": "mini-market", "sha256": "1" * 64},
        "batch_size": 8,
        "threads": 2,
        "budget": 0.1,
        "metric": "euclidean",
        "queries": 60,
        "gallery": 200,
        "whole_split": False,
        "rounds": 10,
        "machine": MACHINE,
        "environment": environment(),
    }
    roofs = [
        {"backend": "openvino", "precision": "int8", "gflops": 400.0, "reason": None},
        {"backend": "torch", "precision": "float32", "gflops": None, "reason": "no such library"},
    ]
    left_out = {"cann float32": "no CANN", "openvino float16": "no float16", "cann float16": "no CANN"}
    values = {
        "candidates": list(rows),
        "left_out": left_out,
        "finalists": [rows[0], rows[recommended]],
        "recommendation": rows[recommended],
        "roofs": roofs,
        "roof_size": 2048,
    }
    return Result("engines", "x", conditions, values)


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
