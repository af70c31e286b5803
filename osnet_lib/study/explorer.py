"""The ranking explorer of a study: its features, junk included; where allowed, its pictures and maps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from tqdm import tqdm

from ..core.cache import artefact
from ..core.code_digest import code_digest
from ..core.files import atomic_path, fingerprint
from ..core.host import environment
from ..datasets.market1501 import Market1501
from ..datasets.preprocess import preprocess
from ..features.store import ARRAYS, Features
from ..metrics import evaluate
from ..network.activation import activation_map, quantised
from ..plots.explorer import Explorer, explore
from .dataset import images_of
from .features import measure_features, split_features
from .models import checkpoint_of, model_label
from .study import Study

# What keeps a page below 1.5 MB. Market-1501 has 3,368 queries.
MOST_PICTURED, MOST_NAMED = 300, 3500
_CHUNK = 16  # images in memory as the network sees them


def ranking_explorer(study: Study, metric: str = "euclidean") -> Explorer:
    """Every query with its nearest images, to be picked from on the page.

    Pictures of mini-market, which are drawn, are part of it; those of other data sets only where the study asks for
    `pictures`. Without them there are names and distances, and no activation maps to lay over them. Of more queries
    than a page can hold those evenly spaced from the worst to the best are shown.
    """
    query, gallery = measure_features(study)
    pictured = study.pictures or str(study.dataset) == "mini"
    with images_of(study) as dataset:
        if dataset.junk:
            gallery = _joined(gallery, split_features(study, "junk"))
        explorer = explore(
            query,
            gallery,
            evaluate(query, gallery, metric=metric),
            pictures=dataset if pictured else None,
            most=MOST_PICTURED if pictured else MOST_NAMED,
        )
        if not pictured:
            return explorer
        return replace(explorer, maps=_maps(study, dataset, [ranking.query.name for ranking in explorer.rankings]))


def _joined(gallery: Features, junk: Features) -> Features:
    names, pids, camids, features = (np.concatenate([getattr(gallery, name), getattr(junk, name)]) for name in ARRAYS)
    return Features(names, pids, camids, features)


def _maps(study: Study, dataset: Market1501, names: Sequence[str]) -> np.ndarray:
    """Quantised activation maps of queries, kept for the next run."""
    checkpoint = checkpoint_of(study)
    key = {
        "weights": checkpoint.sha256,
        "dataset": dataset.digest,
        "names": fingerprint(sorted(names)),
        "versions": environment()["versions"],
        "code": code_digest(activation_map, preprocess),
    }
    samples = sorted((sample for sample in dataset.query if sample.name in set(names)), key=lambda one: one.name)

    def make(target: Path) -> None:
        maps = []
        with tqdm(total=len(samples), desc="activation maps", unit="image", disable=not study.progress) as bar:
            for start in range(0, len(samples), _CHUNK):
                some = [preprocess(dataset.image(sample)) for sample in samples[start : start + _CHUNK]]
                maps.append(quantised(activation_map(checkpoint, np.stack(some))))
                bar.update(len(some))
        with atomic_path(target) as temporary:
            np.save(temporary, np.concatenate(maps))

    path = study.place.features / f"{dataset.path.stem}-{model_label(checkpoint)}-activation.npy"
    by_name = dict(zip((sample.name for sample in samples), np.load(artefact(path, key, make), allow_pickle=False)))
    return np.stack([by_name[name] for name in names])
