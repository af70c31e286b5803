"""How the images were prepared: what a search for the set-up says, and how it is put where nothing fits exactly."""

from __future__ import annotations

import numpy as np

from ..core.conditions import short
from ..datasets.market1501 import Market1501
from ..features.store import Features
from ..inference.session import Session
from .findings import Finding
from .fit import Fit
from .search import Search
from .wrong_inputs import Setup

_AGAIN = "Extract again with osnet extract."


def check_preparation(made: Search, features: Features, dataset: Market1501, session: Session) -> list[Finding]:
    """The set-up that gives the features again; else the nearest one, if it is near; else that nothing is."""
    best, right = made.best, made.right
    if not made.recognised:
        return [_nearest(made, features, session) if made.near else _other_model(made, features, dataset, session)]
    if best is not right and not made.exact:
        return [_nearest(made, features, session)]
    there = ~best.lost
    count, cosine = int(there.sum()), best.nearest[there].min()
    if best is not right:
        evidence = (
            f"prepared like that, {count} images give them again (cosine >= {_cosine(cosine)}); as this study "
            f"prepares them, only to {right.own.min():.6f}; {made.coverage}"
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
    if best.elsewhere.any() or best.lost.any() or best.rectified:
        return []
    evidence = f"{count} images recomputed: cosine >= {_cosine(cosine)}"
    if not made.exact:
        return [
            Finding(
                "reduced precision",
                "harmless",
                "These are the features of this model, but for rounding",
                f"{evidence}, and no wrong preprocessing that is known fits better; {made.coverage}",
                "Expect this of int8; whether it costs accuracy is a question for osnet compare.",
            )
        ]
    theirs, ours = features.session, session.facts
    if theirs.model_sha256 not in (None, ours.model_sha256):
        evidence += f"; they were made by {theirs.model}, which gives the same features within rounding as {ours.model}"
    return [Finding("agrees", "right", "These are the features of this model and these images", evidence)]


def _nearest(made: Search, features: Features, session: Session) -> Finding:
    """Nothing fits exactly, but one set-up is near: only the steps are named that no other way comes near."""
    best, settled = made.best, made.settled
    sure = Setup(**{step: option for step, option in best.setup.deviations.items() if step in settled})
    cure = f"{sure.cure} Then diagnose again: what is left may show."
    if sure.deviations:
        nearest = f"nearest are those of {sure.what}"
    elif best.setup.deviations:
        nearest = f"nearest, by too little to tell, are those of {best.setup.what}"
        cure = f"Give more images with --images, or those of one folder and one tool. {_AGAIN}"
    else:
        nearest = "nearest are those of images prepared as they should be"
        cure = (
            "Channels, normalisation and layout are not at fault as far as they are settled: look for images that were "
            "changed, other weights of the same training, another layer, or a lower precision."
        )
    open_steps = [f"{step} ({_at(fit)})" for step, fit in made.rivals.items() if step not in settled]
    sure_steps = [f"{step} no nearer than {_at(fit)}" for step, fit in made.rivals.items() if step in settled]
    evidence = (
        f"{_at(best)} is the nearest set-up, where 0 is the same and 2 unrelated, and {_own(best)}; done otherwise, "
        f"{', '.join(sure_steps) or 'no step is clearly farther'}"
        f"{'; undecided: ' * bool(open_steps)}{', '.join(open_steps)}; {made.coverage}; {_source(features, session)}"
    )
    return Finding("not explained", "wrong", f"These features are not explained; {nearest}", evidence, cure)


def _at(fit: Fit) -> str:
    return f"{fit.setup.name}: {fit.distance:.2g}"


def _own(fit: Fit) -> str:
    return f"{int((fit.found == fit.rows).sum())} of {len(fit.rows)} images are nearest to their own feature"


def _other_model(made: Search, features: Features, dataset: Market1501, session: Session) -> Finding:
    """Nothing is near: what the file says of itself decides how that is put."""
    images, right, nearest = features.dataset, made.right, made.nearest
    evidence = (
        f"{len(right.rows)} images recomputed give cosines of {right.own.min():.4f} to {right.own.max():.4f}, and of "
        f"{made.tried} wrong set-ups none gives the features again or comes near, nor under another name (nearest: "
        f"{nearest.setup.name}, cosine {np.median(nearest.nearest):.4f}, distance {nearest.distance:.2g}, where 0 is "
        f"the same and 2 unrelated; {made.coverage})"
    )
    negative = float((features.features < 0).mean())
    if negative:
        evidence += f"; {negative:.0%} of the values are negative, and none is behind this network's last ReLU"
    if images.sha256 not in (None, dataset.digest):
        return Finding(
            "other images",
            "wrong",
            "These are features of other images",
            f"{evidence}; the file says it "
            f"was made from {images.file} with sha256 {short(images.sha256)}…, here is "
            f"{dataset.path.name} with {short(dataset.digest)}…",
            _AGAIN,
        )
    return Finding(
        "other model",
        "wrong",
        "These are features of another model, a stale file",
        f"{evidence}; {_source(features, session)}",
        f"{_AGAIN} A network without model.eval() gives such features, too, and so does another layer.",
    )


def _source(features: Features, session: Session) -> str:
    """What the file says of the model that made it."""
    theirs, ours = features.session, session.facts
    if theirs.model_sha256 is None:
        return "the file does not say which model made it"
    if theirs.model_sha256 == ours.model_sha256:
        return (
            f"though the file names this very model, {ours.model}: its code or settings were others, or the "
            "file was changed"
        )
    return (
        f"the file says it was made by {theirs.model} (sha256 {short(theirs.model_sha256)}…), here "
        f"is {ours.model} ({short(ours.model_sha256)}…)"
    )


def _cosine(value: float) -> str:
    """Rounded down, for nothing but 1 is 1.000000."""
    return f"{np.floor(value * 1e6) / 1e6:.6f}"
