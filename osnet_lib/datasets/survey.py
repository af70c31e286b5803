"""From a folder of images to the lines of a manifest: which split each is in, who is on it, which camera took it."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.files import read_text
from ..errors import DatasetError
from .litter import is_litter
from .members import shown
from .name_template import PUBLIC_TEMPLATES, NameTemplate, is_image_name

# Folders that name a split, in small letters, as public data sets call them. The innermost counts.
SPLIT_FOLDERS = {
    **dict.fromkeys(("query", "image_query", "probe"), "query"),
    **dict.fromkeys(("bounding_box_test", "gallery", "image_test", "test", "bbox_test"), "gallery"),
    **dict.fromkeys(("bounding_box_train", "train", "image_train", "bbox_train", "mask_train_v2", "val"), "train"),
    **dict.fromkeys(("gt_bbox", "gt_query"), "other"),
}
LIST_FILES = ("list_query.txt", "list_gallery.txt")  # MSMT17's, whose test images lie in one folder
_LIST_ROOTS = ("", "test", "mask_test_v2")
_CURE = "Say which folders they are: --query FOLDER --gallery FOLDER"


@dataclass(frozen=True)
class Survey:
    """Lines of a manifest, and how many images of the folder are in none of them, by the reason."""

    rows: list[tuple[str, str, str, str]]
    left_out: Counter[str]


def survey_folder(
    folder: str | Path,
    pattern: str,
    root: str | Path,
    query: Sequence[str] = (),
    gallery: Sequence[str] = (),
) -> Survey:
    """Find the images of both splits and read their names.

    Parameters
    ----------
    folder : path
        Looked through at any depth.
    pattern : str
        A template or the name of one, see `osnet_lib.datasets.name_template`.
    root : path
        Where the manifest will be; paths start there.
    query, gallery : sequence of str
        Folders in `folder`, or text files that list images, a path a line, perhaps with the identity behind it. By
        default list_query.txt and list_gallery.txt where both are there, else the folders that `SPLIT_FOLDERS` knows.

    Raises
    ------
    DatasetError
        No such folder or list; no images of a split, or several folders of its name; a name that the template does not
        fit or fits in several ways; two people whose numbers are joined to one; an image that is not below `root`.
    """
    folder, template = Path(folder).expanduser(), NameTemplate.parse(pattern)
    if not folder.is_dir():
        raise DatasetError("no such folder", where=folder, cure="Give the folder that holds the images of both splits")
    if bool(query) != bool(gallery):
        raise DatasetError("one split is given, and not the other", where=folder, cure=_CURE)
    if not query and all((folder / name).is_file() for name in LIST_FILES):
        query, gallery = LIST_FILES[:1], LIST_FILES[1:]
    left_out = Counter[str]()
    if query:
        found = [("query", *entry) for side in query for entry in _side(folder, side)]
        found += [("gallery", *entry) for side in gallery for entry in _side(folder, side)]
    else:
        found = [(split, path, None) for split, path in _by_folder(folder, left_out)]
    joined: dict[int, tuple[str, ...]] = {}
    rows = []
    for split, path, listed in found:
        pid, camid = _read(template, folder, path, joined)
        if listed is not None and int(listed) != pid:
            raise DatasetError(
                f"the list says identity {listed}, its name says {pid}",
                where=shown(folder / path),
                cure="Give another pattern, or correct the list",
            )
        rows.append((split, _from(Path(root), folder, path), str(pid), camid))
    return Survey(rows, left_out)


def _images(folder: Path, inside: str = "") -> Iterator[str]:
    """Paths of all images below a folder, sorted, each with `inside` before it."""
    seen = set[tuple[int, int]]()
    for here, folders, files in os.walk(folder / inside, followlinks=True):
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:  # a link that leads back
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_litter(name))
        for name in sorted(files):
            if is_image_name(name) and not is_litter(name):
                yield Path(os.path.relpath(os.path.join(here, name), folder)).as_posix()


def _by_folder(folder: Path, left_out: Counter[str]) -> list[tuple[str, str]]:
    """Split and path of each image, by the innermost folder that names a split."""
    found, roots = [], dict[str, set[str]]()
    for path in _images(folder):
        parts = path.split("/")[:-1]
        named = [depth for depth, part in enumerate(parts) if part.lower() in SPLIT_FOLDERS]
        split = SPLIT_FOLDERS[parts[named[-1]].lower()] if named else "unnamed"
        if split in ("query", "gallery"):
            roots.setdefault(split, set()).add("/".join(parts[: named[-1] + 1]))
            found.append((split, path))
        else:
            left_out[split] += 1
    for split in ("query", "gallery"):
        names = sorted(roots.get(split, ()))
        if len(names) != 1:
            known = ", ".join(name for name, of in SPLIT_FOLDERS.items() if of == split)
            what = f"several folders of the {split} ({', '.join(names)})" if names else f"no images of the {split}"
            raise DatasetError(what, where=shown(folder), cure=f"{_CURE}. By itself it is found as one of {known}")
    return found


def _side(folder: Path, side: str) -> Iterator[tuple[str, str | None]]:
    """The images of a folder or list, with the identity that a list gives."""
    place = folder / side
    if place.is_dir():
        if not (images := list(_images(folder, side))):
            raise DatasetError("holds no images", where=shown(place), cure=_CURE)
        yield from ((image, None) for image in images)
        return
    if not place.is_file():
        raise DatasetError("no such folder or list", where=shown(place), cure=f"{_CURE}, both inside {shown(folder)}")
    try:
        lines = read_text(place).splitlines()
    except UnicodeDecodeError as error:
        raise DatasetError("is no folder and no list of images", where=shown(place), cure=_CURE) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        listed, _, identity = line.strip().rpartition(" ")
        if not re.fullmatch("-1|[0-9]{1,18}", identity):
            listed, identity = line.strip(), ""
        listed = listed.strip()
        path = next((Path(top, listed).as_posix() for top in _LIST_ROOTS if (folder / top / listed).is_file()), None)
        if path is None:
            raise DatasetError(
                f"lists {line.strip()!r}, which is not there",
                where=f"{shown(place)}, line {number}",
                cure=f"Paths are looked for in {shown(folder)} and in its folders test and mask_test_v2",
            )
        yield path, identity or None


def _read(template: NameTemplate, folder: Path, path: str, joined: dict[int, tuple[str, ...]]) -> tuple[int, str]:
    """Identity and camera of an image by its name."""
    readings = sorted(template.readings(path))
    where = shown(folder / path)
    if len(readings) != 1:
        ways = " or ".join(f"pid {'+'.join(pids)} camid {camid}" for pids, camid in readings[:3])
        raise DatasetError(
            f"fits the pattern {template.text} in several ways: {ways}"
            if readings
            else f"does not fit {template.text}",
            where=where,
            cure="Give a pattern that fits all images of both splits, with {} for any text; named are "
            f"{', '.join(PUBLIC_TEMPLATES)}",
        )
    pids, camid = readings[0]
    pid = int("".join(pids))
    if len(pids) > 1 and (other := joined.setdefault(pid, pids)) != pids:
        raise DatasetError(
            f"{'+'.join(pids)} and {'+'.join(other)} of another image are both identity {pid} when joined",
            where=where,
            cure="Give a pattern with one {pid}, or write all numbers with equally many digits",
        )
    return pid, camid


def _from(root: Path, folder: Path, path: str) -> str:
    """The path as the manifest writes it."""
    relative = Path(os.path.relpath(os.path.abspath(folder / path), os.path.abspath(root))).as_posix()
    if relative.startswith("../"):
        raise DatasetError(
            "is not below the folder of the manifest",
            where=shown(folder / path),
            cure=f"Write the manifest into {shown(folder)} or a folder above it",
        )
    return relative
