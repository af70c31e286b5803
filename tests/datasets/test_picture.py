"""A picture is decoded whole, by its content, or its file is named."""

from __future__ import annotations

import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, features

from osnet_lib.datasets.picture import LIFTED_BY, MAX_PIXELS, Decoder, max_pixels
from osnet_lib.errors import DatasetError

COLOURS = np.random.default_rng(0).integers(0, 256, (4, 2, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)


def encoded(form: str = "JPEG", mode: str = "RGB", **options) -> bytes:
    stream = BytesIO()
    Image.fromarray(COLOURS).convert(mode).save(stream, form, **options)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_every_kind_of_jpeg_becomes_rgb(mode):
    picture = Decoder()(encoded(mode=mode), "a.jpg")
    assert (picture.mode, picture.size) == ("RGB", (16, 32))
    assert abs(int(np.asarray(picture).mean()) - int(COLOURS.mean())) < 12


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a", "a.bmp.jpg"])
def test_a_jpeg_gives_what_pillow_gives_whatever_its_name(name):
    data = encoded(quality=75)
    with warnings.catch_warnings(record=True):
        picture = Decoder()(data, name)
    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(BytesIO(data)).convert("RGB")))


FORMS = {
    "PNG": {},
    "BMP": {},
    "TIFF": {},
    "PPM": {},
    "TGA": {},
    "GIF": {"mode": "L"},
    "WEBP": {"lossless": True},
    "JPEG2000": {"irreversible": False},
}


@pytest.mark.parametrize("form", FORMS)
def test_other_formats_are_read_by_content(form):
    codec = {"WEBP": "webp", "JPEG2000": "jpg_2000"}.get(form)
    if codec and not features.check(codec):
        pytest.skip(f"this Pillow has no {codec}")
    with pytest.warns(
        UserWarning, match=rf"^query/a\.jpg: holds {form} under a name of JPEG, perhaps not the only one"
    ):
        picture = Decoder()(encoded(form, **FORMS[form]), "query/a.jpg")
    expected = Image.fromarray(COLOURS).convert(FORMS[form].get("mode", "RGB")).convert("RGB")
    assert picture.mode == "RGB" and np.array_equal(np.asarray(picture), np.asarray(expected))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA"])
def test_modes_of_a_png_become_rgb(mode):
    assert Decoder()(encoded("PNG", mode), "a.png").mode == "RGB"


def test_other_kinds_under_a_name_are_told_once_a_run():
    decode, data = Decoder(), encoded("PNG")
    with warnings.catch_warnings(record=True) as told, ThreadPoolExecutor(8) as pool:
        warnings.simplefilter("always")
        list(pool.map(lambda number: decode(data, f"{number}.jpg"), range(64)))
        decode(encoded(), "a.jpg"), decode(data, "a.png"), decode(data, "no suffix")
    assert len(told) == 1 and "under a name of JPEG" in str(told[0].message)


def test_right_names_are_no_reason_to_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decode = Decoder()
        decode(encoded(), "a.JPG"), decode(encoded("PNG"), "a.PNG"), decode(encoded("MPO", save_all=True), "a.jpg")


@pytest.mark.parametrize(
    "data, what",
    [
        (b"", "is an empty file"),
        (b"text", "is no image"),
        (b"<!DOCTYPE html><title>quota", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of git-lfs"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is no image"),  # it would start another program
        (encoded()[:400], "is a damaged or truncated JPEG"),
        (encoded("PNG")[:100], "is a damaged or truncated image"),
    ],
)
def test_anything_else_is_named(data, what):
    with pytest.raises(DatasetError, match=rf"^query/a\.jpg: {what}.*\. Copy this file again from the original"):
        Decoder()(data, "query/a.jpg")


@pytest.mark.parametrize("mode, form", [("I;16", "PNG"), ("F", "TIFF"), ("I", "TIFF")])
def test_more_than_eight_bits_are_refused_and_not_cut_off(mode, form):
    stream = BytesIO()
    Image.new(mode, (4, 4)).save(stream, form)
    with pytest.raises(DatasetError, match=r"more than 8 bits a colour \(.*\)\. Save it with 8 bits"):
        Decoder()(stream.getvalue(), "a.png")


# ---- pixels that are declared ---------------------------------------------------------------------------------------


def jpeg_of(width: int, height: int) -> bytes:
    """A small JPEG whose head declares another size."""
    data = bytearray(encoded())
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


def png_of(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rest = encoded("PNG")[33:]
    return b"\x89PNG\r\n\x1a\n\0\0\0\r" + head + struct.pack(">I", zlib.crc32(head)) + rest


@pytest.mark.parametrize("make", [jpeg_of, png_of])
@pytest.mark.parametrize("width, height", [(13_300, 13_300), (30_000, 30_000), (65_000, 300), (4096, 4097)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_small_file_of_many_pixels_is_refused_before_it_is_decoded(make, width, height):
    said = rf"{width:,} x {height:,} pixels" if width < 20_000 or height < 1000 else "pixels by the hundred million"
    with pytest.raises(DatasetError, match=rf"a\.jpg: declares {said}, .* at most 16,777,216\..*set OSNET_MAX_PIXELS"):
        Decoder()(make(width, height), "a.jpg")


def test_the_limit_can_be_lifted_and_lowered(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)
    assert max_pixels() == MAX_PIXELS
    monkeypatch.setenv(LIFTED_BY, str(10**9))
    assert Decoder()(jpeg_of(4096, 4097), "a.jpg").size == (4096, 4097)
    assert Image.MAX_IMAGE_PIXELS == 10**9
    monkeypatch.setenv(LIFTED_BY, "511")
    with pytest.raises(DatasetError, match="16 x 32 pixels, .* at most 511"):
        Decoder()(encoded(), "a.jpg")


@pytest.mark.parametrize("given", ["0", "-1", "many", "1e9", "1.5"])
def test_a_limit_that_is_no_number_is_refused(monkeypatch, given):
    monkeypatch.setenv(LIFTED_BY, given)
    with pytest.raises(DatasetError, match="^OSNET_MAX_PIXELS: .*is not a whole number of 1 or more"):
        Decoder()(encoded(), "a.jpg")
