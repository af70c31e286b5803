"""The files of a data set, read in place from a folder, a zip or a tar that is never extracted, also in a bucket.

All kinds answer the same two questions: which files each of the wanted folders holds, and what their bytes are. The
wanted folders may stand at the top or inside other folders, as long as there is one data set.
"""

from __future__ import annotations

from collections.abc import Collection
from os import PathLike

from ..core.files import special
from ..errors import DatasetError
from .bucket import BucketFolder
from .folder import FolderArchive
from .lookalike import HEAD, lookalike
from .members import Archive
from .place import BucketPath, Place, locate, open_file
from .tarred import TarArchive, is_tar
from .zipped import ZipArchive


def open_archive(path: str | PathLike, folders: Collection[str]) -> Archive:
    """Open a folder, a zip or a tar and list the wanted folders in it.

    Parameters
    ----------
    path : str or path
        A folder; a zip (store, deflate, bzip2, lzma); a tar, plain or packed by gzip, bzip2 or xz; by content. One of
        them in an object store, where a prefix is a folder: ``s3://bucket/path``.
    folders : collection of str
        The folders wanted, such as ``query``; at least one must be there.

    Raises
    ------
    DatasetError
        No such path; a file of another kind, which is named; none of the folders, or several data sets; a sub-folder
        among the images; an archive that is damaged, encrypted or hostile: a path twice or one that leads out of it,
        links, devices, members or headers too large for what they are.
    StoreError
        No such bucket, object or prefix; no access keys; a store that does not answer or refuses.
    """
    path = locate(path)
    if path.is_dir():
        return BucketFolder(path, folders) if isinstance(path, BucketPath) else FolderArchive(path, folders)
    if not path.exists() and not special(path):
        raise DatasetError(
            "no such folder, zip or tar",
            where=path,
            cure="Check the path, or use the embedded data set by the name mini",
        )
    head = file_head(path)
    if is_tar(head):
        return TarArchive(path, folders)
    if found := lookalike(head):
        raise DatasetError(found[0], where=path, cure=found[1])
    return ZipArchive(path, folders)


def file_head(path: Place) -> bytes:
    """The first bytes of a file, which tell what it is; raises DatasetError where it cannot be read."""
    try:
        with open_file(path) as stream:
            return stream.read(HEAD)
    except OSError as error:
        raise DatasetError(
            f"cannot be read ({error.strerror})", where=path, cure="Check the path and its permissions"
        ) from error
