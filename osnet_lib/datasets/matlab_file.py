"""MATLAB files of version 5, as far as a list needs: their variables by name, plain vectors and matrices of numbers.

scipy's reader trusts the tags of a file, and a wrong one ends the whole process. Here every tag is checked before what
it stands for is touched. The format: MathWorks, "MAT-File Format", Level 5.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np

MAX_BYTES = 64 * 2**20  # of a variable once it is unpacked; a list of a million images has 8 MB
_HEAD = 128
_NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
_INT8, _INT32, _UINT32, _MATRIX, _COMPRESSED = 1, 5, 6, 14, 15
_NUMERIC_CLASSES = range(6, 16)  # double, single and the whole numbers; others are text, cells, structures, sparse
_COMPLEX = 0x08


def read_matlab(data: bytes) -> dict[str, np.ndarray | None]:
    """The variables of a MATLAB file, in their order.

    Returns
    -------
    dict
        By name an array in the type in which it is stored and of the shape it has, first index fastest; None for what
        is no matrix of real numbers.

    Raises
    ------
    ValueError
        No MATLAB file of version 5, or a damaged one.
    """
    order = {b"IM": "<", b"MI": ">"}.get(data[126:_HEAD])
    if order is None or data[124:126] != struct.pack(f"{order}H", 0x0100):
        raise ValueError("no head of version 5")
    variables: dict[str, np.ndarray | None] = {}
    for kind, body in _elements(memoryview(data)[_HEAD:], order):
        if kind == _COMPRESSED:
            kind, body = next(_elements(_unpacked(body), order), (0, body))
        if kind != _MATRIX:
            raise ValueError(f"an element of type {kind} in place of a variable")
        name, values = _variable(body, order)
        if name in variables:
            raise ValueError(f"two variables {name}")
        if name:  # without one MATLAB keeps what belongs to its functions
            variables[name] = values
    return variables


def _elements(data: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and content of each element; every length is checked against what is there."""
    place = 0
    while place < len(data):
        if len(data) - place < 8:
            raise ValueError("a tag is cut short")
        kind, size = struct.unpack_from(f"{order}2I", data, place)
        start, step = place + 8, size + (-size % 8 if kind != _COMPRESSED else 0)
        if kind >> 16:  # a small element: both numbers in four bytes, and the content in the other four
            kind, size, start, step = kind & 0xFFFF, kind >> 16, place + 4, 4
            if size > 4:
                raise ValueError(f"a small element of {size} bytes")
        if size > len(data) - start:
            raise ValueError(f"an element of {size:,} bytes, and {len(data) - start:,} are left")
        yield kind, data[start : start + size]
        place = start + step


def _unpacked(packed: memoryview) -> memoryview:
    unpacker = zlib.decompressobj()
    try:
        content = unpacker.decompress(packed, MAX_BYTES)
    except zlib.error as error:
        raise ValueError("a variable that cannot be unpacked") from error
    if not unpacker.eof:
        raise ValueError(f"a variable that is cut short or has more than {MAX_BYTES:,} bytes")
    return memoryview(content)


def _variable(body: memoryview, order: str) -> tuple[str, np.ndarray | None]:
    elements = _elements(body, order)

    def expect(*kinds: int) -> tuple[int, memoryview]:
        kind, content = next(elements, (0, body))
        if kind not in kinds:
            raise ValueError(f"an element of type {kind} inside a variable")
        return kind, content

    _, flags = expect(_UINT32)
    if len(flags) != 8:
        raise ValueError(f"flags of {len(flags)} bytes")
    word = struct.unpack_from(f"{order}I", flags)[0]
    if word & 0xFF not in range(1, 18) or word & 0xFF == 17:  # the last has no shape
        return "", None
    shape = np.frombuffer(expect(_INT32)[1], f"{order}i4").tolist()
    name = bytes(expect(_INT8)[1]).decode("latin-1")
    if word & 0xFF not in _NUMERIC_CLASSES or word >> 8 & _COMPLEX:
        return name, None
    kind, content = expect(*_NUMBERS)
    values = np.frombuffer(content, f"{order}{_NUMBERS[kind]}")
    if len(shape) < 2 or min(shape) < 0:
        raise ValueError(f"the shape {shape}")
    return name, values.reshape(shape, order="F").astype(_NUMBERS[kind])
