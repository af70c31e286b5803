"""What guessing earns: the mAP to expect of features that mean nothing, which is small but not zero."""

from __future__ import annotations

import numpy as np

from .labels import Labels
from .side import LabelsLike, labels_of


def chance_map(query: LabelsLike, gallery: LabelsLike) -> float:
    """Expected mAP where every order of the gallery is as probable as any other.

    For n matches among N ranked images in random order,
    ``E[AP] = ((n - 1) / (N - 1) * (N - H_N) + H_N) / N`` with the harmonic number H_N (Bestgen, "Exact expected average
    precision of the random baseline for system evaluation", The Prague Bulletin of Mathematical Linguistics, 2015).

    Parameters
    ----------
    query, gallery
        As those of `osnet_lib.metrics.evaluate`, or pairs (pids, camids): features are not looked at.

    Raises
    ------
    MetricError
        Labels that do not fit together; no query with a match.
    """
    asked, shown = labels_of(query, "query"), labels_of(gallery, "gallery")
    labels = Labels.check(*asked, *shown, (np.size(asked[0]), np.size(shown[0])))
    rows, _, same_camera = labels.pairs(0, labels.shape[0])
    own = np.bincount(rows[same_camera], minlength=labels.shape[0])  # dropped: the query's own camera
    matches = labels.last - labels.first - own
    if not matches.any():
        raise labels.no_match()
    ranked = labels.shape[1] - len(labels.junk)
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, ranked + 1))])
    images, matches = (ranked - own)[matches > 0], matches[matches > 0]
    share = (matches - 1) / np.maximum(images - 1, 1)
    return float(np.mean((share * (images - harmonic[images]) + harmonic[images]) / images))
