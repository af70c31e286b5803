"""Ranked lists as a figure: a query and what the network finds nearest to it, right, wrong or ignored."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from ..errors import DatasetError, MetricError
from .descriptions import describe, sentence
from .sheet import PITCH, Sheet, who
from .style import GREEN, GREY, VERMILLION, styled

if TYPE_CHECKING:
    from ..datasets.market1501 import Market1501, Sample
    from .ranked_examples import RankedRow

TICK, CROSS, DASH = "✓", "✗", "–"
_SMALL = 0.46  # size of a dropped image; two stand above each other in half a column
_GAP = 0.3  # sets the query apart


@styled
def plot_ranked_lists(dataset: Market1501, rows: Sequence[RankedRow], title: str | None = None) -> Figure:
    """Queries and the gallery images nearest to them; right, wrong and ignored differ in border, symbol and size.

    Dropped images stand small between the ranked ones where their distance puts them; they have no rank.

    Raises
    ------
    DatasetError
        A name that is not in the data set; an image that cannot be decoded.
    MetricError
        No rows; an image marked right, wrong or ignored whose name says otherwise (features paired with wrong names).
    """
    if not rows:
        raise MetricError("no query to show", where="rows", cure="Give at least one row of ranked_rows")
    queries = {sample.name: sample for sample in dataset.query}
    gallery = {sample.name: sample for sample in (*dataset.gallery, *dataset.junk)}
    width = max(_places(row.ranks)[1] for row in rows)
    sheet = Sheet(len(rows), width, title, lines=4 if any(row.ap is not None for row in rows) else 3, headings=True)
    for r, row in enumerate(rows):
        query, y = _find(queries, row.query, dataset), sheet.top(r)
        removed = sum(_dropped(query, sample) for sample in dataset.gallery)
        sheet.show(dataset.image(query), 0, y)
        sheet.heading(0, y, f"{row.label} query".lstrip())
        score = "" if row.ap is None else f"\nAP {100 * row.ap:.1f} %"
        sheet.caption(0, y, f"{who(query)}\ncamera {query.camid}{score}\n{removed} removed")
        for (x, down, size), (rank, sample, distance) in zip(
            _places(row.ranks)[0], _images(row, query, gallery, dataset)
        ):
            sheet.show(dataset.image(sample), x, y + down, size)
            if not rank:
                sheet.mark(x, y + down, DASH if sample.pid >= 0 else f"{DASH} junk", GREY, ":", size)
                continue
            right = sample.pid == query.pid
            sheet.mark(x, y, *((TICK, GREEN, "-") if right else (CROSS, VERMILLION, "--")))
            sheet.heading(x, y, f"rank {rank}")
            sheet.caption(x, y, f"{who(sample)}\ncamera {sample.camid}\n{distance:.4g}")
    notes = [
        f"{TICK} solid border: right, the query's identity in another camera. {CROSS} dashed border: wrong.",
        ("Third line: distance to the query. Removed before ranking: gallery images of the query in its own camera."),
    ]
    if any(0 in row.ranks for row in rows):
        notes.append(
            f"{DASH} small, grey dotted border: removed. The nearest of them stand where they would have "
            "ranked; ranks do not count them."
        )
    _add_notes(sheet.figure, notes)
    answers = [[right for right, rank in zip(row.correct, row.ranks) if rank] for row in rows]
    values = {"first": sum(some[0] for some in answers if some), "right": sum(map(sum, answers))}
    return describe(sheet.figure, sentence("ranked", queries=len(rows), ranked=sum(map(len, answers)), **values))


def _places(ranks: Sequence[int]) -> tuple[list[tuple[float, float, float]], float]:
    """Where the images of a list stand: x, y within the row and size of each; and how wide the row is."""
    places, x, stacked = [], PITCH + _GAP, 0
    narrow = _SMALL + PITCH - 1
    for rank in ranks:
        if stacked and (rank or stacked == 2):
            x, stacked = x + narrow, 0
        places.append((x, 0.0, 1.0) if rank else (x, stacked * (2 - 2 * _SMALL), _SMALL))
        x, stacked = (x + PITCH, 0) if rank else (x, stacked + 1)
    return places, x + narrow * bool(stacked) - (PITCH - 1)


def _images(
    row: RankedRow, query: Sample, gallery: dict[str, Sample], dataset: Market1501
) -> Iterator[tuple[int, Sample, float]]:
    """Rank, image and distance of a row, once its marks agree with the names."""
    for name, right, rank, distance in zip(row.gallery, row.correct, row.ranks, row.distances):
        sample = _find(gallery, name, dataset)
        marked = ("right" if right else "wrong") if rank else "ignored"
        true = "ignored" if _dropped(query, sample) else "right" if sample.pid == query.pid else "wrong"
        if marked != true:
            raise MetricError(
                f"marked {marked} for {query.name}, but its name says otherwise",
                where=name,
                cure="Give the names in the order of the features that were ranked",
            )
        yield rank, sample, distance


def _dropped(query: Sample, sample: Sample) -> bool:
    return sample.pid < 0 or (sample.pid == query.pid and sample.camid == query.camid)


def _find(samples: dict[str, Sample], name: str, dataset: Market1501) -> Sample:
    if name not in samples:
        raise DatasetError(
            f"no image {name} among those that are ranked",
            where=dataset.path,
            cure="Show the lists on the data set that the features were extracted from",
        )
    return samples[name]


def _add_notes(figure: Figure, notes: Sequence[str]) -> None:
    """Lines of text below the figure, which grows by them."""
    width, height = figure.get_size_inches()
    lines = [line for note in notes for line in textwrap.wrap(note, int(width * 14))]  # about 14 letters an inch
    figure.set_size_inches(width, height + 0.25 + 0.14 * len(lines))
    figure.supxlabel("\n".join(lines), fontsize=8)
