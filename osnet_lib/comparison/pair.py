"""A candidate beside its reference: scores, the gate, and where both have features, what became of every query."""

from __future__ import annotations

from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from ..conversion.parity import Difference, feature_difference, row_cosines
from ..core.files import stem
from ..core.line import one_line
from ..core.table import Table
from ..datasets.market1501 import LANDMARKS, PUBLISHED
from ..errors import ResultError
from ..features.store import Features, check_pair, load_features, match_rows, without_junk
from ..metrics.agreement import rank_agreement
from ..metrics.evaluation import Evaluation, evaluate
from ..metrics.uncertainty import Intervals, PairedTest, bootstrap, paired_test
from ..published.quoted import find_published, mark_inferred
from .acceptance import GUIDE_MAP_DROP, Acceptance, accept
from .score import Score, measured_score, published_score, read_score

SourceLike: TypeAlias = "str | PathLike[str] | tuple[Features, Features]"


@dataclass(frozen=True, eq=False)
class Measured:
    """What a score was computed from: features, their evaluation and its intervals over queries.

    Junk is left out of the features. There are no intervals where all queries with a match are of one identity.
    """

    query: Features
    gallery: Features
    evaluation: Evaluation
    by_query: Intervals | None

    def __repr__(self) -> str:
        return repr(self.evaluation)


@dataclass(frozen=True, eq=False)
class Side:
    """A score, and what it was computed from where that is at hand; its intervals are over identities."""

    score: Score
    measured: Measured | None = None

    def __repr__(self) -> str:
        return repr(self.score)

    @property
    def intervals(self) -> dict[str, Intervals]:
        """By what was resampled, queries and identities; empty where there are none."""
        if not self.measured or not self.measured.by_query or not self.score.intervals:
            return {}
        return {"queries": self.measured.by_query, "identities": self.score.intervals}


@dataclass(frozen=True, eq=False)
class Comparison:
    """Candidate against reference.

    Attributes
    ----------
    reference, candidate : Side
    acceptance : Acceptance
        The gate.
    paired : PairedTest, optional
        Over identities, where there are two or more; this and what follows where both sides have features.
    top1_changed : int, optional
        Queries whose nearest gallery image is another one, right or wrong.
    kendall_tau : float, optional
        Mean over the queries with a match, see `osnet_lib.metrics.agreement.Agreement`.
    difference : osnet_lib.conversion.parity.Difference, optional
        Of the features; None also where they have not the same width.
    cosines : float64 array, optional
        Of each image's two features, queries first; there with `difference`.
    """

    reference: Side
    candidate: Side
    acceptance: Acceptance
    paired: PairedTest | None = None
    top1_changed: int | None = None
    kendall_tau: float | None = None
    difference: Difference | None = None
    cosines: np.ndarray | None = None

    def __repr__(self) -> str:
        changed = "" if self.top1_changed is None else f"nearest image changed for {self.top1_changed:,} queries; "
        return one_line(f"{changed}{self.acceptance!r}")

    def text(self) -> str:
        """Table, gate and, where both sides have features, what changed."""
        parts = [str(comparison_table(self)), self.acceptance.text()]
        if self.top1_changed is not None:
            features = "Features of different width are not compared."
            if self.difference:
                features = "Features differ by up to {:.3g} (mean {:.3g}), smallest cosine {:.7f}.".format(
                    *self.difference
                )
            labels = [side.score.label for side in (self.reference, self.candidate)]
            verdict = [self.paired.verdict(*labels)] if self.paired else []
            parts.append(
                "\n".join(
                    [
                        features,
                        (
                            f"The nearest image changed for {self.top1_changed:,} of "
                            f"{self.reference.score.queries:,} queries."
                        ),
                        *verdict,
                    ]
                )
            )
        measured = [side for side in (self.reference, self.candidate) if side.measured]
        if any(side.score.intervals is None for side in measured):
            parts.append("Queries with a match are of one identity only: no intervals, and no paired test.")
        intervals = [f"{side.score.label}: {found.text()}" for side in measured for found in side.intervals.values()]
        return "\n\n".join([*parts, *(["\n".join(intervals)] if intervals else [])])

    def as_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        sides = {"reference": self.reference, "candidate": self.candidate}
        return {
            **self.acceptance.as_dict(),
            "paired": self.paired and self.paired.as_dict(),
            "top1_changed": self.top1_changed,
            "kendall_tau": self.kendall_tau,
            "features": self.difference and self.difference._asdict(),
            "intervals": {
                name: {resampled: found.as_dict() for resampled, found in side.intervals.items()}
                for name, side in sides.items()
                if side.intervals
            },
        }


def compare(
    reference: SourceLike,
    candidate: SourceLike,
    *,
    metric: str | None = None,
    mAP_drop: float = GUIDE_MAP_DROP,
    level: float = 0.95,
) -> Comparison:
    """Two models, or a model and a published score, side by side: the guide's gate, and what changed.

    Parameters
    ----------
    reference, candidate : pair of Features, path or str
        ``(query, gallery)``, as `osnet_lib.inference.extract.extract` gives them; or what `read_sides` reads.
    metric : {"euclidean", "cosine"}, optional
        To score features with; by default that of the other side, else euclidean.
    mAP_drop : float
        How much of the reference's mAP may be lost.
    level : float
        Confidence of the intervals.

    Raises
    ------
    ResultError, FeatureError, MetricError
        What `read_sides` and `compare_sides` refuse.
    """
    return compare_sides(*read_sides(reference, candidate, metric, level), mAP_drop, level)


def read_sides(
    reference: SourceLike, candidate: SourceLike, metric: str | None = None, level: float = 0.95
) -> tuple[Side, Side]:
    """Both sides of a comparison.

    Parameters
    ----------
    reference, candidate : str, path or pair of Features
        A folder with ``query.npz`` and ``gallery.npz`` of ``osnet extract``; an ``accuracy-*.json``; the guide's
        ``result.json``; or ``published:`` with a name that `osnet_lib.published.quoted.find_published` knows; or
        query and gallery themselves.
    metric : {"euclidean", "cosine"}, optional
        To score folders with; by default that of the other side, else euclidean.

    Raises
    ------
    ResultError, FeatureError, MetricError
        Something that is none of these, or damaged; a score of another metric than the one asked for.
    """
    sources = {"reference": reference, "candidate": candidate}
    scores = {name: _stated_score(str(source)) for name, source in sources.items() if _is_stated(source)}
    for score in scores.values():
        if metric and score.metric not in (None, metric):
            raise ResultError(
                f"a score of {score.metric} distance, not of {metric}",
                where=score.label,
                cure=f"Leave the metric out, or give {score.metric}",
            )
    stated = [score.metric for score in scores.values() if score.metric]
    metric = metric or (stated or ["euclidean"])[0]
    made = []
    for name, source in sources.items():
        if name in scores:
            made.append(Side(scores[name]))
        elif isinstance(source, tuple):
            made.append(measured_side(name, *source, metric, level))
        else:
            made.append(_read_features(str(source), metric, level))
    return made[0], made[1]


def _is_stated(source: SourceLike) -> bool:
    return not isinstance(source, tuple) and not Path(source).is_dir()


def _stated_score(source: str) -> Score:
    kind, found, name = source.partition(":")
    if found and kind == "published":
        return published_score(find_published(name))
    if not Path(source).exists():
        raise ResultError(
            "no such folder or file",
            where=source,
            cure="Give a folder of osnet extract, a result JSON, or published:osnet_x1_0",
        )
    return replace(read_score(source), label=source)


def _read_features(source: str, metric: str, level: float) -> Side:
    query, gallery = (load_features(Path(source) / f"{split}.npz") for split in ("query", "gallery"))
    return measured_side(source, query, gallery, metric, level)


def measured_side(
    label: str, query: Features, gallery: Features, metric: str = "euclidean", level: float = 0.95
) -> Side:
    """Score features without junk, and put intervals to the scores, over queries and over identities.

    Raises
    ------
    FeatureError, MetricError
        Features that do not belong together or cannot be scored.
    """
    check_pair(query, gallery)
    query, gallery = without_junk(query), without_junk(gallery)
    evaluation = evaluate(query, gallery, metric=metric)
    by_query = by_identity = None
    if len(np.unique(query.pids[evaluation.valid])) > 1:
        by_query, by_identity = (bootstrap(evaluation, clusters=units, level=level) for units in (None, query.pids))
    score = measured_score(
        label,
        evaluation,
        by_identity,
        dataset=query.dataset.file,
        dataset_sha256=query.dataset.sha256,
        is_market1501=_is_market1501(query, gallery),
        device=query.session.device,
        precision=query.session.precision,
        preprocess=query.conditions.get("preprocess"),
        source=query.session.model,
    )
    return Side(score, Measured(query, gallery, evaluation, by_query))


def _is_market1501(query: Features, gallery: Features) -> bool:
    """Whether the features, which hold no junk, are of all images of Market-1501's test split."""
    stems = {"query": set(map(stem, query.names.tolist())), "gallery": set(map(stem, gallery.names.tolist()))}
    return all(
        len(found) == PUBLISHED[split]["images"] - PUBLISHED[split]["junk"]
        and set(map(stem, LANDMARKS[split])) <= found
        for split, found in stems.items()
    )


def compare_sides(
    reference: Side,
    candidate: Side,
    mAP_drop: float = GUIDE_MAP_DROP,
    level: float = 0.95,
    rounds: int = 10_000,
    seed: int = 0,
) -> Comparison:
    """Compare a candidate with its reference; images are paired by name, with or without ``.jpg``.

    Raises
    ------
    FeatureError
        Features of other images, or with other labels, or two of one stem; one image is named.
    ResultError
        Scores that must not be compared: see `osnet_lib.comparison.score.check_comparable`.
    """
    a, b = reference.measured, candidate.measured
    if not a or not b:
        return Comparison(reference, candidate, accept(reference.score, candidate.score, mAP_drop, level=level))
    where = f"{reference.score.label} and {candidate.score.label}"
    queries, images = match_rows(a.query, b.query, where), match_rows(a.gallery, b.gallery, where)
    aligned = replace(b.evaluation, ap=b.evaluation.ap[queries], first_hit=b.evaluation.first_hit[queries])
    paired = None
    if a.by_query:
        paired = paired_test(a.evaluation, aligned, clusters=a.query.pids, level=level, rounds=rounds, seed=seed)
    acceptance = accept(reference.score, candidate.score, mAP_drop, paired, level)
    agreed = rank_agreement(
        a.query,
        a.gallery,
        candidate=(b.query.features[queries], b.gallery.features[images]),
        metric=a.evaluation.metric,
    )
    valid = a.evaluation.valid
    difference = cosines = None
    if a.query.features.shape[1] == b.query.features.shape[1]:
        features = (
            np.concatenate([a.query.features, a.gallery.features]),
            np.concatenate([b.query.features[queries], b.gallery.features[images]]),
        )
        difference, cosines = feature_difference(*features), row_cosines(*features)
    return Comparison(
        reference,
        candidate,
        acceptance,
        paired,
        int(np.count_nonzero(agreed.top1_changed[valid])),
        float(agreed.tau[valid].mean()),
        difference,
        cosines,
    )


def comparison_table(comparison: Comparison) -> Table:
    """Reference, candidate and their difference; intervals over identities where features are at hand."""
    records = []
    for name, side in (("reference", comparison.reference), ("candidate", comparison.candidate)):
        score, intervals = side.score, side.score.intervals
        computed = [
            mark_inferred(value, fact in score.inferred)
            for fact in ("precision", "device")
            if (value := getattr(score, fact))
        ]
        records.append(
            {
                "": name,
                "score": score.label,
                "Rank-1": intervals.rank1.text() if intervals else score.rank1_text,
                "mAP": intervals.mAP.text() if intervals else f"{100 * score.mAP:.2f} %",
                "queries": score.queries,
                "distance": score.metric,
                "data set": score.dataset,
                "computed by": ", ".join(computed) or None,
                "source": score.source,
            }
        )
    rank1, mAP = comparison.acceptance.criteria
    records.append(
        {
            "": "difference",
            "Rank-1": f"{100 * rank1.difference:+.2f} points",
            "mAP": f"{100 * mAP.difference:+.2f} points",
            "queries": rank1.queries,
        }
    )
    sides = comparison.reference, comparison.candidate
    level = next((side.score.intervals.level for side in sides if side.score.intervals), None)
    caption = None if level is None else f"In brackets: {100 * level:g} % intervals over identities"
    return Table.from_records(records, caption=caption)
