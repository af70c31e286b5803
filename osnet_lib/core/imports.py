"""Imports that may fail: which extra brings a module, and a numpy other than a package was built for, told as such."""

from __future__ import annotations

import importlib
import io
import re
import sys
from contextlib import redirect_stderr
from types import ModuleType

import numpy as np

# The modules that each extra of pyproject.toml installs; all others come with [study].
_EXTRAS = {
    "convert": ("torch", "onnx", "google", "onnxsim", "safetensors", "gdown"),
    "cpu": ("onnxruntime",),
    "openvino": ("openvino",),
    "scale": ("ray",),
    "s3": ("s3fs", "aiobotocore", "botocore"),
}
_NUMPY = re.compile(r"multiarray|_ARRAY_API|import numpy failed|compiled using NumPy|numpy\.\w+ size changed")


class ForeignNumpyError(ImportError):
    """A package that was built for another numpy; `cure` says how to get that one."""

    def __init__(self, package: str):
        super().__init__(f"{package} was built for another numpy than the {np.__version__} that is here")
        number, name = (1, "constraints-numpy1.txt") if np.__version__ >= "2" else (2, "constraints.txt")
        self.cure = f"Take numpy {number}: make book CONSTRAINTS={name}, or pip install -r requirements.txt -c {name}"


def install_command(module: str) -> str:
    """The command that installs the extra of this package which brings a module."""
    extra = next((name for name, modules in _EXTRAS.items() if module in modules), "study")
    return f"pip install 'osnet-ascend-study[{extra}]'"


def import_compiled(name: str) -> ModuleType:
    """Import a package.

    numpy writes a screen of text where a package was built for another one, and the exception then names anything but
    the cause. So what is written to standard error meanwhile is held back, and shown unless numpy is the cause.

    Raises
    ------
    ForeignNumpyError
        The package and this numpy do not fit.
    MemoryError
        No room for the package's libraries.
    Exception
        Whatever else the package raises.
    """
    heard = io.StringIO()
    try:
        with redirect_stderr(heard):
            return importlib.import_module(name)
    except Exception as error:
        if _NUMPY.search(f"{error}\n{heard.getvalue()}"):
            heard = io.StringIO()
            raise ForeignNumpyError(name) from error
        if "failed to map segment" in str(error):  # what the loader of libraries says where a limit is reached
            raise MemoryError(str(error).partition(": ")[2]) from error
        raise
    finally:
        sys.stderr.write(heard.getvalue())
