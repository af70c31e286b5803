"""Normalisation on the device: the AIPP file that lets an OM take uint8 pixels, a quarter of the bytes of float32.

AIPP computes ``(pixel - mean_chn - min_chn) * var_reci_chn`` per channel and keeps its parameters, apart from the whole
number ``mean_chn``, in float16. The OM's input is then uint8 ``[N, 256, 128, 3]``: height, width, RGB.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from ..core.files import read_text, write_text
from ..datasets.preprocess import HEIGHT, MEAN, STD, WIDTH
from ..errors import ConvertError

Channels = tuple[float, float, float]
_T = TypeVar("_T")

_SWITCHES = {
    "aipp_mode": "static",
    "related_input_rank": "0",
    "input_format": "RGB888_U8",
    "src_image_size_w": str(WIDTH),
    "src_image_size_h": str(HEIGHT),
    "crop": "false",
    "padding": "false",
    "csc_switch": "false",
    "rbuv_swap_switch": "false",
}
_OMITTED = {
    "related_input_rank": "0",
    "crop": "false",
    "padding": "false",
    "csc_switch": "false",
    "rbuv_swap_switch": "false",
}  # what AIPP takes for a switch that the file lacks
_CHANNELS = {"mean_chn": 0.0, "min_chn": 0.0, "var_reci_chn": 1.0}  # and for a number
_FLOAT16_MAX = 65504.0
_ENTRY = re.compile(r"(\w+)\s*:\s*([^\s,;:]+)[\s,;]*")
_CURE = "Write it with osnet_lib.ascend.aipp.write_aipp."


@dataclass(frozen=True)
class AippConfig:
    """Per-channel parameters (red, green, blue) of a static AIPP block; its switches are always this study's.

    Attributes
    ----------
    mean_chn : tuple of int
        Subtracted first, exactly; 0 to 255.
    min_chn : tuple of float
        Subtracted next; 0 to 255, float16 on the device.
    var_reci_chn : tuple of float
        Multiplied last; float16 on the device.
    """

    mean_chn: tuple[int, int, int]
    min_chn: Channels
    var_reci_chn: Channels

    def __post_init__(self) -> None:
        for name, most in (("mean_chn", 255), ("min_chn", 255), ("var_reci_chn", _FLOAT16_MAX)):
            values = getattr(self, name)
            if len(values) != 3 or not all(math.isfinite(v) and 0 <= v <= most for v in values):
                raise ConvertError(
                    f"{values} are not three numbers from 0 to {most:g}",
                    where=name,
                    cure="Give one for red, green and blue.",
                )
        if any(v != int(v) for v in self.mean_chn):
            raise ConvertError(
                f"{self.mean_chn} are not whole numbers",
                where="mean_chn",
                cure="Put what is behind the point into min_chn.",
            )

    def __str__(self) -> str:
        """The file's text."""
        lines = [f"{key}: {value}" for key, value in _SWITCHES.items()]
        for name in _CHANNELS:
            kind = int if name == "mean_chn" else float
            lines += [f"{name}_{i}: {kind(value)!r}" for i, value in enumerate(getattr(self, name))]
        return "aipp_op {\n" + "".join(f"    {line}\n" for line in lines) + "}\n"


def _three(values: Iterable[_T]) -> tuple[_T, _T, _T]:
    red, green, blue = values
    return red, green, blue


def imagenet_aipp(*, split: bool = True) -> AippConfig:
    """The normalisation of `osnet_lib.datasets.preprocess` as AIPP parameters.

    Parameters
    ----------
    split : bool
        Put the whole part of 255 * mean (123, 116, 103) into ``mean_chn``, where it is exact, and only the rest (0.675,
        0.28, 0.53) into ``min_chn``. Without it all goes into ``min_chn``, as the usual recipes have it, and float16
        makes 123.6875 of 123.675.
    """
    means = [round(255 * m, 6) for m in MEAN]
    whole = [int(m) if split else 0 for m in means]
    rest = [round(m - w, 6) for m, w in zip(means, whole)]
    return AippConfig(_three(whole), _three(rest), _three(float(f"{1 / (255 * s):.15g}") for s in STD))


def write_aipp(path: str | Path, config: AippConfig | None = None) -> Path:
    """Write the file for ATC's ``--insert_op_conf``; `imagenet_aipp` unless told otherwise."""
    return write_text(path, str(config or imagenet_aipp()))


def read_aipp(path: str | Path) -> AippConfig:
    """Read an AIPP file.

    Raises
    ------
    ConvertError
        No such file; see `parse_aipp`.
    """
    try:
        text = read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConvertError(
            f"the AIPP file cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})", where=path, cure=_CURE
        ) from error
    return parse_aipp(text, path)


def parse_aipp(text: str, where: str | Path = "AIPP") -> AippConfig:
    """Read the text of an AIPP file: keys in any order, ``#`` comments, numbers that are left out at their default.

    Raises
    ------
    ConvertError
        Not one ``aipp_op`` block of ``key: value``; a key that is unknown or there twice; a switch that would make the
        device see other pixels than this study sends; a number out of range.
    """
    bare = re.sub(r"#[^\n]*", "", text)
    block = re.fullmatch(r"\s*aipp_op\s*(?::\s*)?\{([^{}]*)\}\s*", bare)
    found: dict[str, str] = {}
    for entry in _entries(block[1] if block else ":"):
        if not entry:
            raise ConvertError("not one aipp_op block of `key: value` lines", where=where, cure=_CURE)
        key, value = entry.groups()
        if key in found:
            raise ConvertError(f"{key} is there twice", where=where, cure="Remove one.")
        found[key] = value.strip("\"'")
    for key, wanted in _SWITCHES.items():
        if (value := found.pop(key, _OMITTED.get(key))) != wanted:
            raise ConvertError(
                f"{key} is {value or 'missing'}, but this study feeds images for {wanted}",
                where=where,
                cure=f"Write {key}: {wanted}.",
            )
    numbers = {}
    for name, default in _CHANNELS.items():
        words = [found.pop(f"{name}_{i}", repr(default)) for i in range(3)]
        try:
            numbers[name] = tuple(float(word) for word in words)
        except ValueError as error:
            raise ConvertError(f"{name} holds {', '.join(words)}", where=where, cure="Write numbers.") from error
    if unknown := [key for key in found if found[key] not in ("0", "0.0") or not re.fullmatch(r"m\w+_chn_3", key)]:
        raise ConvertError(f"unknown key {unknown[0]}", where=where, cure=f"Remove it. {_CURE}")
    try:
        config = AippConfig(**numbers)
    except ConvertError as error:
        raise ConvertError(f"{error.where}: {error.what}", where=where, cure=error.cure) from error
    return AippConfig(_three(int(m) for m in config.mean_chn), config.min_chn, config.var_reci_chn)


def _entries(block: str) -> Iterator[re.Match[str] | None]:
    """The entries of a block in turn, each read once, from left to right; None where there is no further one."""
    place = len(block) - len(block.lstrip())
    while place < len(block):
        yield (entry := _ENTRY.match(block, place))
        if not entry:
            return
        place = entry.end()


def apply_aipp(pixels: np.ndarray, config: AippConfig, arithmetic: type[np.floating] = np.float16) -> np.ndarray:
    """What the device makes of pixels.

    Parameters
    ----------
    pixels : ndarray of uint8, [..., 3]
        RGB last.
    config : AippConfig
    arithmetic : type
        In which to subtract and multiply the float16 parameters: numpy.float16 rounds after every step, the worst a
        device may do; numpy.float64 shows the error of the parameters alone.

    Returns
    -------
    ndarray of `arithmetic`, same shape
    """
    mean = np.array(config.mean_chn, arithmetic)
    least, scale = (np.array(v, np.float16).astype(arithmetic) for v in (config.min_chn, config.var_reci_chn))
    return (pixels.astype(arithmetic) - mean - least) * scale


@dataclass(frozen=True)
class AippError:
    """Largest differences from the float32 path, in normalised units, over all 256 values and three channels.

    `split` and `naive` are the two ways of `imagenet_aipp`; ``_parameters`` holds the error of float16 parameters in
    exact arithmetic, ``_float16`` that of float16 throughout. A device lies between the two.
    """

    split_parameters: float
    split_float16: float
    naive_parameters: float
    naive_float16: float


def aipp_error() -> AippError:
    """Compute how far AIPP's pixels can be from those of `osnet_lib.datasets.preprocess.preprocess`."""
    pixels = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    # The same three float32 operations as in preprocess.
    expected = (pixels / np.float32(255) - np.array(MEAN, np.float32)) / np.array(STD, np.float32)

    def largest(split: bool, arithmetic: type[np.floating]) -> float:
        found = apply_aipp(pixels, imagenet_aipp(split=split), arithmetic)
        return float(np.abs(found.astype(np.float64) - expected.astype(np.float64)).max())

    return AippError(*(largest(split, kind) for split in (True, False) for kind in (np.float64, np.float16)))
