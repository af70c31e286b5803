"""The check of a whole number, for every count, size, seed and device number."""

from __future__ import annotations

from numbers import Integral, Number
from os import PathLike

from .errors import OSNetError, SessionError

# Beyond these a number is a slip, and a machine would only wait or run out of memory.
MOST_IMAGES = 65_536  # in a batch
MOST_ROUNDS = 10_000_000
MOST_THREADS = 1_024  # on one device; hosts have fewer cores


def whole_number(
    value: object,
    name: str,
    *,
    at_least: int = 1,
    at_most: int | None = None,
    error: type[OSNetError] = SessionError,
    where: str | PathLike[str] | None = None,
    cure: str = "Give such a number.",
) -> int:
    """The value as an int: Python's and numpy's whole numbers are taken, truth values, floats and text are not.

    Parameters
    ----------
    name : str
        Of the parameter; it starts the message, or follows `where`.
    at_least, at_most : int
        Bounds, themselves allowed.
    error : class
        What is raised.
    where : str or path, optional
        What the number belongs to, such as the file of a model.

    Raises
    ------
    OSNetError
        Of class `error`: no whole number, or one out of bounds.
    """
    if (
        isinstance(value, Integral)
        and not isinstance(value, bool)
        and int(value) >= at_least
        and (at_most is None or int(value) <= at_most)
    ):
        return int(value)
    shown = value if isinstance(value, Number) else repr(value)  # numpy's repr of a number tells its type as well
    wanted = f"of {at_least} or more" if at_most is None else f"from {at_least} to {at_most}"
    what = f"{shown} is not a whole number {wanted}"
    raise error(what if where is None else f"{name} {what}", where=name if where is None else where, cure=cure)
