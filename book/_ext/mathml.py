"""Render formulas as MathML, which browsers draw by themselves: no script, nothing fetched.

docutils already converts LaTeX to MathML; Sphinx lacks a renderer that calls it. A formula that
docutils cannot convert is a warning, so the strict build names the page and the line.
"""

from __future__ import annotations

import re
from html import escape

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

logger = logging.getLogger(__name__)


def _convert(node: nodes.Element, as_block: bool) -> str:
    formula = re.sub(r"\\dots(?![a-zA-Z])", r"\\ldots", node.astext())  # the one common command docutils lacks
    try:
        return tex2mathml(formula, as_block=as_block)
    except MathError as error:
        logger.warning("formula cannot become MathML: %s", error, location=node, type="mathml")
        return escape(node.astext())


def visit_inline(writer, node: nodes.math) -> None:
    writer.body.append(writer.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    writer.body.append(_convert(node, as_block=False) + "</span>")
    raise nodes.SkipNode


def visit_block(writer, node: nodes.math_block) -> None:
    writer.body.append(writer.starttag(node, "div", CLASS="math notranslate nohighlight"))
    if node["number"]:
        writer.body.append(f'<span class="eqno">({get_node_equation_number(writer, node)})')
        writer.add_permalink_ref(node, "Link to this equation")
        writer.body.append("</span>")
    writer.body.append(_convert(node, as_block=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict:
    app.add_html_math_renderer("mathml", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
