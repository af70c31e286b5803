"""A data set by its path, whatever it is: Market-1501's layout in a folder or archive, or a manifest."""

from __future__ import annotations

from os import PathLike

from .manifest import is_manifest, open_manifest
from .market1501 import Market1501, open_market1501
from .place import locate


def open_collection(path: str | PathLike) -> Market1501:
    """Open a folder, zip or tar in Market-1501's layout, or a manifest (``.csv``, ``.parquet``); all of them also in
    an object store (``s3://bucket/path``).

    Raises
    ------
    DatasetError
        What `open_market1501` or `open_manifest` refuses.
    """
    path = locate(path)
    return open_manifest(path) if is_manifest(path) else open_market1501(path)
