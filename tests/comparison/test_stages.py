"""Stages beside torch: figures by hand, stages broken on purpose, and which one is named."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from osnet_lib.comparison.stages import STAGES, Stage, compare_stage, first_broken, verdict
from osnet_lib.errors import FeatureError, MetricError
from osnet_lib.features.store import Features
from osnet_lib.metrics import evaluate
from osnet_lib.report.stages import stage_scores_table, stages_table

PIDS, MATCHES = 60, 40  # of each person one query, and so many matches from another camera
CONDITIONS = {"dataset": {"file": "made", "sha256": "a" * 64}, "session": {"precision": "some bits"}}


def split(features: np.ndarray, pids, camid: int, prefix: str) -> Features:
    features = np.asarray(features, np.float32)
    names = np.array([f"{prefix}{i:05}" for i in range(len(features))])
    return Features(names, np.asarray(pids, np.int64), np.full(len(features), camid), features, CONDITIONS)


def people(intruders: int = 0, far: float = 3.0) -> tuple[Features, Features]:
    """Each person has an axis: the query at 1, matches behind it, and a stranger who is farther than all of them.

    The first `intruders` strangers stand on their query instead.
    """
    axes = np.eye(PIDS)
    places = 1 + 0.01 * np.arange(1, MATCHES + 1)
    strangers = np.where(np.arange(PIDS) < intruders, 1.001, far)
    gallery = np.concatenate([(places[:, None, None] * axes).reshape(-1, PIDS), strangers[:, None] * axes])
    pids = [*np.tile(np.arange(1, PIDS + 1), MATCHES), *[0] * PIDS]
    return split(axes, np.arange(1, PIDS + 1), 1, "q"), split(gallery, pids, 2, "g")


def changed(pair: tuple[Features, Features], change) -> tuple[Features, Features]:
    return tuple(replace(part, features=change(part.features).astype(np.float32)) for part in pair)


def noisy(scale: float, seed: int = 0):
    random = np.random.default_rng(seed)
    return lambda features: features + random.normal(scale=scale, size=features.shape)


@pytest.fixture(scope="module")
def crowd() -> tuple[Features, Features]:
    """Random people who overlap, so that scores are neither 0 nor 1."""
    random = np.random.default_rng(5)
    centres = random.normal(size=(50, 16))
    pids = np.repeat(np.arange(50), 2)
    gallery_pids = np.concatenate([np.repeat(np.arange(50), 4), np.zeros(60, int)])
    gallery = np.concatenate([np.repeat(centres, 4, axis=0), random.normal(size=(60, 16))])
    return (
        split(centres[pids] + random.normal(scale=0.9, size=(100, 16)), pids + 1, 1, "q"),
        split(gallery + random.normal(scale=0.9, size=gallery.shape), gallery_pids + (np.arange(260) < 200), 2, "g"),
    )


@pytest.fixture(scope="module")
def torch(crowd) -> Stage:
    return compare_stage("torch", None, crowd, crowd)


# ---- one row --------------------------------------------------------------------------------------------------------


def test_the_reference_beside_itself(crowd, torch):
    assert (torch.max_abs, torch.mean_abs, torch.top1_changed, torch.kendall_tau) == (0, 0, 0, 1)
    assert torch.cosine_min == pytest.approx(1) and torch.cosine_min <= torch.cosine_1 <= torch.cosine_50 <= 1
    assert (torch.images, torch.queries, torch.precision, torch.where) == (360, 100, "some bits", "torch")
    expected = evaluate(*crowd[:2])
    assert (torch.rank1.value, torch.mAP.value) == pytest.approx((expected.rank(1), expected.mAP))
    assert 0.3 < torch.rank1.low < torch.rank1.value < torch.rank1.high and torch.mAP.low < torch.mAP.value
    assert torch.broken is None and torch.paired.outcome == "identical" and all(c.passed for c in torch.criteria)


def test_figures_by_hand():
    reference = split([[1, 0], [0, 2]], [1, 2], 1, "q"), split([[3, 0], [0, 1], [2, 2]], [1, 2, 3], 2, "g")
    candidate = split([[1, 0], [0, 2]], [1, 2], 1, "q"), split([[3, 4], [0, 1], [2, 2]], [1, 2, 3], 2, "g")
    stage = compare_stage("int8", 4, reference, candidate)
    assert (stage.max_abs, stage.mean_abs, stage.images) == (4, pytest.approx(4 / 10), 5)
    assert (stage.cosine_min, stage.cosine_50) == pytest.approx((0.6, 1))
    assert stage.cosine_1 == pytest.approx(0.6 + 0.04 * 0.4)  # between the smallest of five and the next
    # Squared distances of query 0: (4, 2, 5) become (20, 2, 5); of query 1: (13, 1, 4) become (13, 1, 4).
    assert stage.top1_changed == 0 and stage.kendall_tau == pytest.approx((1 / 3 + 1) / 2)
    assert (stage.rank1.value, stage.mAP.value) == pytest.approx((0.5, (1 / 3 + 1) / 2))
    assert stage.where == "int8 at batch size 4"


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_scaled_features_rank_alike(crowd, torch, metric):
    stage = compare_stage("fp16", 2, crowd, changed(crowd, lambda features: 2 * features), metric)
    assert stage.max_abs == max(np.abs(part.features).max() for part in crowd)
    assert stage.cosine_min == pytest.approx(1) and stage.top1_changed == 0 and stage.kendall_tau > 0.9999
    assert stage.metric == metric and stage.broken is None
    assert metric == "cosine" or stage.mAP == torch.mAP


def test_images_are_paired_by_name(crowd):
    candidate = changed(crowd, noisy(0.2))
    random = np.random.default_rng(2)
    rows = [random.permutation(len(part)) for part in candidate]
    shuffled = tuple(
        Features(part.names[row], part.pids[row], part.camids[row], part.features[row], part.conditions)
        for part, row in zip(candidate, rows)
    )
    stage, again = (compare_stage("int8", 1, crowd, other) for other in (candidate, shuffled))
    assert stage.top1_changed > 0 and stage.kendall_tau < 0.95
    expected, found = stage.as_dict(), again.as_dict()
    assert expected.pop("criteria") and found.pop("criteria")
    for name in ("kendall_tau", "mean_abs"):
        assert found.pop(name) == pytest.approx(expected.pop(name))
    assert json.loads(json.dumps(found)).keys() == expected.keys() and found["top1_changed"] == expected["top1_changed"]
    assert again.mAP.value == pytest.approx(stage.mAP.value) and again.paired.changed == stage.paired.changed


@pytest.mark.parametrize(
    "wrong",
    [
        lambda p: (p[0], replace(p[1], names=np.char.add(p[1].names, "x"))),
        lambda p: (replace(p[0], pids=p[0].pids + 1), p[1]),
        lambda p: (p[1], p[0]),
    ],
)
def test_other_images_are_refused(crowd, wrong):
    with pytest.raises(FeatureError):
        compare_stage("fp16", 1, crowd, wrong(crowd))


def test_one_person_is_too_few(crowd):
    one = tuple(
        Features(
            *(getattr(part, name)[part.pids == 1] for name in ("names", "pids", "camids", "features")), part.conditions
        )
        for part in crowd
    )
    with pytest.raises(MetricError, match="^fp16: queries with a match are of one identity only. Take more queries"):
        compare_stage("fp16", 1, one, one)


def test_an_unknown_stage_and_another_width_are_refused(crowd):
    with pytest.raises(MetricError, match="unknown stage 'fp8'.*torch, onnx"):
        compare_stage("fp8", 1, crowd, crowd)
    with pytest.raises(MetricError, match="^fp16: features of another width"):
        compare_stage("fp16", 1, crowd, changed(crowd, lambda features: features[:, :8]))


# ---- what breaks ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("onnx", lambda f: f + np.float32(5e-5), None),
        ("onnx", lambda f: f + np.float32(3e-4), "by up to 0.0003"),
        ("simplified", lambda f: f[:, ::-1], "smallest cosine is"),
        ("simplified", lambda f: 1.01 * f, "allowed are 0.0001 and 0.99999"),
    ],
)
def test_a_float32_stage_breaks_by_its_features(crowd, name, change, words):
    stage = compare_stage(name, 3, crowd, changed(crowd, change))
    assert stage.broken is None if words is None else words in stage.broken


@pytest.mark.parametrize(
    "name, change, breaks",
    [
        ("fp16", noisy(1e-3), False),
        ("int8", lambda f: 1.01 * f, False),
        ("om", noisy(1.0), True),
        ("int8", lambda f: np.roll(f, 1, axis=0), True),
    ],
)
def test_a_reduced_stage_breaks_by_its_ranking(crowd, name, change, breaks):
    stage = compare_stage(name, 3, crowd, changed(crowd, change))
    assert bool(stage.broken) is breaks
    if breaks:
        assert "mAP" in stage.broken and "% of torch's, where 1 % is allowed; Rank-1 falls by" in stage.broken
        assert "McNemar p = " in stage.broken and not stage.criteria[0].passed


@pytest.mark.parametrize("intruders, breaks, not_below", [(0, False, True), (1, False, False), (6, True, False)])
def test_rank1_alone_breaks_a_stage_only_where_chance_does_not_explain_it(intruders, breaks, not_below):
    stage = compare_stage("int8", 1, people(), people(intruders))
    harmonic = np.mean(np.arange(1, MATCHES + 1) / np.arange(2, MATCHES + 2))
    lost = intruders / PIDS
    assert stage.paired.lost == intruders and stage.paired.mAP.value == pytest.approx(lost * (harmonic - 1))
    assert stage.criteria[1].passed and stage.criteria[0].passed is not_below  # mAP stays within 1 %
    assert bool(stage.broken) is breaks and stage.top1_changed == intruders
    if breaks:
        assert stage.broken == (
            "Rank-1 falls by 10.00 points, 6 queries lost and 0 won of 60, which chance does not "
            "explain (McNemar p = 0.031)"
        )


def test_a_gain_breaks_nothing():
    assert compare_stage("int8", 1, people(30), people()).broken is None


# ---- which is named -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def states(crowd) -> dict[str, Stage]:
    """A stage that holds, one that only a float32 stage may not be, and one that breaks as any."""
    changes = {"good": lambda f: f, "off": noisy(1e-3), "bad": noisy(1.0)}
    return {state: compare_stage("int8", 1, crowd, changed(crowd, change)) for state, change in changes.items()}


@pytest.mark.parametrize(
    "broken, first",
    [
        ({}, None),
        ({("int8", 16): "bad"}, ("int8", 16)),
        ({("int8", 16): "bad", ("int8", 1): "bad"}, ("int8", 1)),
        ({("simplified", 16): "off", ("int8", 1): "bad"}, ("simplified", 16)),
        ({("fp16", 1): "off", ("om", 1): "bad"}, ("om", 1)),
        ({("onnx", 1): "bad", ("onnx", 16): "bad"}, ("onnx", 1)),
    ],
)
@pytest.mark.parametrize("order", [1, -1])
def test_the_first_stage_that_breaks_is_named(torch, states, broken, first, order):
    rows = [torch] + [
        replace(states[broken.get((name, size), "good")], name=name, batch_size=size)
        for name in STAGES[1:]
        for size in (1, 16)
    ][::order]
    found, words = first_broken(rows), verdict(rows)
    if first is None:
        assert found is None and words.startswith("No stage breaks.")
    else:
        assert (found.name, found.batch_size) == first
        assert words.startswith(f"The first stage that breaks is {found.where}: {found.broken}.")
        others = {place for place in broken if place != first and place != ("fp16", 1)}
        assert all(f"{name} at batch size {size}" in words for name, size in others)
        assert ("So do" in words) is bool(others)


def test_where_none_breaks_the_largest_change_is_told(torch, states):
    rows = [torch, replace(states["good"], name="onnx"), replace(states["off"], name="fp16", batch_size=4)]
    assert verdict(rows).startswith(
        "No stage breaks. fp16 at batch size 4 changes the ranking most: another image is "
        f"nearest for {rows[2].top1_changed} of 100 queries"
    )


def test_no_stages_at_all(torch):
    assert first_broken([]) is None and first_broken([torch]) is None
    assert verdict([torch]) == verdict([]) == "There is no stage beside torch."
    assert stages_table([]).rows == stage_scores_table([]).rows == ()


def test_the_tables_hold_every_figure(torch, states):
    rows = [torch, replace(states["bad"], batch_size=16)]
    features, scores = stages_table(rows), stage_scores_table(rows)
    assert features.columns == (
        "stage",
        "batch",
        "max error",
        "mean error",
        "smallest cosine",
        "cosine, 1st percentile",
        "cosine, median",
        "queries with another first image",
        "tau",
    )
    assert scores.columns == (
        "stage",
        "batch",
        "Rank-1",
        "mAP",
        "change of mAP, points",
        "first image right before, wrong now",
        "wrong before, right now",
        "Rank-1 not below",
        "holds",
    )
    cells = dict(zip(features.columns, features.rows[1])) | dict(zip(scores.columns, scores.rows[1]))
    assert (cells["stage"], cells["batch"], cells["holds"]) == ("int8", 16, False)
    assert features.rows[0][1] is scores.rows[0][1] is None
    assert cells["mAP"] == rows[1].mAP.text() and cells["tau"] == rows[1].kendall_tau
    lost, won = cells["first image right before, wrong now"], cells["wrong before, right now"]
    assert (lost, won) == (rows[1].paired.lost, rows[1].paired.won)
    assert "euclidean distance, 100 queries" in features.caption and "Kendall" in features.caption
    assert "95 % intervals over identities" in scores.caption


def test_a_row_is_ready_for_json(torch):
    stored = json.loads(json.dumps(torch.as_dict(), allow_nan=False))
    assert stored["broken"] is None and stored["paired"]["outcome"] == "identical"
    assert stored["mAP"]["low"] == torch.mAP.low and [c["name"] for c in stored["criteria"]] == ["Rank-1", "mAP"]
