"""An ONNX file as an engine gets it: looked into, and whether it can give the precision that is asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..conversion.onnx_file import OnnxFile, inspect_onnx
from ..errors import ExportError, SessionError

_MAKES_INT8 = (
    "Give a file that holds it: osnet study --precision int8 makes one in work/models, and so does "
    "osnet_lib.conversion.precision.to_int8."
)


def read_model(model: Path, precision: str | None) -> tuple[OnnxFile, str]:
    """The file, and the precision to compute in: the one of `PRECISIONS` asked for, or the file's own.

    Raises
    ------
    SessionError
        A file that `inspect_onnx` refuses; one of fewer bits than are asked for, which it has lost; int8 of a file that
        has no ranges for it.
    """
    try:
        found = inspect_onnx(model, expect_osnet=True)
    except ExportError as error:
        raise SessionError(error.what, where=model, cure=error.cure) from error
    held = found.precision.partition(" ")[0]
    asked = precision or held
    if held not in ("float32", asked):
        cure = "Leave the precision out, or give the float32 file."
        raise SessionError(f"holds {held}, and {asked} is asked for", where=model, cure=cure)
    if asked == "int8" and held == "float32":
        raise SessionError("holds float32, and int8 takes ranges that images fix", where=model, cure=_MAKES_INT8)
    return found, asked


def facts_of(found: OnnxFile) -> dict[str, Any]:
    """What a session says of its file: the names of its input and output, and a graph that is not the plain one."""
    graph = {"graph": found.metadata["graph"]} if "graph" in found.metadata else {}
    return {"input": found.input_name, "output": found.output_name, **graph}
