"""The report of a storm, by command."""

from __future__ import annotations

from collections.abc import Sequence

from storm.runner import Killed


def report(ended: Sequence[Killed], seconds: float, seed: int) -> str:
    """A table as text, and every fault."""
    names = list(dict.fromkeys(one.command for one in ended))
    width = max(map(len, (*names, "command")))
    columns = ("kills", "at start", "in work", "at end", "SIGKILL", "SIGTERM", "SIGINT", "left over", "faults")
    lines = [f"{len(ended)} kills of seed {seed} in {seconds:.0f} s", ""]
    lines.append(f"{'command':{width}} " + " ".join(f"{name:>9}" for name in columns))
    for name in [*sorted(names), "all"]:
        some = [one for one in ended if name in ("all", one.command)]
        met = [sum(one.met == place for one in some) for place in ("start", "work", "the end")]
        signals = [sum(one.by == by for one in some) for by in columns[4:7]]
        cells = [len(some), *met, *signals, sum(one.halves for one in some), sum(bool(one.faults) for one in some)]
        lines.append(f"{name:{width}} " + " ".join(f"{cell:>9}" for cell in cells))
    lines += ["", "left over: temporary files after the kill, under names of their own"]
    for one in ended:
        lines += [f"{one.command}, {one.by} at {one.share:.2f} of the work: {fault}" for fault in one.faults]
    lines.append(f"{sum(bool(one.faults) for one in ended)} kills with faults")
    return "\n".join(lines)
