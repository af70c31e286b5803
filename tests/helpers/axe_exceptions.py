"""What axe finds in the theme's own elements: the rule, the element around them, and why it is let pass."""

from __future__ import annotations

THEME = [
    ("summary-name", ".bd-sidebar-primary", "the arrow that unfolds a part of the contents has an icon and no name"),
]
