"""Scores with the conditions they hold for: measured, published or read from a file, and which can be compared."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..core.files import read_json
from ..core.line import one_line
from ..core.results import read_result
from ..datasets.preprocess import MEAN, STD
from ..errors import ResultError
from ..metrics.evaluation import Evaluation
from ..metrics.uncertainty import Intervals
from ..published.quoted import PublishedAccuracy

_FLOAT32_DECIMALS = 5  # of a per cent: what the guide's script, which prints Rank-1 as a float32, states for certain


@dataclass(frozen=True)
class Score:
    """Rank-1 and mAP with the conditions that decide what they can be compared with; None where not stated.

    Attributes
    ----------
    label : str
        What to call it.
    rank1, mAP : float
        Fractions.
    decimals : int, optional
        Decimals of the per cent to which Rank-1 was printed; None for one that was measured.
    metric, dataset, dataset_sha256, network, device, precision, preprocess, source : str, optional
    is_market1501 : bool, optional
        Whether the data set is Market-1501 as published.
    queries : int, optional
        Queries with a match.
    intervals : Intervals, optional
    inferred : tuple of str
        Fields that the source does not state: our reading.
    """

    label: str
    rank1: float
    mAP: float
    decimals: int | None = None
    metric: str | None = None
    dataset: str | None = None
    dataset_sha256: str | None = None
    is_market1501: bool | None = None
    queries: int | None = None
    network: str | None = None
    device: str | None = None
    precision: str | None = None
    preprocess: str | None = None
    source: str | None = None
    intervals: Intervals | None = None
    inferred: tuple[str, ...] = ()

    def __repr__(self) -> str:
        queries = None if self.queries is None else f"{self.queries:,} queries"
        known = ", ".join(fact for fact in (self.metric, self.dataset, queries) if fact)
        return one_line(
            f"{self.label}: Rank-1 {self.rank1_text}, mAP {100 * self.mAP:.2f} %{f' ({known})' * bool(known)}"
        )

    @property
    def rank1_text(self) -> str:
        """Rank-1 in per cent, as printed or to two decimals."""
        return f"{100 * self.rank1:.{2 if self.decimals is None else min(self.decimals, 2)}f} %"


def measured_score(label: str, evaluation: Evaluation, intervals: Intervals | None = None, **conditions: Any) -> Score:
    """The score of an evaluation; `conditions` are further fields of `Score`."""
    return Score(
        label,
        evaluation.rank(1),
        evaluation.mAP,
        metric=_distance(evaluation.metric, evaluation.normalized),
        queries=evaluation.num_valid,
        intervals=intervals,
        **conditions,
    )


def _distance(metric: str, normalized: bool) -> str:
    """Unit features rank otherwise: that is part of the distance."""
    return f"{metric} of unit features" if normalized else metric


def published_score(entry: PublishedAccuracy) -> Score:
    """A published score (`osnet_lib.published.quoted.find_published`) as a side of a comparison."""
    imagenet = tuple(entry.mean) == MEAN and tuple(entry.std) == STD
    normalisation = "ImageNet mean and std" if imagenet else f"mean {entry.mean}, std {entry.std}"
    return Score(
        f"published {entry.name}",
        entry.rank1,
        entry.mAP,
        entry.rank1_decimals,
        entry.metric,
        entry.dataset,
        None,
        entry.dataset == "Market-1501",
        entry.queries,
        entry.network,
        entry.device,
        entry.precision,
        f"{entry.channels}, {entry.resize} {entry.size}, {normalisation}",
        entry.source,
        inferred=tuple(entry.inferred),
    )


def read_score(path: str | Path) -> Score:
    """Read a score from an ``accuracy-*.json`` of this study or from the guide's ``result.json``.

    The guide's file states neither data set nor distance.

    Raises
    ------
    ResultError
        Neither of the two, damaged, or figures that are no fractions.
    """
    path = Path(path)
    try:
        document = read_json(path)
    except (OSError, ValueError) as error:
        raise ResultError(
            f"no JSON that can be read ({type(error).__name__})",
            where=path,
            cure="Give a result of this study or of the guide's metrics script",
        ) from error
    if isinstance(document, dict) and "kind" in document:
        return _study_score(path)
    try:
        values = {entry["key"]: float(entry["value"]) for entry in document["value"]}
        score = Score(path.name, values["R1"], values["mAP"], _FLOAT32_DECIMALS, source="the guide's metrics file")
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ResultError(
            "neither a result of this study nor the guide's, which has the keys R1 and mAP",
            where=path,
            cure="Give accuracy-*.json, or what osnet evaluate wrote",
        ) from error
    return _fractions(score, path)


def _study_score(path: Path) -> Score:
    result = read_result(path)
    if result.kind != "accuracy":
        raise ResultError(
            f"a result of kind {result.kind}, which holds no score", where=path, cure="Give an accuracy-*.json"
        )
    facts, values = result.conditions, result.values
    return _fractions(
        Score(
            path.name,
            values["rank"]["1"],
            values["mAP"],
            None,
            _distance(facts["metric"], values.get("normalized", False)),
            result.dataset.file,
            result.dataset.sha256,
            facts.get("is_market1501"),
            values["num_valid"],
            result.model.architecture,
            result.session.device,
            result.session.precision,
            facts.get("preprocess"),
            "a result of this study",
        ),
        path,
    )


def _fractions(score: Score, path: Path) -> Score:
    for name, value in (("Rank-1", score.rank1), ("mAP", score.mAP)):
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ResultError(f"{name} is {value!r}", where=path, cure="It must be a fraction: 0.942 for 94.2 %")
    return score


def check_comparable(reference: Score, candidate: Score) -> None:
    """Refuse two scores that mean different things; warn where that cannot be known.

    Raises
    ------
    ResultError
        Another distance; Market-1501 against another data set; other images; another number of queries.
    """
    where = f"{reference.label} and {candidate.label}"

    def values(name: str) -> tuple[Any, Any]:
        return getattr(reference, name), getattr(candidate, name)

    def differ(name: str) -> bool:
        return None not in values(name) and values(name)[0] != values(name)[1]

    if differ("metric"):
        raise ResultError(
            f"{' and '.join(values('metric'))} distance",
            where=where,
            cure="A score means nothing without its distance: give two of the same",
        )
    if differ("is_market1501"):
        other = candidate if reference.is_market1501 else reference
        raise ResultError(
            f"{other.label} is not a score on Market-1501 as published ({other.dataset})",
            where=where,
            cure="Compare it with a score on the same images only",
        )
    if differ("queries"):
        raise ResultError(
            f"{values('queries')[0]:,} and {values('queries')[1]:,} queries",
            where=where,
            cure="Score both on the same data set",
        )
    if differ("dataset_sha256") and not reference.is_market1501:
        raise ResultError(
            f"two data sets ({' and '.join(map(str, values('dataset')))})",
            where=where,
            cure="Score both on the same images",
        )
    same_images = None not in values("dataset_sha256") and not differ("dataset_sha256")
    for score in (reference, candidate):
        unknown = ["its distance"] * (score.metric is None)
        unknown += ["whether its data set is Market-1501"] * (score.is_market1501 is None and not same_images)
        if unknown:
            warnings.warn(f"{score.label} does not state {' and '.join(unknown)}; taken as the other's", stacklevel=3)
    for name, words in (("network", "two networks"), ("preprocess", "images prepared in two ways")):
        if differ(name):
            warnings.warn(f"{where}: {words} ({' against '.join(values(name))})", stacklevel=3)
