"""acl.util: the bridges between Python objects and addresses."""

from __future__ import annotations

import ctypes
import sys
import threading
import warnings
import weakref

import numpy as np

from .machine import PATIENCE, Code, Misuse, call, machine
from .streams import check_idle, memory

TYPES = {
    0: np.bool_,
    1: np.int8,
    2: np.uint8,
    3: np.int16,
    4: np.uint16,
    5: np.int32,
    6: np.uint32,
    7: np.int64,
    8: np.uint64,
    11: np.float32,
    12: np.float64,
    23: np.float16,
}
_HEADER = sys.getsizeof(b"") - 1  # of a bytes object, before its content

_bytes: dict[int, bytes] = {}  # held, so that a mistake is found and not a segmentation fault
_arrays: dict[int, weakref.ref] = {}
_lone = {0: bytes(bytearray(9))}
_ALONE = sys.getrefcount(_lone[0])  # of an object that only a table holds


def any_bytes(address: int, size: int) -> np.ndarray:
    """Memory of a block, of a Python object that lent its address, or of anybody; Misuse where that object is gone."""
    if machine.block_at(address) is not None:
        return machine.bytes_at(address, size)
    if address in _bytes:
        if sys.getrefcount(_bytes[address]) <= _ALONE:
            raise Misuse("the bytes object behind this address is gone")
        lent = len(_bytes[address])
    else:
        array = _arrays.get(address, lambda: None)()
        if array is None:  # a ctypes buffer, an array's data, a tensor's pointer: legal, and not to be checked
            machine.sloppy(f"nothing that acl knows is alive at {address:#x}")
        lent = size if array is None else array.nbytes
    if size > lent:
        raise Misuse(f"{size} bytes at an object of {lent}")
    return np.frombuffer((ctypes.c_uint8 * size).from_address(address), np.uint8)


@call("acl.util.bytes_to_ptr", "o", "bare", context=False, init=False)
def bytes_to_ptr(value):
    if type(value) is not bytes:
        raise ValueError("acl.util.bytes_to_ptr takes a bytes object")
    for address in [a for a in _bytes if sys.getrefcount(_bytes[a]) <= _ALONE]:
        del _bytes[address]
    address = id(value) + _HEADER
    _bytes[address] = value
    return address


@call("acl.util.ptr_to_bytes", "kk", "bare", None, context=False, init=False)
def ptr_to_bytes(address, size):
    return _readable(address, size).tobytes()


@call("acl.util.numpy_to_ptr", "o", "bare", context=False, init=False)
def numpy_to_ptr(array):
    if not isinstance(array, np.ndarray):
        raise ValueError("acl.util.numpy_to_ptr takes an ndarray")
    _deprecated("numpy_to_ptr")
    if not array.flags.c_contiguous:
        raise Misuse("numpy_to_ptr of an array that is not contiguous gives the wrong data")
    _arrays[array.ctypes.data] = weakref.ref(array, lambda _, address=array.ctypes.data: _arrays.pop(address, None))
    return int(array.ctypes.data)


@call("acl.util.ptr_to_numpy", "koi", "bare", None, context=False, init=False)
def ptr_to_numpy(address, shape, npy_type):
    _deprecated("ptr_to_numpy")
    if not isinstance(shape, tuple) or not all(type(n) is int for n in shape):
        raise TypeError("acl.util.ptr_to_numpy args parse failed")
    dtype = np.dtype(TYPES[npy_type])
    return _readable(address, int(np.prod(shape)) * dtype.itemsize).view(dtype).reshape(shape)


@call("acl.util.start_thread", "oo", "value", context=False, init=False)
def start_thread(function, arguments):
    thread = threading.Thread(target=function, args=(arguments,), daemon=True)
    thread.start()
    machine.handles["thread"][thread.ident] = thread
    return thread.ident


@call("acl.util.stop_thread", "k", after=True, context=False, init=False, lock=False)
def stop_thread(number):
    thread = machine.handles["thread"].pop(number, None)
    if thread is None:
        raise Code(100000, f"no thread {number}")
    thread.join(PATIENCE)  # it ends by itself, and is only waited for
    if thread.is_alive():
        raise Misuse("stop_thread of a thread that does not end: on a device this hangs")


def _readable(address: int, size: int) -> np.ndarray:
    block = machine.block_at(address)
    if block is not None and block.kind == "device" and machine.settings.run_mode == 1:
        raise Misuse("the host reads device memory")
    check_idle([memory(address, size)])
    return any_bytes(address, size)


def _deprecated(name: str) -> None:
    if machine.settings.bridge != "numpy":  # old versions did not say so
        warnings.warn(f"acl.util.{name} will be deprecated", stacklevel=4)


_BYTES = {"bytes_to_ptr": bytes_to_ptr, "ptr_to_bytes": ptr_to_bytes}


def show_bridge() -> None:
    """Let the module have the functions that this version has."""
    for name, function in _BYTES.items():
        globals().pop(name, None)
        if machine.settings.bridge == "bytes":
            globals()[name] = function


show_bridge()
