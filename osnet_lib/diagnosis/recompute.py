"""What was done wrong to get these features, told by recomputing some of them.

A feature is evidence: the same image, prepared the same way, gives the same feature again. So a few images are taken
through the network once more, in the right way and, where that does not give the features in hand, in every wrong way
that `wrong_inputs` knows. What reproduces them is what was done; each feature is looked for in every row, so that
features paired with wrong names are found, too.
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
from .search import SAME, Fit, Search, search

_AGAIN = "Extract again with osnet extract."


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
        How many to recompute, spread over cameras and identities; at least 2. The wrong set-ups, some 30, are tried
        on 4 of them where the right one does not fit.
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
        if made.best.nowhere.all():
            findings.append(_other_model(made, features, dataset, session))
        else:
            findings += [
                *_setup_findings(made, features, session),
                *_pairing_findings(made.best, features),
                *_value_findings(made.best, features),
            ]
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


def _setup_findings(made: Search, features: Features, session: Session) -> list[Finding]:
    """How the images were prepared."""
    best, right = made.best, made.right
    there = ~best.lost
    count, cosine = int(there.sum()), best.nearest[there].min()
    if best is not right:
        evidence = (
            f"prepared like that, {count} images give them again (cosine >= {_cosine(cosine)}); as this study "
            f"prepares them, only to {right.own.min():.6f}"
        )
        return [
            Finding(
                best.setup.name,
                "harmless" if best.setup.harmless else "wrong",
                f"These features are those of {best.setup.what}",
                evidence,
                best.setup.cure,
            )
        ]
    if best.elsewhere.any() or best.lost.any():
        return []
    evidence = f"{count} images recomputed: cosine >= {_cosine(cosine)}"
    if best.distance >= SAME:
        return [
            Finding(
                "reduced precision",
                "harmless",
                "These are the features of this model, but for rounding",
                f"{evidence}, and no wrong preprocessing that is known fits better",
                "Expect this of int8; whether it costs accuracy is a question for osnet compare.",
            )
        ]
    theirs, ours = _facts(features.conditions.get("session")), session.describe()
    if theirs.get("model_sha256") not in (None, ours["model_sha256"]):
        evidence += (
            f"; they were made by {theirs.get('model')}, which gives the same features within rounding as "
            f"{ours['model']}"
        )
    return [Finding("agrees", "right", "These are the features of this model and these images", evidence)]


def _pairing_findings(fit: Fit, features: Features) -> list[Finding]:
    """Whether each feature stands under its own name."""
    names, found = features.names, []
    moved, lost = np.flatnonzero(fit.elsewhere), np.flatnonzero(fit.lost)
    if len(moved):
        one = moved[0]
        evidence = (
            f"of {len(fit.rows)} recomputed features, {len(moved)} stand under the name of another image: that "
            f"of {names[fit.rows[one]]} under {names[fit.found[one]]} (cosine {fit.nearest[one]:.6f}; under "
            f"its own name {fit.own[one]:.6f}){_order(fit.rows[moved], fit.found[moved], names)}"
        )
        found.append(
            Finding(
                "wrong names",
                "wrong",
                "Features are paired with the wrong names",
                evidence,
                "Pair names and features where they are made; os.listdir and glob list files in another "
                "order each time.",
            )
        )
    if len(lost):
        found.append(
            Finding(
                "mixed",
                "wrong",
                "Some of these features are of something else",
                f"{len(lost)} of "
                f"{len(fit.rows)} recomputed features are not in the file while the others are, the first "
                f"is that of {names[fit.rows[lost[0]]]}",
                f"Rows of two runs or models are mixed. {_AGAIN}",
            )
        )
    return found


def _order(rows: np.ndarray, found: np.ndarray, names: np.ndarray) -> str:
    """In which order the features seem to be, if one can tell."""
    shift = (found - rows + len(names) // 2) % len(names) - len(names) // 2
    if len(rows) < 3:
        return ""
    if (shift == shift[0]).all():
        return f"; all are shifted by {shift[0]:+d} rows"
    if (found + rows == len(names) - 1).all():
        return "; the features are in the reverse order of the names"
    if (np.argsort(np.argsort(names))[rows] == found).all():
        return "; the features are in alphabetical order of the images, the names are not"
    return ""


def _value_findings(fit: Fit, features: Features) -> list[Finding]:
    """What was done to the values themselves."""
    there = ~fit.nowhere
    matrix, found = features.features, []
    if (matrix == matrix.astype(np.float16)).all():
        found.append(
            Finding(
                "float16",
                "harmless",
                "The features were rounded to float16",
                f"all {matrix.size:,} values are float16 numbers",
                "Scores move by a query or so at most; osnet compare tells.",
            )
        )
    lengths, made = np.linalg.norm(matrix[fit.found[there]].astype(np.float64), axis=1), fit.lengths[there]
    ratio = lengths / made
    if np.allclose(lengths, 1, atol=2e-3) and not np.allclose(made, 1, atol=2e-3):
        found.append(
            Finding(
                "unit length",
                "harmless",
                "The features were L2-normalised",
                f"their length is 1, and {made.min():.4g} to {made.max():.4g} as the network gives them",
                "Euclidean distance then ranks as cosine does: compare with figures of the cosine "
                "distance, and normalise query and gallery alike.",
            )
        )
    elif not fit.setup.mirror and np.ptp(ratio) < 0.01 * ratio.mean() and not np.isclose(ratio.mean(), 1, atol=0.01):
        found.append(
            Finding(
                "scaled",
                "harmless",
                "The features are multiplied by a constant",
                f"they are {ratio.mean():.4g} times as long as the network gives them",
                "Multiply query and gallery alike.",
            )
        )
    elif not fit.setup.mirror and fit.distance < SAME and np.ptp(ratio) > (0.01 + 2 * fit.rounding) * ratio.mean():
        found.append(
            Finding(
                "lengths",
                "harmless",
                "Each feature is multiplied by a factor of its own",
                f"they are {ratio.min():.4g} to {ratio.max():.4g} times as long as the network gives "
                f"them, and {lengths.min():.4g} to {lengths.max():.4g} long",
                "Euclidean distance then ranks otherwise, cosine distance as before: compare by cosine.",
            )
        )
    return found


def _other_model(made: Search, features: Features, dataset: Market1501, session: Session) -> Finding:
    """Nothing gives the features again: what the file says of itself decides how that is put."""
    theirs, images = _facts(features.conditions.get("session")), _facts(features.conditions.get("dataset"))
    ours, closest = session.describe(), min(made.tried, key=lambda one: one.distance)
    evidence = (
        f"{len(made.right.rows)} images recomputed give cosines of {made.right.own.min():.4f} to "
        f"{made.right.own.max():.4f}, and of {len(made.tried)} wrong set-ups none gives the features again, "
        f"nor under another name (nearest: {closest.setup.name}, cosine {np.median(closest.nearest):.4f})"
    )
    if images.get("sha256") not in (None, dataset.digest):
        return Finding(
            "other images",
            "wrong",
            "These are features of other images",
            f"{evidence}; the file says it "
            f"was made from {images.get('file')} with sha256 {images['sha256'][:8]}…, here is "
            f"{dataset.path.name} with {dataset.digest[:8]}…",
            _AGAIN,
        )
    if theirs.get("model_sha256") is None:
        source = "the file does not say which model made it"
    elif theirs["model_sha256"] == ours["model_sha256"]:
        source = (
            f"though the file names this very model, {ours['model']}: its code or settings were others, or the "
            "file was changed"
        )
    else:
        source = (
            f"the file says it was made by {theirs.get('model')} (sha256 {theirs['model_sha256'][:8]}…), here "
            f"is {ours['model']} ({ours['model_sha256'][:8]}…)"
        )
    return Finding(
        "other model",
        "wrong",
        "These are features of another model, a stale file",
        f"{evidence}; {source}",
        f"{_AGAIN} A network in training mode, without model.eval(), gives such features, too.",
    )


def _facts(conditions: object) -> dict[str, str]:
    """The texts among the conditions; files of other tools have none, or others."""
    facts = conditions if isinstance(conditions, dict) else {}
    return {key: value for key, value in facts.items() if isinstance(value, str)}


def _cosine(value: float) -> str:
    """Rounded down, for nothing but 1 is 1.000000."""
    return f"{np.floor(value * 1e6) / 1e6:.6f}"
