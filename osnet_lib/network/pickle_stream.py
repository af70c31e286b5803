"""The pickle inside a checkpoint: which names it calls for, and its translation into protocol 2.

`torch.load` with ``weights_only=True`` follows protocol 2 only, and what it does not follow it refuses. Nothing here
executes a pickle: opcodes are read one by one and written again, and what comes out still has to pass torch.
"""

from __future__ import annotations

import io
import pickle
import pickletools
import struct
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from typing import Any

# What has another name in protocol 2 and the same effect, as long as sets may become lists and frozen sets tuples.
_SAME = {
    "EMPTY_SET": pickle.EMPTY_LIST,
    "ADDITEMS": pickle.APPENDS,
    "FROZENSET": pickle.TUPLE,
    "NEWOBJ_EX": pickle.TUPLE2 + pickle.NEWOBJ,  # arguments and keywords as one tuple, which our stand-ins take
}
_DROPPED = {"FRAME", "PROTO"}
_GROWTH, _SLACK = 16, 1 << 20  # what its texts may come to, in bytes: those of real checkpoints stay below a third


def protocol(content: bytes) -> int:
    """Of a pickle; 0 where it does not say."""
    return content[1] if content[:1] == pickle.PROTO and len(content) > 1 else 0


def translate(content: bytes, start: int = 0) -> tuple[bytes, set[str], int]:
    """One pickle in protocol 2.

    Returns
    -------
    bytes
        The translated pickle.
    set of str
        The globals that it names, such as ``"collections.OrderedDict"``.
    int
        Where the pickle ends in `content`.

    Raises
    ------
    ValueError
        A damaged pickle, or one that names a global in a way that cannot be followed.
    """
    out: list[bytes] = [pickle.PROTO + b"\x02"]
    texts: dict[int, str] = {}  # memo entries that are texts: written out again wherever they are called for
    said: list[str] = []  # the texts on top of the stack
    named: set[str] = set()
    memo = 0
    end = start

    most = _GROWTH * len(content) + _SLACK

    def say(text: str) -> None:
        nonlocal most
        out.append(_unicode(text))
        said.append(text)
        most -= len(out[-1])
        if most < 0:  # a long text that is called for again and again
            raise ValueError("texts that would grow without limit")

    def put(index: int) -> None:
        if said:
            texts[index] = said[-1]
        else:
            texts.pop(index, None)
            out.append(pickle.LONG_BINPUT + struct.pack("<I", index))

    stream = io.BytesIO(content)
    stream.seek(start)
    argument: Any
    for opcode, argument, position in pickletools.genops(stream):
        name, end = opcode.name, (position or 0) + 1
        if name in _DROPPED:
            continue
        if name in ("SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "UNICODE"):
            say(argument)
        elif name == "MEMOIZE":
            put(memo)
            memo += 1
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            put(int(argument))
            memo += 1
        elif name in ("GET", "BINGET", "LONG_BINGET") and int(argument) in texts:
            say(texts[int(argument)])
        else:
            if name == "STACK_GLOBAL":
                if len(said) < 2:
                    raise ValueError("a global without a name")
                del out[-2:]
                out.append(_global(said[-2], said[-1], named))
            elif name == "GLOBAL":
                module, _, attribute = argument.partition(" ")
                out.append(_global(module, attribute, named))
            else:
                out.append(_WRITERS[name](argument) if name in _WRITERS else _plain(opcode, argument))
            said.clear()
    return b"".join(out), named, end


def _global(module: str, name: str, named: set[str]) -> bytes:
    if not f"{module}{name}".isprintable() or " " in f"{module}{name}":
        raise ValueError("a global with an unprintable name")
    module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))  # of Python 2
    named.add(f"{module}.{name}")
    return f"c{module}\n{name}\n".encode()


def _unicode(text: str) -> bytes:
    encoded = text.encode("utf-8", "surrogatepass")
    return pickle.BINUNICODE + struct.pack("<I", len(encoded)) + encoded


def _bytes(value: bytes) -> bytes:
    """As protocol 2 writes bytes: a text, and how to encode it."""
    return b"c_codecs\nencode\n" + _unicode(value.decode("latin1")) + _unicode("latin1") + b"\x86R"


def _whole(value: int) -> bytes:
    if -(1 << 31) <= value < 1 << 31:
        return pickle.BININT + struct.pack("<i", value)
    encoded = pickle.encode_long(value)
    if len(encoded) > 255:
        raise ValueError("a number of more than 255 bytes")
    return pickle.LONG1 + bytes([len(encoded)]) + encoded


def _truth(value: int | bool) -> bytes:
    return (pickle.NEWTRUE if value else pickle.NEWFALSE) if isinstance(value, bool) else _whole(value)


_WRITERS: dict[str, Callable] = {
    **dict.fromkeys(("INT", "BININT", "BININT1", "BININT2"), _truth),
    **dict.fromkeys(("LONG", "LONG1", "LONG4"), _whole),
    **dict.fromkeys(("FLOAT", "BINFLOAT"), lambda value: pickle.BINFLOAT + struct.pack(">d", value)),
    **dict.fromkeys(("BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), _bytes),
    **dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), lambda value: _unicode(str(value))),
    "BYTEARRAY8": lambda value: b"cbuiltins\nbytearray\n" + _bytes(bytes(value)) + b"\x85R",
    **dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), lambda at: pickle.LONG_BINGET + struct.pack("<I", int(at))),
}


def _plain(opcode: pickletools.OpcodeInfo, argument: object) -> bytes:
    """An operation without an argument, as it is; one with an argument that has no writer cannot be followed."""
    if argument is not None:
        raise ValueError(f"the operation {opcode.name}")
    return _SAME.get(opcode.name) or opcode.code.encode("latin1")
