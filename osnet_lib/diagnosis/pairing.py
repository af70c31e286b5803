"""Whether each feature stands under its own name, and what was done to its values."""

from __future__ import annotations

import numpy as np

from ..features.store import Features
from .findings import Finding
from .fit import SAME, Fit


def check_pairing(fit: Fit, features: Features) -> list[Finding]:
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
                "Rows of two runs or models are mixed. Extract again with osnet extract.",
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


def check_values(fit: Fit, features: Features) -> list[Finding]:
    """What was done to the values themselves."""
    there = ~fit.nowhere
    matrix, found = features.features, []
    if fit.rectified:
        negative = float((matrix < 0).mean())
        matrix = np.maximum(matrix, 0)
        found.append(
            Finding(
                "before the ReLU",
                "wrong",
                "These are the values before the network's last step, a ReLU",
                f"{negative:.0%} of the values are negative; with zeros in their place they are this model's",
                "Take the model's output, or np.maximum(features, 0).",
            )
        )
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
    elif not fit.setup.summed and np.ptp(ratio) < 0.01 * ratio.mean() and not np.isclose(ratio.mean(), 1, atol=0.01):
        found.append(
            Finding(
                "scaled",
                "harmless",
                "The features are multiplied by a constant",
                f"they are {ratio.mean():.4g} times as long as the network gives them",
                "Multiply query and gallery alike.",
            )
        )
    elif not fit.setup.summed and fit.distance < SAME and np.ptp(ratio) > (0.01 + 2 * fit.rounding) * ratio.mean():
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
