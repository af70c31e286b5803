"""Alternative texts go from the output of a cell to its metadata."""

from __future__ import annotations

import nbformat
import pytest

from osnet_lib.study.descriptions import pass_on_descriptions


@pytest.mark.parametrize(
    "given, facts, kept",
    [
        ({}, {"image/png": {"alt": "A line that falls."}}, {"mystnb": {"image": {"alt": "A line that falls."}}}),
        (
            {"mystnb": {"figure": {"caption": "A"}}},
            {"image/svg+xml": {"alt": "A line."}},
            {"mystnb": {"figure": {"caption": "A"}, "image": {"alt": "A line."}}},
        ),
        ({"tags": ["a"]}, {"image/png": {"width": 3}}, {"tags": ["a"]}),
        ({}, {}, {}),
    ],
)
def test_the_text_of_a_picture_stands_at_its_cell(given, facts, kept):
    output = nbformat.v4.new_output("display_data", dict.fromkeys(facts, ""), metadata=facts)
    printed = nbformat.v4.new_output("stream", text="x")
    cell = nbformat.v4.new_code_cell("draw()", outputs=[printed, output], metadata=given)
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), cell])
    pass_on_descriptions(notebook)
    assert notebook.cells[1].metadata == kept
    nbformat.validate(notebook)
