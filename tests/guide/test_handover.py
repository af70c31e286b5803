"""Wrong hand-overs to `osnet evaluate`: each kind is refused or warned of by name, and nothing else is."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from helpers.guide_files import STEMS, features
from osnet_lib.datasets.market1501 import LANDMARKS, PUBLISHED, parse_name
from osnet_lib.errors import FeatureError
from osnet_lib.features.store import Features
from osnet_lib.guide.handover import (
    check_apart,
    check_complete,
    check_labels,
    check_order,
    check_published,
    warn_collapsed,
)


def named(*names, pids=None, camids=None, rows=None):
    count = len(names)
    ones = np.ones(count, int)
    return Features(
        np.array(names),
        ones if pids is None else np.array(pids),
        ones if camids is None else np.array(camids),
        features(count) if rows is None else np.asarray(rows, np.float32),
    )


@pytest.mark.parametrize("names", [STEMS, [f"{stem}.jpg" for stem in STEMS], [*STEMS, "-1_c3s2_000017_01.jpg"]])
def test_features_of_all_images_are_complete(names):
    check_complete(named(*STEMS), names, "dump")
    check_complete(named(*(f"{stem}.jpg.jpg" for stem in STEMS)), names, "gallery.npz")


@pytest.mark.parametrize(
    "held, wanted, what",
    [
        (STEMS[1:], STEMS, f"dump: no feature of {STEMS[0]}. Run"),
        (STEMS[2:], STEMS, f"dump: no feature of {STEMS[0]}, and 1 more. Run"),
        (STEMS, STEMS[:2], f"dump: a feature of another image, {STEMS[2]}. Give"),
    ],
)
def test_a_missing_or_foreign_feature_is_named(held, wanted, what):
    with pytest.raises(FeatureError) as caught:
        check_complete(named(*held), wanted, "dump")
    assert str(caught.value).startswith(what)


@pytest.mark.parametrize("split, count", [("query", 3368), ("gallery", 15913)])
def test_market_1501_is_known_to_be_short_without_a_list(split, count):
    known = sorted(LANDMARKS[split])
    others = [f"0000_c1s1_{number:06d}_00.jpg" for number in range(count - len(known))]
    assert PUBLISHED[split]["images"] - PUBLISHED[split]["junk"] == count
    check_published(named(*known, *others), split, "dump")
    check_published(named(*STEMS), split, "dump")  # other data
    with pytest.raises(
        FeatureError,
        match=rf"dump: {count - 1:,} features of the {count:,} of Market-1501's {split}\. "
        "Give the data set with --dataset",
    ):
        check_published(named(*known, *others[1:]), split, "dump")


@pytest.mark.parametrize("suffix", ["", ".jpg", ".jpg.jpg", ".JPEG"])
def test_query_and_gallery_share_no_image(suffix):
    check_apart(named(STEMS[0] + suffix), named(*STEMS[1:]), "q and g")
    with pytest.raises(FeatureError, match=rf"q and g: 1 images are in both, the first is {STEMS[1]}\. Give query"):
        check_apart(named(*(stem + suffix for stem in STEMS[:2])), named(*STEMS[1:]), "q and g")


def test_names_that_are_alike_up_to_a_dot_are_two_images():
    check_apart(named("cam.1.png", "cam.2.png"), named("cam.3.png", "cam.1.bmp"), "q and g")


# Query and gallery swapped

QUERY = ["0001_c1s1_000001_00.jpg", "0002_c2s1_000002_00.jpg"]
GALLERY = ["0001_c2s1_000011_01.jpg", "0001_c3s1_000012_02.jpg", "0002_c1s1_000013_01.jpg"]
DISTRACTOR, JUNK_NAME = "0000_c4s1_000015_01.jpg", "-1_c3s2_000017_01.jpg"

SWAPPED = {
    "boxes": (GALLERY, QUERY, r"the smaller set alone is of boxes drawn by hand"),
    "a distractor": ([*QUERY, DISTRACTOR], GALLERY, f"{DISTRACTOR}, which shows no known person, is among the queries"),
    "junk": ([*GALLERY, JUNK_NAME], QUERY, f"{JUNK_NAME}, which shows no known person"),
    "names without suffix": ([n[:-4] for n in GALLERY], [n[:-4] for n in QUERY], "the smaller set alone is of boxes"),
    "Market-1501's gallery": (sorted(LANDMARKS["gallery"]), QUERY, "these are the names of Market-1501"),
    "Market-1501's queries": (QUERY, sorted(LANDMARKS["query"]), "these are the names of Market-1501"),
}


@pytest.mark.parametrize("query, gallery, why", SWAPPED.values(), ids=SWAPPED)
def test_a_gallery_given_as_query_is_refused(query, gallery, why):
    with pytest.raises(FeatureError, match=rf"q and g: query and gallery are swapped: {why}.*\. Give the query first"):
        check_order(named(*query), named(*gallery), "q and g")


@pytest.mark.parametrize(
    "query, gallery",
    [
        (QUERY, [*GALLERY, DISTRACTOR, JUNK_NAME]),
        (sorted(LANDMARKS["query"]), sorted(LANDMARKS["gallery"])),
        (QUERY, [name.replace("_01", "_00").replace("_02", "_00") for name in GALLERY]),  # all drawn by hand
        (GALLERY[:1], [*QUERY, GALLERY[1]]),  # detected boxes on both sides
        (["a.png", "b.png", "c.png"], ["d.png"]),
        ([*GALLERY, "a.png"], QUERY),  # names of two forms tell nothing
    ],
)
def test_what_may_be_in_order_passes(query, gallery):
    check_order(named(*query), named(*gallery), "q and g")


# Labels that contradict the names


def labelled(pids, camids, names=(*QUERY, *GALLERY)):
    """Query and gallery with labels for all their images."""
    return (
        named(*names[:2], pids=pids[:2], camids=camids[:2]),
        named(*names[2:], pids=pids[2:], camids=camids[2:]),
        ("q.npz", "g.npz"),
    )


PIDS, CAMIDS = [1, 2, 1, 1, 2], [1, 2, 2, 3, 1]


@pytest.mark.parametrize(
    "pids, camids",
    [
        (PIDS, CAMIDS),
        (PIDS, [camid - 1 for camid in CAMIDS]),  # as torchreid counts
        ([{1: 0, 2: 1}[pid] for pid in PIDS], CAMIDS),  # numbered anew for training
        ([{1: 700, 2: 30}[pid] for pid in PIDS], [{1: 9, 2: 7, 3: 8}[camid] for camid in CAMIDS]),
    ],
)
def test_labels_that_tell_the_same_images_apart_pass(pids, camids):
    check_labels(*labelled(pids, camids))


CONTRADICTIONS = {
    "pids of other rows": ([1, 2, 2, 1, 1], CAMIDS, r"g\.npz: .*has pid 1 and 0001_c2s1_000011_01\.jpg has 2, where"),
    "one pid for all": ([1] * 5, CAMIDS, r"q\.npz: .* has pid 1 and 0002_c2s1_000002_00\.jpg has 1, where .* 1 and 2"),
    "a pid of its own": ([1, 2, 1, 5, 2], CAMIDS, r"g\.npz: .* and 0001_c3s1_000012_02\.jpg has 5"),
    "numbered anew in each split": ([0, 1, 1, 1, 0], CAMIDS, r"has pid 0 and .* has 1, where the names say 1 and 1"),
    "one camera for all": (PIDS, [1] * 5, r"q\.npz: 0001_c1s1.* has camid 1 and 0002_c2s1.* has 1, where .* 1 and 2"),
    "cameras of other rows": (PIDS, [2, 1, 2, 3, 1], r"has camid"),
    "cameras by split": (PIDS, [0, 0, 1, 1, 1], r"has camid"),
    "junk": ([1, 2, -1, 1, 2], CAMIDS, r"g\.npz: 0001_c2s1_000011_01\.jpg has pid -1, where the names say 1 \(-1 is"),
}


@pytest.mark.parametrize("pids, camids, what", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_labels_that_contradict_the_names_are_refused(pids, camids, what):
    with pytest.raises(FeatureError, match=rf"{what}.*\. Save pids and camids in the order of the names"):
        check_labels(*labelled(pids, camids))


def test_junk_by_name_must_be_junk_by_label():
    names = (*QUERY, *GALLERY[:2], JUNK_NAME)
    check_labels(*labelled([1, 2, 1, 1, -1], [1, 2, 2, 3, 3], names))
    with pytest.raises(FeatureError, match=rf"{JUNK_NAME} has pid 9, where the names say -1"):
        check_labels(*labelled([1, 2, 1, 1, 9], [1, 2, 2, 3, 3], names))


def test_a_data_set_knows_images_of_any_name():
    names = ("a.png", "b.png", "c.png", "d.png", "e.png")
    check_labels(*labelled([1] * 5, [1] * 5, names))  # nothing is known of such names
    samples = [parse_name(f"{pid:04d}_c{camid}s1_000001_00.jpg", "query") for pid, camid in zip(PIDS, CAMIDS)]
    samples = [replace(sample, name=name) for sample, name in zip(samples, names)]
    check_labels(*labelled(PIDS, CAMIDS, names), samples)
    with pytest.raises(
        FeatureError, match=r"q\.npz: a\.png has pid 1 and b\.png has 1, where the data set says 1 and 2"
    ):
        check_labels(*labelled([1] * 5, CAMIDS, names), samples)


# Collapsed features


def rows_of(kind: str, count: int = 200) -> np.ndarray:
    rows = features(count)
    if kind == "equal":
        rows[:] = rows[0]
    elif kind == "equal but for rounding":
        rows[:] = rows[0] * (1 + 1e-7 * features(count, seed=1))
    elif kind == "zero":
        rows[:] = 0
    elif kind == "one of zeros":
        rows[7] = 0
    elif kind == "some of zeros":
        rows[50:80] = -0.0
    elif kind == "some repeated":
        rows[100:110] = rows[3]
    elif kind == "a batch repeated":
        rows[16:32] = rows[:16]
    elif kind == "one repeated":
        rows[9] = rows[8]
    return rows


COLLAPSED = {
    "equal": "all 200 features are equal; the score means little. The network does not see the images",
    "equal but for rounding": "all 200 features are equal",
    "zero": "all 200 features are zero",
    "one of zeros": "1 of 200 features are all zero, the first is of i7",
    "some of zeros": "30 of 200 features are all zero, the first is of i50",
    "some repeated": "10 of 200 features repeat another one to the bit",
    "a batch repeated": "16 of 200 features repeat another one to the bit",
}


@pytest.mark.parametrize("kind, what", COLLAPSED.items(), ids=COLLAPSED)
def test_collapsed_features_are_warned_of_in_one_line(kind, what):
    with pytest.warns(UserWarning, match=f"^g: {what}") as caught:
        warn_collapsed(named(*(f"i{i}" for i in range(200)), rows=rows_of(kind)), "g")
    assert len(caught) == 1 and "\n" not in str(caught[0].message)


@pytest.mark.parametrize("kind, count", [("random", 200), ("one repeated", 200), ("random", 1)])
def test_features_that_tell_images_apart_are_not_warned_of(kind, count):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_collapsed(named(*(f"i{i}" for i in range(count)), rows=rows_of(kind, count)), "g")
