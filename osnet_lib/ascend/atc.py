"""The ATC call as a description: what is wrong by itself is refused before ATC sees it."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path

from ..checks import whole_number
from ..conversion.interface import IMAGE_SHAPE, INPUT
from ..errors import ConvertError
from .cann import require_soc_version

ONNX_FRAMEWORK = 5  # ATC's number for ONNX
LOG_LEVELS = ("debug", "info", "warning", "error", "null")
PRECISION_MODES = (
    "force_fp16",
    "force_fp32",
    "cube_fp16in_fp32out",
    "allow_fp32_to_fp16",
    "must_keep_origin_dtype",
    "allow_mix_precision",
    "allow_mix_precision_fp16",
    "allow_mix_precision_bf16",
    "allow_fp32_to_bf16",
)
PRECISION_MODES_V2 = ("fp16", "origin", "cube_fp16in_fp32out", "mixed_float16", "mixed_bfloat16")
GEARS = range(2, 101)  # how many batch sizes one OM may have
_OWN_OPTIONS = (
    "framework",
    "model",
    "output",
    "soc_version",
    "input_format",
    "input_shape",
    "dynamic_batch_size",
    "insert_op_conf",
    "precision_mode",
    "precision_mode_v2",
    "input_fp16_nodes",
    "log",
)


@dataclass(frozen=True)
class AtcCommand:
    """What ATC is asked to do, in the terms of the guide's section 3.2.

    Attributes
    ----------
    model : Path
        The simplified ONNX of a fixed batch; for gears the exported one, whose batch is dynamic.
    output : Path
        Prefix of the OM: ATC appends ``.om``.
    batch_sizes : tuple of int
        Images a call. One number makes a static OM; several become the gears of a dynamic batch. A plain int will do.
    soc_version : str
        The chip, ``Ascend`` and the name that ``npu-smi info`` shows: ``Ascend310``, ``Ascend310P3``,
        ``Ascend910B4-1`` …
    precision_mode, precision_mode_v2 : str, optional
        One of `PRECISION_MODES` or of `PRECISION_MODES_V2`, not both; ATC's default is float16.
    aipp : Path, optional
        Of `osnet_lib.ascend.aipp.write_aipp`: the OM then takes uint8 ``[N, 256, 128, 3]``.
    input_fp16 : bool
        The OM takes float16 images, half the bytes.
    log : str
        One of `LOG_LEVELS`.
    options : tuple of str
        Further ATC options, each ``--name=value``; paths in them must be absolute.
    input_name : str
        What the model calls its images.
    """

    model: Path
    output: Path
    batch_sizes: tuple[int, ...]
    soc_version: str
    precision_mode: str | None = None
    precision_mode_v2: str | None = None
    aipp: Path | None = None
    input_fp16: bool = False
    log: str = "error"
    options: tuple[str, ...] = ()
    input_name: str = INPUT

    def __post_init__(self) -> None:
        given = (self.batch_sizes,) if isinstance(self.batch_sizes, Integral) else self.batch_sizes
        sizes = sorted(whole_number(size, "batch_sizes", error=ConvertError) for size in given)
        object.__setattr__(self, "batch_sizes", tuple(sizes))
        object.__setattr__(self, "model", Path(self.model))
        require_soc_version(self.soc_version)
        for where, wrong, what, cure in self._refusals():
            if wrong:
                raise ConvertError(what, where=where, cure=cure)
        object.__setattr__(self, "output", Path(self.output))

    def _refusals(self) -> Iterator[tuple[str | os.PathLike[str], object, str, str]]:
        """Where, whether it is wrong, what and cure: what is wrong by itself, whatever the host."""
        sizes, output = self.batch_sizes, os.fspath(self.output)
        yield "batch_sizes", not sizes, "batch size missing", "Give a number of images, at least 1."
        yield (
            "batch_sizes",
            len(set(sizes)) < len(sizes),
            f"a batch size is there twice in {list(sizes)}",
            "Give each once.",
        )
        yield ("batch_sizes", len(sizes) >= GEARS.stop, f"{len(sizes)} batch sizes", f"Give at most {GEARS.stop - 1}.")
        for name, known in (
            ("precision_mode", PRECISION_MODES),
            ("precision_mode_v2", PRECISION_MODES_V2),
            ("log", LOG_LEVELS),
        ):
            value = getattr(self, name)
            yield (
                name,
                value not in (*known, None) or (name, value) == ("log", None),
                f"unknown {'log level' if name == 'log' else name} {value!r}",
                f"Use one of {', '.join(known)}.",
            )
        yield (
            "precision_mode_v2",
            self.precision_mode and self.precision_mode_v2,
            "precision_mode and precision_mode_v2 exclude each other",
            "Give one of the two.",
        )
        yield (
            "input_fp16",
            self.aipp and self.input_fp16,
            "AIPP takes uint8, so the input cannot be float16",
            "Leave out one of the two.",
        )
        yield (
            self.output,
            output.endswith(("/", ".om")) or not Path(output).name,
            "the output is no path with a file name, to which ATC appends .om",
            "Give a path such as models/osnet_bs16.",
        )
        for option in self.options:
            form = re.fullmatch(r"--(\w+)=.+", option)
            yield ("options", not form, f"{option!r} is not of the form --name=value", "Correct it.")
            yield (
                "options",
                form and form[1] in _OWN_OPTIONS,
                f"{option} belongs to another attribute",
                "Set that instead.",
            )

    @property
    def dynamic(self) -> bool:
        """Whether the OM takes several batch sizes (gears)."""
        return len(self.batch_sizes) > 1

    @property
    def arguments(self) -> tuple[str, ...]:
        """The argument list, program first, ready for a call without a shell."""
        batch = -1 if self.dynamic else self.batch_sizes[0]
        chosen = {
            "dynamic_batch_size": ",".join(map(str, self.batch_sizes)) if self.dynamic else None,
            "precision_mode": self.precision_mode,
            "precision_mode_v2": self.precision_mode_v2,
            "insert_op_conf": self.aipp,
            "input_fp16_nodes": self.input_name if self.input_fp16 else None,
        }
        return (
            "atc",
            f"--framework={ONNX_FRAMEWORK}",
            f"--model={self.model}",
            "--input_format=NCHW",
            f"--input_shape={self.input_name}:{','.join(map(str, (batch, *IMAGE_SHAPE)))}",
            f"--output={self.output}",
            f"--log={self.log}",
            f"--soc_version={self.soc_version}",
            *(f"--{name}={value}" for name, value in chosen.items() if value is not None),
            *self.options,
        )

    def __str__(self) -> str:
        """The command as it would be typed."""
        return shlex.join(self.arguments)
