"""Whether features of query and gallery are what they should be: complete, not swapped, labelled as their names say.

What a run left and what a script saved are refused for the same mistakes; the first image concerned is named.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from ..core.files import stem
from ..datasets.market1501 import LANDMARKS, PUBLISHED, Sample, parse_name
from ..errors import DatasetError, FeatureError
from ..features.store import Features
from ..metrics.labels import JUNK

_LABELS_CURE = "Save pids and camids in the order of the names."
_FLAT = 1e-5  # of the largest value: what rounding leaves between features that are all equal


def check_complete(features: Features, expected: Iterable[str], where: str | Path) -> None:
    """Compare features with the names of the images that they must be of; junk counts on neither side.

    Raises
    ------
    FeatureError
        A missing feature, or one of another image; the first is named.
    """
    wanted = {stem(name) for name in expected if not name.startswith(f"{JUNK}_")}
    found = set(map(stem, features.names[features.pids != JUNK].tolist()))
    for names, what, cure in (
        (wanted - found, "no feature of", "Run the inference of the missing images again."),
        (found - wanted, "a feature of another image,", "Give the folder or list of the same split."),
    ):
        if names:
            more = f", and {len(names) - 1:,} more" if len(names) > 1 else ""
            raise FeatureError(f"{what} {min(names)}{more}", where=where, cure=cure)


def check_published(features: Features, split: str, where: str | Path) -> None:
    """Refuse features of Market-1501 (known by its landmarks) of which some are missing; without a list none is named.

    Parameters
    ----------
    split : {"query", "gallery"}
    """
    count = int(np.count_nonzero(features.pids != JUNK))
    published = PUBLISHED[split]["images"] - PUBLISHED[split]["junk"]
    if _holds_landmarks(features, split) and count < published:
        raise FeatureError(
            f"{count:,} features of the {published:,} of Market-1501's {split}",
            where=where,
            cure="Give the data set with --dataset, and the first that is missing is named.",
        )


def _holds_landmarks(features: Features, split: str) -> bool:
    known = {stem(name) for name in LANDMARKS[split]}
    return 2 * len(known & set(map(stem, features.names.tolist()))) >= len(known)


def check_apart(query: Features, gallery: Features, where: str) -> None:
    """Refuse query and gallery that share an image: one was given twice, or a run wrote into the other's folder."""
    first, second = (
        {re.sub(r"(\.jpe?g)+$", "", name, flags=re.IGNORECASE) for name in features.names.tolist()}
        for features in (query, gallery)
    )
    if shared := first & second:
        raise FeatureError(
            f"{len(shared):,} images are in both, the first is {min(shared)}",
            where=where,
            cure="Give query and gallery of one extraction, each in a file or folder of its own: a second run into a "
            "folder adds to the first.",
        )


def check_order(query: Features, gallery: Features, where: str) -> None:
    """Refuse a gallery given as query, where Market-1501's form of the names tells.

    Its queries are drawn by hand (box 00) and show known people; boxes of a detector (01 and more), distractors and
    junk are in the gallery only.
    """
    as_query, as_gallery = (list(_samples(features).values()) for features in (query, gallery))
    stranger = next((sample for sample in as_query if sample.pid < 1), None)
    if _holds_landmarks(query, "gallery") or _holds_landmarks(gallery, "query"):
        why = "these are the names of Market-1501"
    elif stranger and not any(sample.pid < 1 for sample in as_gallery):
        why = f"{stranger.name}, which shows no known person, is among the queries and nothing like it in the gallery"
    elif (
        len(as_query) == len(query) > len(gallery) == len(as_gallery)
        and all(sample.box for sample in as_query)
        and not any(sample.box for sample in as_gallery)
    ):
        why = "the smaller set alone is of boxes drawn by hand (…_00)"
    else:
        return
    raise FeatureError(f"query and gallery are swapped: {why}", where=where, cure="Give the query first.")


def check_labels(
    query: Features, gallery: Features, where: Sequence[str | Path], samples: Iterable[Sample] | None = None
) -> None:
    """Refuse pids or camids that contradict the names of the images.

    Numbers may differ from those of the names as long as they tell the same images apart, such as cameras counted from
    0; junk must be junk in both.

    Parameters
    ----------
    where : (path, path)
        How an error names query and gallery.
    samples : iterable of Sample, optional
        Of the data set; otherwise names in Market-1501's form are read, and others say nothing.

    Raises
    ------
    FeatureError
        The first two images of which this is so are named.
    """
    known = None if samples is None else {key: one for one in samples for key in (one.name, stem(one.name))}
    source = "the names say" if samples is None else "the data set says"
    rows = [
        (name, at, int(pid), int(camid), sample)
        for features, at in zip((query, gallery), where)
        for found in [_samples(features) if known is None else known]
        for name, pid, camid in zip(features.names.tolist(), features.pids, features.camids)
        if (sample := found.get(name) or found.get(stem(name)))
    ]
    if not rows:
        return
    for name, at, pid, _, sample in rows:
        if (pid == JUNK) != (sample.pid == JUNK):
            raise FeatureError(
                f"{name} has pid {pid}, where {source} {sample.pid} ({JUNK} is junk)", where=at, cure=_LABELS_CURE
            )
    for label, given, named in (
        ("pid", [row[2] for row in rows], [row[4].pid for row in rows]),
        ("camid", [row[3] for row in rows], [row[4].camid for row in rows]),
    ):
        if (pair := _contradiction(np.array(named), np.array(given))) or (
            pair := _contradiction(np.array(given), np.array(named))
        ):
            one, other = pair
            raise FeatureError(
                f"{rows[one][0]} has {label} {given[one]} and {rows[other][0]} has {given[other]}, where {source} "
                f"{named[one]} and {named[other]}",
                where=rows[other][1],
                cure=_LABELS_CURE,
            )


def _samples(features: Features) -> dict[str, Sample]:
    """What the names in Market-1501's form say, by stem."""
    found = {}
    for name in map(stem, features.names.tolist()):
        with suppress(DatasetError):
            found[name] = parse_name(f"{name}.jpg", "gallery")
    return found


def _contradiction(first: np.ndarray, second: np.ndarray) -> tuple[int, int] | None:
    """Two rows that are equal in the first and differ in the second, if there are such."""
    _, at, inverse = np.unique(first, return_index=True, return_inverse=True)
    earlier = at[inverse]
    wrong = np.flatnonzero(second != second[earlier])
    return (int(earlier[wrong[0]]), int(wrong[0])) if len(wrong) else None


def warn_collapsed(features: Features, where: str | Path) -> None:
    """Warn, in one line, of features that are all equal, of rows of zeros and of many equal rows; others pass."""
    matrix = features.features
    total, zero = len(matrix), np.flatnonzero(~matrix.any(axis=1))
    copies = total - len({row.tobytes() for row in matrix})
    if total > 1 and np.ptp(matrix, axis=0).max(initial=0) <= _FLAT * np.abs(matrix).max(initial=0):
        what = f"all {total:,} features are {'zero' if len(zero) == total else 'equal'}"
        cure = "The network does not see the images: check its input, its weights and how its output is read."
    elif len(zero):
        what = f"{len(zero):,} of {total:,} features are all zero, the first is of {features.names[zero[0]]}"
        cure = "Run the inference of these images again."
    elif 100 * copies > total:
        what = f"{copies:,} of {total:,} features repeat another one to the bit"
        cure = "Look for an output that was read twice, kept padding, or one picture under many names."
    else:
        return
    warnings.warn(f"{where}: {what}; the score means little. {cure}", stacklevel=2)
