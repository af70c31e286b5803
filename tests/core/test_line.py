"""A line is one line, whatever is put into it."""

from __future__ import annotations

from hypothesis import given, strategies as st

from osnet_lib.core.line import MOST, one_line


@given(st.text(max_size=3 * MOST))
def test_one_line_and_never_too_long(text):
    line = one_line(text)
    assert len(line) <= MOST and len(line.splitlines()) <= 1


def test_what_fits_stays_and_the_rest_is_marked_as_cut():
    assert one_line("Rank-1\n 93.00 %") == "Rank-1 93.00 %"
    assert one_line("x" * MOST) == "x" * MOST
    assert one_line("x" * (MOST + 1)) == "x" * (MOST - 1) + "…"
