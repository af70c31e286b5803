"""Market-1501 and any data set in its layout: which person each image shows, and through which camera.

A name such as ``0002_c1s1_000451_03.jpg`` says: identity (pid) 2, camera (camid) 1, sequence 1, frame 451,
detected box 3. ``-1`` marks junk, which the protocol leaves out; ``0000`` marks a distractor, a wrong detection
or an unknown person, which stays in the gallery as a negative for every query.

Source of layout and counts: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike

from PIL import Image

from ..core.conditions import DatasetFacts
from ..core.files import IMAGE_SUFFIXES, stem
from ..core.line import one_line
from ..errors import DatasetError
from .archive import open_archive
from .evaluable import check_evaluable
from .members import Archive
from .name_template import template_of
from .picture import Decoder
from .place import Place

FOLDERS = {"query": "query", "gallery": "bounding_box_test", "train": "bounding_box_train"}
SPLITS = {**FOLDERS, "multi_query": "gt_bbox"}  # hand-drawn boxes, which no part of the single-query protocol needs

# The published release, counted with junk; identities without junk and distractors.
PUBLISHED = {
    "query": {"images": 3368, "identities": 750, "cameras": 6, "junk": 0, "distractors": 0},
    "gallery": {"images": 19732, "identities": 750, "cameras": 6, "junk": 3819, "distractors": 2798},
    "train": {"images": 12936, "identities": 751, "cameras": 6, "junk": 0, "distractors": 0},
}

# Names spread evenly over the published splits. A data set that has half of those of one split is a copy of
# Market-1501, whole or cut short; a handful of its images, or other people under such names, is not.
LANDMARKS = {
    "query": {
        "0085_c2s1_012876_00.jpg",
        "0283_c1s1_062131_00.jpg",
        "0495_c6s2_013068_00.jpg",
        "0699_c3s2_054487_00.jpg",
        "0888_c1s4_049081_00.jpg",
        "1084_c1s5_009911_00.jpg",
        "1245_c6s3_044067_00.jpg",
        "1412_c2s3_043932_00.jpg",
    },
    "gallery": {
        "0091_c5s1_014026_01.jpg",
        "0244_c3s2_010987_02.jpg",
        "0448_c1s2_039546_01.jpg",
        "0646_c1s3_058326_02.jpg",
        "0804_c2s2_094082_01.jpg",
        "1043_c3s2_134219_03.jpg",
        "1212_c6s3_036942_02.jpg",
        "1388_c5s3_053065_04.jpg",
    },
}

# The names of the release itself, which has 24 test images that end in .jpg.jpg.
_PUBLISHED_NAME = re.compile(r"(-1|[0-9]{4})_c([1-6])s([0-9]+)_([0-9]{6})_([0-9]{2})(?:\.jpg){1,2}")
# Those of other people's data in its form: more cameras, people or frames, other kinds of image.
_SUFFIX = rf"\.(?i:{'|'.join(IMAGE_SUFFIXES)})"
_FORM = r"(-1|[0-9]{1,18})_c([0-9]{1,9})s([0-9]{1,18})_([0-9]{1,18})_([0-9]{1,18})"
_NAME = re.compile(f"{_FORM}(?:{_SUFFIX}){{1,2}}")
# How file managers and browsers call a second copy.
_COPY = re.compile(rf"(.+?)(?: ?\([0-9]+\)| - .+?| copy(?: [0-9]+)?|~)((?:{_SUFFIX})*)")


@dataclass(frozen=True)
class Sample:
    """One image as its file name or a manifest describes it; the name is the key by which everything is paired."""

    name: str  #: file name without folder; in a manifest the path from its folder
    pid: int  #: identity; -1 junk, 0 distractor
    camid: int  #: camera, 1 to 6 in Market-1501
    sequence: int  #: recording of that camera; 0 in a manifest
    frame: int  #: frame number in the recording; 0 in a manifest
    box: int  #: number of the box in the frame; 0 is drawn by hand
    split: str  #: "query", "gallery" (bounding_box_test), "train" or "multi_query" (gt_bbox)


def has_form(name: str) -> bool:
    """Whether a file name is in Market-1501's form, so that `parse_name` reads it."""
    return _NAME.fullmatch(name) is not None


def parse_name(name: str, split: str, *, where: str | PathLike | None = None) -> Sample:
    """Read a file name in Market-1501's form, with any number of cameras and any kind of image.

    Parameters
    ----------
    name : str
        File name without folder, such as ``-1_c3s2_000451_03.jpg``.
    split : {"query", "gallery", "train", "multi_query"}
    where : str or path, optional
        How an error names the file; by default its name.

    Raises
    ------
    DatasetError
        The name is not in Market-1501's form, or the split is none of the four.
    """
    if split not in SPLITS:
        raise DatasetError(f"unknown split {split!r}", where=where or name, cure=f"Use one of {', '.join(SPLITS)}")
    if not (match := _NAME.fullmatch(name)):
        raise _refused_name(name, SPLITS[split], where or name)
    pid, camid, sequence, frame, box = map(int, match.groups())
    return Sample(name, pid, camid, sequence, frame, box, split)


def _refused_name(name: str, folder: str, where: str | PathLike) -> DatasetError:
    """Why a name is not in the form, as far as it can be told."""
    if (copied := _COPY.fullmatch(name)) and _NAME.fullmatch(copied[1] + (copied[2] or ".jpg")):
        return DatasetError(
            f"is a second copy of {copied[1]}{copied[2]}, as a browser or file manager names one",
            where=where,
            cure="Remove it, or the first; an image must be there once",
        )
    if not re.search(rf"{_SUFFIX}\Z", name):
        return DatasetError(
            "the file name is not in Market-1501's form, nor that of an image",
            where=where,
            cure=f"Nothing here reads it: move it out of {folder}/",
        )
    if known := template_of(name):
        return DatasetError(
            f"the file name is not in Market-1501's form; it looks like one of {known}",
            where=where,
            cure=f"Make a manifest and pass that: osnet manifest FOLDER FOLDER/manifest.csv --pattern {known}",
        )
    return DatasetError(
        "the file name is not in Market-1501's form",
        where=where,
        cure="Rename it like 0002_c1s1_000451_03.jpg (identity, camera, sequence, frame, box; -1 is junk, 0000 a "
        f"distractor), move it out of {folder}/, or make a manifest for names of another form: osnet manifest --help",
    )


@dataclass(frozen=True, eq=False)
class Market1501(AbstractContextManager):
    """The table of an open data set, and its images; made by `open_market1501` or from a manifest.

    It is immutable, and safe to read from several threads. Use it in a ``with`` block, or `close` it.

    Attributes
    ----------
    path : Path or BucketPath
        The folder, zip, tar or manifest, as given.
    query, gallery, junk, train : tuple of Sample
        Sorted by name. Distractors are in `gallery`, junk is in `junk` only, `train` may be empty.
    multi_query : tuple of Sample
        Hand-drawn boxes that show the identity of a query in its camera, the queries themselves left out; for
        `osnet_lib.metrics.pool_queries`. Empty where there is no ``gt_bbox/``.
    is_market1501 : bool
        Whether this is Market-1501 with every published count, so that published figures can be set beside it.
    """

    path: Place
    query: tuple[Sample, ...]
    gallery: tuple[Sample, ...]
    junk: tuple[Sample, ...]
    train: tuple[Sample, ...]
    multi_query: tuple[Sample, ...]
    is_market1501: bool
    _archive: Archive
    folders: Mapping[str, str] = field(default_factory=lambda: SPLITS)  #: by split, as the archive has them
    labels_in_names: bool = True  #: else the digest must hold them
    _decode: Decoder = field(default_factory=Decoder)

    def __repr__(self) -> str:
        more = {"junk": self.junk, "train": self.train, "multi-query": self.multi_query}
        images = [f"{len(self.query):,} queries", f"{len(self.gallery):,} gallery images"]
        images += [f"{len(samples):,} {name}" for name, samples in more.items() if samples]
        return one_line(f"{self.path.name}{' (Market-1501)' * self.is_market1501}: {', '.join(images)}")

    def read(self, sample: Sample) -> bytes:
        """The bytes of an image file; raises DatasetError where they cannot be read."""
        return self._archive.read(self.folders[sample.split], sample.name)

    def image(self, sample: Sample) -> Image.Image:
        """Decode an image to RGB, by content; raises DatasetError, naming the file, where it is no whole image."""
        return self._decode(self.read(sample), self._archive.where(self.folders[sample.split], sample.name))

    @cached_property
    def digest(self) -> str:
        """Hex SHA-256 of all images in the tables.

        Per file ``folder/name``, a zero byte, its length, a zero byte, its bytes. Folder, zip or tar, nesting,
        compression and litter make no difference. Of a manifest, identity and camera stand behind the name, each after
        a zero byte; the order of its lines makes no difference. Half a second for Market-1501's test split.
        """
        digest = hashlib.sha256()
        everything = [*self.query, *self.gallery, *self.junk, *self.train, *self.multi_query]
        for sample in sorted(everything, key=lambda sample: (self.folders[sample.split], sample.name)):
            data = self.read(sample)
            labels = "" if self.labels_in_names else f"\0{sample.pid}\0{sample.camid}"
            digest.update(f"{self.folders[sample.split]}/{sample.name}{labels}\0{len(data)}\0".encode())
            digest.update(data)
        return digest.hexdigest()

    @property
    def facts(self) -> DatasetFacts:
        """What a result states of its data set; asks for the `digest`."""
        return DatasetFacts(self.path.name, self.digest)

    def summary(self) -> list[dict]:
        """One row per split that has images, for tables and result files.

        The keys: ``split``, ``folder``, ``images`` (files in the folder, of gt_bbox those in the table), ``kept``
        (those without junk), ``identities`` (without junk and distractors), ``cameras``, ``junk``, ``distractors``.
        """
        splits = {
            "query": self.query,
            "gallery": self.gallery + self.junk,
            "train": self.train,
            "multi_query": self.multi_query,
        }
        return [
            {"split": split, "folder": self.folders[split], **_count(samples)}
            for split, samples in splits.items()
            if samples
        ]

    def close(self) -> None:
        """Close the zip; images cannot be read after that, the tables stay."""
        self._archive.close()

    def __exit__(self, *_) -> None:
        self.close()


def open_market1501(path: str | PathLike, *, allow_short: bool = False) -> Market1501:
    """Open a data set in Market-1501's layout from a folder or, in place, from a zip or tar.

    Parameters
    ----------
    path : str or path
        Holds ``query/``, ``bounding_box_test/`` and perhaps ``bounding_box_train/`` and ``gt_bbox/``, at the top or in
        other folders, as long as there is one data set.
    allow_short : bool
        Take a copy of Market-1501 that lacks images as it is, instead of refusing it.

    Raises
    ------
    DatasetError
        What `archive.open_archive` refuses; a name that does not parse; two images of one stem; a query or training
        image without identity; no query, no gallery, no query with a match in another camera; Market-1501 with a short
        split or with names that are not its own.
    """
    archive = open_archive(path, SPLITS.values())
    try:
        splits = {split: _samples(archive, split) for split in FOLDERS}
        gallery = tuple(sample for sample in splits["gallery"] if sample.pid >= 0)
        junk = tuple(sample for sample in splits["gallery"] if sample.pid < 0)
        check_evaluable(
            archive.path,
            splits["query"],
            gallery,
            ("query/", "bounding_box_test/"),
            ("the identity is the number before _c", "The camid is the number after _c in the name"),
            "Folders of other names become a data set by osnet manifest",
        )
        published = _check_published(archive, splits, allow_short)
        multi_query = _multi_query(_samples(archive, "multi_query"), splits["query"])
    except BaseException:
        archive.close()
        raise
    return Market1501(archive.path, splits["query"], gallery, junk, splits["train"], multi_query, published, archive)


def _samples(archive: Archive, split: str) -> tuple[Sample, ...]:
    folder = SPLITS[split]
    names = sorted(archive.files[folder])
    samples = tuple(parse_name(name, split, where=archive.where(folder, name)) for name in names)
    stems: dict[str, str] = {}
    for sample in samples:
        if (other := stems.setdefault(stem(sample.name), sample.name)) != sample.name:
            raise DatasetError(
                f"has the same stem as {other}",
                where=archive.where(folder, sample.name),
                cure="Rename or remove one of them: images are paired by their names without suffix",
            )
        if sample.pid < 1 and split in ("query", "train"):
            raise DatasetError(
                f"junk or a distractor in {folder}/, where each image needs an identity",
                where=archive.where(folder, sample.name),
                cure="Move it to bounding_box_test/",
            )
    return samples


def _multi_query(drawn: tuple[Sample, ...], query: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """Boxes of a query's identity and camera; gt_bbox also holds the queries themselves and the people of train."""
    names, wanted = {sample.name for sample in query}, {(sample.pid, sample.camid) for sample in query}
    return tuple(sample for sample in drawn if sample.name not in names and (sample.pid, sample.camid) in wanted)


def _check_published(archive: Archive, splits: dict[str, tuple[Sample, ...]], allow_short: bool) -> bool:
    """Whether this is Market-1501 as published; a copy with a short split is refused unless allowed."""
    names = {split: {sample.name for sample in splits[split]} for split in LANDMARKS}
    if not any(2 * len(LANDMARKS[split] & names[split]) >= len(LANDMARKS[split]) for split in LANDMARKS):
        return False
    for sample in (sample for samples in splits.values() for sample in samples):
        if not _PUBLISHED_NAME.fullmatch(sample.name):
            raise DatasetError(
                "the file name is none of Market-1501, which this data set is",
                where=archive.where(FOLDERS[sample.split], sample.name),
                cure="Move it out, or download Market-1501 again",
            )
    counts = {split: _count(samples) for split, samples in splits.items() if samples or split != "train"}
    short = [
        f"{FOLDERS[split]}/ holds {count['images']:,} of {PUBLISHED[split]['images']:,} images"
        for split, count in counts.items()
        if count["images"] < PUBLISHED[split]["images"]
    ]
    if short and not allow_short:
        raise DatasetError(
            f"Market-1501, but short: {', '.join(short)}",
            where=archive.path,
            cure="Download or unpack it again (from Python, allow_short=True takes it as it is)",
        )
    return all(PUBLISHED[split].items() <= count.items() for split, count in counts.items())


def _count(samples: tuple[Sample, ...]) -> dict[str, int]:
    pids = [sample.pid for sample in samples]
    junk, distractors = pids.count(-1), pids.count(0)
    return {
        "images": len(pids),
        "kept": len(pids) - junk,
        "identities": len(set(pids) - {-1, 0}),
        "cameras": len({sample.camid for sample in samples}),
        "junk": junk,
        "distractors": distractors,
    }
