"""Market-1501's own lists of right and ignored images, ``gt_query/``: for each query what is good and what is junk.

Per query there are two MATLAB files, ``0001_c1s1_001051_00_good.mat`` and ``..._junk.mat``, named by the query without
its extension. Each holds one vector (``good_index``, ``junk_index``): positions, counted from 1, in the list of all
.jpg files of ``bounding_box_test/``, junk and distractors included, in the order in which MATLAB's ``dir`` gives them.
That is the operating system's: by character code, on Windows' file system by the code of the capital letter. For the
published names both are Python's ``sorted``, since two of them differ first in a digit or a minus sign. That the
positions count in this list is checked: every good image must show the query's identity.

Good images show the person in another camera; junk has no influence: the person in the query's own camera, and boxes
that hold too little of them. Source: Zheng et al., "Scalable Person Re-identification: A Benchmark", ICCV 2015.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from tqdm import tqdm

from ..core.files import stem
from ..errors import DatasetError, first_line
from .archive import Archive, open_archive
from .manifest import is_manifest
from .market1501 import FOLDERS, Market1501, Sample
from .matlab_file import read_matlab

FOLDER = "gt_query"
_KINDS = ("good", "junk")
_AGAIN = "Copy gt_query/ again from its source"


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The published lists, as file names.

    Attributes
    ----------
    good, junk : dict of str to tuple of str
        Names in ``bounding_box_test/`` by the name of the query. Empty where the data set has no ``gt_query/``.
    """

    good: dict[str, tuple[str, ...]]
    junk: dict[str, tuple[str, ...]]

    def __repr__(self) -> str:
        good, junk = (sum(map(len, lists.values())) for lists in (self.good, self.junk))
        return f"lists of {len(self.good):,} queries: {good:,} good images and {junk:,} junk"

    def __bool__(self) -> bool:
        return bool(self.good)

    def indices(
        self, query_names: Sequence[str] | np.ndarray, gallery_names: Sequence[str] | np.ndarray
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Good and junk lists as gallery indices, what `osnet_lib.metrics.evaluate_lists` takes.

        Parameters
        ----------
        query_names, gallery_names : sequence of str
            File names in the order of the features. Junk that is not in the gallery, such as images of pid -1, has no
            influence anyhow and is left out.

        Raises
        ------
        DatasetError
            A query without lists, a good image that the gallery lacks, a gallery name that occurs twice.
        """
        position = {str(name): i for i, name in enumerate(gallery_names)}
        if len(position) != len(gallery_names):
            raise DatasetError("a name occurs twice", where="gallery names", cure="Give every gallery image once")
        good, junk = [], []
        for query in map(str, query_names):
            if query not in self.good:
                raise DatasetError(
                    "has no list of good images", where=query, cure="Take query features and gt_query/ of one data set"
                )
            absent = [name for name in self.good[query] if name not in position]
            if absent:
                raise DatasetError(
                    f"{len(absent)} of its good images are not in the gallery, the first is {absent[0]}",
                    where=query,
                    cure="Score against the features of the whole gallery",
                )
            good.append(np.array([position[name] for name in self.good[query]], np.int64))
            junk.append(np.array([position[name] for name in self.junk[query] if name in position], np.int64))
        return good, junk


def read_ground_truth(dataset: Market1501, progress: bool = False) -> GroundTruth:
    """Read ``gt_query/`` of a data set; an empty `GroundTruth` where it has none.

    Raises
    ------
    DatasetError
        A file that is no list, a list without its twin, a query without lists or lists without a query; a position
        beyond the gallery or listed twice; a good image of another identity.
    """
    if is_manifest(dataset.path):
        return GroundTruth({}, {})
    archive = open_archive(dataset.path, [*FOLDERS.values(), FOLDER])
    try:
        if not archive.files[FOLDER]:
            return GroundTruth({}, {})
        _check_files(archive, dataset)
        gallery = sorted((*dataset.gallery, *dataset.junk), key=lambda sample: sample.name)
        good, junk = {}, {}
        for query in tqdm(dataset.query, desc="ground truth", unit="query", disable=not progress):
            positions = [_positions(archive, query, kind, len(gallery)) for kind in _KINDS]
            where = archive.where(FOLDER, _file(query, "good"))
            if both := set(positions[0]) & set(positions[1]):
                raise DatasetError(f"{gallery[min(both)].name} is good and junk at once", where=where, cure=_AGAIN)
            if strangers := [gallery[i].name for i in positions[0] if gallery[i].pid != query.pid]:
                raise DatasetError(
                    f"calls {strangers[0]} good, which shows another identity",
                    where=where,
                    cure="Positions count in the complete bounding_box_test/, sorted by name: use that",
                )
            good[query.name], junk[query.name] = (tuple(gallery[i].name for i in part) for part in positions)
        return GroundTruth(good, junk)
    finally:
        archive.close()


def _file(query: Sample, kind: str) -> str:
    """The name of a query's list, which begins as the query's does, up to its first dot."""
    return f"{stem(query.name)}_{kind}.mat"


def _check_files(archive: Archive, dataset: Market1501) -> None:
    """Refuse files that are no list of a query, and queries that lack one."""
    wanted = {_file(query, kind) for query in dataset.query for kind in _KINDS}
    for name in sorted(archive.files[FOLDER].keys() - wanted):
        known = re.fullmatch(rf".+_({'|'.join(_KINDS)})\.mat", name)
        raise DatasetError(
            "is a list of no query in query/" if known else "is no list of good or junk images",
            where=archive.where(FOLDER, name),
            cure=f"Move it out of {FOLDER}/",
        )
    for name in sorted(wanted - archive.files[FOLDER].keys()):
        raise DatasetError(
            "is missing: every query needs a list of good and one of junk images",
            where=archive.where(FOLDER, name),
            cure=_AGAIN,
        )


def _positions(archive: Archive, query: Sample, kind: str, images: int) -> list[int]:
    """One list, counted from 0."""
    name = _file(query, kind)
    where = archive.where(FOLDER, name)
    data = archive.read(FOLDER, name)
    try:
        vectors = read_matlab(data)
    except ValueError as error:
        raise DatasetError(f"is no MATLAB file ({first_line(error)})", where=where, cure=_AGAIN) from error
    values = np.asarray(next(iter(vectors.values()), None))  # as the published code, which names no variable
    other = {f"{twin}_index" for twin in _KINDS if twin != kind}
    no_vector = values.dtype.kind not in "iuf" or values.size > max(values.shape, default=0)
    if len(vectors) != 1 or other & vectors.keys() or no_vector:
        raise DatasetError(
            f"holds {', '.join(vectors) or 'nothing'} and not the one vector {kind}_index", where=where, cure=_AGAIN
        )
    values = values.ravel()
    if kind == "junk":
        values = values[values != 0]  # 13 of the 3,368 published lists say "none" so; positions count from 1
    wrong = values[~((values >= 1) & (values <= images) & (values == np.round(values)))]
    if len(wrong):
        raise DatasetError(
            f"position {wrong[0]} is none of the {images} images of bounding_box_test/",
            where=where,
            cure="Positions count from 1 in the complete folder: use that, or copy gt_query/ again",
        )
    positions = (values.astype(np.int64) - 1).tolist()
    if len(set(positions)) < len(positions):
        raise DatasetError("lists an image twice", where=where, cure=_AGAIN)
    return positions
