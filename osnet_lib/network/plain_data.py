"""What lies beside the weights in checkpoints, read without the code that made it.

People keep their settings in a checkpoint: a Namespace, paths, arrays of scores. A pickle names the classes of such
things, and loading them for real would run their code. Here stand-ins take their place: they accept what the pickle
gives them and do nothing with it, but for numpy arrays of numbers, which are kept.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

import numpy as np

# Settings, dates, paths, optimizers: nothing of them decides what the network computes.
_INERT = re.compile(
    r"argparse\.Namespace|types\.SimpleNamespace|(pathlib|pathlib\._local)\.(Pure)?(Posix|Windows)?Path"
    r"|datetime\.(datetime|date|time|timedelta|timezone)|decimal\.Decimal|fractions\.Fraction|uuid\.UUID|typing\.Any"
    r"|(builtins|__builtin__)\.(int|float|bool|str|bytes|list|tuple|dict|frozenset|slice|range|object)"
    r"|omegaconf\.\w+(\.\w+)?|torch\.optim\.[\w.]+|torch\.torch_version\.TorchVersion"
    r"|collections\.deque|copy_?reg\._reconstructor"
)
_MAPPING = re.compile(
    r"collections\.defaultdict|(yacs|fvcore\.common)\.config\.CfgNode|easydict\.EasyDict|addict\.(addict\.)?Dict"
    r"|munch\.(munch\.)?Munch|(mmcv\.utils|mmengine)\.config(\.config)?\.ConfigDict"
    r"|(pytorch_lightning|lightning|lightning_fabric|lightning_utilities)[\w.]*\.AttributeDict"
)
_ARRAY = re.compile(r"numpy\.(_?core)\.(multiarray\._reconstruct|numeric\._frombuffer)")

# torchreid's trainer stores Rank-1 as a numpy scalar beside the weights; numpy 1 and 2 name its type differently.
_SCALAR = np.float64(0).__reduce__()[0]
NUMPY: tuple[Any, ...] = (
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(code)) for code in ("f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1")),
)


class Inert:
    """Takes whatever a class of settings is built from, and keeps nothing."""

    def __init__(self, *_given: object):
        pass

    def __new__(cls, *_given: object) -> Any:
        return object.__new__(cls)

    def __setstate__(self, state: object) -> None:
        pass


class InertMapping:
    """The same for subclasses of dict, which a pickle fills item by item."""

    def __new__(cls, *_given: object) -> Any:
        return OrderedDict()


class Array:
    """A numpy array as a pickle describes it; `values` once it is known and holds numbers."""

    values: np.ndarray | None = None

    def __new__(cls, *given: Any) -> Any:
        made = object.__new__(cls)
        if len(given) == 4 and isinstance(given[0], (bytes, bytearray)):  # protocol 5: buffer, dtype, shape, order
            made.__setstate__((1, given[2], given[1], given[3] == "F", bytes(given[0])))
        return made

    def __init__(self, *_given: object):
        pass

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, content = state
        if isinstance(dtype, np.dtype) and dtype.kind in "fiub" and isinstance(content, bytes):
            flat = np.frombuffer(content, dtype)
            self.values = flat.reshape(shape, order="F" if fortran else "C").astype(dtype.newbyteorder("="))


def stand_ins(names: set[str]) -> list[Any]:
    """For each name in a pickle that is known as plain data, what takes its place, as `torch.load` wants it told."""
    found: list[Any] = list(NUMPY)
    for name in sorted(names):
        if _MAPPING.fullmatch(name):
            found.append((InertMapping, name))
        elif _ARRAY.fullmatch(name) or name == "numpy.ndarray":
            found.append((Array, name))
        elif _INERT.fullmatch(name):
            found.append((Inert, name))
    return found
