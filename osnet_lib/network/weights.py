"""Where weights come from: embedded, the published checkpoint, or a path."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from ..core.file_kind import CHECKPOINT, UNRECOGNISED, file_kind
from ..core.files import absolute, atomic_path, read_json, sha256, special
from ..errors import CheckpointError

MINI = Path(__file__).parents[1] / "resources" / "osnet_x1_0_mini.safetensors"


@dataclass(frozen=True)
class Published:
    """A checkpoint on the net, with what proves a download."""

    file: str
    drive_id: str
    size: int
    sha256: str


MARKET1501 = Published(
    "osnet_x1_0_market_256x128_amsgrad_ep150_stp60_lr0.0015_b64_fb10_softmax_labelsmooth_flip.pth",
    "1vduhq5DpN2q1g4fYEZfPI17MJeh9qyrA",
    10_399_605,
    "2809d3227f7d078f6045f7feb874a34d0684f0e0057b264b99adccf7d4519154",
)


# Others of torchreid's zoo, by hash: a legacy pickle has no checksum of its own.
_ZOO = {"c0ff09177a21417a19bc73bbf5af4eb5d2b097c2074ed35e67819ee6cd93612c": "osnet_x0_25, Market-1501"}

NAMED = ("mini", "market1501")  # what `find_weights` knows by name


def cache_folder() -> Path:
    """Where downloads are kept: ``$OSNET_CACHE``, else ``~/.cache/osnet``."""
    return Path(os.environ.get("OSNET_CACHE") or Path.home() / ".cache" / "osnet")


def find_weights(weights: str | os.PathLike[str]) -> Path:
    """The file behind ``"mini"``, ``"market1501"`` or a path.

    ``"mini"`` is embedded and was trained on mini-market; ``"market1501"`` is torchreid's
    published OSNet x1.0, downloaded once. A path with the name of the published file must be that file.

    Raises
    ------
    CheckpointError
        A path that does not exist, or is a folder, pipe or device; a download that failed; what has the name of the
        published file and another content; embedded weights other than their card tells.
    """
    if str(weights) == "mini":
        if not is_known(MINI, sha256(MINI)):
            raise CheckpointError("not the weights that its card tells of", where=MINI, cure="Install osnet again.")
        return MINI
    if str(weights) == "market1501":
        return _published(MARKET1501)
    path = absolute(weights)
    if path.is_dir() or special(path):
        kind = file_kind(path)
        raise CheckpointError(kind.what, where=path, cure=kind.cure)
    if not path.is_file():
        raise CheckpointError("no such weights", where=path, cure="Give mini, market1501 or the path of a checkpoint.")
    refuse_altered(path)
    return path


def refuse_altered(path: Path) -> None:
    """Raise CheckpointError for a file that has the name of the published one and is another."""
    if _is_named(MARKET1501, path):
        _verify(
            MARKET1501,
            path,
            path,
            f"Download Google Drive file {MARKET1501.drive_id} again, or rename what is another.",
        )


def is_known(path: Path, digest: str) -> bool:
    """Whether a file is, to the last bit, one whose SHA-256 this package knows: published ones and the embedded."""
    if path.resolve() == MINI.resolve():
        return digest == read_json(MINI.with_suffix(".json")).get("sha256")
    return digest in (MARKET1501.sha256, *_ZOO)


def _is_named(entry: Published, path: Path) -> bool:
    """Whether a file claims to be the published one; browsers number what they download twice."""
    name = Path(entry.file)
    return re.fullmatch(rf"{re.escape(name.stem)}( ?\(\d+\))?{re.escape(name.suffix)}", path.name) is not None


def _published(entry: Published) -> Path:
    """The cached copy, or a checked download."""
    path = cache_folder() / entry.file
    if not path.is_file():
        _download(entry, path)
    _verify(entry, path, path, f"Delete it and download Google Drive file {entry.drive_id} again.")
    return path


def _download(entry: Published, path: Path) -> None:
    cure = (
        f"Download Google Drive file {entry.drive_id} in a browser and save it as {path} "
        f"({entry.size:,} bytes, sha256 {entry.sha256}), set OSNET_CACHE to the folder that holds it, or give its path."
    )
    try:
        import gdown  # only here: nothing else of the study needs the network

        with atomic_path(path) as temporary:
            gdown.download(id=entry.drive_id, output=str(temporary), quiet=False)
            if not temporary.is_file():
                raise OSError("nothing arrived")
            _verify(entry, temporary, entry.file, cure)  # Drive answers with a page of HTML when a quota is used up
    except CheckpointError:
        raise
    except Exception as error:  # gdown raises its own, requests' and OS errors: all mean the same to the reader
        raise CheckpointError(
            f"the published checkpoint could not be downloaded ({type(error).__name__})", where=entry.file, cure=cure
        ) from error


def _verify(entry: Published, path: Path, where: str | Path, cure: str) -> None:
    size, digest = path.stat().st_size, sha256(path)
    if (size, digest) != (entry.size, entry.sha256):
        kind = file_kind(path)
        instead = "" if kind.name in (CHECKPOINT, UNRECOGNISED) else f" it is {kind.what};"
        raise CheckpointError(
            f"not the published checkpoint:{instead} {size:,} bytes, sha256 {digest[:16]}…, "
            f"expected {entry.size:,} bytes, {entry.sha256[:16]}…",
            where=where,
            cure=cure,
        )
