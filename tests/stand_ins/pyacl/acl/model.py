"""A loaded OM of the stand-in: what it says of itself, and its ONNX run by ONNX Runtime on one thread."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from .machine import Context

_spec = importlib.util.spec_from_file_location("stand_in_om", Path(__file__).resolve().parents[2] / "om.py")
om = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(om)

DTYPES = {"float32": (0, np.float32), "float16": (1, np.float16), "uint8": (4, np.uint8)}
GEAR, GEAR_BYTES = "ascend_mbatch_shape_data", 8
FEATURES = 512


@dataclass(eq=False)
class Model:
    """A loaded OM."""

    header: dict
    onnx: bytes
    context: Context
    chosen: int | None = None  # the batch that was set last, in whatever data set

    @property
    def largest(self) -> int:
        return max(self.header["batch_sizes"])

    @property
    def dynamic(self) -> bool:
        return len(self.header["batch_sizes"]) > 1

    @property
    def gears_by(self) -> str:
        """``"batch"`` or ``"dims"``: which of ATC's options made the gears; here both are batch sizes."""
        return self.header.get("gears_by", "batch") if self.dynamic else ""

    @property
    def image(self) -> list[int]:
        return self.header.get("image", [256, 128, 3] if self.header["input_format"] == "NHWC" else [3, 256, 128])

    def inputs(self, batch: int | None = None) -> list[tuple[str, list[int], str, int]]:
        """Name, dims, data type and bytes (of that batch, else of the largest) of every input."""
        dtype = self.header["input_dtype"]
        size = (batch or self.largest) * int(np.prod(self.image)) * np.dtype(DTYPES[dtype][1]).itemsize
        dims = [-1 if self.dynamic else self.largest, *self.image]
        gears = [(GEAR, [1], "int64", GEAR_BYTES)] if self.dynamic else []
        return [(self.header["input_name"], dims, dtype, size), *gears]

    def outputs(self, batch: int | None = None) -> list[tuple[str, list[int], str, int]]:
        dtype, width, batch = self.header["output_dtype"], self.header.get("features", FEATURES), batch or self.largest
        size = batch * width * np.dtype(DTYPES[dtype][1]).itemsize
        return [("PartitionedCall_/fc/Gemm_add_4:0:feature", [batch, width], dtype, size)]

    def compute(self, content: np.ndarray, gear: int) -> np.ndarray:
        """Output bytes of the first `gear` images."""
        dtype = DTYPES[self.header["input_dtype"]][1]
        images = content[: gear * int(np.prod(self.image)) * np.dtype(dtype).itemsize].view(dtype)
        images = images.reshape(gear, *self.image)
        if self.header["aipp"]:
            mean, least, scale = (
                np.array(self.header["aipp"][key], np.float16) for key in ("mean_chn", "min_chn", "var_reci_chn")
            )
            images = (((images.astype(np.float16) - mean) - least) * scale).transpose(0, 3, 1, 2)
        features = network(self.onnx).run(
            None, {network(self.onnx).get_inputs()[0].name: np.ascontiguousarray(images, np.float32)}
        )[0]
        return features.astype(DTYPES[self.header["output_dtype"]][1]).reshape(-1).view(np.uint8)


@lru_cache(maxsize=4)
def network(onnx: bytes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
