"""What a file is that is not what its name promises, told by its first bytes, and what helps."""

from __future__ import annotations

import codecs
import re

from ..core.file_kind import is_web_page

HEAD = 600  # bytes that are enough: the sign of a tar stands at 257

_UNPACK = "Unpack it and pass the folder"
_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"Rar!\x1a\x07", "is a RAR archive, which only programs of its own unpack", f"{_UNPACK}: unrar x FILE"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive, which only programs of its own unpack", f"{_UNPACK}: 7z x FILE"),
    (b"\x28\xb5\x2f\xfd", "is packed by zstd, which Python cannot unpack", f"{_UNPACK}: tar --zstd -xf FILE"),
    (b"\x04\x22\x4d\x18", "is packed by lz4, which Python cannot unpack", f"{_UNPACK}: lz4 -dc FILE | tar -x"),
    (b"\x1f\x9d", "is packed by compress, which Python cannot unpack", f"{_UNPACK}: tar -xf FILE"),
    (b"MSCF", "is a cabinet of Windows", _UNPACK),
    (b"\x89HDF", "is an HDF5 file", "Write its images into folders, or list them in a manifest (.csv)"),
    (b"%PDF", "is a PDF document", "Download the data set itself"),
    (b"d8:announce", "is a torrent and not what it leads to", "Open it with a program for torrents"),
    (
        b"version https://git-lfs.github.com/spec/",
        "is a pointer of git-lfs and not the file itself",
        "Run git lfs pull in its checkout, or download the file itself",
    ),
)
_MESSAGE = re.compile(rb'\s*(?:<\?xml|<error|\{\s*")', re.IGNORECASE)


def lookalike(head: bytes) -> tuple[str, str] | None:
    """What the file with these first bytes is, and its cure; None where it is none of the known kinds."""
    if not head:
        return "is an empty file", "Download or copy it again"
    for magic, what, cure in _MAGIC:
        if head.startswith(magic):
            return what, cure
    if is_web_page(head):
        return (
            "is a web page (HTML): the download gave a page to sign in, a quota or an error",
            "Download it again in a browser and look at the page; what comes must be the file itself",
        )
    if _MESSAGE.match(head.removeprefix(codecs.BOM_UTF8)):
        return "is a server's message (XML or JSON), not the file that was asked for", "Read it, and download it again"
    return None
