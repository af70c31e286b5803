"""Charts of the notebooks become part of their page, so that they take the colours of its theme.

A chart is SVG whose colours are CSS variables (`osnet_lib.plots.style`); as an image it would not see those of the page
(``_static/study.css``). Its alternative text is said as the label of the drawing.
"""

from __future__ import annotations

import hashlib
import re
from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform


def inline(drawing: str, alternative: str) -> str:
    """An SVG file as an element of a page: labelled, as wide as its style says, its names its own."""
    mark = f"c{hashlib.sha256(drawing.encode('utf-8')).hexdigest()[:8]}-"
    drawing = re.sub(r'(?<= id=")', mark, drawing)
    drawing = re.sub(r'(?<=url\(#)|(?<=href="#)', mark, drawing)
    start, rest = drawing.split(">", 1)
    start = re.sub(r' (width|height)="[^"]*"', "", start)
    return f'{start} class="chart" role="img" aria-label="{escape(alternative)}">{rest}'


class Charts(SphinxTransform):
    """Put each SVG of a notebook in place of the image that names it."""

    default_priority = 500  # before Sphinx collects the images

    def apply(self, **_options: object) -> None:
        for image in list(self.document.findall(nodes.image)):
            path = Path(self.env.relfn2path(image["uri"])[1])
            if path.suffix != ".svg" or not path.is_file():
                continue
            drawing = path.read_text("utf-8")
            if "var(--chart-" in drawing:
                image.replace_self(nodes.raw("", inline(drawing, image.get("alt", "")), format="html"))


def setup(app: Sphinx) -> dict:
    app.add_transform(Charts)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
