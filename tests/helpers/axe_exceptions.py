"""What axe finds in the theme's own elements: the rule, the element around them, and why it is let pass."""

from __future__ import annotations

THEME = [
    ("summary-name", ".bd-sidebar-primary", "the arrow that unfolds a part of the contents has an icon and no name"),
    ("aria-required-children", ".citation-list", "docutils calls the bibliography a list and its entries none"),
    ("definition-list", "dt.sig", "Sphinx writes a signature of several lines as a list without terms"),
]
