"""Where a data set lies: on a file system, or in an object store (``s3://``), which is read in place through fsspec.

Endpoint, region and access keys come from where every S3 client has them: ``AWS_ENDPOINT_URL``, ``AWS_ACCESS_KEY_ID``,
``AWS_SECRET_ACCESS_KEY``, ``AWS_PROFILE`` and the files of the AWS command line. A path holds none of them, so that
none gets into a condition, a message or a process elsewhere.
"""

from __future__ import annotations

import io
import itertools
import os
import posixpath
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from ..core.files import open_regular, read_bytes
from ..errors import OSNetError, StoreError, first_line

MOST_FOLDERS = 5_000  # looked into before the search for a data set ends: somebody passed a home folder or a disk
_S3 = re.compile(r"s3:/{1,2}(.*)", re.DOTALL | re.IGNORECASE)  # one slash: as pathlib writes it
_AHEAD = 1 << 18  # bytes that a request takes beyond what is asked for: some 100 images, where they lie in their order
_PATIENCE = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard", "max_attempts": 3}}


@dataclass(frozen=True)
class BucketPath(PathLike[str]):
    """A bucket, an object in it, or the prefix of several; has of `pathlib.Path` what reading needs.

    All that asks the store raises StoreError where it does not answer or refuses, and where nothing is there.
    """

    key: str  #: bucket and key, without a slash at the end
    _store: Any = field(compare=False, repr=False)  # an fsspec file system

    def __str__(self) -> str:
        return f"s3://{self.key}"

    __fspath__ = __str__

    def __reduce__(self) -> tuple[Any, ...]:
        """A process elsewhere asks the store with keys of its own: those of this one may be inside of fsspec."""
        return locate, (str(self),)

    def __truediv__(self, name: str) -> BucketPath:
        return BucketPath(f"{self.key}/{name}", self._store)

    @property
    def name(self) -> str:
        return posixpath.basename(self.key)

    @property
    def stem(self) -> str:
        return posixpath.splitext(self.name)[0]

    @property
    def suffix(self) -> str:
        return posixpath.splitext(self.name)[1]

    @property
    def parent(self) -> BucketPath:
        return BucketPath(posixpath.dirname(self.key) or self.key, self._store)

    def absolute(self) -> BucketPath:
        return self

    def size(self) -> int:
        """Bytes of an object; -1 of a prefix."""
        with self._asked():
            found = self._store.info(self.key)
        return -1 if found["type"] == "directory" else found["size"]

    def exists(self) -> bool:
        return self.size() >= -1

    def is_dir(self) -> bool:
        return self.size() < 0

    def open(self) -> BinaryIO:
        """The object as a file, read by ranges; one that changes while it is open is refused."""
        return io.BufferedReader(_Ranges(self))

    def read_bytes(self) -> bytes:
        with self._asked():
            return self._store.cat_file(self.key)

    def names(self, folders: Collection[str]) -> set[str]:
        """The objects that lie directly in some folders below this one, as paths from here."""
        found = set()
        for folder in folders:
            with self._asked():
                try:
                    listed = self._store.ls(f"{self.key}/{folder}".rstrip("/"), detail=True)
                except FileNotFoundError:
                    continue
            found |= {entry["name"].removeprefix(f"{self.key}/") for entry in listed if entry["type"] == "file"}
        return found

    def walk(self, wanted: Collection[str]) -> Iterator[tuple[str, int]]:
        """Objects at any depth, as paths from here, with their bytes; not those beside a folder that is wanted."""
        listing = self._store.walk(self.key, detail=True, on_error="raise")
        for looked in itertools.count():
            with self._asked():
                if (entry := next(listing, None)) is None:
                    return
            if looked == MOST_FOLDERS:
                raise StoreError(
                    f"holds more than {MOST_FOLDERS:,} prefixes, too many to look for a data set in",
                    where=self,
                    cure="Give the prefix of the data set itself",
                )
            folders, files = entry[1:]
            if not folders.keys().isdisjoint(wanted):
                for other in folders.keys() - set(wanted):
                    del folders[other]  # which keeps fsspec from listing it
            for found in files.values():
                yield found["name"].removeprefix(self.key).lstrip("/"), found["size"]

    @contextmanager
    def _asked(self) -> Iterator[None]:
        """Tell as StoreError what comes of a question to the store, of whichever of its layers."""
        try:
            yield
        except OSNetError:
            raise
        except Exception as error:
            raise _refusal(self, error) from error


class _Ranges(io.RawIOBase):
    """An object read where it is asked for, range by range."""

    _stream: Any = None  # of one that was not opened

    def __init__(self, path: BucketPath):
        self._path = path
        with path._asked():
            self._stream = path._store.open(path.key, "rb", block_size=_AHEAD, cache_type="readahead")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = io.SEEK_SET) -> int:
        return self._stream.seek(place, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def readinto(self, buffer) -> int:  # type: ignore[override]  # any buffer, whose name is newer than Python 3.10
        with self._path._asked():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        super().close()


Place = Path | BucketPath


def locate(path: str | PathLike[str]) -> Place:
    """The path of a file system, ``~`` expanded, or of an object store where it begins with ``s3://``.

    Raises
    ------
    StoreError
        A path without a bucket, or with access keys in it.
    ModuleNotFoundError
        s3fs is not installed (extra s3).
    """
    if isinstance(path, BucketPath):
        return path
    if not (given := _S3.fullmatch(str(path))):
        return Path(os.path.expanduser(path))  # a home that is not there stays
    key = given[1].rstrip("/")
    bucket = key.partition("/")[0]
    # A secret may hold slashes: then what looks like the bucket ends inside of it. An access point is named by colons.
    keyed = "@" in bucket or ("@" in key and ":" in bucket and not bucket.startswith("arn:"))
    if keyed or not bucket:
        what = "holds a user or access keys before an @" if keyed else "names no bucket"
        raise StoreError(what, where="s3://", cure="Write s3://BUCKET/PATH; the keys belong into the environment")
    import s3fs

    # Every data set asks anew: what was in the environment of an earlier one does not count.
    return BucketPath(
        key, s3fs.S3FileSystem(config_kwargs=_PATIENCE, use_listings_cache=False, skip_instance_cache=True)
    )


def open_file(place: Place) -> BinaryIO:
    """Open a file or object for reading; raises what `open_regular` or `BucketPath.open` does."""
    return place.open() if isinstance(place, BucketPath) else open_regular(place)


def read_file(place: Place) -> bytes:
    """The bytes of a file or object; raises what `read_bytes` or `BucketPath.read_bytes` does."""
    return place.read_bytes() if isinstance(place, BucketPath) else read_bytes(place)


def _refusal(path: BucketPath, error: Exception) -> StoreError:
    """What a store answered, in our words; never with what an endpoint may hold of a password."""
    from botocore import exceptions as boto

    code = getattr(error.__cause__, "response", {}).get("Error", {}).get("Code")
    # Before it is cut to a line's length, which may lose the @ that a password ends at.
    told = first_line(Exception(re.sub(r'("?)\S*@', r"\1", str(error)).strip() or type(error).__name__))
    if isinstance(error, FileNotFoundError):
        lost = "bucket" if code == "NoSuchBucket" or "/" not in path.key else "object, and none below such a prefix"
        return StoreError(f"no such {lost}", where=path, cure="Check the path, and AWS_ENDPOINT_URL")
    if isinstance(error, PermissionError):
        return StoreError(f"is refused ({told})", where=path, cure="Check the access keys, and what they may read")
    if isinstance(
        error,
        (
            boto.NoCredentialsError,
            boto.PartialCredentialsError,
            boto.CredentialRetrievalError,
            boto.ProfileNotFound,
        ),
    ):
        cure = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return StoreError(f"no access keys ({told})", where=path, cure=cure)
    return StoreError(f"cannot be read ({told})", where=path, cure="Check AWS_ENDPOINT_URL, the network and the path")
