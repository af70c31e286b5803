"""Synthetic features in the proportions of Market-1501, as hard as those of a small OSNet.

An identity is a point in 40 dimensions; a camera shifts it, every image adds noise of its own strength (so that some
are hard), a fixed projection and a ReLU make float32 features of the wanted width. A distractor is a person of its own.
"""

from __future__ import annotations

import numpy as np

IDENTITIES, CAMERAS, LATENT = 750, 6, 40
MARKET = 3368, 15913  # queries, gallery; of which 2798 distractors
BLOCK = 8192  # images made at once

Split = tuple[np.ndarray, np.ndarray, np.ndarray]


class Population:
    """People and cameras, from which images are drawn; the same seed and the same calls give the same images."""

    def __init__(self, width: int, seed: int):
        self.rng = np.random.default_rng(seed)
        self.people = self.rng.standard_normal((IDENTITIES + 1, LATENT), np.float32)
        self.cameras = 0.4 * self.rng.standard_normal((CAMERAS + 1, LATENT), np.float32)
        self.projection = self.rng.standard_normal((LATENT, width), np.float32)

    def draw(self, pids: np.ndarray, features: np.ndarray | None = None) -> Split:
        """Features (filled block by block into `features` when given), pids and camids of one image per pid."""
        camids = np.empty(len(pids), np.int64)
        if features is None:
            features = np.empty((len(pids), self.projection.shape[1]), np.float32)
        for start in range(0, len(pids), BLOCK):
            some = slice(start, min(start + BLOCK, len(pids)))
            number = some.stop - start
            # Always whole blocks of random numbers: the first images are the same whatever follows them.
            camids[some] = self.rng.integers(1, CAMERAS + 1, BLOCK)[:number]
            points = self.rng.standard_normal((BLOCK, LATENT), np.float32)[:number]
            strength = 0.5 * np.exp(0.55 * self.rng.standard_normal((BLOCK, 1), np.float32)[:number])
            noise = strength * self.rng.standard_normal((BLOCK, LATENT), np.float32)[:number]
            points = np.where((pids[some] > 0)[:, None], self.people[pids[some]], points)
            np.matmul(points + self.cameras[camids[some]] + noise, self.projection, out=features[some])
            np.maximum(features[some], 0, out=features[some])
        return features, pids, camids


def market_like(queries: int, gallery: int, width: int, seed: int, distractors: int = 0) -> tuple[Split, Split]:
    """Features, pids and camids of queries and gallery, with that many more distractors behind the gallery.

    The images before them are the same whatever their number, and so are the first of them: galleries are nested.
    """
    population = Population(width, seed)
    own = gallery * 2798 // MARKET[1]
    pids = np.concatenate([np.zeros(own, np.int64), np.arange(gallery - own) % IDENTITIES + 1])
    query = population.draw(np.arange(queries) % IDENTITIES + 1)
    features = np.empty((gallery + distractors, width), np.float32)
    parts = [
        population.draw(population.rng.permutation(pids), features[:gallery]),
        population.draw(np.zeros(distractors, np.int64), features[gallery:]),
    ]
    return query, (features, *(np.concatenate([part[i] for part in parts]) for i in (1, 2)))
