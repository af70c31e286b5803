"""From a checkpoint to ONNX files: a dynamic batch axis first, then one simplified file per batch size."""

from __future__ import annotations

import contextlib
import io
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import onnx

from ..checks import MOST_IMAGES, whole_number
from ..errors import ExportError, first_line
from ..version import __version__
from .interface import BATCH_AXIS, FEATURE_SHAPE, IMAGE_SHAPE, INPUT, OUTPUT
from .onnx_file import DAMAGED, OnnxFile, load_onnx, write_onnx

if TYPE_CHECKING:  # torch takes a second to import, and looking at an ONNX file does not need it
    from ..network.checkpoint import Checkpoint

OPSETS = range(9, 21)  # what the TorchScript exporter of torch 2.13 writes; ATC reads 11 to 18, older ones 11 only
FUSED = "streams fused"  # what the metadata of such a file say under "graph"


def export_onnx(checkpoint: Checkpoint, path: str | Path, opset: int = 11, fuse_streams: bool = False) -> OnnxFile:
    """Write a model as ONNX: ``image [batch, 3, 256, 128]`` to ``feature [batch, 512]``, float32.

    The same checkpoint and library versions give the same bytes.

    Parameters
    ----------
    checkpoint : Checkpoint
        From `osnet_lib.network.checkpoint.load_checkpoint`.
    path : path
        Replaced only when the new file is complete and checked.
    opset : int
        The default 11 is what every ATC version reads.
    fuse_streams : bool
        Compute the streams of a block side by side (`osnet_lib.network.fused`): the same features up to the order of
        float additions, by fewer operators. The metadata say so under ``graph``.

    Raises
    ------
    ExportError
        An opset the exporter cannot write, or did not write; a path that cannot be written; streams that cannot be
        fused exactly.
    """
    import torch

    from ..network import fused

    path = Path(path)
    opset = whole_number(
        opset,
        "opset",
        at_least=OPSETS.start,
        at_most=OPSETS[-1],
        error=ExportError,
        where=path,
        cure="11 suits every ATC.",
    )
    model = fused.fuse_streams(checkpoint.model) if fuse_streams else checkpoint.model
    stream = io.BytesIO()
    with warnings.catch_warnings(), torch.no_grad():
        # The choice of the older exporter is deliberate: the newer one, asked for opset 11, writes 18.
        warnings.filterwarnings("ignore", "You are using the legacy TorchScript-based ONNX export", DeprecationWarning)
        warnings.filterwarnings("ignore", "The feature will be removed", DeprecationWarning)
        # Instance norms (ibn, ain) compare sizes in Python and always use the statistics of the image: both as meant.
        warnings.filterwarnings("ignore", "Converting a tensor to a Python", torch.jit.TracerWarning, r"torch\.nn\b")
        warnings.filterwarnings("ignore", "ONNX export mode is set to .* operator 'instance_norm'", UserWarning)
        torch.onnx.export(
            model,
            (torch.zeros(2, *IMAGE_SHAPE),),
            stream,  # type: ignore[arg-type]  # the older exporter writes to streams as well
            dynamo=False,
            opset_version=opset,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: BATCH_AXIS}, OUTPUT: {0: BATCH_AXIS}},
        )
    metadata = {
        "architecture": checkpoint.architecture,
        "weights_sha256": checkpoint.sha256,
        **{f"weights_{name}": words for name, words in checkpoint.origin.items()},
        **({"graph": FUSED} if fuse_streams else {}),
        "osnet_lib": __version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
    }
    expected = (opset, (BATCH_AXIS, *IMAGE_SHAPE), (BATCH_AXIS, *FEATURE_SHAPE))
    return write_onnx(onnx.load_model_from_string(stream.getvalue()), metadata, path, expected)


def simplify_onnx(source: str | Path, path: str | Path, batch_size: int) -> OnnxFile:
    """Fix the batch size of an exported model and fold what is constant then.

    onnxsim runs both graphs once on random images; `osnet_lib.conversion.parity` is the gate that follows.
    Names, opset and metadata stay; ``onnxsim`` and ``source_sha256`` are added to the metadata.

    Raises
    ------
    ExportError
        A batch size below 1; a source that is damaged, not this network or fixed to another
        batch; a simplified graph that computes something else.
    """
    path = Path(path)
    batch_size = whole_number(batch_size, "batch size", at_most=MOST_IMAGES, error=ExportError, where=path)
    try:
        import onnxsim
    except ImportError as error:
        raise ExportError("simplifying needs the package onnxsim", where=source, cure="pip install onnxsim") from error
    model, found = load_onnx(source, expect_osnet=True)
    if found.batch_size not in (None, batch_size):
        raise ExportError(
            f"already fixed to batch size {found.batch_size}, so it cannot become {batch_size}",
            where=source,
            cure="Start from the file that osnet export wrote; its batch axis is dynamic.",
        )
    shape = (batch_size, *IMAGE_SHAPE)
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it prints "Checking 0/1..."
            simplified, same = onnxsim.simplify(
                model, check_n=1, overwrite_input_shapes={found.input_name: list(shape)}
            )
    except MemoryError:
        raise
    except Exception as error:  # onnxsim passes on whatever its C++ side threw
        raise ExportError(f"onnxsim failed ({first_line(error)})", where=source, cure=DAMAGED) from error
    if not same:
        raise ExportError(
            f"onnxsim changed what the network computes at batch size {batch_size}",
            where=source,
            cure="Use the exported file as it is, and report the versions of onnx and onnxsim.",
        )
    metadata = {**found.metadata, "onnxsim": version("onnxsim"), "source_sha256": found.sha256}
    return write_onnx(simplified, metadata, path, (found.opset, shape, (batch_size, *FEATURE_SHAPE)))
