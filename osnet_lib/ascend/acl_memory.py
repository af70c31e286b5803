"""Between numpy and pyACL's addresses: by bytes where the version has that, else by its older numpy functions.

The bytes functions came with CANN 6 and do not depend on the numpy that CANN was built with; the numpy ones, which are
all that CANN 5 has, warn of their end at every call in versions that have both.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from .acl import Acl
from .acl_codes import NPY_TYPES


def lend(acl: Acl, array: np.ndarray) -> tuple[int, object]:
    """The address of a contiguous array's content, and the object that must stay alive as long as it is used."""
    if hasattr(acl.module.util, "bytes_to_ptr"):
        content = array.tobytes()
        return acl("acl.util.bytes_to_ptr", content), content
    return _quietly(acl, "acl.util.numpy_to_ptr", array), array


def read(acl: Acl, address: int, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """An array of its own, copied from memory that the host can read."""
    if hasattr(acl.module.util, "ptr_to_bytes"):
        content = acl("acl.util.ptr_to_bytes", address, int(np.prod(shape)) * dtype.itemsize)
        return np.frombuffer(content, dtype).reshape(shape).copy()
    return _quietly(acl, "acl.util.ptr_to_numpy", address, shape, NPY_TYPES[dtype]).copy()


def _quietly(acl: Acl, call: str, *args: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of this one call
        return acl(call, *args)
