"""osnet_lib.study.explorer: junk is shown, maps are kept, pictures are the reader's to allow."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from osnet_lib.metrics import evaluate
from osnet_lib.network.activation import activation_map, quantised
from osnet_lib.study.dataset import open_dataset
from osnet_lib.study.explorer import ranking_explorer
from osnet_lib.study.features import measure_features
from osnet_lib.study.parity import sample_images
from osnet_lib.study.study import Study


def test_pictures_and_maps_are_shown_only_if_asked_for(work, checkpoint, small_market):
    study = Study(work, small_market, checkpoint, 4, progress=False)
    explorer = ranking_explorer(study)
    score = evaluate(*measure_features(study))
    assert (explorer.total, explorer.hits) == (score.num_valid, score.hits(1))  # junk changes no score
    assert len(explorer.rankings) == len(score.ap) and explorer.sprite is None and explorer.maps is None
    assert {mark for ranking in explorer.rankings for mark in ranking.marks} >= {"w", "d", "j"}

    shown = ranking_explorer(replace(study, pictures=True))
    assert shown.rankings == explorer.rankings and shown.sprite.count == len(shown.rankings) + len(shown.gallery)
    with open_dataset(small_market) as dataset:
        names = [ranking.query.name for ranking in shown.rankings]
        row = names.index(dataset.query[0].name)
        expected = quantised(activation_map(checkpoint, sample_images(dataset, 1)))
    np.testing.assert_array_equal(shown.maps[row], expected[0])
    (kept,) = work.features.glob("*-activation.npy")
    stamp = kept.stat().st_mtime_ns
    again = ranking_explorer(replace(study, pictures=True), "cosine")
    assert kept.stat().st_mtime_ns == stamp and again.metric == "cosine"
    assert (
        again.maps[[r.query.name for r in again.rankings].index(dataset.query[0].name)].tolist() == expected[0].tolist()
    )
