"""Market-1501's own lists of good and junk images: read by name, turned into indices, every refusal with its cure."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.io import savemat

from helpers.market import TINY
from osnet_lib.datasets.ground_truth import read_ground_truth
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.errors import DatasetError
from osnet_lib.metrics import evaluate, evaluate_lists

NAMES = sorted(TINY["bounding_box_test"])  # -1, 0000 twice, 0001 twice, 0002, 0003
ONE, TWO, THREE = (name.removesuffix(".jpg") for name in TINY["query"])
# Positions from 1. Query 1 stands in camera 1, as one of its two gallery images does; query 2 ignores the junk image.
LISTS = {ONE: ([5], [4]), TWO: ([6], [1]), THREE: ([7], [])}


def write(root, lists=LISTS, shape=lambda values: np.array([values], float)):
    """Write ``gt_query/`` as MATLAB does: a row of doubles per file."""
    (root / "gt_query").mkdir(exist_ok=True)
    for stem, pair in lists.items():
        for kind, values in zip(("good", "junk"), pair):
            savemat(root / "gt_query" / f"{stem}_{kind}.mat", {f"{kind}_index": shape(values)})
    return root


def read(path):
    with open_market1501(path) as data:
        return read_ground_truth(data)


@pytest.mark.parametrize(
    "shape",
    [
        lambda values: np.array([values], float),
        lambda values: np.array([values], np.uint16).T,
        lambda values: np.array(values, float) if values else np.empty((0, 0)),
    ],
    ids=["row of doubles", "column of integers", "empty matrix"],
)
@pytest.mark.parametrize("zipped", [False, True])
def test_lists_are_file_names(tiny_market, pack, shape, zipped):
    root = write(tiny_market(), shape=shape)
    truth = read(pack(root, "Market/") if zipped else root)
    assert truth and truth.good == {
        "0001_c1s1_000001_00.jpg": ("0001_c2s1_000011_01.jpg",),
        "0002_c2s1_000002_00.jpg": ("0002_c3s1_000013_02.jpg",),
        "0003_c6s3_000003_00.jpg": ("0003_c5s2_000014_01.jpg.jpg",),
    }
    assert truth.junk == {
        "0001_c1s1_000001_00.jpg": ("0001_c1s1_000012_01.jpg",),
        "0002_c2s1_000002_00.jpg": ("-1_c3s2_000017_01.jpg",),
        "0003_c6s3_000003_00.jpg": (),
    }


def test_indices_follow_the_names_given(tiny_market):
    truth = read(write(tiny_market()))
    gallery = np.array([name for name in reversed(NAMES) if not name.startswith("-1")])  # junk is not extracted
    good, junk = truth.indices(np.array([THREE + ".jpg", ONE + ".jpg", TWO + ".jpg"]), gallery)
    assert [gallery[part].tolist() for part in good] == [
        ["0003_c5s2_000014_01.jpg.jpg"],
        ["0001_c2s1_000011_01.jpg"],
        ["0002_c3s1_000013_02.jpg"],
    ]
    assert [gallery[part].tolist() for part in junk] == [[], ["0001_c1s1_000012_01.jpg"], []]


def test_absent_lists_are_no_error(tiny_market):
    truth = read(tiny_market())
    assert not truth and truth.good == truth.junk == {}


@pytest.mark.parametrize("junk", [[[0.0]], [[0]], np.zeros((1, 0))], ids=["double", "integer", "empty 1x0"])
def test_a_zero_among_junk_means_none(tiny_market, junk):
    """So 13 of the 3,368 published junk lists say that there is no junk."""
    root = write(tiny_market())
    savemat(root / "gt_query" / f"{ONE}_junk.mat", {"junk_index": np.array(junk)})
    truth = read(root)
    assert truth.junk[ONE + ".jpg"] == () and truth.junk[TWO + ".jpg"] == ("-1_c3s2_000017_01.jpg",)
    good, left_out = truth.indices([ONE + ".jpg"], NAMES)
    assert good[0].tolist() == [NAMES.index("0001_c2s1_000011_01.jpg")] and len(left_out[0]) == 0


def test_a_query_ending_in_two_extensions_has_lists_under_its_stem(tiny_market):
    root = tiny_market(query=[ONE + ".jpg.jpg", *TINY["query"][1:]])
    assert read(write(root)).good[ONE + ".jpg.jpg"] == ("0001_c2s1_000011_01.jpg",)


def test_the_lists_of_the_protocol_score_as_the_protocol(tmp_path):
    """Lists made from pids and camids, written to files, read back and scored: what `evaluate` gives."""
    root, rng = tmp_path / "made", np.random.default_rng(0)
    for folder, boxes, people in (("query", (0,), range(1, 7)), ("bounding_box_test", (1, 2), range(-1, 7))):
        (root / folder).mkdir(parents=True)
        for pid, camid, box in itertools.product(people, range(1, 7), boxes):
            name = f"{'-1' if pid < 0 else format(pid, '04d')}_c{camid}s1_{rng.integers(10**6):06d}_{box:02d}.jpg"
            (root / folder / name).touch()
    with open_market1501(root) as data:
        everything = sorted((*data.gallery, *data.junk), key=lambda sample: sample.name)
        query, gallery = data.query, data.gallery
    write(
        root,
        {
            q.name.removesuffix(".jpg"): (
                [i for i, g in enumerate(everything, 1) if g.pid == q.pid and g.camid != q.camid],
                [i for i, g in enumerate(everything, 1) if g.pid == -1 or (g.pid == q.pid and g.camid == q.camid)],
            )
            for q in query
        },
    )
    truth = read(root)
    features = [rng.integers(-3, 4, (len(part), 3)).astype(np.float32) for part in (query, gallery)]
    labels = [([s.pid for s in part], [s.camid for s in part]) for part in (query, gallery)]
    a = evaluate((features[0], *labels[0]), (features[1], *labels[1]))
    good, junk = truth.indices([s.name for s in query], [s.name for s in gallery])
    b = evaluate_lists(*features, good=good, junk=junk)
    np.testing.assert_array_equal(a.ap, b.ap)
    assert a.as_dict() == b.as_dict() and a.num_valid == 36 and a.mAP < 0.9


# ---- refusals -------------------------------------------------------------------------------------------------------


def variables(**values):
    return lambda path: savemat(path, values)


@pytest.mark.parametrize(
    "name, change, message, cure",
    [
        (f"{ONE}_good.mat", lambda path: path.unlink(), "is missing: every query needs a list", "Copy gt_query/ again"),
        (f"{ONE}_junk.mat", lambda path: path.unlink(), "is missing: every query needs a list", "Copy gt_query/ again"),
        (
            "0009_c1s1_000001_00_good.mat",
            variables(good_index=[1.0]),
            "is a list of no query in query/",
            "Move it out of",
        ),
        (
            "readme.txt",
            lambda path: path.write_text("x"),
            "is no list of good or junk images",
            "Move it out of gt_query/",
        ),
        (f"{ONE}_good.mat", lambda path: path.write_bytes(b""), "is no MATLAB file", "Copy gt_query/ again"),
        (f"{ONE}_good.mat", lambda path: path.write_bytes(path.read_bytes()[:150]), "is no MATLAB file", "Copy"),
        (f"{ONE}_good.mat", lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600)), "is no MATLAB", "Copy"),
        (f"{ONE}_good.mat", variables(), "holds nothing and not the one vector good_index", "Copy"),
        (f"{ONE}_good.mat", variables(junk_index=[4.0]), "holds junk_index and not the one vector good_index", "Copy"),
        (f"{ONE}_good.mat", variables(good_index=[5.0], more=[1.0]), "and not the one vector good_index", "Copy"),
        (f"{ONE}_good.mat", variables(good_index="five"), "holds good_index and not the one vector", "Copy"),
        (f"{ONE}_good.mat", variables(good_index=np.ones((2, 2))), "holds good_index and not the one vector", "Copy"),
        (f"{ONE}_good.mat", variables(good_index=[0.0]), "position 0.0 is none of the 7 images", "count from 1"),
        (f"{ONE}_junk.mat", variables(junk_index=[8]), "position 8 is none of the 7 images", "the complete folder"),
        (f"{ONE}_junk.mat", variables(junk_index=[4.5]), "position 4.5 is none of the 7 images", "the complete folder"),
        (
            f"{ONE}_junk.mat",
            variables(junk_index=[np.nan]),
            "position nan is none of the 7 images",
            "the complete folder",
        ),
        (f"{ONE}_junk.mat", variables(junk_index=[4, 4]), "lists an image twice", "Copy gt_query/ again"),
        (f"{ONE}_junk.mat", variables(junk_index=[5, 4]), "0001_c2s1_000011_01.jpg is good and junk at once", "Copy"),
        (
            f"{ONE}_good.mat",
            variables(good_index=[6]),
            "calls 0002_c3s1_000013_02.jpg good, which shows another identity",
            "Positions count in the complete bounding_box_test/, sorted by name",
        ),
    ],
)
def test_refusals(tiny_market, name, change, message, cure):
    root = write(tiny_market())
    change(root / "gt_query" / name)
    with pytest.raises(DatasetError) as caught:
        read(root)
    text = str(caught.value)
    where = root / "gt_query" / (name if "at once" not in message else f"{ONE}_good.mat")
    assert text.startswith(f"{where}: ") and message in text and cure in text and "\n" not in text


@pytest.mark.parametrize(
    "query, gallery, message",
    [
        (
            ["0009_c1s1_000001_00.jpg"],
            NAMES,
            "0009_c1s1_000001_00.jpg: has no list of good images. Take query features",
        ),
        (
            [ONE + ".jpg"],
            NAMES[:4],
            "1 of its good images are not in the gallery, the first is 0001_c2s1_000011_01.jpg.",
        ),
        ([ONE + ".jpg"], [*NAMES, NAMES[0]], "gallery names: a name occurs twice. Give every gallery image once"),
    ],
)
def test_refused_names(tiny_market, query, gallery, message):
    with pytest.raises(DatasetError) as caught:
        read(write(tiny_market())).indices(query, gallery)
    assert message in str(caught.value)


def test_the_order_of_the_published_names_is_that_of_every_system(market_zip):
    """MATLAB lists as the operating system does: by character code, or by that of the capital letter."""
    with open_market1501(market_zip) as data:
        for samples in ((*data.gallery, *data.junk), data.query):
            names = [sample.name for sample in samples]
            assert sorted(names) == sorted(names, key=str.upper) == sorted(names, key=str.encode)
            assert len({name.partition(".")[0] for name in names}) == len(names)  # a list's name tells its query
