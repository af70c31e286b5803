"""Comparisons from Python: one call each, for the notebooks."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from osnet_lib.comparison.pair import Side, compare_sides, comparison_table, measured_side, read_sides
from osnet_lib.comparison.score import published_score
from osnet_lib.errors import FeatureError
from osnet_lib.features.store import Features, save_features
from osnet_lib.published.quoted import find_published


def splits(noise: float, order: int = 0) -> tuple[Features, Features]:
    """Queries and gallery of ten people in one plane; rows in another order for another `order`."""
    made = []
    for split, cameras in (("query", (1,)), ("gallery", (2, 3))):
        pids, camids = np.repeat(np.arange(1, 11), len(cameras)), np.tile(cameras, 10)
        angles = pids * 0.5 + 0.02 * camids + noise * (pids % 3) * (split == "query")
        rows = np.random.default_rng(order).permutation(len(pids))
        names = np.array([f"{pid:04d}_c{camid}s1_000001_00.jpg" for pid, camid in zip(pids, camids)])
        features = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
        made.append(Features(names[rows], pids[rows], camids[rows], features[rows]))
    return made[0], made[1]


REFERENCE = measured_side("onnx", *splits(0))


def test_what_changed_is_counted_by_hand():
    """Noise 0.2 moves every third person by 0.2 and every other third by 0.4 of the 0.5 between two people."""
    found = compare_sides(REFERENCE, measured_side("om", *splits(0.2, order=1)))
    moved = [pid for pid in range(1, 11) if pid % 3 == 2]  # 0.4 nearer to the next one
    assert found.top1_changed >= found.paired.lost == len(moved) and found.paired.won == 0
    assert found.paired.resampled == "identities" and found.paired.units == 10
    assert not found.acceptance.passed and found.acceptance.criteria[0].queries == -len(moved)
    assert found.difference.min_cosine == pytest.approx(np.cos(0.4)) and 0.3 < found.difference.max_abs < 0.4


def test_the_order_of_rows_is_no_difference():
    found = compare_sides(REFERENCE, measured_side("again", *splits(0, order=3)))
    assert found.paired.alike and found.top1_changed == 0 and found.acceptance.passed
    assert found.difference.max_abs == 0


def test_images_that_are_equally_near_are_no_change():
    """Both gallery images of a person have one feature: which of them a file names first is not a difference."""
    query, gallery = splits(0)
    twins = np.column_stack([np.cos(gallery.pids * 0.5), np.sin(gallery.pids * 0.5)]).astype(np.float32)
    sides = [
        measured_side(
            label, query, Features(gallery.names[rows], gallery.pids[rows], gallery.camids[rows], twins[rows])
        )
        for label, rows in (("onnx", np.arange(20)), ("om", np.arange(20)[::-1]))
    ]
    found = compare_sides(*sides)
    assert found.top1_changed == 0 and found.paired.alike and found.difference.max_abs == 0


def test_the_table_and_the_text_hold_the_figures():
    found = compare_sides(REFERENCE, measured_side("om", *splits(0.2), level=0.95))
    table = comparison_table(found)
    rows = [dict(zip(table.columns, row)) for row in table.rows]
    assert [row[""] for row in rows] == ["reference", "candidate", "difference"]
    assert [row["score"] for row in rows] == ["onnx", "om", None] and rows[2]["queries"] == -3
    assert rows[0]["Rank-1"].startswith("100.00 % (") and rows[1]["Rank-1"].startswith("70.00 % (")
    assert rows[2]["Rank-1"] == "-30.00 points" and table.caption == "In brackets: 95 % intervals over identities"
    assert str(table) in found.text() and found.acceptance.text() in found.text()
    assert found.paired.verdict("onnx", "om") in found.text()
    assert json.loads(json.dumps(found.as_dict()))["top1_changed"] == found.top1_changed


def test_published_scores_need_no_features():
    zoo, guide = (Side(published_score(find_published(name))) for name in ("osnet_x1_0", "osnet_x1_0:Ascend 310"))
    found = compare_sides(zoo, guide)
    assert found.acceptance.passed and found.paired is found.difference is found.top1_changed is None
    assert found.as_dict()["intervals"] == {} and comparison_table(found).caption is None
    assert [row[2] for row in comparison_table(found).rows] == ["94.2 %", "94.30 %", "+0.10 points"]


def test_queries_without_a_match_are_no_change():
    """An eleventh person whom the gallery does not show: its nearest image may be any."""

    def with_stranger(angle: float) -> tuple[Features, Features]:
        query, gallery = splits(0)
        return Features(
            np.append(query.names, "0099_c1s1_000001_00.jpg"),
            np.append(query.pids, 99),
            np.append(query.camids, 1),
            np.vstack([query.features, np.float32([[np.cos(angle), np.sin(angle)]])]),
        ), gallery

    found = compare_sides(measured_side("a", *with_stranger(1)), measured_side("b", *with_stranger(3)))
    assert found.top1_changed == 0 and found.paired.alike and found.paired.queries == 10
    assert found.difference.max_abs > 1


def test_folders_are_read(tmp_path):
    for split, features in zip(("query", "gallery"), splits(0)):
        save_features(tmp_path / f"{split}.npz", features)
    one, two = read_sides(tmp_path, tmp_path, metric="cosine", level=0.9)
    assert one.score.metric == two.score.metric == "cosine" and one.score.intervals.level == 0.9
    assert one.score.label == str(tmp_path) and one.measured.by_query.resampled == "queries"


def test_other_images_are_refused():
    query, gallery = splits(0)
    names = query.names.copy()
    names[2] = "0003_c1s1_000009_00.jpg"
    other = measured_side("other", Features(names, query.pids, query.camids, query.features), gallery)
    with pytest.raises(FeatureError, match=f"onnx and other: the second has no {query.names[2]}"):
        compare_sides(REFERENCE, other)


def with_junk(query: Features, gallery: Features) -> tuple[Features, Features]:
    """Two junk boxes more in the gallery, on the very place of the first query."""
    return query, Features(
        np.concatenate([["-1_c1s1_000001_00.jpg"], gallery.names, ["-1_c2s1_000001_00.jpg"]]),
        np.concatenate([[-1], gallery.pids, [-1]]),
        np.concatenate([[1], gallery.camids, [2]]),
        np.concatenate([query.features[:1], gallery.features, query.features[:1]]),
    )


@pytest.mark.parametrize("swap", [False, True])
def test_junk_in_one_of_the_two_is_no_difference(swap):
    other = measured_side("junk", *with_junk(*splits(0.2, order=1)))
    plain = measured_side("om", *splits(0.2, order=1))
    found, expected = (compare_sides(*((side, REFERENCE) if swap else (REFERENCE, side))) for side in (other, plain))
    assert found.as_dict()["paired"]["lost"] == expected.paired.lost and found.difference == expected.difference
    assert found.top1_changed == expected.top1_changed and len(other.measured.gallery) == 20
    assert other.score.intervals == plain.score.intervals


def named(pair: tuple[Features, Features], name) -> tuple[Features, Features]:
    return tuple(replace(part, names=np.array([name(old) for old in part.names])) for part in pair)


@pytest.mark.parametrize("name", [lambda old: old[: -len(".jpg")], lambda old: f"{old}.jpg"])
def test_names_are_paired_by_their_stem(name):
    noisy = splits(0.2, order=1)
    expected = compare_sides(REFERENCE, measured_side("om", *noisy))
    found = compare_sides(REFERENCE, measured_side("om", *named(noisy, name)))
    assert found.as_dict() == expected.as_dict() and found.top1_changed > 0


def test_two_images_of_one_stem_are_refused():
    query, gallery = splits(0)
    names = gallery.names.astype("U30")
    names[5] = f"{names[2]}.jpg"
    other = measured_side("other", query, replace(gallery, names=names))
    with pytest.raises(FeatureError, match=f"onnx and other: {names[2]} and {names[5]} have the same stem.*rename"):
        compare_sides(REFERENCE, other)


def of_one_identity(noise: float) -> tuple[Features, Features]:
    """Queries of person 2 alone, three of them, before the whole gallery."""
    query, gallery = splits(noise)
    row = np.flatnonzero(query.pids == 2).repeat(3)
    names = np.array([f"0002_c1s1_00000{i}_00.jpg" for i in range(3)])
    return Features(names, query.pids[row], query.camids[row], query.features[row]), gallery


@pytest.mark.parametrize("noise, passed", [(0, True), (0.2, False)])
def test_one_identity_has_no_interval_but_a_gate(noise, passed):
    sides = [measured_side(label, *of_one_identity(value)) for label, value in (("onnx", 0), ("om", noise))]
    assert all(side.score.intervals is side.measured.by_query is None for side in sides)
    found = compare_sides(*sides)
    assert found.paired is None and found.acceptance.passed is passed and found.top1_changed == (0 if passed else 3)
    assert found.acceptance.criteria[0].queries == (0 if passed else -3)
    text, values = found.text(), json.loads(json.dumps(found.as_dict()))
    assert "one identity only: no intervals, and no paired test." in text and "resampling" not in text
    assert f"The nearest image changed for {found.top1_changed} of 3 queries." in text
    assert f"The gate {'is passed' if passed else 'fails'}." in text
    assert values["paired"] is None and values["intervals"] == {} and values["features"]["max_abs"] >= 0
    assert comparison_table(found).caption is None


def test_an_identity_without_a_match_is_none_to_draw_from():
    query, gallery = of_one_identity(0)
    query = replace(query, pids=np.array([2, 2, 77]))
    side = measured_side("onnx", query, gallery)
    assert side.score.queries == 2 and side.score.intervals is None


def test_conditions_of_other_tools_are_left_alone():
    query, gallery = splits(0)
    side = measured_side("theirs", replace(query, conditions={"dataset": "Market", "session": ["x"]}), gallery)
    assert side.score.dataset is side.score.device is None and side.score.rank1 == 1
