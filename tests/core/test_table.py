"""osnet_lib.core.table: what is shown, in text, Markdown and HTML, whatever the cells hold."""

from __future__ import annotations

import itertools
from dataclasses import FrozenInstanceError
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, strategies as st
from markdown_it import MarkdownIt

from osnet_lib.core.table import NOTHING, Table
from osnet_lib.errors import ResultError


class _Html(HTMLParser):
    """Cells of a table by row, and every tag with its attributes."""

    def __init__(self, source: str):
        super().__init__()
        self.rows, self.tags, self.open, self.caption = [], [], [], ""
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1][-1] += text
        elif self.open and self.open[-1] == "caption":
            self.caption += text


def _markdown_cells(source: str) -> list[list[str]]:
    """Cells of the first table that a Markdown parser finds, each of which must be plain text."""
    rows, tokens = [], MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(source)
    for before, token in itertools.pairwise(tokens):
        if token.type == "tr_open":
            rows.append([])
        elif before.type in ("th_open", "td_open"):
            kinds = {child.type for child in token.children}
            assert kinds <= {"text", "text_special"}, f"{token.content!r} became markup: {kinds}"
            rows[-1].append("".join(child.content for child in token.children))
    return rows


RATES = Table(
    ("device", "batch", "images/s", "note"),
    (("Ascend 310", 1, 962.0, None), ("CPU, 2 threads", 16, 23.4567, "measured here"), ("T4", 1024, None, "x")),
    caption="Throughput",
    formats={"images/s": ".1f"},
)


def test_text_is_aligned():
    assert str(RATES) == "\n".join(
        [
            "Throughput",
            "device          batch  images/s  note",
            "--------------  -----  --------  -------------",
            "Ascend 310          1     962.0  —",
            "CPU, 2 threads     16      23.5  measured here",
            "T4              1,024         —  x",
        ]
    )
    assert repr(RATES) == str(RATES)


def test_text_of_chinese_words_is_aligned():
    lines = str(Table(("name", "n"), (("吞吐率", 1), ("rate", 10)))).splitlines()
    assert lines[2:] == ["吞吐率   1", "rate    10"]  # each of the three characters is two columns wide


def test_markdown():
    assert RATES.to_markdown() == "\n".join(
        [
            "Throughput",
            "",
            "| device         | batch | images/s | note          |",
            "| -------------- | ----: | -------: | ------------- |",
            "| Ascend 310     |     1 |    962.0 | —             |",
            "| CPU, 2 threads |    16 |     23.5 | measured here |",
            "| T4             | 1,024 |        — | x             |",
        ]
    )
    assert RATES._repr_markdown_() == RATES.to_markdown()


def test_html_is_semantic_and_aligned():
    html = _Html(RATES._repr_html_())
    assert html.caption == "Throughput"
    assert html.rows[0] == ["device", "batch", "images/s", "note"]
    assert html.rows[2] == ["CPU, 2 threads", "16", "23.5", "measured here"]
    assert [tag for tag, _ in html.tags if tag not in ("tr", "td", "th")] == ["table", "caption", "thead", "tbody"]
    # the theme of the book colours this class in light and dark and leaves others black on grey
    assert html.tags[0] == ("table", {"class": "dataframe"})
    heads = [attributes for tag, attributes in html.tags if tag == "th"]
    assert all(attributes["scope"] == "col" for attributes in heads)
    assert [attributes["style"].split()[-1] for attributes in heads] == ["left", "right", "right", "left"]
    cells = [attributes["style"] for tag, attributes in html.tags if tag == "td"]
    assert ["nowrap" in style for style in cells[:4]] == [False, True, True, False]
    assert not any("color" in attributes.get("style", "") for _, attributes in html.tags)


def test_a_percent_sign_stays_with_its_number():
    table = Table(("score",), (("3071/3368 = 91.18 %",),))
    assert "= 91.18\u00a0%<" in table._repr_html_() and "91.18 %" in str(table)


def test_html_is_escaped():
    bad = '<script>alert("1")</script> & co'
    html = Table((bad,), ((bad,),), caption=bad)._repr_html_()
    assert "<script" not in html
    parsed = _Html(html)
    assert parsed.rows == [[bad], [bad]] and parsed.caption == bad


TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Co", "Cn")), max_size=12)


@given(st.lists(TEXTS, min_size=1, max_size=4))
def test_any_text_survives_every_rendering(texts):
    table = Table(tuple(f"c{i}" for i in range(len(texts))), (texts,))
    shown = [" ".join(text.split()) for text in texts]
    assert _Html(table._repr_html_()).rows[1] == shown
    assert _markdown_cells(table.to_markdown())[1] == shown
    assert str(table).split("\n")[2].split() == " ".join(shown).split()


@pytest.mark.parametrize(
    "text",
    [
        "a|b",
        "*x*",
        "`x`",
        "<b>x</b>",
        "__init__",
        "$x$",
        "[a](b)",
        "~~x~~",
        "a\\|b",
        "&lt;",
        "osnet_x1_0_bs8",
        "two\nlines",
    ],
)
def test_markdown_takes_nothing_for_markup(text):
    assert _markdown_cells(Table(("a", "b"), ((text, 1),)).to_markdown())[1] == [" ".join(text.split()), "1"]


@pytest.mark.parametrize(
    "value, spec, text",
    [
        (None, None, NOTHING),
        (None, ".2f", NOTHING),
        (True, None, "yes"),
        (False, ".2f", "no"),
        ("x", ".2f", "x"),
        ("", None, ""),
        (2169508, None, "2,169,508"),
        (7, "04d", "0007"),
        (0.911817, None, "0.9118"),
        (0.911817, ".2%", "91.18%"),
        (6e-8, None, "6e-08"),
        (123456.7, None, "123,457"),
        (1234.56, None, "1,235"),
        (0.0, None, "0"),
        (-20000.4, None, "-20,000"),
        (12.345, "{:.1f} ms", "12.3 ms"),
        (3, "{:.1%}", "300.0%"),
        (float("nan"), None, "nan"),
        (float("inf"), None, "inf"),
        (np.float32(0.5), None, "0.5"),
        (np.int64(1000), None, "1,000"),
        (np.bool_(True), None, "yes"),
        (np.str_("a"), None, "a"),
    ],
)
def test_how_a_value_is_written(value, spec, text):
    table = Table(("name", "x"), (("row", value),), formats={"x": spec} if spec else {})
    assert _Html(table._repr_html_()).rows[1] == ["row", text]


def test_cells_become_plain_python_values():
    (row,) = Table.from_records([{"a": np.float64(1.5), "b": np.int64(2)}]).rows
    assert row == (1.5, 2) and [type(cell) for cell in row] == [float, int]


@pytest.mark.parametrize(
    "cells, right",
    [((1, None), True), ((1.5, 2), True), ((None, None), False), ((1, "x"), False), ((True, False), False)],
)
def test_only_columns_of_numbers_are_right_aligned(cells, right):
    rule = Table(("column",), tuple((cell,) for cell in cells)).to_markdown().splitlines()[1]
    assert rule.endswith(": |") == right


def test_from_records():
    records = [{"a": 1, "b": 2}, {"b": 3, "c": "x"}]
    assert Table.from_records(records).columns == ("a", "b", "c")
    assert Table.from_records(records).rows == ((1, 2, None), (None, 3, "x"))
    assert Table.from_records(iter(records), columns=["c", "a"]).rows == ((None, 1), ("x", None))
    renamed = Table.from_records(records, columns={"b": "B / ms"}, formats={"B / ms": ".1f"}, caption="t")
    assert str(renamed).splitlines() == ["t", "B / ms", "------", "   2.0", "   3.0"]
    assert str(Table.from_records([], columns=["a", "b"])) == "a  b\n-  -"


def test_from_mapping():
    table = Table.from_mapping({"Rank-1": 0.9118, "seed": 1501, "device": None}, formats={"Rank-1": ".2%"})
    assert table.columns == ("name", "value")
    assert _Html(table._repr_html_()).rows[1:] == [["Rank-1", "91.18%"], ["seed", "1,501"], ["device", "—"]]
    assert Table.from_mapping({"a": 1}, columns=("what", "how many")).columns == ("what", "how many")


def test_a_table_cannot_be_changed_and_compares_by_content():
    rows, formats = [["x", 1]], {"b": ".1f"}
    table = Table(["a", "b"], rows, formats=formats)
    rows[0][1], formats["b"] = 2, ".2f"
    assert table == Table(("a", "b"), (("x", 1),), formats={"b": ".1f"}) and "1.0" in str(table)
    assert len({table, Table(("a", "b"), (("x", 1),), formats={"b": ".1f"})}) == 1
    with pytest.raises(FrozenInstanceError):
        table.rows = ()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Table(("a", "b"), ((1, 2), (1,))), "table row 2: 1 cells for 2 columns. Give one cell per column"),
        (lambda: Table(("a", "a")), "table: heading 'a' is no text or occurs twice. Rename"),
        (lambda: Table((1,)), "table: heading 1 is no text"),
        (lambda: Table(("a",), (([1],),)), "table row 1: 'a' is a list. A cell is text"),
        (lambda: Table(("a",), formats={"b": ".1f"}), "table: format for 'b', which is no column. Columns are a"),
        (lambda: Table(("a",), ((1.5,),), formats={"a": "d"}), "table column 'a': format 'd' does not fit 1.5"),
        (
            lambda: Table(("a",), ((1.5,),), formats={"a": "{:.1f} {ms}"}),
            "table column 'a': format '{:.1f} {ms}' does not fit",
        ),
        (lambda: Table(("a",), ((1.5,),), formats={"a": "{.x}"}), "table column 'a': format"),
        (lambda: Table.from_records([{"a": 1}], columns=["a", "a"]), "table: heading 'a' is no text or occurs twice"),
        (lambda: Table.from_records([{"a": 1}], columns=["b"]), "table: no record has 'b'. They have a"),
        (
            lambda: Table.from_mapping({"a": 1}, formats={"b": ".1f"}),
            "table: format for 'b', which is no name. Names are a",
        ),
        (lambda: Table.from_mapping({"a": {}}), "table row 1: 'value' is a dict"),
    ],
)
def test_refusals(make, message):
    with pytest.raises(ResultError) as caught:
        make()
    assert str(caught.value).startswith(message)
