"""Features of the study: used again until what they were made from changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from helpers.engines import cpu_has, needs_openvino
from osnet_lib.network.osnet import build_model
from osnet_lib.study.dataset import open_dataset
from osnet_lib.study.features import measure_features
from osnet_lib.study.models import simplify_model
from osnet_lib.study.study import Study


@needs_openvino
def test_features_of_openvino_in_the_studys_precision(work, checkpoint, small_market):
    precision = "bfloat16" if cpu_has("BF16") else "float32"
    study = Study(work, small_market, checkpoint, 4, "openvino", precision=precision, progress=False)
    query, _ = measure_features(study)
    assert (query.session.backend, query.session.precision) == ("openvino", precision)
    assert query.session.model == simplify_model(study).path.name  # the file of the other backends, as it is


def test_features_are_used_again_until_the_weights_change(work, checkpoint, small_market):
    study = Study(work, small_market, checkpoint, 4, progress=False)
    query, gallery = measure_features(study)
    with open_dataset(small_market) as dataset:
        assert [len(query), len(gallery)] == [len(dataset.query), len(dataset.gallery)]
    stamps = {path.name: path.stat().st_mtime_ns for path in work.features.glob("*.npz")}
    again, _ = measure_features(study)
    assert {path.name: path.stat().st_mtime_ns for path in work.features.glob("*.npz")} == stamps
    assert np.array_equal(again.features, query.features)
    other = replace(checkpoint, model=build_model("osnet_x0_25", seed=1), sha256="0" * 64)
    changed, _ = measure_features(replace(study, weights=other))
    assert len(list(work.features.glob("*.npz"))) == 4 and not np.allclose(changed.features, query.features)
