"""Every stage of the way run on the same images of a data set: models and features kept, and one result written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from ..comparison.stages import STAGES, Stage, compare_stage, first_broken, verdict
from ..conversion.parity import Tolerance
from ..core.code_digest import code_digest
from ..core.files import fingerprint, sha256
from ..core.results import Result, result_name, write_result
from ..datasets.market1501 import Market1501, Sample
from ..errors import DatasetError, FeatureError, ParityError, SessionError
from ..features.store import Features
from ..inference.backends import choose_backend
from ..inference.extract import kept_features
from ..inference.session import open_session
from ..network.checkpoint import Checkpoint
from ..network.osnet import OSNet
from .calibration import calibration_of, spread
from .dataset import images_of
from .models import checkpoint_of, export_model, model_label, network_label, simplify_model
from .runnable import float16_model, int8_model, runnable_model
from .study import Study, distinct_batches

DEVICE_STAGES = {  # those of a backend, which must be asked for
    "om": "ascend",
    "cann": "cann",
    "torch_npu": "torch_npu",
    "openvino": "openvino",
}
_QUERIES = "queries (stage_queries in the notebook)"
_TORCH_BATCH = 16  # for speed only: torch's rows do not depend on it beyond rounding


def fair_share(dataset: Market1501, queries: int) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """A part of the test split that is a fair protocol of its own.

    Identities evenly spread by pid, as many as make at most `queries` queries, each with all its queries and all its
    gallery images; and the same share of the gallery images that no query looks for (distractors), evenly spread by
    name. Fewer wrong images to confuse with make scores higher than those of the whole split.

    Parameters
    ----------
    queries : int
        0 for the whole split.

    Returns
    -------
    query, gallery : tuple of Sample
        Sorted by name, as the data set's.

    Raises
    ------
    DatasetError
        Fewer queries than two identities have, or a split of one identity: it has no interval.
    """
    pids = sorted({sample.pid for sample in dataset.query})
    if len(pids) < 2:
        raise DatasetError(
            "those of the whole test split are of fewer than two identities",
            where=_QUERIES,
            cure="There is no interval without two: give another data set.",
        )
    if queries == 0 or queries >= len(dataset.query):
        return dataset.query, dataset.gallery
    number = dict.fromkeys(pids, 0)
    for sample in dataset.query:
        number[sample.pid] += 1
    shares = (spread(pids, count) for count in range(len(pids), 0, -1))
    kept = set(next((share for share in shares if sum(number[pid] for pid in share) <= queries), ()))
    if len(kept) < 2:
        fewest = sum(number[pid] for pid in spread(pids, 2))
        raise DatasetError(
            f"{queries} are too few for two identities, without which there is no interval",
            where=_QUERIES,
            cure=f"Give at least {fewest}, or 0 for the whole test split.",
        )
    others = [sample for sample in dataset.gallery if sample.pid not in number]
    wrong = set(spread(others, round(len(others) * len(kept) / len(pids))))
    return (
        tuple(sample for sample in dataset.query if sample.pid in kept),
        tuple(sample for sample in dataset.gallery if sample.pid in kept or sample in wrong),
    )


def measure_stages(
    study: Study,
    batch_sizes: Sequence[int] = (1, 16),
    queries: int = 100,
    metric: str = "euclidean",
    opset: int = 11,
) -> list[Stage]:
    """Run torch once and all other stages at every batch size; write one result.

    Where the study's backend is one of an NPU, or OpenVINO, it has a stage of its own, see `DEVICE_STAGES`; the others
    run on ONNX Runtime's first device, torch with one thread. The study's own precision and batch size do not count.

    Parameters
    ----------
    batch_sizes : sequence of int
        From 1; each counts once, in ascending order.
    queries : int
        At most so many, see `fair_share`; 0 for the whole test split.

    Returns
    -------
    list of Stage
        torch first, then each stage with its batch sizes. Models and features are kept, and used again while model,
        images and code are the same.

    Raises
    ------
    SessionError
        Batch sizes that are no sequence of whole numbers from 1.
    ParityError
        A stage that gave no features at all, such as float16 that overflowed; it is named.
    DatasetError, ExportError, ConvertError
        As the steps.
    """
    sizes = distinct_batches(batch_sizes, "stage_batches")
    with images_of(study) as dataset:
        return _measure(replace(study, dataset=dataset, precision="float32"), dataset, sizes, queries, metric, opset)


def _measure(study: Study, dataset: Market1501, sizes: list[int], queries: int, metric: str, opset: int) -> list[Stage]:
    checkpoint, chosen = checkpoint_of(study), choose_backend(study.backend)
    query, gallery = fair_share(dataset, queries)
    calibration = calibration_of(dataset)

    def model(name: str, size: int) -> Path:
        sized = replace(study, batch_size=size)
        if name == "onnx":
            return export_model(study, opset).path
        if name in ("simplified", "cann", "openvino"):
            return simplify_model(sized, opset=opset).path
        if name == "fp16":
            return float16_model(sized, opset)
        if name == "int8":
            return int8_model(sized, calibration, opset)
        return runnable_model(replace(sized, backend="ascend"), opset)

    def features(name: str, size: int) -> tuple[Features, Features]:
        runs: tuple[str, int, int | None] = ("onnxruntime", 0, None)
        if name == "torch":
            runs = ("torch", 0, 1)
        elif name in DEVICE_STAGES:
            runs = (DEVICE_STAGES[name], study.device, None)
        source = checkpoint if name in ("torch", "torch_npu") else model(name, size)
        sized = replace(study, batch_size=size)
        try:
            of_query, of_gallery = (
                stage_features(sized, dataset, source, samples, f"{name}-bs{size}-{split}", runs)
                for split, samples in (("query", query), ("gallery", gallery))
            )
            return of_query, of_gallery
        except (FeatureError, SessionError) as error:
            raise ParityError(
                f"no features ({error.what})", where=f"{name}, batch size {size}", cure=error.cure
            ) from error

    reference = features("torch", _TORCH_BATCH)
    stages = [compare_stage("torch", None, reference, reference, metric)]
    stages += [
        compare_stage(name, size, reference, features(name, size), metric)
        for name in STAGES[1:]
        if DEVICE_STAGES.get(name, chosen) == chosen
        for size in sizes
    ]
    broken = first_broken(stages)
    write_result(
        study.place.results,
        Result(
            "stages",
            result_name(dataset.path.stem, model_label(checkpoint), chosen, metric, f"q{len(query)}"),
            {
                "model": checkpoint.describe(),
                "opset": opset,
                "backend": chosen,
                "metric": metric,
                "batch_sizes": sizes,
                "dataset": dataset.facts.as_dict(),
                "queries": len(query),
                "gallery": len(gallery),
                "whole_split": len(query) == len(dataset.query),
                "images": fingerprint([sample.name for sample in (*query, *gallery)]),
                "calibration": {"images": len(calibration.samples), "split": calibration.split, "method": "MinMax"},
                "tolerance": asdict(Tolerance()),
            },
            {
                "stages": [stage.as_dict() for stage in stages],
                "first_broken": broken and broken.where,
                "verdict": verdict(stages),
            },
        ),
    )
    return stages


def stage_features(
    study: Study,
    dataset: Market1501,
    source: Checkpoint | Path,
    samples: Sequence[Sample],
    name: str,
    runs: tuple[str, int, int | None],
    precision: str | None = None,
) -> Features:
    """Features of one model on one split, kept for all who ask for the same of it.

    Parameters
    ----------
    name : str
        Of the file: stage, batch size and split.
    runs : tuple
        Backend, device and threads.
    precision : str, optional
        That is asked for; by default the file's.
    """
    facts = {
        "model": source.sha256 if isinstance(source, Checkpoint) else sha256(source),
        "runs": runs,
        **({"precision": precision} if precision else {}),
        "network": code_digest(OSNet),
    }
    file = f"{result_name(dataset.path.stem, network_label(study), 'stage', name, f'n{len(samples)}')}.npz"
    return kept_features(
        study.place.features / file,
        facts,
        lambda: open_session(source, *runs, precision=precision),
        dataset,
        samples,
        study.batch_size,
        study.progress,
    )
