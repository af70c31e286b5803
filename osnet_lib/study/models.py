"""The models of a study: each step makes what is missing before it and reuses what still fits."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from os import PathLike
from pathlib import Path

from ..ascend.atc import AtcCommand
from ..ascend.cann import cann_version, detect_soc_version, find_atc, soc_versions
from ..ascend.convert import convert
from ..conversion.export import export_onnx, simplify_onnx
from ..conversion.onnx_file import OnnxFile, inspect_onnx
from ..core.cache import artefact
from ..core.code_digest import code_digest
from ..core.file_kind import ONNX, file_kind
from ..core.files import file_stem, sha256
from ..core.host import environment
from ..errors import ConvertError
from ..network.checkpoint import Checkpoint, load_checkpoint
from ..network.weights import find_weights
from .study import Study

GUIDE_BATCHES = (1, 4, 8, 16, 32)  # the batch sizes of the guide's throughput table
GUIDE_CHIP = "Ascend310"  # and its chip


def checkpoint_of(study: Study) -> Checkpoint:
    """The weights of a study, loaded once in a process as long as their file stays as it is."""
    if not isinstance(study.weights, (str, PathLike)):
        return study.weights
    path = find_weights(study.weights)
    about = path.stat()
    return _loaded(path, about.st_mtime_ns, about.st_size)


@lru_cache(maxsize=2)
def _loaded(path: Path, _changed: int, _size: int) -> Checkpoint:
    return load_checkpoint(path)


def model_label(checkpoint: Checkpoint) -> str:
    """Architecture and the first digits of the weights' hash: tells models apart in file names."""
    return f"{checkpoint.architecture}-{checkpoint.sha256[:8]}"


def weights_file(study: Study) -> Path:
    """The file that a study's weights are, which may also be an ONNX."""
    return find_weights(study.weights) if isinstance(study.weights, (str, PathLike)) else study.weights.path


def given_onnx(study: Study) -> bool:
    """Whether that is an ONNX, of which there is one graph and no checkpoint."""
    return file_kind(weights_file(study)).name == ONNX


def network_label(study: Study) -> str:
    """`model_label` of the study's weights; of an ONNX its name and the first digits of its hash."""
    if not given_onnx(study):
        return model_label(checkpoint_of(study))
    path = weights_file(study)
    return f"{file_stem(path.name)}-{sha256(path)[:8]}"


def export_model(study: Study, opset: int = 11, fuse_streams: bool = False) -> OnnxFile:
    """The ONNX with a dynamic batch axis."""
    checkpoint = checkpoint_of(study)
    path = study.place.models / f"{model_label(checkpoint)}-opset{opset}{'-fused' * fuse_streams}.onnx"
    key = {
        "weights": checkpoint.sha256,
        "opset": opset,
        "code": code_digest(export_onnx, type(checkpoint.model)),
        "versions": environment()["versions"],
    }
    return inspect_onnx(artefact(path, key, lambda target: export_onnx(checkpoint, target, opset, fuse_streams)))


def simplify_model(
    study: Study, batch_size: int | None = None, opset: int = 11, fuse_streams: bool = False
) -> OnnxFile:
    """The simplified ONNX of a fixed batch, ``osnet_x1_0-…_bs{N}_sim.onnx``; by default that of the study."""
    return fix_batch(study, export_model(study, opset, fuse_streams), batch_size or study.batch_size)


def fix_batch(study: Study, source: OnnxFile, size: int, name: str = "") -> OnnxFile:
    """An ONNX simplified for a batch size, in the study's folder of models; by default it is called as the source."""
    path = study.place.models / f"{name or source.path.stem}_bs{size}_sim.onnx"
    key = {
        "source": source.sha256,
        "batch_size": size,
        "code": code_digest(simplify_onnx),
        "versions": environment()["versions"],
    }
    return inspect_onnx(artefact(path, key, lambda target: simplify_onnx(source.path, target, size)))


def chip(soc_version: str = "") -> str:
    """The soc_version given, else that of this host's NPU, else the guide's chip.

    An NPU whose name leaves open which chip it is, or several kinds, is warned of.
    """
    try:
        return soc_version or detect_soc_version()
    except ConvertError as error:
        if soc_versions():
            warnings.warn(f"{error} Until then {GUIDE_CHIP} is named", stacklevel=2)
        return GUIDE_CHIP


def atc_commands(study: Study, batch_sizes: Sequence[int], soc_version: str = "") -> list[AtcCommand]:
    """The ATC calls, one a batch size and one for all of them as gears; paths are relative to the workspace."""
    soc = chip(soc_version)
    models = [simplify_model(study, size) for size in batch_sizes]
    calls: list[tuple[Path, str, tuple[int, ...]]] = [
        (model.path, f"bs{size}", (size,)) for model, size in zip(models, batch_sizes)
    ]
    if len(batch_sizes) > 1:
        calls.append((export_model(study).path, "gears", tuple(batch_sizes)))
    outputs = [path.with_name(f"{model_label(checkpoint_of(study))}_{name}_{soc}") for path, name, _ in calls]
    root = study.place.root
    return [
        AtcCommand(path.relative_to(root), output.relative_to(root), sizes, soc)
        for (path, _, sizes), output in zip(calls, outputs)
    ]


def make_om(study: Study, command: AtcCommand) -> Path:
    """The OM of one of `atc_commands`, made by ATC unless it is there.

    Raises
    ------
    ConvertError
        No OM and no ATC on this machine, with the command to run elsewhere; whatever ATC refuses.
    """
    path, atc = study.place.root / f"{command.output}.om", find_atc()
    if atc is None:
        if path.is_file():
            return path  # made elsewhere and copied here, which leaves no record
        raise ConvertError(
            "this OM is not here, and ATC is not installed to make it",
            where=path,
            cure=f"Run this on a host with CANN, in the root of this checkout, and copy the OM here: {command}",
        )
    source = study.place.root / command.model
    key = {
        "source": sha256(source),
        "options": command.arguments,
        "code": code_digest(convert),
        "cann": cann_version(atc),
    }

    def make(target: Path) -> None:
        convert(replace(command, model=source, output=target.with_suffix("")), progress=study.progress)

    return artefact(path, key, make)


def convert_models(study: Study, commands: Sequence[AtcCommand]) -> list[tuple[AtcCommand, Path]]:
    """Every command with the OM it made; empty on a machine without ATC."""
    return [(command, make_om(study, command)) for command in commands] if find_atc() else []
