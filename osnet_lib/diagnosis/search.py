"""The set-up that reproduces features best, found step by step among all combinations of what may have been done wrong.

No one tries some 20,000 combinations. But the distance of `osnet_lib.diagnosis.fit` falls with every step that is got
right: so every single change of the right set-up is tried on two images, then every single change of the few nearest,
and so on, until one fits exactly or none comes nearer. What is found is confirmed on all images.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from tqdm import tqdm

from ..inference.session import Session
from .fit import NEAR, SAME, Fit, Recomputation
from .wrong_inputs import COMBINATIONS, FREQUENT, RIGHT, STEPS, Setup

BETTER = 3  # times better must a set-up fit than a plainer one, and a step than every other way to do it
CLOSE = 0.5  # near by itself; features of other models and of chance stay above 1.8 for trained weights
DISTANT = 1  # up to here, near if some step is settled
_SCREENED = 2  # images on which set-ups are tried
_BEAM = 2  # set-ups whose single changes are tried next
_DEEPEST = 5  # changes in a row: one for each step
_GAIN = 0.97  # of the distance; what comes less near after a round leads nowhere
_REFINED = 3  # set-ups that are compared on all images where none fits exactly
_CHUNK = 8  # set-ups that are tried together


@dataclass(frozen=True, eq=False)
class Search:
    """What came of it.

    Attributes
    ----------
    right, best : Fit
        On all images, of the right set-up and of the one that fits best. Where `best` is not `right`, it fits clearly
        better.
    rivals : dict
        For each step, the nearest of the set-ups tried that do it in another way, on all images; empty where `best`
        is exact, or is `DISTANT`.
    nearest : Fit
        The nearest of the wrong set-ups; `right` where none was tried.
    tried : int
        How many wrong set-ups were tried.
    """

    right: Fit
    best: Fit
    rivals: dict[str, Fit]
    nearest: Fit
    tried: int

    def __repr__(self) -> str:
        return f"best of {self.tried + 1} set-ups is {self.best!r}"

    @property
    def exact(self) -> bool:
        """Whether the best set-up reproduces at least half the features."""
        return self.best.distance < SAME

    @property
    def recognised(self) -> bool:
        """Whether some features at least are those of the best set-up beyond doubt."""
        return self.best.distance < NEAR or bool((self.best.distances < SAME).any())

    @property
    def near(self) -> bool:
        """Whether the best set-up is near, or as good as that because others are much farther."""
        return bool(self.rivals) and (self.best.distance < CLOSE or bool(self.settled))

    @property
    def settled(self) -> dict[str, Fit]:
        """The rivals, by step, that are clearly farther than the best set-up."""
        return {step: fit for step, fit in self.rivals.items() if fit.distance >= BETTER * self.best.distance}

    @property
    def coverage(self) -> str:
        """How much of what there is was tried."""
        return f"{self.tried} of {COMBINATIONS - 1:,} wrong set-ups were tried, step by step"


def search(
    matrix: np.ndarray, rows: np.ndarray, pictures: Sequence[Image.Image], session: Session, progress: bool = True
) -> Search:
    """Find the set-up that gives the features of some pictures again; parameters are those of `Recomputation`.

    Wrong set-ups are tried only where the right one does not fit.
    """
    again = Recomputation(matrix, rows, pictures, session)
    every = np.arange(len(rows))
    (right,) = again.fits([RIGHT], every)
    if right.distance < SAME:
        return Search(right, right, {}, right, 0)
    some = np.sort(np.argsort(-right.distances, kind="stable")[:_SCREENED])  # letterboxing leaves images of 1:2 alone
    tried = _explore(again, some, progress)
    wrong = [fit for fit in tried if fit.setup != RIGHT]
    likely = [_plainest(wrong), *sorted(wrong, key=_distance)[:_REFINED]]
    setups = list(dict.fromkeys(fit.setup for fit in (likely[:1] if likely[0].distance < SAME else likely)))
    refined = again.fits(setups, every)
    best = _plainest([right, *refined])
    if best.distance >= SAME and (right.distances < SAME).any():
        best = right  # of some of the features, beyond doubt
    rivals = {}
    if SAME <= best.distance < DISTANT:
        others = {step: _rival(tried, best.setup, step) for step in STEPS}
        setups = list(dict.fromkeys(others.values()))
        made = dict(zip(setups, again.fits(setups, every)))
        rivals = {step: made[setup] for step, setup in others.items()}
    return Search(right, best, rivals, min(refined, key=_distance), len(wrong))


def _explore(again: Recomputation, some: np.ndarray, progress: bool) -> list[Fit]:
    """Fits on some images, of all set-ups that were tried; where nothing is near, frequent combinations are, too."""
    tried = again.fits([RIGHT], some)
    seen = {again.inputs(RIGHT, some).tobytes()}  # bars around an image of 1:2 are none
    with tqdm(desc="wrong set-ups", unit="set-up", disable=not progress) as bar:
        _climb(again, some, tried, seen, bar)
        if min(tried, key=_distance).distance >= CLOSE:
            known = {fit.setup for fit in tried}
            others = [setup for setup in FREQUENT if setup not in known]
            first = []
            for setups, inputs in _chunks(again, others, some[:1], seen):
                first += again.fits(setups, some[:1], inputs)
                bar.update(len(setups))
            near = sorted(first, key=_distance)[:_REFINED]
            tried += again.fits([fit.setup for fit in near], some)
            _climb(again, some, tried, seen, bar)
    return tried


def _climb(again: Recomputation, some: np.ndarray, tried: list[Fit], seen: set[bytes], bar: tqdm) -> None:
    """Add the single changes of the nearest set-ups to what was tried, until one fits or none comes nearer."""
    expanded: set[Setup] = set()
    for depth in range(_DEEPEST):
        before = min(tried, key=_distance).distance
        if before < SAME:
            return
        waiting = sorted((fit for fit in tried if fit.setup not in expanded), key=_distance)
        for parent in waiting[:_BEAM]:
            expanded.add(parent.setup)
            for setups, inputs in _chunks(again, parent.setup.neighbours(), some, seen):
                made = again.fits(setups, some, inputs)
                bar.update(len(made))
                tried += made
                if parent.setup != RIGHT and min(made, key=_distance).distance < SAME:
                    return
        now = min(tried, key=_distance).distance
        if now > _GAIN * before and (depth or now < NEAR):
            return


def _chunks(
    again: Recomputation, candidates: Iterable[Setup], some: np.ndarray, seen: set[bytes]
) -> Iterator[tuple[list[Setup], list[np.ndarray]]]:
    """Set-ups with their inputs, a few at a time; without those whose inputs were seen."""
    setups, inputs = [], []
    for setup in candidates:
        made = again.inputs(setup, some)
        if (key := made.tobytes()) not in seen:
            seen.add(key)
            setups.append(setup)
            inputs.append(made)
        if len(setups) == _CHUNK:
            yield setups, inputs
            setups, inputs = [], []
    if setups:
        yield setups, inputs


def _plainest(fits: Sequence[Fit]) -> Fit:
    """Of the fits that are not clearly worse than the nearest, that of the fewest wrong steps."""
    least = min(fits, key=_distance).distance
    good = [fit for fit in fits if fit.distance <= least or fit.distance < SAME]
    if least >= SAME:
        good += [fit for fit in fits if fit.distance < BETTER * least and (fit.distance < CLOSE or least >= DISTANT)]
    return min(good, key=lambda fit: (len(fit.setup.deviations), fit.distance))


def _rival(tried: Sequence[Fit], best: Setup, step: str) -> Setup:
    """The nearest set-up that does a step in another way."""
    others = (fit for fit in tried if getattr(fit.setup, step) is not getattr(best, step))
    return min(others, key=_distance).setup


def _distance(fit: Fit) -> float:
    return fit.distance
