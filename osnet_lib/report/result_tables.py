"""Tables of result files, which anybody may have edited: one that cannot be shown is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from ..errors import ResultError

if TYPE_CHECKING:
    from ..core.results import Result

SCORED_BY = "euclidean"  # the default distance of every chapter
_Made = TypeVar("_Made")
# What comes of a list in place of a number, a number in place of an object, a number beyond float and their like.
_MISFITS = (ResultError, TypeError, ValueError, LookupError, AttributeError, ArithmeticError)


def by_distance(result: Result) -> tuple[bool, str]:
    """A key that sorts results: the default distance first, then by file."""
    return result.conditions.get("metric") != SCORED_BY, result.file_name


def of_results(make: Callable[..., _Made]) -> Callable[..., _Made]:
    """Decorate a function of a list of results, and whatever else: a value of another kind is a ResultError."""

    @wraps(make)
    def made(results: Sequence[Result], *given, **named) -> _Made:
        try:
            return make(results, *given, **named)
        except _MISFITS as error:
            if isinstance(error, ResultError) and isinstance(error.where, Path):
                raise
            odd = next((one for one in results if not _is_shown(make, one, *given, **named)), None)
            if odd is None:  # each alone fits: the fault is not in a file
                raise
            said = error.what if isinstance(error, ResultError) else f"{type(error).__name__}: {error}"
            raise ResultError(
                f"holds something else than its table shows ({said[:160]})",
                where=getattr(odd.values, "path", odd.file_name),
                cure="Delete it and run the notebook that writes it again.",
            ) from error

    return made


def of_result(make: Callable[[Result], _Made]) -> Callable[[Result], _Made]:
    """The same of a function of one result."""
    checked = of_results(lambda results: make(results[0]))

    @wraps(make)
    def made(result: Result) -> _Made:
        return checked([result])

    return made


def _is_shown(make: Callable, result: Result, *given, **named) -> bool:
    try:
        make([result], *given, **named)
    except _MISFITS:
        return False
    return True
