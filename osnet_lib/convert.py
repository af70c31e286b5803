"""ONNX to Ascend OM: the ATC command, built from a description."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import dataclass
from pathlib import Path

from .errors import ConvertError

ONNX_FRAMEWORK = 5  # ATC's number for ONNX
LOG_LEVELS = ("debug", "info", "warning", "error", "null")


@dataclass(frozen=True)
class AtcCommand:
    """What ATC is asked to do, in the terms of the guide's section 3.2.

    Attributes
    ----------
    model : Path
        The simplified ONNX of a fixed batch.
    output : Path
        Prefix of the OM: ATC appends ``.om``.
    batch_size : int
        Images a call.
    soc_version : str
        The chip, ``Ascend`` and the name that ``npu-smi info`` shows: ``Ascend310``, ``Ascend310P3`` …
    log : str
        One of `LOG_LEVELS`.
    """

    model: Path
    output: Path
    batch_size: int
    soc_version: str = "Ascend310"
    log: str = "error"

    def __post_init__(self) -> None:
        if not re.fullmatch(r"Ascend\d{3}\w*", self.soc_version, re.ASCII):
            raise ConvertError(f"{self.soc_version!r} is no soc_version", where="soc_version",
                               cure="Write Ascend and the name in npu-smi info, such as Ascend310 or Ascend310P3.")
        if self.batch_size < 1:
            raise ConvertError(f"batch size {self.batch_size}", where="batch_size",
                               cure="Give a number of images, at least 1.")
        if self.log not in LOG_LEVELS:
            raise ConvertError(f"unknown log level {self.log!r}", where="log",
                               cure=f"Use one of {', '.join(LOG_LEVELS)}.")

    @property
    def arguments(self) -> tuple[str, ...]:
        """The argument list, program first, ready for a call without a shell."""
        return ("atc", f"--framework={ONNX_FRAMEWORK}", f"--model={self.model}", "--input_format=NCHW",
                f"--input_shape=image:{self.batch_size},3,256,128", f"--output={self.output}", f"--log={self.log}",
                f"--soc_version={self.soc_version}")

    def __str__(self) -> str:
        """The command as it would be typed."""
        return shlex.join(self.arguments)


def find_atc() -> Path | None:
    """Where ATC is on this machine; None without CANN."""
    found = shutil.which("atc")
    return Path(found) if found else None


def conversion_status() -> str:
    """One sentence: whether OMs can be made on this machine."""
    atc = find_atc()
    if atc is None:
        return "ATC is not installed here, so no OM is made; run these commands on a host with CANN."
    return f"ATC is installed ({atc}); run these commands to make the OMs."
