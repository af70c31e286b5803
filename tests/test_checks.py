"""Whole numbers, the same check everywhere: what is taken, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osnet_lib.checks import whole_number
from osnet_lib.errors import ExportError, MetricError, OSNetError, SessionError


@pytest.mark.parametrize("value", [1, 7, 10**30, np.int8(3), np.uint16(3), np.int64(1 << 40)])
def test_pythons_and_numpys_whole_numbers_become_ints(value):
    found = whole_number(value, "k")
    assert found == value and type(found) is int


@pytest.mark.parametrize(
    "value, shown",
    [
        (True, "True"),
        (False, "False"),
        (np.bool_(True), "np.True_"),
        (1.0, "1.0"),
        (3.5, "3.5"),
        (np.float32(2), "2.0"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        ("8", "'8'"),
        (b"8", "b'8'"),
        (None, "None"),
        ([8], "[8]"),
        (np.array([8]), "array([8])"),
        (0, "0"),
        (-3, "-3"),
        (np.int64(0), "0"),
    ],
)
def test_anything_else_is_refused_in_the_same_words(value, shown):
    with pytest.raises(SessionError) as refused:
        whole_number(value, "threads")
    assert str(refused.value) == f"threads: {shown} is not a whole number of 1 or more. Give such a number."
    assert refused.value.where == "threads"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"at_least": 0}, "k: -1 is not a whole number of 0 or more. Give such a number."),
        ({"at_most": 4}, "k: -1 is not a whole number from 1 to 4. Give such a number."),
        ({"where": Path("a/b.onnx")}, "a/b.onnx: k -1 is not a whole number of 1 or more. Give such a number."),
        ({"cure": "Ask for 3."}, "k: -1 is not a whole number of 1 or more. Ask for 3."),
    ],
)
@pytest.mark.parametrize("error", [SessionError, ExportError, MetricError])
def test_bounds_place_cure_and_class_are_the_callers(options, message, error):
    with pytest.raises(OSNetError) as refused:
        whole_number(-1, "k", error=error, **options)
    assert type(refused.value) is error and str(refused.value) == message
    assert refused.value.where == options.get("where", "k")


@given(
    value=st.integers(-20, 20),
    low=st.integers(-20, 20),
    high=st.none() | st.integers(-20, 20),
    kind=st.sampled_from([int, np.int8, np.int32, np.int64]),
)
def test_bounds_are_allowed_themselves(value, low, high, kind):
    if low <= value and (high is None or value <= high):
        assert whole_number(kind(value), "k", at_least=low, at_most=high) == value
    else:
        with pytest.raises(SessionError, match=rf"^k: {value} is not a whole number"):
            whole_number(kind(value), "k", at_least=low, at_most=high)


@given(value=st.floats() | st.text() | st.booleans() | st.lists(st.integers()))
def test_no_other_kind_is_taken(value):
    with pytest.raises(SessionError, match="is not a whole number"):
        whole_number(value, "k", at_least=-10)
