"""An archive that would unpack to far more than it is, is told from one that is merely well packed."""

from __future__ import annotations

import io
import zipfile

import pytest

from osnet_lib.core.packed import MOST_BYTES, MOST_TIMES, overfull


def archive(*claims: int) -> zipfile.ZipFile:
    """A zip whose members claim so many bytes; nothing is ever unpacked."""
    made = zipfile.ZipFile(io.BytesIO(), "w")
    for number, claim in enumerate(claims):
        info = zipfile.ZipInfo(str(number))
        made.writestr(info, b"")
        info.file_size = claim
    return made


@pytest.mark.parametrize(
    "claims, file_bytes, refused",
    [
        ((), 22, False),
        ((MOST_BYTES,), 22, False),
        ((MOST_BYTES, 1), 22, True),
        ((MOST_BYTES // 2, MOST_BYTES // 2 + 1), 22, True),
        ((MOST_TIMES * MOST_BYTES,), MOST_BYTES, False),
        ((MOST_TIMES * MOST_BYTES, 1), MOST_BYTES, True),
        ((2**63,), 2**20, True),
    ],
)
def test_what_is_overfull(claims, file_bytes, refused):
    words = overfull(archive(*claims), file_bytes)
    assert bool(words) is refused
    if refused:
        assert words.startswith(f"would unpack to {sum(claims):,} bytes, and the file has {file_bytes:,}")
