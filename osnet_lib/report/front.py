"""The tiles of the first page: a question, the figure that answers it, the sentences behind it, and its chapter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..core.results import Result
from .accuracy import how_good
from .engines import which_engine
from .npus import best_published
from .parity import is_same, same_network, worst_parity
from .result_tables import of_results
from .stages import where_lost
from .words import Said, Sentence

ANSWERING = ("parity", "accuracy", "stages", "engines")  # kinds of results
_TOLD = {"how good": 2, "where lost": 2}  # sentences of an answer, else one; the chapter tells the rest


@dataclass(frozen=True)
class Tile:
    """An answer of the first page.

    Attributes
    ----------
    question, figure, mark : Sentence
        What is asked, the figure that answers it, and whether this run measured that or somebody published it.
    answer : Said
    chapter : str
        Name of the notebook that tells more, or that must be run where the figure is missing.
    missing : bool
        No result yet.
    """

    question: Sentence
    figure: Sentence
    mark: Sentence
    answer: Said
    chapter: str
    missing: bool = False


def tiles(results: Mapping[str, Result]) -> list[Tile]:
    """The five tiles, from the result of each kind that the run wrote; accuracy is that of the default distance."""
    measured: dict[str, tuple[str, str, Callable[[Result], Sentence], Callable[[Result], Said]]] = {
        "same network": ("parity", "01_export", _parity, same_network),
        "how good": ("accuracy", "05_accuracy", _score, how_good),
        "where lost": ("stages", "06_stages", _stage, where_lost),
        "which engine": ("engines", "12_engines", _ratio, which_engine),
    }
    found = [
        _tile(name, results[kind], chapter, figure, answer) if kind in results else _missing(name, chapter)
        for name, (kind, chapter, figure, answer) in measured.items()
    ]
    best = best_published()
    figure = Sentence("figure published", batch=best.values["batch"])
    last = Tile(Sentence("question published"), figure, Sentence("published"), Said(best), "11_roofline")
    return [*found, last]


def _tile(
    name: str, result: Result, chapter: str, figure: Callable[[Result], Sentence], answer: Callable[[Result], Said]
) -> Tile:
    def made(results: list[Result]) -> Tile:
        question, told = Sentence(f"question {name}"), Said(*answer(results[0])[: _TOLD.get(name, 1)])
        return Tile(question, figure(results[0]), Sentence("measured here"), told, chapter)

    return of_results(made)([result])


def _missing(name: str, chapter: str) -> Tile:
    """A question whose chapter was not run."""
    question, figure = Sentence(f"question {name}"), Sentence("figure missing")
    return Tile(question, figure, Sentence("nothing"), Said(Sentence("missing", chapter=chapter)), chapter, True)


def _parity(result: Result) -> Sentence:
    return Sentence(
        "figure same network" if is_same(result) else "figure another network", worst=worst_parity(result)["max_abs"]
    )


def _score(result: Result) -> Sentence:
    return Sentence("figure how good", mAP=100 * result.values["mAP"])


def _stage(result: Result) -> Sentence:
    broken = [stage for stage in result.values["stages"] if stage["broken"]]
    return Sentence("figure where lost at", stage=broken[0]["name"]) if broken else Sentence("figure where lost")


def _ratio(result: Result) -> Sentence:
    found = result.values["recommendation"]
    engine = f"{found['backend']} {found['precision']}"
    return Sentence("figure which engine", engine=engine, ratio=found["ratio"]["median"])
