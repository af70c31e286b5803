"""A small table that reads well in the shell, in a notebook and in the book."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Any

import numpy as np

from ..errors import ResultError

Cell = str | bool | int | float | None
NOTHING = "—"  # how None is shown

# What Markdown, with the dollar maths of MyST, would take for markup; underscores inside words are safe.
_MARKUP = re.compile(r"[\\`*<>|$\[\]{}~#&]|(?<![^\W_])_|_(?![^\W_])")


@dataclass(frozen=True, repr=False)
class Table:
    """Columns, rows and how their numbers are written.

    Attributes
    ----------
    columns : tuple of str
        Headings, each once.
    rows : tuple of tuple
        One cell per column: text, a number, True or False, or None where there is no value. Any sequences are taken;
        NumPy scalars become plain Python values.
    caption : str, optional
    formats : dict of str to str
        By column, how numbers are written: a format specification (``".2%"``) or a template (``"{:.1f} ms"``).
        Without one an integer has thousands separators and a float four significant digits.

    Raises
    ------
    ResultError
        A row of another length; a heading that occurs twice; a cell of another type; a format for no column, or one
        that does not fit a number.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    caption: str | None = None
    formats: Mapping[str, str] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        for column in self.columns:
            if not isinstance(column, str) or self.columns.count(column) > 1:
                raise ResultError(
                    f"heading {column!r} is no text or occurs twice", where="table", cure="Rename the column"
                )
        rows = []
        for number, row in enumerate(self.rows, 1):
            row = tuple(row)
            if len(row) != len(self.columns):
                raise ResultError(
                    f"{len(row)} cells for {len(self.columns)} columns",
                    where=f"table row {number}",
                    cure="Give one cell per column, None where there is no value",
                )
            rows.append(tuple(_plain(cell, column, number) for cell, column in zip(row, self.columns)))
        object.__setattr__(self, "rows", tuple(rows))
        object.__setattr__(self, "formats", dict(self.formats))
        unknown = [column for column in self.formats if column not in self.columns]
        if unknown:
            raise ResultError(
                f"format for {unknown[0]!r}, which is no column",
                where="table",
                cure=f"Columns are {', '.join(self.columns)}",
            )
        _ = self._lines  # a format that does not fit is refused here, not when the table is shown

    @classmethod
    def from_records(
        cls,
        records: Iterable[Mapping[str, Any]],
        columns: Sequence[str] | Mapping[str, str] | None = None,
        caption: str | None = None,
        formats: Mapping[str, str] | None = None,
    ) -> Table:
        """One row per dictionary; a key that it lacks gives an empty cell.

        Parameters
        ----------
        records : iterable of dict
        columns : sequence of str, or dict of key to heading, optional
            Which keys, in which order; by default all, in the order of their first appearance. `formats` goes by
            heading.

        Raises
        ------
        ResultError
            A column that no record has; as `Table`.
        """
        records = list(records)
        keys = dict.fromkeys(key for record in records for key in record)
        columns = tuple(keys) if columns is None else columns
        headings = list(columns.items() if isinstance(columns, Mapping) else zip(columns, columns))
        for key, _ in headings:
            if records and key not in keys:
                raise ResultError(
                    f"no record has {key!r}", where="table", cure=f"They have {', '.join(map(str, keys))}"
                )
        rows = tuple(tuple(record.get(key) for key, _ in headings) for record in records)
        return cls(tuple(heading for _, heading in headings), rows, caption, formats or {})

    @classmethod
    def from_mapping(
        cls,
        mapping: Mapping[str, Any],
        columns: tuple[str, str] = ("name", "value"),
        caption: str | None = None,
        formats: Mapping[str, str] | None = None,
    ) -> Table:
        """Two columns, name and value; here `formats` goes by name, for each value is another quantity."""
        formats = formats or {}
        unknown = [name for name in formats if name not in mapping]
        if unknown:
            raise ResultError(
                f"format for {unknown[0]!r}, which is no name",
                where="table",
                cure=f"Names are {', '.join(map(str, mapping))}",
            )
        rows = (
            (name, _text(_plain(value, name, number), formats[name], name) if name in formats else value)
            for number, (name, value) in enumerate(mapping.items(), 1)
        )
        return cls(columns, tuple(rows), caption)

    def records(self) -> list[dict[str, Cell]]:
        """One dictionary a row, by heading, numbers as numbers: ``pandas.DataFrame(table.records())`` is a frame."""
        return [dict(zip(self.columns, row)) for row in self.rows]

    @cached_property
    def _lines(self) -> list[list[str]]:
        """Headings, then rows, as they are shown: every cell one line of text."""
        rows = [
            [_text(cell, self.formats.get(column), column) for cell, column in zip(row, self.columns)]
            for row in self.rows
        ]
        return [[" ".join(text.split()) for text in line] for line in (self.columns, *rows)]

    @cached_property
    def _right(self) -> list[bool]:
        """Which columns hold numbers only, and are aligned to the right."""
        filled = [[row[i] for row in self.rows if row[i] is not None] for i in range(len(self.columns))]
        return [bool(cells) and all(_is_number(cell) for cell in cells) for cells in filled]

    def __str__(self) -> str:
        """Aligned text for the shell."""
        widths = [max(map(_width, column)) for column in zip(*self._lines)]
        head, *body = ("  ".join(map(_pad, line, widths, self._right)).rstrip() for line in self._lines)
        rule = "  ".join("-" * width for width in widths)
        return "\n".join([*([self.caption] if self.caption else []), head, rule, *body])

    __repr__ = __str__

    def to_markdown(self) -> str:
        """A pipe table, the caption above it; cells are text, not markup."""
        lines = [list(map(_markdown, line)) for line in self._lines]
        widths = [max(3, *map(_width, column)) for column in zip(*lines)]
        rule = ["-" * (width - right) + ":" * right for width, right in zip(widths, self._right)]
        head, *body = (list(map(_pad, line, widths, self._right)) for line in lines)
        table = "\n".join(f"| {' | '.join(line)} |" for line in (head, rule, *body))
        return f"{_markdown(' '.join(self.caption.split()))}\n\n{table}" if self.caption else table

    _repr_markdown_ = to_markdown

    def _repr_html_(self) -> str:
        """A semantic table; its class is the one that Jupyter and the book's theme style, in light and dark."""
        align = ["right" if right else "left" for right in self._right]
        whole = ["; white-space: nowrap" * right for right in self._right]  # a number is not broken, its heading may be
        head, *body = ([escape(text).replace(" %", "\u00a0%") for text in line] for line in self._lines)
        html = ['<table class="dataframe">', "<thead>", "<tr>"]
        if self.caption:
            html.insert(1, f"<caption>{escape(self.caption)}</caption>")
        html += [f'<th scope="col" style="text-align: {side}">{text}</th>' for side, text in zip(align, head)]
        html += ["</tr>", "</thead>", "<tbody>"]
        for line, row in zip(body, self.rows):
            cells = (
                f'<td style="text-align: {side}{rest}"{_said(cell)}>{text}</td>'
                for side, rest, text, cell in zip(align, whole, line, row)
            )
            html += ["<tr>", *cells, "</tr>"]
        return "\n".join([*html, "</tbody>", "</table>"])


def _plain(cell: Any, column: str, row: int) -> Cell:
    """The cell as a plain Python value."""
    cell = cell.item() if isinstance(cell, np.generic) else cell
    if cell is None or isinstance(cell, (str, bool, int, float)):
        return cell
    raise ResultError(
        f"{column!r} is a {type(cell).__name__}",
        where=f"table row {row}",
        cure="A cell is text, a number, True, False or None",
    )


def _said(cell: Cell) -> str:
    """What a sentence was filled from, for a book in another language (`osnet_lib.report.words.Sentence`)."""
    stored = getattr(cell, "as_dict", None)
    return f' data-said="{escape(json.dumps(stored()))}"' if stored else ""


def _is_number(cell: Cell) -> bool:
    return isinstance(cell, (int, float)) and not isinstance(cell, bool)


def _text(cell: Cell, format_spec: str | None, column: str) -> str:
    """The cell as it is shown, before escaping."""
    if cell is None:
        return NOTHING
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    if isinstance(cell, str):
        return cell
    if format_spec is not None:
        try:
            return format_spec.format(cell) if "{" in format_spec else format(cell, format_spec)
        except (ValueError, LookupError, AttributeError, OverflowError) as error:
            raise ResultError(
                f"format {format_spec!r} does not fit {cell!r} ({error})",
                where=f"table column {column!r}",
                cure="Use a specification such as .1f or .2%, or a template such as {:.1f} ms",
            ) from error
    if isinstance(cell, int):
        return f"{cell:,}"
    return f"{cell:,.0f}" if 1e4 <= abs(cell) < 1e15 else f"{cell:,.4g}"


def _width(text: str) -> int:
    """Columns of a terminal: Chinese characters take two, combining marks none."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _pad(text: str, width: int, right: bool) -> str:
    blank = " " * (width - _width(text))
    return blank + text if right else text + blank


def _markdown(text: str) -> str:
    """One line of text that Markdown shows as it is."""
    return _MARKUP.sub(r"\\\g<0>", text)
