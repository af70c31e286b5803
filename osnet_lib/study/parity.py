"""Whether every model of a study still is the network of its checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace

import numpy as np

from ..conversion.parity import Parity, Tolerance, check_parity
from ..core.results import Result, result_name, write_result
from ..datasets.market1501 import Market1501
from ..datasets.preprocess import preprocess
from ..inference.backends import choose_backend
from ..inference.session import open_session
from .dataset import images_of
from .models import checkpoint_of, export_model, model_label
from .runnable import runnable_model
from .study import Study

# What CANN compiles computes in float16, whose 11 bits leave errors of some thousandths in features of this size.
OM_TOLERANCE = Tolerance(max_abs=0.05, min_cosine=0.999)


def measure_parity(study: Study, batch_sizes: Sequence[int], opset: int = 11) -> list[Parity]:
    """Compare every stage and batch size with torch on images of the data set; write one result.

    Raises
    ------
    ParityError
        At the first stage whose features are further off than the tolerance.
    """
    checkpoint, plain = checkpoint_of(study), replace(study, precision="float32")
    with images_of(study) as dataset:
        images = sample_images(dataset, 2 * max(batch_sizes) - 1)  # one full and one short batch at the largest size
        data = dataset.facts.as_dict()
    # One thread: two that wait for each other make torch crawl as soon as another program wants a core.
    with open_session(checkpoint, "torch", threads=1) as session:
        expected = np.concatenate([session.run(image[None]) for image in images])
    with open_session(export_model(study, opset).path, "onnxruntime") as session:
        parities = [check_parity(expected, session, images, "onnx", batch_size=max(batch_sizes))]
    for size in batch_sizes:
        some, model = slice(2 * size - 1), runnable_model(replace(plain, batch_size=size), opset)
        with open_session(model, study.backend, study.device) as session:
            stage = {"onnxruntime": "simplified", "ascend": "om"}.get(session.backend, session.backend)
            allowed = OM_TOLERANCE if session.backend in ("ascend", "cann") else Tolerance()
            parities.append(check_parity(expected[some], session, images[some], stage, allowed, size))
    write_result(
        study.place.results,
        Result(
            "parity",
            result_name(model_label(checkpoint), choose_backend(study.backend), f"opset{opset}"),
            {
                "model": checkpoint.describe(),
                "opset": opset,
                "tolerance": asdict(Tolerance()),
                "dataset": data,
            },
            {"stages": [asdict(p) for p in parities]},
        ),
    )
    return parities


def sample_images(dataset: Market1501, count: int) -> np.ndarray:
    """The first `count` images as the network sees them, float32 ``[N, 3, 256, 128]``: queries, then the gallery's.

    N is less than `count` where the data set holds no more.
    """
    return np.stack([preprocess(dataset.image(sample)) for sample in (*dataset.query, *dataset.gallery)[:count]])
