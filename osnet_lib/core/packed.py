"""Archives that would unpack to far more than they are: a small file that fills the memory."""

from __future__ import annotations

import zipfile

MOST_BYTES = 256 * 2**20  # what any archive may unpack to; weights of all training states of an OSNet have 30 MB
MOST_TIMES = 4  # and a larger one, of its size: trained numbers shrink by a tenth


def overfull(archive: zipfile.ZipFile, file_bytes: int) -> str:
    """What is wrong with the sizes that the members claim, in words; empty where they are plausible."""
    claimed = sum(member.file_size for member in archive.infolist())
    if claimed <= max(MOST_BYTES, MOST_TIMES * file_bytes):
        return ""
    return f"would unpack to {claimed:,} bytes, and the file has {file_bytes:,}: no numbers shrink so much"
