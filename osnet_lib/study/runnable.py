"""The file that a backend runs: the model of a study at its batch size, in its precision."""

from __future__ import annotations

from pathlib import Path

from ..conversion.precision import to_float16, to_int8
from ..core.cache import artefact
from ..core.code_digest import code_digest
from ..core.files import fingerprint
from ..core.host import environment
from ..datasets.preprocess import iter_batches
from ..inference.backends import BACKENDS, check_precision, choose_backend
from ..inference.session import Session, open_session
from .calibration import Calibration, calibration_of
from .dataset import images_of
from .models import atc_commands, checkpoint_of, make_om, simplify_model
from .study import Study


def float16_model(study: Study, opset: int = 11) -> Path:
    """The simplified ONNX of the study's batch size in float16."""
    source = simplify_model(study, opset=opset)
    key = {"source": source.sha256, "code": code_digest(to_float16), "versions": environment()["versions"]}
    return artefact(
        source.path.with_name(f"{source.path.stem}_fp16.onnx"), key, lambda target: to_float16(source.path, target)
    )


def int8_model(study: Study, calibration: Calibration, opset: int = 11) -> Path:
    """The simplified ONNX of the study's batch size in int8, its ranges from the calibration images."""
    source = simplify_model(study, opset=opset)
    key = {
        "source": source.sha256,
        "calibration": fingerprint(calibration.key),
        "code": code_digest(to_int8, iter_batches),
        "versions": environment()["versions"],
    }

    def make(target: Path) -> None:
        to_int8(source.path, target, calibration.batches(study.batch_size))

    return artefact(source.path.with_name(f"{source.path.stem}_int8.onnx"), key, make)


def open_runnable(study: Study, threads: int | None = None) -> Session:
    """A session of `runnable_model` on the study's backend and device, in its precision."""
    model, backend = runnable_model(study), choose_backend(study.backend)
    return open_session(model, backend, study.device, threads, precision=study.asked_precision)


def runnable_model(study: Study, opset: int = 11) -> Path:
    """The file that the study's backend runs at its batch size, in its precision.

    Raises
    ------
    SessionError
        A precision that the backend does not compute in.
    ConvertError
        On ``"ascend"``: no OM, and no ATC to make it.
    """
    chosen = choose_backend(study.backend)
    if study.asked_precision:
        check_precision(chosen, study.precision)
    if BACKENDS[chosen].reads_checkpoints:
        return checkpoint_of(study).path
    if chosen == "ascend":
        return make_om(study, atc_commands(study, [study.batch_size])[0])
    if study.precision == "float16" and chosen == "onnxruntime":
        return float16_model(study, opset)
    if study.precision == "int8":
        with images_of(study) as dataset:
            return int8_model(study, calibration_of(dataset), opset)
    return simplify_model(study, opset=opset).path
