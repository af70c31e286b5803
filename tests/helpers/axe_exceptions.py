"""What axe finds in the theme's own elements: the rule, where (a pattern of the selector), and why it is let pass."""

from __future__ import annotations

THEME: list[tuple[str, str, str]] = []
