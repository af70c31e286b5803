"""A picture of packages in rows, as SVG: who imports whom, drawn without any other program.

A package stands in the row that the contract gives it. An arrow that skips rows gets a place of its own in each, so
that no line runs behind a box. The order within the rows is the one with the fewest crossings that a fixed number of
tries finds; the places then follow from springs along the arrows, and the same input gives the same picture.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from itertools import combinations, pairwise

WIDTH, BOX, HEIGHT, GAP, MARGIN = 560, 116, 46, 42, 28  # of the picture, a box and the space between rows, in pixels
_TRIES, _SWEEPS, _SPRINGS = 30, 6, 120

Vertex = tuple[str, str, int]  # a package is (name, name, row); a place that an arrow passes is (from, to, row)


def trace(rows: Sequence[Sequence[str]], arrows: Sequence[tuple[str, str]]) -> list[list[Vertex]]:
    """The way of each arrow, from its box through a place in each row that it skips to the box that it points at."""
    row = {name: number for number, names in enumerate(rows) for name in names}
    return [
        [
            (source, source, row[source]),
            *((source, target, between) for between in range(row[source] + 1, row[target])),
            (target, target, row[target]),
        ]
        for source, target in arrows
    ]


def place(rows: Sequence[Sequence[str]], ways: Sequence[Sequence[Vertex]]) -> dict[Vertex, float]:
    """The middle of every vertex, left to right, for few crossings and straight arrows."""
    levels: list[list[Vertex]] = [[(name, name, number) for name in names] for number, names in enumerate(rows)]
    for way in ways:
        for vertex in way[1:-1]:
            levels[vertex[2]].append(vertex)
    links = [pair for way in ways for pair in pairwise(way)]
    dice, fewest = random.Random(0), len(links) ** 2
    found: set[tuple[tuple[Vertex, ...], ...]] = set()
    for _ in range(_TRIES):
        order = _sweep([dice.sample(level, len(level)) for level in levels], links)
        crossings = _crossings(order, links)
        if crossings < fewest:
            fewest, found = crossings, set()
        if crossings == fewest:
            found.add(tuple(map(tuple, order)))
    candidates = [_straightened(order, ways, _springs(order, links)) for order in sorted(found)]
    return _centred(
        min(candidates, key=lambda places: sum(abs(places[above] - places[below]) for above, below in links))
    )


def mean(values: Iterable[float]) -> float:
    """The mean of some numbers; that of `statistics` is exact and slow."""
    numbers = list(values)
    return sum(numbers) / len(numbers)


def _sweep(order: list[list[Vertex]], links: Sequence[tuple[Vertex, Vertex]]) -> list[list[Vertex]]:
    """Rows sorted by the mean place of what they are linked to, and neighbours swapped where that helps."""
    above, below = _linked(links)
    for _ in range(_SWEEPS):
        for near, numbers in ((above, range(len(order))), (below, reversed(range(len(order))))):
            for number in numbers:
                position = {
                    vertex: index / max(len(level) - 1, 1) for level in order for index, vertex in enumerate(level)
                }
                order[number].sort(key=lambda vertex: mean(position[other] for other in near.get(vertex, [vertex])))
    improved = True
    while improved:
        improved = False
        for level in order:
            for left in range(len(level) - 1):
                before = _crossings(order, links)
                level[left : left + 2] = reversed(level[left : left + 2])
                if _crossings(order, links) < before:
                    improved = True
                else:
                    level[left : left + 2] = reversed(level[left : left + 2])
    return order


def _linked(links: Sequence[tuple[Vertex, Vertex]]) -> tuple[dict[Vertex, list[Vertex]], dict[Vertex, list[Vertex]]]:
    above: dict[Vertex, list[Vertex]] = {}
    below: dict[Vertex, list[Vertex]] = {}
    for upper, lower in links:
        above.setdefault(lower, []).append(upper)
        below.setdefault(upper, []).append(lower)
    return above, below


def _crossings(order: Sequence[Sequence[Vertex]], links: Sequence[tuple[Vertex, Vertex]]) -> int:
    position = {vertex: index for level in order for index, vertex in enumerate(level)}
    by_row: dict[int, list[tuple[int, int]]] = {}
    for upper, lower in links:
        by_row.setdefault(upper[2], []).append((position[upper], position[lower]))
    return sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for pairs in by_row.values() for a, b in combinations(pairs, 2))


def _is_box(vertex: Vertex) -> bool:
    return vertex[0] == vertex[1]


def _distance(left: Vertex, right: Vertex) -> float:
    """How far apart the middles of two neighbours must be."""
    boxes = _is_box(left) + _is_box(right)
    return (22, BOX / 2 + 22, BOX + 34)[boxes]


def _springs(order: Sequence[Sequence[Vertex]], links: Sequence[tuple[Vertex, Vertex]]) -> dict[Vertex, float]:
    """Places that pull the ends of links over each other, those of long arrows most, with neighbours kept apart."""
    near: dict[Vertex, list[tuple[Vertex, float]]] = {}
    for upper, lower in links:
        weight = (1.0, 3.0, 9.0)[2 - _is_box(upper) - _is_box(lower)]
        near.setdefault(upper, []).append((lower, weight))
        near.setdefault(lower, []).append((upper, weight))
    places = {vertex: 60.0 * (index - (len(level) - 1) / 2) for level in order for index, vertex in enumerate(level)}
    for _ in range(_SPRINGS):
        for level in order:
            wanted = []
            for vertex in level:
                pulls = near.get(vertex, [(vertex, 1.0)])
                wanted.append(
                    sum(places[other] * weight for other, weight in pulls) / sum(weight for _, weight in pulls)
                )
            places.update(zip(level, _kept_apart(level, wanted)))
    return places


def _straightened(
    order: Sequence[Sequence[Vertex]], ways: Sequence[Sequence[Vertex]], places: dict[Vertex, float]
) -> dict[Vertex, float]:
    """Places at which an arrow passes all its rows in one line, above or below its end, where there is room."""
    beside = {
        vertex: (level[index - 1] if index else None, level[index + 1] if index + 1 < len(level) else None)
        for level in order
        for index, vertex in enumerate(level)
    }
    for _ in range(4):
        for way, ports in zip(ways, _ports(ways, places)):
            passed = way[1:-1]
            low = max(
                (places[left] + _distance(left, vertex) for vertex in passed if (left := beside[vertex][0])),
                default=-1e9,
            )
            high = min(
                (places[right] - _distance(vertex, right) for vertex in passed if (right := beside[vertex][1])),
                default=1e9,
            )
            if passed and low <= high:
                wanted = min(
                    (min(max(port, low), high) for port in ports), key=lambda x: sum(abs(x - port) for port in ports)
                )
                places.update(dict.fromkeys(passed, wanted))
    return places


def _kept_apart(level: Sequence[Vertex], wanted: Sequence[float]) -> list[float]:
    """The places nearest to the wanted ones that leave every neighbour its distance (pool adjacent violators)."""
    offsets = [0.0]
    for left, right in pairwise(level):
        offsets.append(offsets[-1] + _distance(left, right))
    pools: list[list[float]] = []
    for want, offset in zip(wanted, offsets):
        pools.append([want - offset])
        while len(pools) > 1 and mean(pools[-2]) > mean(pools[-1]):
            last = pools.pop()
            pools[-1].extend(last)
    return [mean(pool) + offset for (pool, offset) in zip((pool for pool in pools for _ in pool), offsets)]


def _centred(places: Mapping[Vertex, float]) -> dict[Vertex, float]:
    """The places moved, and pressed where they must be, into the width of the picture."""
    half = {vertex: BOX / 2 if _is_box(vertex) else 2 for vertex in places}
    left = min((x - half[vertex] for vertex, x in places.items()), default=0)
    right = max((x + half[vertex] for vertex, x in places.items()), default=0)
    room = WIDTH - 2 * MARGIN
    scale = min(1.0, (room - BOX) / max(right - left - BOX, 1))
    return {vertex: round(WIDTH / 2 + scale * (x - (left + right) / 2), 1) for vertex, x in places.items()}


def draw(
    rows: Sequence[Sequence[str]],
    arrows: Sequence[tuple[str, str]],
    title: str,
    *,
    notes: Mapping[str, str],
    hints: Mapping[str, str],
    links: Mapping[str, str],
) -> str:
    """The picture as an ``svg`` element.

    Parameters
    ----------
    rows : lists of str
        Names of packages, the top row first.
    arrows : pairs of str
        From and to; the second stands in a lower row.
    title : str
        The alternative text.
    notes, hints, links : dict
        By package: the small line in its box, what a pointer on it shows, and the page that it leads to.
    """
    ways = trace(rows, arrows)
    places = place(rows, ways)
    lines: dict[str, list[str]] = {name: [] for names in rows for name in names}
    for way, ports in zip(ways, _ports(ways, places)):
        lines[way[0][0]].append(_arrow(way, ports, places))
    height = len(rows) * (HEIGHT + GAP) - GAP + 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="architecture" viewBox="0 0 {WIDTH} {height}" role="group"',
        f'aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title>",
    ]
    for number in range(len(rows)):
        parts.append(f'<text class="row" x="4" y="{_top(number) + HEIGHT / 2 + 4:g}">{number + 1}</text>')
    for number, names in enumerate(rows):
        for name in names:
            x, y = places[name, name, number], _top(number)
            parts.append(
                f'<g class="package"><g class="imports">{"".join(lines[name])}</g>'
                f'<a href="{escape(links[name])}"><title>{escape(hints[name])}</title>'
                f'<rect x="{x - BOX / 2:g}" y="{y:g}" width="{BOX}" height="{HEIGHT}" rx="8"/>'
                f'<text class="name" x="{x:g}" y="{y + 20:g}">{escape(name)}</text>'
                f'<text class="note" x="{x:g}" y="{y + 36:g}">{escape(notes[name])}</text></a></g>'
            )
    return "\n".join([*parts, "</svg>"])


def _top(row: int) -> float:
    return 1 + row * (HEIGHT + GAP)


def _ports(ways: Sequence[Sequence[Vertex]], places: Mapping[Vertex, float]) -> list[tuple[float, float]]:
    """Where each arrow leaves its box and where it arrives: side by side, in the order in which they fan out."""
    shifts: dict[tuple[int, int], float] = {}
    for end, step in ((0, 1), (-1, -2)):
        by_box: dict[Vertex, list[int]] = {}
        for index, way in enumerate(ways):
            by_box.setdefault(way[end], []).append(index)
        for box, indices in by_box.items():
            indices.sort(key=lambda index: places[ways[index][step]])
            spacing = min(18.0, (BOX - 28) / max(len(indices) - 1, 1))
            for rank, index in enumerate(indices):
                shifts[index, end] = places[box] + spacing * (rank - (len(indices) - 1) / 2)
    return [(shifts[index, 0], shifts[index, -1]) for index in range(len(ways))]


def _arrow(way: Sequence[Vertex], ports: tuple[float, float], places: Mapping[Vertex, float]) -> str:
    head = 7
    passed = [places[vertex] for vertex in way[1:-1]]
    if len(set(passed)) == 1:  # a straight line need not step aside by a hair's breadth
        passed = [next((port for port in ports if abs(port - passed[0]) < 8), passed[0])] * len(passed)
    xs = [ports[0], *passed, ports[1]]
    path = f"M{xs[0]:g} {_top(way[0][2]) + HEIGHT:g}"
    for index, (before, after) in enumerate(pairwise(xs)):
        start = _top(way[index][2]) + HEIGHT
        last = index == len(xs) - 2
        end = _top(way[index + 1][2]) - (head if last else 0)
        bend = (end - start) / 2
        path += f"C{before:g} {start + bend:g} {after:g} {end - bend:g} {after:g} {end:g}"
        if not last:
            path += f"V{_top(way[index + 1][2]) + HEIGHT:g}"
    tip = _top(way[-1][2])
    return f'<path class="line" d="{path}"/><path class="head" d="M{ports[1]:g} {tip - 1:g}l-4 -{head}h8z"/>'
