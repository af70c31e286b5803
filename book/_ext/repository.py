"""Buttons that lead to the repository: none until its address is known.

The address is ``repository: url`` of the configuration, or the variable ``BOOK_REPOSITORY``, which the workflow that
publishes the book sets. An executed page is edited in its source below ``notebooks/``.
"""

from __future__ import annotations

import os
import re

from sphinx.application import Sphinx
from sphinx.config import Config

BUTTONS = ("use_repository_button", "use_issues_button", "use_edit_page_button")
_EXECUTED = re.compile(r"/executed/(\d\d_[a-z_]+?)(_bs\d+)?\.ipynb$")


def offer(_app: Sphinx, config: Config) -> None:
    """Turn the buttons on where there is an address."""
    options = config.html_theme_options
    address = os.environ.get("BOOK_REPOSITORY") or options.get("repository_url") or ""
    options["repository_url"] = address
    options["repository_branch"] = os.environ.get("BOOK_BRANCH") or options.get("repository_branch") or "main"
    options.update(dict.fromkeys(BUTTONS, bool(address)))


def lead_to_sources(_app: Sphinx, _page: str, _template: str, context: dict, _doctree: object) -> None:
    """Replace the executed copy, which is in no repository, by its source."""
    for group in context.get("header_buttons", ()):
        for button in group.get("buttons", [group]):
            if "url" in button:
                button["url"] = _EXECUTED.sub(r"/notebooks/\1.ipynb", button["url"])


def setup(app: Sphinx) -> dict:
    app.connect("config-inited", offer, priority=100)  # before the theme reads its options
    app.connect("html-page-context", lead_to_sources, priority=900)  # after it has made its buttons
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
