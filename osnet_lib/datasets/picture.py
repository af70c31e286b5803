"""Pictures out of the bytes of a file, by content and not by name; a damaged one is named, never skipped."""

from __future__ import annotations

import os
import re
import struct
import threading
import warnings
from io import BytesIO
from os import PathLike

from PIL import Image, UnidentifiedImageError

from ..checks import whole_number
from ..errors import DatasetError, first_line
from .lookalike import HEAD, lookalike

# What Pillow lets through from its decoders when an image is damaged.
_DECODE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    RuntimeError,
    struct.error,
)
_NOT_ASKED = {"EPS", "PDF", "WMF", "MPEG"}  # no pictures of a camera; the first would start another program
_COPY = "Copy this file again from the original data set"

# A crop of a person has thousands of pixels, a whole picture of a camera 8 million: 50 MB in memory, times the threads.
MAX_PIXELS = 1 << 24
LIFTED_BY = "OSNET_MAX_PIXELS"
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # such a picture is refused, in our words


def max_pixels() -> int:
    """How many pixels an image may declare: ``$OSNET_MAX_PIXELS``, else `MAX_PIXELS`; DatasetError where it is none."""
    given = os.environ.get(LIFTED_BY, "").strip()
    return whole_number(
        int(given) if re.fullmatch("[0-9]{1,18}", given) else given or MAX_PIXELS,
        LIFTED_BY,
        error=DatasetError,
        cure="Give the number of pixels that an image may have, or unset it",
    )


class Decoder:
    """Decodes images to RGB, from several threads; says once that names promise another kind than the files are."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._told = False

    def __call__(self, data: bytes, where: str | PathLike) -> Image.Image:
        """Decode a whole image to RGB; of several frames the first.

        Parameters
        ----------
        data : bytes
            The file's content: JPEG, or any other format that Pillow reads, whatever the name says.
        where : str or path
            How errors and the warning name the file.

        Raises
        ------
        DatasetError
            Empty, no image, damaged or truncated, of more than 8 bits a colour, of more than `max_pixels`.
        """
        try:
            return _convert(data, ("JPEG",), where)[0]
        except UnidentifiedImageError:  # its text holds an object's address
            pass
        if found := lookalike(data[:HEAD]):
            raise DatasetError(found[0], where=where, cure=_COPY if not data else f"{found[1]}. {_COPY}")
        if data.startswith(b"\xff\xd8"):
            raise DatasetError("is a damaged or truncated JPEG (its head is not whole)", where=where, cure=_COPY)
        Image.init()
        try:
            picture, kind = _convert(data, tuple(set(Image.OPEN) - _NOT_ASKED), where)
        except UnidentifiedImageError as error:
            raise DatasetError("is no image", where=where, cure=_COPY) from error
        self._compare(kind, where)
        return picture

    def _compare(self, kind: str, where: str | PathLike) -> None:
        """Warn, once, of a picture under a name of another kind."""
        suffix = str(where).lower().rpartition(".")[2]
        promised = Image.registered_extensions().get(f".{suffix}")
        with self._lock:
            if promised in (None, kind) or self._told:
                return
            self._told = True
        warnings.warn(
            f"{where}: holds {kind} under a name of {promised}, perhaps not the only one; images are read by content",
            stacklevel=3,
        )


def _convert(data: bytes, formats: tuple[str, ...], where: str | PathLike) -> tuple[Image.Image, str]:
    most = max_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and most > Image.MAX_IMAGE_PIXELS:  # Pillow has a limit of its own
        Image.MAX_IMAGE_PIXELS = most
    try:
        with Image.open(BytesIO(data), formats=formats) as picture:
            if picture.width * picture.height > most:
                raise _too_large(f"{picture.width:,} x {picture.height:,} pixels", most, where)
            if picture.mode.startswith(("I", "F")):  # Pillow would cut the values off at 255
                raise DatasetError(
                    f"holds more than 8 bits a colour ({picture.mode})",
                    where=where,
                    cure="Save it with 8 bits a colour",
                )
            if picture.mode != "RGB":
                return picture.convert("RGB"), picture.format or ""
            picture.load()  # to convert it would copy it
            return picture, picture.format or ""
    except UnidentifiedImageError:
        raise
    except Image.DecompressionBombError as error:  # also of what lies inside, such as an icon's pictures
        raise _too_large("pixels by the hundred million", most, where) from error
    except _DECODE_ERRORS as error:
        kind = formats[0] if len(formats) == 1 else "image"
        what = f"is a damaged or truncated {kind} ({first_line(error)})"
        raise DatasetError(what, where=where, cure=_COPY) from error


def _too_large(declared: str, most: int, where: str | PathLike) -> DatasetError:
    """The refusal of what would fill the memory, before it is decoded."""
    return DatasetError(
        f"declares {declared}, and an image of a person has at most {most:,}",
        where=where,
        cure=f"{_COPY}; if it is right, set {LIFTED_BY} to as many pixels",
    )
