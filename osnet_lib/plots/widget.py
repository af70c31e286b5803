"""What answers to the pointer on a page: HTML that reads without a script, with its style, script and data inside.

Everything is in the one piece of HTML, so it works in a notebook, in the book and in a page opened as a file.
"""

from __future__ import annotations

import json
from html import escape
from pathlib import Path
from typing import Any

from ..core.files import read_text

_RESOURCES = Path(__file__).parents[1] / "resources"


def widget(script: str, label: str, body: str, data: Any) -> str:
    """A region named `label` that shows `body`; where scripts run, ``resources/<script>`` takes it over with `data`.

    The style is the file of the same name with the suffix ``.css``; its classes and the region's are those of the
    script's stem. `data` is plain JSON; nothing in it can end the element that holds it.
    """
    path = _RESOURCES / script
    name = f"osnet-{path.stem.replace('_', '-')}"
    style = read_text(path.with_suffix(".css"))
    return "\n".join(
        [
            f'<div class="{name}" role="group" aria-label="{escape(label)}">',
            f"<style>{style}</style>",
            body,
            f'<script type="application/json">{as_script(data)}</script>',
            f"<script>{read_text(path)}</script>",
            "</div>",
        ]
    )


def as_script(data: Any) -> str:
    """JSON that may stand inside an element ``script``: without ``<``, ``>`` and ``&``, which it writes as escapes."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
