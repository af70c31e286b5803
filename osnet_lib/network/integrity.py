"""Whether a checkpoint's bytes are those that were written, as far as its format can tell."""

from __future__ import annotations

import copy
import zipfile
from pathlib import Path

from ..core.packed import overfull
from ..errors import CheckpointError

AGAIN = "Check its size and sha256 against the source, then download or copy it again."


def check_zip(archive: zipfile.ZipFile, path: Path) -> None:
    """Compare every member with its CRC-32, which torch does not; where torch was told to write none, there are none.

    Raises
    ------
    CheckpointError
        A member that is damaged; more to unpack than a file of this size would hold.
    """
    if words := overfull(archive, path.stat().st_size):
        raise CheckpointError(words, where=path, cure=AGAIN)
    if has_checksums(archive) and (name := archive.testzip()):
        raise CheckpointError(f"damaged: the bytes of {name} do not have its CRC-32", where=path, cure=AGAIN)


def has_checksums(archive: zipfile.ZipFile) -> bool:
    """Whether the members have a CRC-32; after ``torch.serialization.set_crc32_options(False)`` all are zero."""
    return any(member.CRC for member in archive.infolist())


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of a member, in an archive without checksums too."""
    member = copy.copy(archive.getinfo(name))
    if not has_checksums(archive):
        del member.CRC
    return archive.read(member)


def unchecked(path: Path) -> str:
    """Why damage to a file's numbers could go unseen; empty where every byte was checked."""
    if not zipfile.is_zipfile(path):
        return "none, the format has none: damage within the bounds of weights is not seen"
    with zipfile.ZipFile(path) as archive:
        return "" if has_checksums(archive) else "none, switched off when it was written"
