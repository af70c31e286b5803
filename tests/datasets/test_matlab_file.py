"""MATLAB files are read as scipy reads them, and whatever is wrong with one is a ValueError."""

from __future__ import annotations

import struct
import time
import zlib
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as some
from scipy.io import loadmat, savemat

from osnet_lib.datasets.matlab_file import MAX_BYTES, read_matlab

HEAD = b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM"


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def matrix(*parts: bytes) -> bytes:
    return HEAD + element(14, b"".join(parts))


def saved(compress: bool = False, **values) -> bytes:
    stream = BytesIO()
    savemat(stream, values, do_compression=compress)
    return stream.getvalue()


FLAGS, SHAPE, NAME = element(6, struct.pack("<II", 6, 0)), element(5, struct.pack("<2i", 1, 2)), element(1, b"good")
VALUES = element(9, struct.pack("<2d", 3, 4))
TYPES = ("i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


@pytest.mark.parametrize("compress", [False, True])
@given(values=some.arrays(st.sampled_from(TYPES), some.array_shapes(min_dims=2, max_dims=3, min_side=0)))
@settings(max_examples=40, deadline=None)
def test_numbers_are_those_of_scipy(compress, values):
    data = saved(compress, good_index=values)
    found, expected = read_matlab(data), loadmat(BytesIO(data))["good_index"]
    assert list(found) == ["good_index"] and found["good_index"].dtype == expected.dtype == values.dtype
    np.testing.assert_array_equal(found["good_index"], expected)
    assert found["good_index"].shape == values.shape


@pytest.mark.parametrize(
    "data, expected",
    [
        (matrix(FLAGS, SHAPE, NAME, VALUES), [[3, 4]]),
        # As MATLAB writes small whole numbers of the class double: short names and values within their tags.
        (matrix(FLAGS, SHAPE, struct.pack("<HH4s", 1, 4, b"good"), struct.pack("<HH4s", 2, 2, b"\3\4")), [[3, 4]]),
        (HEAD + struct.pack("<II", 15, 0)[:4] + b"\0" * 4, None),
    ],
    ids=["plain", "small elements", "packed nothing"],
)
def test_forms_that_matlab_writes(data, expected):
    if expected is None:
        with pytest.raises(ValueError):
            read_matlab(data)
        return
    assert read_matlab(data)["good"].tolist() == expected == loadmat(BytesIO(data))["good"].tolist()


def test_big_endian():
    pieces = (
        struct.pack(">IIII", 6, 8, 6, 0),
        struct.pack(">IIii", 5, 8, 2, 1),
        struct.pack(">II", 1, 4) + b"good" + bytes(4),
        struct.pack(">IIhh", 3, 4, 7, -8) + bytes(4),
    )
    body = b"".join(pieces)
    data = b"MATLAB 5.0 MAT-file".ljust(124) + b"\1\0MI" + struct.pack(">II", 14, len(body)) + body
    found = read_matlab(data)["good"]
    assert found.tolist() == [[7], [-8]] == loadmat(BytesIO(data))["good"].tolist() and found.dtype.isnative


@pytest.mark.parametrize(
    "value", ["text", {"a": 1}, np.array([{"a": 1}], object), np.array([1j])], ids=["text", "struct", "cell", "complex"]
)
def test_what_is_no_matrix_of_real_numbers_is_none(value):
    assert read_matlab(saved(a=np.ones(3), b=value)).keys() == {"a", "b"}
    assert read_matlab(saved(b=value)) == {"b": None}


# The first has a type of 0 where the values should be: reading it ends scipy's process.
DAMAGED = {
    "a tag of zeros": (matrix(FLAGS, SHAPE, NAME, bytes(8) + VALUES[8:]), "an element of type 0 inside"),
    "values that are a matrix": (matrix(FLAGS, SHAPE, NAME, element(14, b"")), "an element of type 14 inside"),
    "nothing inside": (matrix(), "an element of type 0 inside"),
    "flags cut short": (matrix(element(6, b"\6\0\0\0"), SHAPE, NAME, VALUES), "flags of 4 bytes"),
    "other numbers than the shape says": (matrix(FLAGS, SHAPE, NAME, VALUES[:8] + bytes(16)), None),
    "too few numbers": (matrix(FLAGS, SHAPE, NAME, element(9, bytes(8))), "reshape"),
    "a negative shape": (matrix(FLAGS, element(5, struct.pack("<2i", -1, -2)), NAME, VALUES), "the shape"),
    "one axis": (matrix(FLAGS, element(5, struct.pack("<i", 2)), NAME, VALUES), "the shape"),
    "a half number": (matrix(FLAGS, SHAPE, NAME, element(9, bytes(15))), "buffer size"),
    "a length beyond the end": (HEAD + struct.pack("<II", 14, 2**32 - 1) + bytes(8), "of 4,294,967,295 bytes, and 8"),
    "a tag cut short": (HEAD + b"\x0e\0\0", "a tag is cut short"),
    "a small element that is long": (HEAD + struct.pack("<HH4s", 14, 9, b""), "small element of 9"),
    "no variable": (HEAD + element(9, bytes(8)), "type 9 in place of a variable"),
    "two of a name": (matrix(FLAGS, SHAPE, NAME, VALUES) + matrix(FLAGS, SHAPE, NAME, VALUES)[128:], "two variables"),
    "no zlib": (HEAD + struct.pack("<II", 15, 8) + bytes(8), "cannot be unpacked"),
    "packed and cut short": (HEAD + element(15, zlib.compress(matrix(FLAGS)[128:])[:-6]), "cut short or has more"),
    "packed twice": (HEAD + element(15, zlib.compress(element(15, zlib.compress(b"")))), "type 15 in place"),
    "of another version": (HEAD.replace(b"\0\1IM", b"\0\2IM"), "no head of version 5"),
    "nothing": (b"", "no head of version 5"),
}


@pytest.mark.parametrize("data, says", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_a_value_error(data, says):
    if says is None:  # whole numbers of another bit pattern: nothing shows it
        assert read_matlab(data)["good"].tolist() == [[0, 0]]
        return
    with pytest.raises(ValueError, match=says):
        read_matlab(data)


def test_a_variable_that_would_fill_the_memory_is_not_unpacked():
    packed = zlib.compress(bytes(2 * MAX_BYTES))
    started = time.process_time()
    with pytest.raises(ValueError, match="more than 67,108,864 bytes"):
        read_matlab(HEAD + element(15, packed))
    assert len(packed) < MAX_BYTES / 100 and time.process_time() - started < 5


@given(st.data(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_a_changed_byte_gives_arrays_or_a_value_error(data, compress):
    content = bytearray(saved(compress, good_index=np.array([[3.0, 4.0]]), other=np.arange(5, dtype=np.int16)))
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(120, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(len(content) - 8, len(content)))]
    try:
        found = read_matlab(bytes(content))
    except ValueError:
        return
    assert all(value is None or isinstance(value, np.ndarray) for value in found.values())
