"""The message says where, what and the cure; every refusal is an OSNetError."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from osnet_lib import errors
from osnet_lib.errors import ExportError, OSNetError, ParityError

CLASSES = [c for _, c in inspect.getmembers(errors, inspect.isclass) if c.__module__ == errors.__name__]


@pytest.mark.parametrize(
    "kwargs, message",
    [
        ({}, "it is broken"),
        ({"where": "a.onnx"}, "a.onnx: it is broken"),
        ({"where": Path("b/c.pt")}, "b/c.pt: it is broken"),
        ({"cure": "Mend it."}, "it is broken. Mend it."),
        ({"where": "a.onnx", "cure": "Mend it."}, "a.onnx: it is broken. Mend it."),
    ],
)
def test_message(kwargs, message):
    error = OSNetError("it is broken", **kwargs)
    assert str(error) == message
    assert (error.what, error.where, error.cure) == ("it is broken", kwargs.get("where"), kwargs.get("cure"))


@pytest.mark.parametrize("error", CLASSES, ids=lambda c: c.__name__)
def test_one_base_class(error):
    assert issubclass(error, OSNetError) and inspect.getdoc(error)
    with pytest.raises(OSNetError, match="^x: y. Z$"):
        raise error("y", where="x", cure="Z")


def test_a_failed_gate_is_an_export_error():
    assert issubclass(ParityError, ExportError)


def test_a_message_is_one_line_whatever_a_file_holds():
    error = OSNetError("is for a\nb\x1b[2J", where="c\td", cure="Do.")
    assert str(error) == "c\\td: is for a\\nb\\x1b[2J. Do." and error.what == "is for a\nb\x1b[2J"
