"""What an engine needs and was not given, made once and kept: the ONNX of a checkpoint, the float16 of an ONNX."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..core.cache import artefact
from ..core.code_digest import PACKAGE, closure
from ..core.files import fingerprint, lock, open_own
from ..core.host import package_versions
from ..network.weights import cache_folder

if TYPE_CHECKING:
    from ..conversion.onnx_file import OnnxFile
    from ..network.checkpoint import Checkpoint

_CODE = tuple(f"{PACKAGE.name}.{module}" for module in ("conversion.export", "network.checkpoint"))
_GATE_BATCH = 4  # images a call at the parity gate: full batches and one that is not


def quickest(checkpoint: Checkpoint) -> tuple[str, Checkpoint | Path]:
    """The backend that runs a checkpoint fastest here, and what it is given.

    That is ONNX Runtime, but for a machine on which only torch reaches a GPU.

    Raises
    ------
    ParityError
        An export that does not compute the same.
    """
    return ("torch", checkpoint) if _only_torch_has_a_gpu() else ("onnxruntime", exported_onnx(checkpoint))


def exported_onnx(checkpoint: Checkpoint, folder: Path | None = None) -> Path:
    """The ONNX of a checkpoint, any batch size; made unless it is there, and kept only where it passed the gate.

    Parameters
    ----------
    checkpoint : Checkpoint
        Its tensors, as they are now, decide whether an export is current.
    folder : path, optional
        By default ``onnx`` in the cache of downloads.
    """
    from .parity_gate import pass_gate  # which opens sessions, as the module that asks for an export does
    from .session import open_session

    folder = cache_folder() / "onnx" if folder is None else folder
    weights = _tensors_sha256(checkpoint)
    path = folder / f"{checkpoint.architecture}-{weights[:16]}.onnx"
    key = {
        "weights": weights,
        "code": fingerprint(closure(_CODE)),
        "versions": package_versions(("torch", "onnx")),
    }

    def make(target: Path) -> None:
        from ..conversion.export import export_onnx

        export_onnx(checkpoint, target)
        with open_session(checkpoint, "torch", threads=1) as reference:  # more would only wait for each other
            pass_gate(reference, target, "onnx", _GATE_BATCH)

    return _kept(path, key, make)


def float16_onnx(source: OnnxFile, folder: Path | None = None) -> Path:
    """The float16 of a float32 file, see `osnet_lib.conversion.precision.to_float16`; made unless it is there.

    Parameters
    ----------
    source : OnnxFile
    folder : path, optional
        By default ``onnx`` in the cache of downloads.
    """
    from ..conversion.precision import to_float16

    folder = cache_folder() / "onnx" if folder is None else folder
    path = folder / f"{source.path.stem}-{source.sha256[:16]}_fp16.onnx"
    key = {
        "source": source.sha256,
        "code": fingerprint(closure((f"{PACKAGE.name}.conversion.precision",))),
        "versions": package_versions(("onnx", "onnxruntime")),
    }
    return _kept(path, key, lambda target: to_float16(source.path, target))


def _kept(path: Path, key: dict[str, Any], make: Callable[[Path], object]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with open_own(path.with_suffix(".lock")) as held:
        lock(held, wait=True)  # another process may be making the same
        return artefact(path, key, make)


def _tensors_sha256(checkpoint: Checkpoint) -> str:
    """A hash of a network in memory: the file it came from may hold other weights by now."""
    digest = hashlib.sha256(checkpoint.architecture.encode())
    for name, tensor in sorted(checkpoint.model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def _only_torch_has_a_gpu() -> bool:
    if importlib.util.find_spec("onnxruntime") is None:
        return True
    if not any(Path("/dev").glob("nvidia[0-9]*")):  # asking torch costs seconds
        return False
    import onnxruntime
    import torch

    return torch.cuda.is_available() and "CUDAExecutionProvider" not in onnxruntime.get_available_providers()
