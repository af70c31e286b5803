"""The data set of a study: embedded, or wherever it lies."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from os import PathLike

from ..core.files import absolute
from ..datasets.collection import open_collection
from ..datasets.market1501 import Market1501
from ..datasets.minimarket import World, render_minimarket
from ..datasets.place import BucketPath, locate
from .study import Study
from .workspace import Workspace, open_workspace


def open_dataset(dataset: str | PathLike[str] = "mini", workspace: Workspace | None = None) -> Market1501:
    """Open ``"mini"`` (rendered on first use), a folder, zip or tar in Market-1501's layout, or a manifest;
    also in an object store (``s3://bucket/path``, extra s3).

    Parameters
    ----------
    workspace : Workspace, optional
        Where mini-market is kept once it is rendered; by default that of `open_workspace`.

    Raises
    ------
    DatasetError
        What `osnet_lib.datasets.collection.open_collection` refuses.
    """
    if str(dataset) != "mini":
        place = locate(dataset)
        return open_collection(place if isinstance(place, BucketPath) else absolute(place))
    return open_collection(render_minimarket((workspace or open_workspace()).data / "mini-market", World()))


@contextmanager
def images_of(study: Study) -> Iterator[Market1501]:
    """The data set of a study, opened and closed again; one that came open stays so."""
    if isinstance(study.dataset, Market1501):
        yield study.dataset
        return
    with open_dataset(study.dataset, study.place) as dataset:
        yield dataset
