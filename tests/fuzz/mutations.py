"""Damage and edits: a file of a user as a broken disk, a bad copy, another program or a hand may leave it.

Everything is drawn from the random numbers given, so that an input can be made again from its number.
"""

from __future__ import annotations

import copy
import io
import json
import re
import struct
import zipfile
from random import Random
from typing import Any

HEAD = 512  # bytes of a file in which most of its lengths and kinds stand
DEEP = 100_000  # brackets, more than any parser follows
_EXTREMES = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63 - 1, 2**63, 2**64 - 1)
_MARK = "\ue000{}\ue000"  # stands for a text of JSON that Python would not write
_RAW = ("9" * 400, "9" * 5000, "-" + "9" * 400, "1e999", "-1e999", "NaN", "-0", "1e-400", "[" * DEEP, '{"a":' * DEEP)
_ODD: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 0.5, 1e300, -1e300, 1e-300),
    *("", " ", "x", "-1", "1e999", "nan", "\0", "\ud800", "$\\frac$", "x" * 100_000, "../../x", "a\nb", "\x1b[2J"),
    *([], {}, [[]], [None], {"": None}, [0, 1], {"a": 1}, [1e300] * 50),
)


def damage(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """Bytes changed without regard for what they mean, one to four times; `other` is a file to splice with."""
    held = bytearray(data)
    for _ in range(random.choice((1, 1, 1, 2, 4))):
        random.choice(_DAMAGES)(held, random, other)
    return bytes(held)


def _place(held: bytearray, random: Random) -> int:
    """More often near one of the ends, where containers tell what they hold."""
    end, kind = max(len(held) - 1, 0), random.random()
    if kind < 0.4:
        return random.randint(0, min(HEAD, end))
    return random.randint(max(0, end - HEAD), end) if kind < 0.6 else random.randint(0, end)


def _flip(held: bytearray, random: Random, _other: bytes) -> None:
    for _ in range(random.choice((1, 1, 1, 3, 20))):
        if held:
            held[_place(held, random)] ^= 1 << random.randrange(8)


def _set(held: bytearray, random: Random, _other: bytes) -> None:
    if held:
        held[_place(held, random)] = random.choice((0, 1, 0x7F, 0x80, 0xFF, random.randrange(256)))


def _truncate(held: bytearray, random: Random, _other: bytes) -> None:
    del held[random.choice((_place(held, random), random.randint(0, len(held)), max(len(held) - 1, 0))) :]


def _zero(held: bytearray, random: Random, _other: bytes) -> None:
    at = _place(held, random)
    size = min(random.choice((1, 4, 8, 64, 4096)), len(held) - at)
    held[at : at + size] = bytes(size)


def _insert(held: bytearray, random: Random, _other: bytes) -> None:
    at = _place(held, random)
    held[at:at] = random.randbytes(random.choice((1, 1, 2, 4, 16, 300)))


def _delete(held: bytearray, random: Random, _other: bytes) -> None:
    at = _place(held, random)
    del held[at : at + random.choice((1, 1, 2, 4, 16, 300))]


def _repeat(held: bytearray, random: Random, _other: bytes) -> None:
    at = _place(held, random)
    piece = held[at : at + random.choice((1, 8, 64, 1000))]
    held[at:at] = piece * random.choice((1, 2, 30))


def _splice(held: bytearray, random: Random, other: bytes) -> None:
    if other:
        cut, start = _place(held, random), _place(bytearray(other), random)
        if random.random() < 0.5:
            held[cut:] = other[start:]
        else:
            held[cut : cut + 64] = other[start : start + 64]


def _length(held: bytearray, random: Random, _other: bytes) -> None:
    """A number of two, four or eight bytes that is none of this file."""
    size = random.choice((2, 4, 8))
    if len(held) >= size:
        at = min(_place(held, random), len(held) - size)
        value = random.choice((*_EXTREMES, random.getrandbits(64), len(held))) & (1 << 8 * size) - 1
        held[at : at + size] = value.to_bytes(size, random.choice(("little", "big")))


_DAMAGES = (_flip, _flip, _flip, _set, _truncate, _zero, _insert, _delete, _repeat, _splice, _length, _length)


def edit_json(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """A JSON document with values of another kind or size in it; damaged as bytes now and then."""
    if random.random() < 0.2:
        return damage(data, random, other)
    document = json.loads(data)
    raws: list[str] = []

    def odd() -> Any:
        if random.random() < 0.3:
            raws.append(random.choice(_RAW))
            return _MARK.format(len(raws) - 1)
        return copy.deepcopy(random.choice(_ODD))

    for _ in range(random.choice((1, 1, 1, 2, 3))):
        document = _edited(document, random, odd)
    text = json.dumps(document, ensure_ascii=random.random() < 0.5)
    mark = re.compile(r'"(?:\ue000|\\ue000)(\d+)(?:\ue000|\\ue000)"')
    return mark.sub(lambda match: raws[int(match[1])], text).encode("utf-8", "surrogatepass")


def _edited(document: Any, random: Random, odd) -> Any:
    """The document with one place changed, any depth alike."""
    places = list(_places(document))
    if not places or random.random() < 0.03:
        return odd()
    holder, key = random.choice(places)
    change = random.random()
    if change < 0.7:
        holder[key] = odd()
    elif change < 0.85:
        del holder[key]
    elif isinstance(holder, dict):
        holder[random.choice(("", "a", key.upper(), key + " ", "digest", "kind"))] = holder.pop(key)
    else:
        holder.insert(key, odd())
    return document


def _places(value: Any):
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in list(inside):
        yield value, key
        yield from _places(one)


_NUMBER = re.compile(rb"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?")
_NUMBERS = (
    *(b"", b"-1", b"0", b"9" * 30, b"9" * 400, b"9" * 5000, b"1e999", b"nan", b"inf", b"-0.0", b"1_000", b"0x10"),
    *("\u0661\u0662".encode(), b"1e-400", b"1.5", b"12 34", b"00007", b"4294967296", b"18446744073709551616"),
)
_SIGNS = (b" ", b"\t", b"\r", b"\0", b'"', b"'", b"{", b"}", b"{}")
_WORDS = (*_SIGNS, b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"..")


def edit_text(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """A text with numbers, signs and lines of another kind in it; damaged as bytes now and then."""
    if random.random() < 0.25:
        return damage(data, random, other)
    for _ in range(random.choice((1, 1, 2, 3))):
        change = random.random()
        numbers = list(_NUMBER.finditer(data))
        if change < 0.4 and numbers:
            match = random.choice(numbers)
            data = data[: match.start()] + random.choice(_NUMBERS) + data[match.end() :]
        elif change < 0.6:
            at = random.randint(0, len(data))
            data = data[:at] + random.choice(_WORDS) * random.choice((1, 1, 1, 20_000)) + data[at:]
        elif change < 0.9:
            data = _lines(data, random)
        else:
            text = data.decode("utf-8", "replace")
            data = random.choice((text.upper(), text.replace("\n", "\r"), text * 3, text[::-1])).encode()
            data = data.decode().encode("utf-16") if random.random() < 0.3 else data
    return data


def _lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    at, to = random.randrange(len(lines)), random.randrange(len(lines))
    change = random.randrange(4)
    if change == 0:
        del lines[at]
    elif change == 1:
        lines.insert(to, lines[at])
    elif change == 2:
        lines[at], lines[to] = lines[to], lines[at]
    else:
        lines[at] = lines[at] * random.choice((2, 50))
    return b"\n".join(lines)


def edit_zip(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """An archive packed again with its members changed, so that every CRC fits what is wrong."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [[name, archive.read(name)] for name in archive.namelist()]
    change = random.random()
    chosen = random.choice(members)
    if change < 0.75:
        small = [member for member in members if len(member[1]) < 20_000] or members
        chosen = random.choice(small if random.random() < 0.7 else members)
        change_content = edit_pickle if chosen[0].endswith(".pkl") else damage
        chosen[1] = change_content(chosen[1], random, random.choice(members)[1])
    elif change < 0.85:
        members.remove(chosen)
    elif change < 0.93:
        chosen[0] = random.choice((random.choice(members)[0], "", "../x", "/x", "a\\b", "x" * 300, chosen[0] + "/"))
    else:
        chosen[1] = random.choice(members)[1]
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", random.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in members:
            archive.writestr(zipfile.ZipInfo(name), content, archive.compression)
    return whole.getvalue()


def edit_pickle(data: bytes, random: Random, other: bytes = b"") -> bytes:
    """A pickle with other lengths and indices, of which there are so many that damage to bytes meets few."""
    held = bytearray(data)
    for _ in range(random.choice((1, 2, 3))):
        places = [at for at in range(min(len(held), 20_000)) if held[at] in b"KMJXUhjqr\x8a"]
        if places and random.random() < 0.7:
            at = random.choice(places) + 1
            size = random.choice((1, 2, 4))
            held[at : at + size] = struct.pack("<Q", random.choice(_EXTREMES) & 2**64 - 1)[:size]
        else:
            held = bytearray(damage(bytes(held), random, other))
    return bytes(held)


FORMS = {"bytes": damage, "json": edit_json, "text": edit_text, "zip": edit_zip}
