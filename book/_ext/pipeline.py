"""The picture of the pipeline as SVG: steps in boxes, and between them the files that the workspace holds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from osnet_lib.report.words import DEFAULT, Sentence, fill
from osnet_lib.study.workspace import Workspace

WIDTH, BOX, FILES, GAP = 420, 40, 26, 20  # of the picture, heights of a step and of the files' line, space between


@dataclass(frozen=True)
class Step:
    """What is done, and the chapter that does it."""

    label: Sentence
    chapter: str


@dataclass(frozen=True)
class Files:
    """What passes on: what it is, and what of it lies in the workspace."""

    label: Sentence
    there: Sentence


Level = tuple[Step, ...] | Files


def levels(workspace: Workspace) -> list[Level]:
    """The way from top to bottom, steps and files in turn."""
    models, features, results = workspace.models, workspace.features, workspace.results
    plain = [path for path in models.glob("*.onnx") if "_bs" not in path.stem]
    fixed = [path for path in models.glob("*_sim.onnx") if "_bs" in path.stem]
    return [
        Files(Sentence("files checkpoint"), Sentence("nothing")),
        (_step("export", "01_export"),),
        Files(Sentence("files onnx"), _counted(plain)),
        (_step("simplify", "01_export"),),
        Files(Sentence("files simplified"), _counted(fixed)),
        (_step("convert", "02_convert"), _step("preprocess", "03_preprocess")),
        Files(Sentence("files om"), _counted([*models.glob("*.om")])),
        (_step("inference", "04_inference"), _step("performance", "08_performance")),
        Files(Sentence("files features"), _counted([*features.glob("*.npz")])),
        (_step("accuracy", "05_accuracy"), _step("stages", "06_stages"), _step("engines", "12_engines")),
        Files(Sentence("files results"), _counted([*results.glob("*.json")])),
        (_step("summary", "10_summary"),),
    ]


def _step(name: str, chapter: str) -> Step:
    return Step(Sentence(f"step {name}"), chapter)


def _counted(paths: Sequence[Path]) -> Sentence:
    if not paths:
        return Sentence("counted none")
    size = sum(path.stat().st_size for path in paths) / 1e6
    many = len(paths) > 1
    return Sentence("counted", count=len(paths), megabytes=size) if many else Sentence("counted one", megabytes=size)


def draw(found: Sequence[Level], link: Callable[[str], str], language: str = DEFAULT) -> str:
    """The picture; `link` gives the address of a chapter."""
    parts, y = [], 4.0
    for number, level in enumerate(found):
        if number:
            parts.append(_arrow(y, y + GAP))
            y += GAP
        if isinstance(level, Files):
            there = f'<tspan class="there">{escape(level.there.text(language))}</tspan>'
            label = escape(level.label.text(language))
            parts.append(f'<text class="files" x="{WIDTH / 2:g}" y="{y + 17:g}">{label} {there}</text>')
            y += FILES
        else:
            for index, step in enumerate(level):
                box = _box(step.label.text(language), index, len(level), y)
                parts.append(f'<a href="{escape(link(step.chapter))}">{box}</a>')
            y += BOX
    size, body = f"0 0 {WIDTH} {y + 4:g}", "\n".join(parts)
    title = escape(fill("pipeline", language))
    return f'<svg class="pipeline" viewBox="{size}" role="group" aria-label="{title}">\n{body}\n</svg>'


def _box(label: str, index: int, count: int, y: float) -> str:
    width = (WIDTH - 8 - 10 * (count - 1)) / max(count, 2)
    left = 4 + index * (width + 10) if count > 1 else (WIDTH - width) / 2
    return (
        f'<rect x="{left:g}" y="{y:g}" width="{width:g}" height="{BOX}" rx="6"/>'
        f'<text class="step" x="{left + width / 2:g}" y="{y + BOX / 2 + 5:g}">{escape(label)}</text>'
    )


def _arrow(top: float, bottom: float) -> str:
    x = WIDTH / 2
    line = f'<path class="line" d="M{x:g} {top + 2:g}V{bottom - 6:g}"/>'
    return f'{line}<path class="head" d="M{x:g} {bottom - 1:g}l-4-6h8z"/>'
