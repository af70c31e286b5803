"""What was done wrong to get these features, told by recomputing some of them.

A feature is evidence: the same image, prepared the same way, gives the same feature again. So a few images are taken
through the network once more, in the right way and, where that does not give the features in hand, in the wrong ways
that `wrong_inputs` knows and their combinations. What reproduces them is what was done; each feature is looked for in
every row, so that features paired with wrong names are found, too.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..checks import whole_number
from ..core.files import stem
from ..datasets.market1501 import Market1501, Sample
from ..errors import FeatureError
from ..features.store import Features
from ..inference.session import Session
from ..metrics.labels import JUNK
from .findings import Finding, check_rows, in_order, repeated_rows
from .pairing import check_pairing, check_values
from .preparation import check_preparation
from .search import search


def diagnose(
    features: Features, dataset: Market1501, session: Session, images: int = 16, progress: bool = True
) -> list[Finding]:
    """Find out whether features are those that a session gives for a data set, and what was done wrong if not.

    Parameters
    ----------
    features : Features
        Of one split, from whatever tool; they are paired with images by name, with or without ``.jpg``.
    session : Session
        The network they should come from, in any format that takes normalised images.
    images : int
        How many to recompute, spread over cameras and identities; at least 2. Wrong set-ups, 36 to some 250 of
        their combinations, are tried on 2 of them where the right one does not fit.
    progress : bool
        Show a tqdm bar over the set-ups.

    Returns
    -------
    list of Finding
        What is wrong first. Where the features are what they should be, ``agrees`` with its evidence; where fewer
        than 2 could be recomputed and nothing else is wrong, ``not recomputed``, which is wrong.

    Raises
    ------
    FeatureError
        Fewer than 2 images; a session that normalises on the device, to which no wrong image can be given.
    """
    whole_number(images, "images", at_least=2, error=FeatureError, cure="16 are better.")
    if session.input_dtype == np.uint8:
        raise FeatureError(
            "this model normalises on the device, so that wrong normalisation cannot be tried with it",
            where=session.model,
            cure="Give the checkpoint or the ONNX that it was made from.",
        )
    samples, split = _samples(features, dataset)

    def same_picture(a: int, b: int) -> bool:
        one, other = samples[a], samples[b]
        return one is not None and other is not None and dataset.read(one) == dataset.read(other)

    findings = check_rows(features, same_picture)
    if {finding.name for finding in findings} & {"width", "not finite", "all equal"}:
        return in_order(findings)  # nothing to compare
    findings += _check_names(features, samples, split)
    usable = features.features.any(axis=1) & np.array([sample is not None for sample in samples])
    usable[repeated_rows(features.features)] = False  # found already; whose feature it is would be a guess
    rows = _spread_out(features, np.flatnonzero(usable), images)
    if len(rows) > 1:
        pictures = [dataset.image(samples[row]) for row in rows]
        made = search(features.features, rows, pictures, session, progress)
        findings += check_preparation(made, features, dataset, session)
        if made.recognised:
            findings += [*check_pairing(made.best, features), *check_values(made.best, features)]
    elif all(finding.severity != "wrong" for finding in findings):
        findings.append(
            Finding(
                "not recomputed",
                "wrong",
                "Nothing is known of these features",
                f"of {len(features):,} rows, {len(rows)} could be recomputed, and no fewer than 2 tell anything",
                "Give the features of more images, no two of them the same picture.",
            )
        )
    return in_order(findings)


def _samples(features: Features, dataset: Market1501) -> tuple[list[Sample | None], tuple[Sample, ...]]:
    """The image of each row, None where there is none of its name, and the split that most of them are of."""
    splits = (dataset.query, (*dataset.gallery, *dataset.junk), dataset.train)  # other tools extract junk, too
    stems = [{stem(sample.name): sample for sample in samples} for samples in splits]
    exact = [{sample.name: sample for sample in samples} for samples in splits]
    found = [
        [table.get(name) or by_stem.get(stem(name)) for name in features.names.tolist()]
        for table, by_stem in zip(exact, stems)
    ]
    best = max(range(len(splits)), key=lambda i: sum(sample is not None for sample in found[i]))
    return found[best], splits[best]


def _check_names(features: Features, samples: Sequence[Sample | None], split: Sequence[Sample]) -> list[Finding]:
    """Names that no image has, labels that contradict their names, images without a feature."""
    known = [(row, sample) for row, sample in enumerate(samples) if sample is not None]
    total, found = len(features), []
    if len(known) < total:
        first = next(name for name, sample in zip(features.names, samples) if sample is None)
        found.append(
            Finding(
                "unknown images",
                "wrong",
                "These are features of another data set",
                f"it has no image called like {total - len(known):,} of {total:,} features, the first is {first}",
                "Name the data set that they were extracted from, or extract again.",
            )
        )
    lying = [row for row, sample in known if (sample.pid, sample.camid) != (features.pids[row], features.camids[row])]
    if lying:
        row = lying[0]
        found.append(
            Finding(
                "labels",
                "wrong",
                "Identities or cameras do not belong to the names",
                f"they contradict the name in {len(lying):,} of {total:,} rows, the first is "
                f"{features.names[row]} with pid {features.pids[row]} and camid {features.camids[row]}",
                "Take pid and camid from the name of each image, and pair nothing by order.",
            )
        )
    wanted = {sample.name for sample in split if sample.pid != JUNK}
    missing = len(wanted - {sample.name for _, sample in known})
    if known and missing:
        found.append(
            Finding(
                "part",
                "harmless",
                "These are features of a part of the data set",
                f"{missing:,} of the {len(wanted):,} {split[0].split} images have none",
                "A score of a part is none of the whole.",
            )
        )
    return found


def _spread_out(features: Features, rows: np.ndarray, count: int) -> np.ndarray:
    """Up to `count` of the rows, evenly over cameras and, in each, identities."""
    by_camera = rows[np.lexsort((rows, features.pids[rows], features.camids[rows]))]
    return by_camera[np.unique(np.linspace(0, len(rows) - 1, min(count, len(rows))).astype(int))]
