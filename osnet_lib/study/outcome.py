"""What the last run of the study came to: the result files that it wrote, its headline figures, and those before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..core.files import read_json, sha256, write_json
from ..core.results import Result, read_result
from ..report.front import ANSWERING, tiles
from ..report.result_tables import SCORED_BY
from .workspace import Workspace

HEADLINES = "headlines.json"  # below work/: the figures of the last run, and of the last that differed


@dataclass(frozen=True)
class Stamp:
    """What the study wrote into an executed notebook.

    Attributes
    ----------
    chapter : str
        Name of the notebook.
    results : dict of str to str
        Result files that the run wrote, with their hashes.
    shown : tuple of str
        Result files that it shows.
    seconds : float, optional
        How long it ran.
    date : str, optional
        When it ended, UTC.
    """

    chapter: str
    results: Mapping[str, str] = field(default_factory=dict)
    shown: tuple[str, ...] = ()
    seconds: float | None = None
    date: str | None = None


def read_stamps(workspace: Workspace) -> list[Stamp]:
    """Of every executed notebook, in the order of their names; one that cannot be read counts as not executed."""
    stamps = []
    for path in sorted(workspace.executed.glob("*.ipynb")):
        try:
            stamp = read_json(path)["metadata"]["study"]
            known = {name: stamp[name] for name in ("results", "shown", "seconds", "date") if name in stamp}
            stamps.append(Stamp(path.stem, **known))
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
    return stamps


def results_of_run(workspace: Workspace) -> dict[str, Result]:
    """The results that the first page answers from, by kind, as the chapters wrote them when they ran last.

    Of several, such as of two distances, that of the default distance.
    """
    found: dict[str, Result] = {}
    for stamp in read_stamps(workspace):
        for name, digest in stamp.results.items():
            path = workspace.results / name
            if name.partition("-")[0] in ANSWERING and path.is_file() and sha256(path) == digest:
                result = read_result(path)
                if result.conditions.get("metric", SCORED_BY) == SCORED_BY or result.kind not in found:
                    found[result.kind] = result
    return found


def headlines(workspace: Workspace) -> dict[str, str]:
    """The figures of the first page by their question's name, without those that are published or missing."""
    return {
        tile.question.name.removeprefix("question "): str(tile.figure)
        for tile in tiles(results_of_run(workspace))
        if tile.mark.name == "measured here"
    }


def keep_headlines(workspace: Workspace, date: str) -> None:
    """Write the figures of this run beside those of the last run that had others."""
    path, figures = headlines_path(workspace), headlines(workspace)
    held = read_headlines(workspace)
    if figures != held["now"].get("figures"):
        write_json(path, {"before": held["now"], "now": {"date": date, "figures": figures}})


def headlines_path(workspace: Workspace) -> Path:
    """Where the headline figures are kept."""
    return workspace.root / "work" / HEADLINES


def read_headlines(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """``before`` and ``now``, each with ``date`` and ``figures``; empty where there was no such run."""
    try:
        held = read_json(headlines_path(workspace))
        return {name: _run(held[name]) for name in ("before", "now")}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none yet, or edited
        return {"before": {}, "now": {}}


def _run(held: Mapping[str, Any]) -> dict[str, Any]:
    """A run's date and figures, without those of questions that are asked no more."""
    asked = {tile.question.name.removeprefix("question ") for tile in tiles({})}
    figures = {name: str(figure) for name, figure in held["figures"].items() if name in asked} if held else {}
    return {"date": str(held["date"]), "figures": figures} if held else {}
