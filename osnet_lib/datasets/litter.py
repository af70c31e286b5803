"""What file managers, browsers and network drives leave among the images, all in one place.

A name is litter where a program puts it without being asked and nothing of the data set can be in it. What a person put
there (a list, a readme, a second copy) is none, and neither is a download that stopped half-way.
"""

from __future__ import annotations

import re

# Files and folders by their whole name, in small letters. Names that begin with a dot need no place here: .DS_Store,
# ._x (AppleDouble), .nfs…, .ipynb_checkpoints, .Trash-1000, .directory, .picasa.ini, .@__thumb, .stfolder…
_NAMES = {
    # Windows
    "thumbs.db",
    "ehthumbs.db",
    "ehthumbs_vista.db",
    "desktop.ini",
    "$recycle.bin",
    "recycler",
    "system volume information",
    # macOS: Icon with a carriage return, also as drives that forbid one write it
    "icon\r",
    "icon\uf00d",
    "icon_",
    "__macosx",
    "network trash folder",
    "temporary items",
    "thevolumesettingsfolder",
    # Synology, QNAP
    "@eadir",
    "@tmp",
    "@recycle",
    "@recently-snapshot",
    "#recycle",
    "#snapshot",
    # Unix
    "lost+found",
    # viewers
    "picasa.ini",
    "zbthumbnail.info",
    "pspbrwse.jbf",
}
# Streams of a file on a Windows disk, which Linux and macOS see as files of their own; the colon may be another sign.
_STREAM = re.compile(
    r".*(?:[:\uf03a\uf022_.]zone\.identifier|[:\uf03a\uf022](?:smartscreen|afp_\w+|com\.(?:apple|dropbox)\.[\w.]+|"
    r"encryptable))(?:[:\uf03a\uf022]\$data)?",
    re.IGNORECASE | re.DOTALL,
)
_OTHER = re.compile(r".*@syno(?:eastream|resource)|~\$.*|~syncthing~.*\.tmp", re.IGNORECASE | re.DOTALL)


def is_litter(name: str) -> bool:
    """Whether a file or folder of this name was left behind by a program."""
    return bool(name.startswith(".") or name.lower() in _NAMES or _STREAM.fullmatch(name) or _OTHER.fullmatch(name))
