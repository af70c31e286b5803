"""Files in which other tools keep features: told for what they are, since none of them says which image a row is of."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import FeatureError

SAVE_THEM = (
    "Save query and gallery in a file each: numpy.savez(path, names=, pids=, camids=, features=), where names are file "
    "names and features [N, 512]."
)


def refuse_foreign(path: Path) -> None:
    """Raise FeatureError for a file that another tool wrote, named by its content and not by its suffix."""
    with open(path, "rb") as stream:
        head = stream.read(128)
    what = None
    if head.startswith(b"\x93NUMPY"):
        what = f"is a single array ({_shape(path)}) without names, pids and camids"
    elif head.startswith(b"MATLAB 5.0 MAT-file"):
        what = "is a MATLAB file, such as the pytorch_result.mat of Person_reID_baseline_pytorch"
    elif head.startswith((b"\x89HDF", b"MATLAB 7.3")):
        what = "is an HDF5 file (.h5, or .mat of MATLAB 7.3)"
    elif head[:1] == b"\x80" and head[1:2] in (b"\2", b"\3", b"\4", b"\5"):
        what = "is a pickle of Python, which could run code"
    elif zipfile.is_zipfile(path) and _holds_pickle(path):
        what = "is a file of torch.save"
    if what:
        raise FeatureError(f"{what}, no feature file", where=path, cure=f"Load it where it was made. {SAVE_THEM}")


def _shape(path: Path) -> str:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception:  # numpy raises many kinds for a header that is damaged
        return "damaged"
    return f"{array.dtype} {list(array.shape)}"


def _holds_pickle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("data.pkl") for name in archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError):
        return False
