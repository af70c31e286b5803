"""Pictures of people out of JPEG bytes; a damaged one is named, never skipped."""

from __future__ import annotations

import struct
from io import BytesIO
from os import PathLike

from PIL import Image, UnidentifiedImageError

from ..errors import DatasetError

# What Pillow lets through from its decoders when a JPEG is damaged.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    RuntimeError,
    struct.error,
    Image.DecompressionBombError,
)


def decode_jpeg(data: bytes, where: str | PathLike) -> Image.Image:
    """Decode a whole JPEG to RGB.

    Parameters
    ----------
    data : bytes
        The file's content.
    where : str or path
        How an error names the file.

    Raises
    ------
    DatasetError
        Empty, not a JPEG, damaged or truncated.
    """
    try:
        with Image.open(BytesIO(data), formats=("JPEG",)) as picture:
            return picture.convert("RGB")
    except _DECODE_ERRORS as error:
        what = f"is a damaged or truncated JPEG ({error})"
        if isinstance(error, UnidentifiedImageError):  # its text holds an object's address
            what = "is not a JPEG" if data else "is an empty file"
        raise DatasetError(what, where=where, cure="Copy this file again from the original data set") from error
