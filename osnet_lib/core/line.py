"""What a result says of itself where it is printed."""

from __future__ import annotations

MOST = 200  # characters


def one_line(text: str) -> str:
    """On one line of at most `MOST` characters, its end cut where it is longer."""
    line = " ".join(text.split())
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"
