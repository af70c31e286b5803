"""A picture is decoded whole, or its file is named."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from osnet_lib.datasets.jpeg import decode_jpeg
from PIL import Image

from osnet_lib.errors import DatasetError


def encoded(form: str = "JPEG", mode: str = "RGB") -> bytes:
    stream = BytesIO()
    Image.fromarray(np.full((32, 16, 3), 90, np.uint8)).convert(mode).save(stream, form)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_kind_of_jpeg_becomes_rgb(mode):
    picture = decode_jpeg(encoded(mode=mode), "a.jpg")
    assert (picture.mode, picture.size) == ("RGB", (16, 32)) and abs(int(np.asarray(picture).mean()) - 90) < 4


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "is an empty file"),
        (b"text", "is not a JPEG"),
        (encoded("PNG"), "is not a JPEG"),
        (encoded()[:400], "is a damaged or truncated JPEG"),
    ],
)
def test_anything_else_is_named(data, what):
    with pytest.raises(DatasetError, match=rf"^query/a\.jpg: {what}.*\. Copy this file again from the original"):
        decode_jpeg(data, "query/a.jpg")
