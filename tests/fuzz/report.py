"""The report of a run: how many inputs of each target ended how, and what ended badly."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from fuzz.runner import Ended
from fuzz.worker import BAD

_COLUMNS = ("inputs", "result", "refused", *BAD)


def report(ended: Sequence[Ended], seconds: float, seed: int) -> str:
    """Tables as text: by target, and by error."""
    by_target: dict[str, Counter[str]] = defaultdict(Counter)
    errors: Counter[str] = Counter()
    slowest: dict[str, float] = defaultdict(float)
    largest: dict[str, int] = defaultdict(int)
    for one in ended:
        kind, _, error = one.outcome.partition(": ")
        by_target[one.target][kind] += 1
        by_target[one.target]["inputs"] += 1
        slowest[one.target] = max(slowest[one.target], one.seconds)
        largest[one.target] = max(largest[one.target], one.bytes)
        errors[error] += kind == "refused"
    total: Counter[str] = sum(by_target.values(), Counter())
    width = max(map(len, by_target), default=0)
    head = f"{'target':{width}} " + " ".join(f"{name:>{max(7, len(name))}}" for name in _COLUMNS) + "  slowest  largest"
    lines = [f"{len(ended):,} inputs of seed {seed} in {seconds:.0f} s", "", head]
    for name, counts in [*by_target.items(), ("all", total)]:
        cells = " ".join(f"{counts[column]:>{max(7, len(column))},}" for column in _COLUMNS)
        slow = max(slowest.values(), default=0) if name == "all" else slowest[name]
        large = max(largest.values(), default=0) if name == "all" else largest[name]
        lines.append(f"{name:{width}} {cells} {slow:6.2f} s {large >> 20:4d} MiB")
    refused = ", ".join(f"{name} {count:,}" for name, count in errors.most_common() if name)
    lines += ["", f"refused by {refused or 'none'}"]
    bad = [one for one in ended if one.is_bad]
    lines += [f"{one.outcome}: {one.target}: {one.words}\n    again: {again(one)}" for one in bad]
    lines.append(f"{len(bad)} bad outcomes")
    return "\n".join(lines)


def again(one: Ended) -> str:
    """The command that reads an input again, with the traceback."""
    return f"make fuzz AGAIN={one.place and f'{one.place.parent.name}/{one.place.name}'}"
