"""The study's steps on a workspace: each makes what is missing before it and reuses what still fits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ..ascend.atc import AtcCommand
from ..ascend.cann import cann_version, detect_soc_version
from ..ascend.convert import convert, find_atc
from ..conversion.export import export_onnx, simplify_onnx
from ..conversion.onnx_file import OnnxFile, inspect_onnx
from ..conversion.parity import Parity, Tolerance, check_parity
from ..core.cache import artefact
from ..core.code_digest import code_digest
from ..core.files import sha256
from ..core.host import environment
from ..core.results import Result, result_name, write_result
from ..datasets.market1501 import Market1501, open_market1501
from ..datasets.minimarket import World, render_minimarket
from ..datasets.preprocess import preprocess
from ..errors import ConvertError
from ..inference.backends import BACKENDS, choose_backend
from ..inference.session import open_session
from ..network.checkpoint import Checkpoint
from .workspace import Workspace

GUIDE_BATCHES = (1, 4, 8, 16, 32)  # the batch sizes of the guide's throughput table
GUIDE_CHIP = "Ascend310"  # and its chip
# What CANN compiles computes in float16, whose 11 bits leave errors of some thousandths in features of this size.
OM_TOLERANCE = Tolerance(max_abs=0.05, min_cosine=0.999)


def open_dataset(workspace: Workspace, dataset: str | Path) -> Market1501:
    """Open ``"mini"`` (rendered on first use), a folder or a zip."""
    if str(dataset) != "mini":
        return open_market1501(Path(dataset).expanduser())
    return open_market1501(render_minimarket(workspace.data / "mini-market", World()))


def model_label(checkpoint: Checkpoint) -> str:
    """Architecture and the first digits of the weights' hash: tells models apart in file names."""
    return f"{checkpoint.architecture}-{checkpoint.sha256[:8]}"


def export_model(workspace: Workspace, checkpoint: Checkpoint, opset: int = 11) -> OnnxFile:
    """The ONNX with a dynamic batch axis."""
    path = workspace.models / f"{model_label(checkpoint)}-opset{opset}.onnx"
    key = {
        "weights": checkpoint.sha256,
        "opset": opset,
        "code": code_digest(export_onnx, type(checkpoint.model)),
        "versions": environment()["versions"],
    }
    return inspect_onnx(artefact(path, key, lambda target: export_onnx(checkpoint, target, opset)))


def simplify_model(workspace: Workspace, checkpoint: Checkpoint, batch_size: int, opset: int = 11) -> OnnxFile:
    """The simplified ONNX of a fixed batch, ``osnet_x1_0-…_bs{N}_sim.onnx``."""
    source = export_model(workspace, checkpoint, opset)
    path = source.path.with_name(f"{source.path.stem}_bs{batch_size}_sim.onnx")
    key = {
        "source": source.sha256,
        "batch_size": batch_size,
        "code": code_digest(simplify_onnx),
        "versions": environment()["versions"],
    }
    return inspect_onnx(artefact(path, key, lambda target: simplify_onnx(source.path, target, batch_size)))


def chip(soc_version: str = "") -> str:
    """The soc_version given, else that of this host's NPU, else the guide's chip."""
    try:
        return soc_version or detect_soc_version()
    except ConvertError:
        return GUIDE_CHIP


def atc_commands(
    workspace: Workspace, checkpoint: Checkpoint, batch_sizes: Sequence[int], soc_version: str = ""
) -> list[AtcCommand]:
    """The ATC calls, one a batch size and one for all of them as gears; paths are relative to the workspace."""
    soc = chip(soc_version)
    models = [simplify_model(workspace, checkpoint, size) for size in batch_sizes]
    calls: list[tuple[Path, str, tuple[int, ...]]] = [
        (model.path, f"bs{size}", (size,)) for model, size in zip(models, batch_sizes)
    ]
    if len(batch_sizes) > 1:
        calls.append((export_model(workspace, checkpoint).path, "gears", tuple(batch_sizes)))
    outputs = [path.with_name(f"{model_label(checkpoint)}_{name}_{soc}") for path, name, _ in calls]
    root = workspace.root
    return [
        AtcCommand(path.relative_to(root), output.relative_to(root), sizes, soc)
        for (path, _, sizes), output in zip(calls, outputs)
    ]


def make_om(workspace: Workspace, command: AtcCommand, progress: bool = True) -> Path:
    """The OM of one of `atc_commands`, made by ATC unless it is there.

    Raises
    ------
    ConvertError
        No OM and no ATC on this machine, with the command to run elsewhere; whatever ATC refuses.
    """
    path, atc = workspace.root / f"{command.output}.om", find_atc()
    if atc is None:
        if path.is_file():
            return path  # made elsewhere and copied here, which leaves no record
        raise ConvertError(
            "this OM is not here, and ATC is not installed to make it",
            where=path,
            cure=f"Run this on a host with CANN, in the root of this checkout, and copy the OM here: {command}",
        )
    source = workspace.root / command.model
    key = {
        "source": sha256(source),
        "options": command.arguments,
        "code": code_digest(convert),
        "cann": cann_version(atc),
    }

    def make(target: Path) -> None:
        convert(replace(command, model=source, output=target.with_suffix("")), progress=progress)

    return artefact(path, key, make)


def convert_models(
    workspace: Workspace, commands: Sequence[AtcCommand], progress: bool = True
) -> list[tuple[AtcCommand, Path]]:
    """Every command with the OM it made; empty on a machine without ATC."""
    return [(command, make_om(workspace, command, progress)) for command in commands] if find_atc() else []


def runnable_model(
    workspace: Workspace, checkpoint: Checkpoint, batch_size: int, backend: str, opset: int = 11, progress: bool = True
) -> Path:
    """The file that a backend runs at a batch size; ``"auto"`` takes the best backend of this machine."""
    chosen = choose_backend(backend)
    if BACKENDS[chosen].reads_checkpoints:
        return checkpoint.path
    if chosen == "ascend":
        return make_om(workspace, atc_commands(workspace, checkpoint, [batch_size])[0], progress)
    return simplify_model(workspace, checkpoint, batch_size, opset).path


def measure_parity(
    workspace: Workspace,
    checkpoint: Checkpoint,
    batch_sizes: Sequence[int],
    dataset: Market1501,
    opset: int = 11,
    backend: str = "auto",
    device: int = 0,
) -> list[Parity]:
    """Compare every stage and batch size with torch on images of the data set; write one result.

    Raises
    ------
    ParityError
        At the first stage whose features are further off than the tolerance.
    """
    images = sample_images(dataset, 2 * max(batch_sizes) - 1)  # one full and one short batch at the largest size
    # One thread: two that wait for each other make torch crawl as soon as another program wants a core.
    with open_session(checkpoint, "torch", threads=1) as session:
        expected = np.concatenate([session.run(image[None]) for image in images])
    with open_session(export_model(workspace, checkpoint, opset).path, "onnxruntime") as session:
        parities = [check_parity(expected, session, images, "onnx", batch_size=max(batch_sizes))]
    for size in batch_sizes:
        some = slice(2 * size - 1)
        with open_session(runnable_model(workspace, checkpoint, size, backend, opset), backend, device) as session:
            stage = {"onnxruntime": "simplified", "ascend": "om"}.get(session.backend, session.backend)
            allowed = OM_TOLERANCE if session.backend in ("ascend", "cann") else Tolerance()
            parities.append(check_parity(expected[some], session, images[some], stage, allowed, size))
    write_result(
        workspace.results,
        Result(
            "parity",
            result_name(model_label(checkpoint), choose_backend(backend), f"opset{opset}"),
            {
                "model": checkpoint.describe(),
                "opset": opset,
                "tolerance": asdict(Tolerance()),
                "dataset": {"file": dataset.path.name, "sha256": dataset.digest},
            },
            {"stages": [asdict(p) for p in parities]},
        ),
    )
    return parities


def sample_images(dataset: Market1501, count: int) -> np.ndarray:
    """The first `count` queries as the network sees them: float32 ``[count, 3, 256, 128]``."""
    return np.stack([preprocess(dataset.image(sample)) for sample in dataset.query[:count]])
