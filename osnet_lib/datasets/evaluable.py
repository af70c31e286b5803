"""Whether a query set and its gallery can be scored at all, and the cause where they cannot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from os import PathLike
from typing import Protocol

from ..errors import DatasetError


class Labelled(Protocol):
    """What counts here of an image: who is on it, and the camera."""

    @property
    def pid(self) -> int:
        """Identity."""

    @property
    def camid(self) -> int:
        """Camera."""


def check_evaluable(
    path: str | PathLike,
    query: Sequence[Labelled],
    gallery: Sequence[Labelled],
    names: tuple[str, str],
    labels: tuple[str, str],
    otherwise: str,
) -> None:
    """Refuse a data set on which no query can be scored.

    Parameters
    ----------
    names : tuple of str
        What the two sides are called in it, such as ``query/`` and ``bounding_box_test/``.
    labels : tuple of str
        Where its identities and its cameras are written, for the cure.
    otherwise : str
        What else helps where a side is empty.

    Raises
    ------
    DatasetError
        No query, no gallery, no query with a match in another camera.
    """
    for samples, name in zip((query, gallery), names):
        if not samples:
            raise DatasetError(
                f"no usable image in {name} (junk does not count)",
                where=path,
                cure=f"Put the images of the test people into {name}; both splits are needed. {otherwise}",
            )
    cameras = defaultdict(set)
    for sample in gallery:
        cameras[sample.pid].add(sample.camid)
    if any(cameras.get(sample.pid, set()) - {sample.camid} for sample in query):
        return
    shared = [sample for sample in query if sample.pid in cameras]
    if not shared:
        raise DatasetError(
            f"no identity of {names[0]} appears in {names[1]}, so no query has a match",
            where=path,
            cure=f"Both must show the same people; {labels[0]}",
        )
    raise DatasetError(
        "no query has a match in another camera: all images of an identity come from one camera "
        f"(identity {shared[0].pid:04d} only from c{shared[0].camid})",
        where=path,
        cure=f"{labels[1]}, and matches in the query's own camera do not count: number the images of each camera "
        "differently, at least two per identity",
    )
