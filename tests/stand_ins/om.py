"""The file that stands in for an OM: a header, and the ONNX that the stand-in `acl` runs with ONNX Runtime."""

from __future__ import annotations

import json
from pathlib import Path

MAGIC = b"STAND-IN OM, NOT FOR ANY CHIP\n"


def pack(
    path: Path,
    onnx: bytes,
    *,
    soc_version: str,
    batch_sizes: list[int],
    input_name: str = "image",
    input_dtype: str = "float32",
    input_format: str = "NCHW",
    output_dtype: str = "float32",
    precision: str = "float32",
    aipp: dict | None = None,
) -> Path:
    """Write a stand-in OM.

    `batch_sizes` holds one number for a static OM, several for dynamic batch gears. `input_dtype` is float32, float16
    or uint8 (then `input_format` is NHWC and `aipp` holds mean_chn, min_chn and var_reci_chn, three numbers each).
    `onnx` takes float32 ``[batch, 3, 256, 128]`` with a batch axis that fits every gear.
    """
    header = {
        "soc_version": soc_version,
        "batch_sizes": list(batch_sizes),
        "input_name": input_name,
        "input_dtype": input_dtype,
        "input_format": input_format,
        "output_dtype": output_dtype,
        "precision": precision,
        "aipp": aipp,
        "onnx_bytes": len(onnx),
    }
    path.write_bytes(MAGIC + json.dumps(header).encode() + b"\n" + onnx)
    return path


def unpack(content: bytes) -> tuple[dict, bytes]:
    """Header and ONNX of a stand-in OM; ValueError where it is none or is cut short."""
    if not content.startswith(MAGIC):
        raise ValueError("not a stand-in OM")
    line, _, onnx = content[len(MAGIC) :].partition(b"\n")
    header = json.loads(line)
    if len(onnx) != header["onnx_bytes"]:
        raise ValueError("truncated")
    return header, onnx
