"""Reading Market-1501's layout: names, tables, counts, digest, and every refusal with its cure."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError, asdict
from functools import partial

import numpy as np
import pytest
from hypothesis import given, strategies as st

from helpers.market import TINY
from helpers.refusals import refusal_of
from osnet_lib.datasets import market1501
from osnet_lib.datasets.market1501 import LANDMARKS, PUBLISHED, SPLITS, Sample, open_market1501, parse_name
from osnet_lib.datasets.members import MAX_FILE_BYTES
from osnet_lib.errors import DatasetError

TABLES = ("query", "gallery", "junk", "train", "multi_query")
LITTER = ["query/Thumbs.db", "bounding_box_test/.DS_Store", "query/._0001_c1s1_000001_00.jpg", "__MACOSX/query/x.jpg"]


refusal = partial(refusal_of, DatasetError)


# ---- names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, fields",
    [
        ("0002_c1s1_000451_03.jpg", (2, 1, 1, 451, 3)),
        ("1501_c6s4_001877_01.jpg", (1501, 6, 4, 1877, 1)),
        ("-1_c3s2_121967_09.jpg", (-1, 3, 2, 121967, 9)),
        ("0000_c5s1_000151_10.jpg", (0, 5, 1, 151, 10)),
        ("1488_c2s3_065527_00.jpg.jpg", (1488, 2, 3, 65527, 0)),  # as published
        ("0002_c12s1_000451_03.jpg", (2, 12, 1, 451, 3)),  # and other people's
        ("0002_c0s1_000451_03.jpg", (2, 0, 1, 451, 3)),
        ("2_c1s1_000451_03.jpg", (2, 1, 1, 451, 3)),
        ("10000002_c1s1_000451_03.jpg", (10000002, 1, 1, 451, 3)),
        ("0002_c1s1_1000451_103.JPG", (2, 1, 1, 1000451, 103)),
        ("0002_c1s1_000451_03.jpeg", (2, 1, 1, 451, 3)),
        ("0002_c1s1_000451_03.PNG", (2, 1, 1, 451, 3)),
        ("0002_c1s1_000451_03.webp", (2, 1, 1, 451, 3)),
    ],
)
def test_parse_name(name, fields):
    assert parse_name(name, "gallery") == Sample(name, *fields, "gallery")


@given(
    pid=st.integers(-1, 10**18 - 1),
    camid=st.integers(0, 999),
    sequence=st.integers(0, 99),
    frame=st.integers(0, 10**9),
    box=st.integers(0, 999),
    split=st.sampled_from(sorted(SPLITS)),
)
def test_parse_name_returns_what_was_written(pid, camid, sequence, frame, box, split):
    name = f"{'-1' if pid < 0 else format(pid, '04d')}_c{camid}s{sequence}_{frame:06d}_{box:02d}.jpg"
    fields = {"pid": pid, "camid": camid, "sequence": sequence, "frame": frame, "box": box}
    assert asdict(parse_name(name, split)) == {"name": name, **fields, "split": split}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "photo.jpg",
        "0002_c1s1_000451_03.exe",
        "0002_c1s1_000451_03.jpg.jpg.jpg",
        "-2_c1s1_000451_03.jpg",
        "1000000000000000000_c1s1_000451_03.jpg",  # more than a number of 64 bits surely holds
        "0002c1s1_000451_03.jpg",
        "0002_C1S1_000451_03.jpg",
        "0002_c1s1_000451_03.jpg\n",
        " 0002_c1s1_000451_03.jpg",
        "query/0002_c1s1_000451_03.jpg",
        "０００２_c1s1_000451_03.jpg",  # digits, but not ASCII
    ],
)
def test_parse_name_refuses(name):
    message = refusal(parse_name, name, "query", where=f"q/{name!r}")
    assert message.startswith(f"q/{name!r}: the file name is not in Market-1501's form")
    assert ("Rename it like 0002_c1s1_000451_03.jpg" in message) == name.endswith(".jpg")


@pytest.mark.parametrize(
    "name, what",
    [
        ("0002_c1s1_000451_03 (1).jpg", "is a second copy of 0002_c1s1_000451_03.jpg"),
        ("0002_c1s1_000451_03(2).JPG", "is a second copy of 0002_c1s1_000451_03.JPG"),
        ("0002_c1s1_000451_03 - Copy.jpg", "is a second copy of 0002_c1s1_000451_03.jpg"),
        ("0002_c1s1_000451_03 - 副本.jpg", "is a second copy of 0002_c1s1_000451_03.jpg"),
        ("0002_c1s1_000451_03 copy 2.jpg", "is a second copy of 0002_c1s1_000451_03.jpg"),
        ("0002_c1s1_000451_03.jpg~", "is a second copy of 0002_c1s1_000451_03.jpg"),
        ("0002_c1s1_000451_03.jpg.crdownload", "nor that of an image"),
        ("list.txt", "nor that of an image"),
        ("readme", "nor that of an image"),
        ("0001_c2_f0046182.jpg", "it looks like one of dukemtmc"),
        ("0002_c002_00030600_0.jpg", "it looks like one of veri"),
        ("0001_c1_1.png", "it looks like one of cuhk03"),
        ("0000_000_01_0303morning_0015_0.jpg", "it looks like one of msmt17"),
    ],
)
def test_parse_name_tells_what_a_name_is(name, what):
    assert what in refusal(parse_name, name, "query")


@given(st.text() | st.from_regex(r"(-1|[0-9]{3,5})_c[0-9]s[0-9]_[0-9]{5,7}_[0-9]{1,3}(~|\.jpe?g)"))
def test_parse_name_either_reads_back_or_refuses(name):
    try:
        sample = parse_name(name, "train")
    except DatasetError as error:
        assert "form" in str(error) or "second copy" in str(error)
    else:
        numbers = re.fullmatch(r"(-?[0-9]+)_c([0-9]+)s([0-9]+)_([0-9]+)_([0-9]+)\..+", name).groups()
        assert tuple(map(int, numbers)) == (sample.pid, sample.camid, sample.sequence, sample.frame, sample.box)


def test_parse_name_refuses_an_unknown_split():
    assert "query, gallery, train, multi_query" in refusal(parse_name, "0002_c1s1_000451_03.jpg", "test")


# ---- tables ---------------------------------------------------------------------------------------------------------


def test_tables(tiny_market):
    with open_market1501(tiny_market()) as data:
        names = {table: [sample.name for sample in getattr(data, table)] for table in TABLES}
        test = sorted(TINY["bounding_box_test"])
        assert names == {
            "query": TINY["query"],
            "gallery": [name for name in test if name[:2] != "-1"],
            "junk": ["-1_c3s2_000017_01.jpg"],
            "train": TINY["bounding_box_train"],
            "multi_query": [],
        }
        assert {sample.split for sample in data.gallery + data.junk} == {"gallery"}
        assert not data.is_market1501
        rows = {row.pop("split"): row for row in data.summary()}
        assert rows["gallery"] == {
            "folder": "bounding_box_test",
            "images": 7,
            "kept": 6,
            "identities": 3,
            "cameras": 5,
            "junk": 1,
            "distractors": 2,
        }
        assert rows["query"] == {
            "folder": "query",
            "images": 3,
            "kept": 3,
            "identities": 3,
            "cameras": 3,
            "junk": 0,
            "distractors": 0,
        }
        assert rows["train"]["identities"] == 2
        with pytest.raises(FrozenInstanceError):
            data.query = ()


def test_train_may_be_absent(tiny_market):
    root = tiny_market()
    shutil.rmtree(root / "bounding_box_train")
    with open_market1501(root) as data:
        assert data.train == () and [row["split"] for row in data.summary()] == ["query", "gallery"]


DRAWN = {
    "0001_c1s1_000001_00.jpg": False,  # the query itself
    "0001_c1s1_000031_00.jpg": True,
    "0001_c1s2_000032_00.jpg": True,
    "0003_c6s3_000033_00.jpg.jpg": True,
    "0001_c2s1_000034_00.jpg": False,  # another camera
    "0007_c1s1_000035_00.jpg": False,  # of the training split
    "0000_c1s1_000036_00.jpg": False,
}


@pytest.mark.parametrize("zipped", [False, True])
def test_multi_query_holds_the_other_boxes_of_the_queries(tiny_market, pack, zipped):
    root = tiny_market(gt_bbox=list(DRAWN))
    with open_market1501(tiny_market("without")) as data:
        digest, without = data.digest, data.summary()
    with open_market1501(pack(root, "Market/") if zipped else root) as data:
        assert [sample.name for sample in data.multi_query] == sorted(name for name, kept in DRAWN.items() if kept)
        assert {sample.split for sample in data.multi_query} == {"multi_query"}
        assert [len(getattr(data, table)) for table in ("query", "gallery", "junk", "train")] == [3, 6, 1, 3]
        assert data.summary() == [
            *without,
            {
                "split": "multi_query",
                "folder": "gt_bbox",
                "images": 3,
                "kept": 3,
                "identities": 2,
                "cameras": 2,
                "junk": 0,
                "distractors": 0,
            },
        ]
        sample = data.multi_query[0]
        assert data.read(sample) == (root / "gt_bbox" / sample.name).read_bytes()
        assert data.image(sample).size == (16, 32)
        assert data.digest != digest  # its images are part of the data set
    for name, kept in DRAWN.items():
        if not kept:
            (root / "gt_bbox" / name).unlink()
    with open_market1501(root) as fewer:
        assert fewer.digest == data.digest  # what no table holds is not


def expected_digest(root) -> str:
    files = sorted((folder, name) for folder, names in TINY.items() for name in names)
    digest = hashlib.sha256()
    for folder, name in files:
        data = (root / folder / name).read_bytes()
        digest.update(f"{folder}/{name}".encode() + b"\0" + str(len(data)).encode() + b"\0" + data)
    return digest.hexdigest()


@pytest.mark.parametrize("shape", ["folder", "nested folder", "stored", "deflated", "nested zip", "backslashes"])
def test_folder_and_zip_are_the_same(tiny_market, pack, tmp_path, shape):
    root = tiny_market()
    with open_market1501(root) as reference:
        tables = {table: getattr(reference, table) for table in TABLES}
        summary, pixels = reference.summary(), np.asarray(reference.image(reference.query[0]))
    digest = expected_digest(root)
    for file in LITTER:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_bytes(b"litter")
    path = root
    if shape == "nested folder":
        path = tmp_path / "outer"
        shutil.move(root, path / "Market-1501-v15.09.15")
        (path / "readme.txt").write_text("beside it")
    elif shape == "backslashes":
        path = tmp_path / "windows.zip"
        with zipfile.ZipFile(path, "w") as archive:
            for folder, names in TINY.items():
                for name in names:
                    info = zipfile.ZipInfo()
                    info.filename = f"Market-1501\\{folder}\\{name}"
                    archive.writestr(info, (root / folder / name).read_bytes())
    elif shape != "folder":
        prefix = "Market-1501-v15.09.15/" if shape == "nested zip" else ""
        path = pack(root, prefix, zipfile.ZIP_STORED if shape == "stored" else zipfile.ZIP_DEFLATED)
        shutil.rmtree(root)  # the zip alone must do
    before = sorted(tmp_path.rglob("*"))
    with open_market1501(str(path)) as data:
        assert {table: getattr(data, table) for table in TABLES} == tables
        assert data.summary() == summary and data.digest == digest and data.path == path
        assert np.array_equal(np.asarray(data.image(data.query[0])), pixels)
    assert sorted(tmp_path.rglob("*")) == before  # nothing was unpacked


@pytest.mark.parametrize("change", ["byte", "name", "removed"])
def test_digest_follows_the_content(tiny_market, change):
    root = tiny_market()
    file = root / "query" / TINY["query"][0]
    if change == "byte":
        file.write_bytes(file.read_bytes() + b"\0")
    elif change == "name":
        file.rename(file.with_name("0001_c1s1_000009_00.jpg"))
    else:
        file.unlink()
    with open_market1501(root) as data, open_market1501(tiny_market("same")) as original:
        assert data.digest != original.digest


def test_threads_read_the_same_bytes(tiny_market, pack):
    root = tiny_market()
    with open_market1501(pack(root)) as data, ThreadPoolExecutor(8) as pool:
        start = threading.Barrier(8)

        def read_all(_):
            start.wait(timeout=60)
            return [data.read(sample) for _ in range(20) for sample in data.gallery]

        expected = [(root / "bounding_box_test" / sample.name).read_bytes() for sample in data.gallery] * 20
        assert all(result == expected for result in pool.map(read_all, range(8)))


# ---- refusals of whole data sets ------------------------------------------------------------------------------------


def test_refuses_a_missing_path(tmp_path):
    message = refusal(open_market1501, tmp_path / "absent")
    assert message.startswith(f"{tmp_path / 'absent'}: no such folder, zip or tar") and "Check the path" in message


@pytest.mark.parametrize("zipped", [False, True])
def test_refuses_an_unrelated_data_set(tmp_path, pack, zipped):
    (tmp_path / "photos" / "holiday").mkdir(parents=True)
    (tmp_path / "photos" / "holiday" / "beach.jpg").write_bytes(b"x")
    path = pack(tmp_path / "photos") if zipped else tmp_path / "photos"
    message = refusal(open_market1501, path)
    assert message.startswith(f"{path}: ") and "query/, bounding_box_test/" in message and "Pass the folder" in message


@pytest.mark.parametrize("zipped", [False, True])
def test_refuses_two_data_sets_side_by_side(tiny_market, pack, tmp_path, zipped):
    tiny_market("all/first"), tiny_market("all/second")
    path = pack(tmp_path / "all") if zipped else tmp_path / "all"
    assert "several data sets (first, second)" in refusal(open_market1501, path)


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    "file, what, cure",
    [
        ("query/IMG_0001.jpg", "file name", "Rename it like"),
        ("bounding_box_test/readme.txt", "file name", "move it out of bounding_box_test/"),
        ("bounding_box_train/0007_c9s1_000001.jpg", "file name", "Rename it like"),
        ("query/0001_c1s1_000001_00.JPEG", "has the same stem as 0001_c1s1_000001_00.JPEG", "Rename or remove"),
        ("gt_bbox/IMG_0001.jpg", "file name", "move it out of gt_bbox/"),
        ("query/more/0001_c1s1_000001_00.jpg", "only images belong", "query/"),
        ("query/-1_c1s1_000001_00.jpg", "junk or a distractor", "Move it to bounding_box_test/"),
        ("bounding_box_train/0000_c1s1_000001_00.jpg", "junk or a distractor", "Move it to bounding_box_test/"),
    ],
)
def test_refuses_a_stray_file(tiny_market, pack, zipped, file, what, cure):
    root = tiny_market()
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_bytes(b"x")
    path = pack(root, "Market/") if zipped else root
    message = refusal(open_market1501, path)
    assert file.partition("/more")[0].partition(".")[0] in message and what in message and cure in message
    assert message.startswith(f"{path}/Market/" if zipped else str(path))


SAME_CAMERA = {
    "query": ["0001_c2s1_000001_00.jpg", "0002_c3s1_000002_00.jpg"],
    "bounding_box_test": ["0001_c2s1_000011_01.jpg", "0002_c3s1_000012_01.jpg"],
}


@pytest.mark.parametrize(
    "folders, what, cure",
    [
        ({"query": []}, "no usable image in query/", "Put the images of the test people into query/"),
        ({"bounding_box_test": []}, "no usable image in bounding_box_test/", "into bounding_box_test/"),
        ({"bounding_box_test": ["-1_c3s2_000017_01.jpg"]}, "junk does not count", "into bounding_box_test/"),
        ({"query": ["0009_c1s1_000001_00.jpg"]}, "no identity of query/ appears", "number before _c"),
        (SAME_CAMERA, "come from one camera (identity 0001 only from c2)", "camid is the number after _c"),
    ],
)
def test_refuses_what_cannot_be_scored(tiny_market, folders, what, cure):
    root = tiny_market(**folders)
    message = refusal(open_market1501, root)
    assert message.startswith(f"{root}: ") and what in message and cure in message


def test_one_query_with_a_match_is_enough(tiny_market):
    folders = {**SAME_CAMERA, "bounding_box_test": [*SAME_CAMERA["bounding_box_test"], "0002_c4s1_000013_01.jpg"]}
    with open_market1501(tiny_market(**folders)) as data:
        assert len(data.query) == 2


# ---- damaged and hostile zips ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", ["empty", "text", "half", "no directory", "directory"])
def test_refuses_a_damaged_zip(tiny_market, pack, damage):
    path = pack(tiny_market())
    data = path.read_bytes()
    start = data.index(b"PK\x01\x02")  # the central directory
    path.write_bytes(
        {
            "empty": b"",
            "text": b"<html>404</html>",
            "half": data[: len(data) // 2],
            "no directory": data[:start],
            "directory": data[:start] + b"\0\0" + data[start + 2 :],
        }[damage]
    )
    message = refusal(open_market1501, path)
    what = {"empty": "is an empty file", "text": "is a web page (HTML)"}.get(damage, "is not a readable zip")
    assert message.startswith(f"{path}: {what}") and re.search("Download (or copy )?it again", message)


def test_names_the_damaged_member(tiny_market, pack):
    path = pack(tiny_market(), compression=zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    name = TINY["query"][1]
    data[data.index(name.encode()) + len(name) + 200] ^= 0xFF
    path.write_bytes(data)
    with open_market1501(path) as market:
        bad = {sample.name: sample for sample in market.query}[name]
        message = refusal(market.image, bad)
        assert message.startswith(f"{path}/query/{name}: cannot be read (Bad CRC-32") and "copy it again" in message
        assert name in refusal(getattr, market, "digest")
        assert market.image(market.query[0]).mode == "RGB"


@pytest.mark.parametrize(
    "name",
    [
        "../evil.jpg",
        "query/../../evil.jpg",
        "/etc/evil.jpg",
        "C:/evil.jpg",
        "C:evil.jpg",
        "\\\\host\\evil.jpg",
        "query\\..\\evil.jpg",
    ],
)
def test_refuses_a_zip_that_leads_out(tiny_market, pack, name):
    path = pack(tiny_market())
    with zipfile.ZipFile(path, "a") as archive:
        info = zipfile.ZipInfo()
        info.filename = name
        archive.writestr(info, b"x")
    message = refusal(open_market1501, path)
    assert message.startswith(f"{path}: holds a path that leads out of it ({name!r})") and "Do not unpack" in message


def test_refuses_a_name_twice(tiny_market, pack):
    path = pack(tiny_market())
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(f"query/{TINY['query'][0]}", b"other")
    message = refusal(open_market1501, path)
    assert message.startswith(f"{path}/query/{TINY['query'][0]}: is in the zip twice") and "unique" in message


@pytest.mark.parametrize(
    "field, value, what",
    [
        ("flag_bits", 1, "encrypted"),
        ("compress_type", 93, "method other than store, deflate, bzip2 and lzma (zstd)"),
        ("compress_type", 9, "deflate64"),
        ("compress_type", 1, "number 1"),
        ("compress_size", MAX_FILE_BYTES + 1, "claims 67,108,865 packed bytes"),
        ("external_attr", 0o120777 << 16, "is a link"),
        ("file_size", MAX_FILE_BYTES + 1, "claims 67,108,865 bytes"),
    ],
)
def test_refuses_members_it_will_not_unpack(tiny_market, pack, monkeypatch, field, value, what):
    path = pack(tiny_market())
    members = zipfile.ZipFile.infolist

    def altered(archive):
        for info in members(archive):
            if info.filename.endswith(TINY["query"][0]):
                setattr(info, field, value)
            yield info

    monkeypatch.setattr(zipfile.ZipFile, "infolist", altered)
    message = refusal(open_market1501, path)
    assert message.startswith(f"{path}/query/{TINY['query'][0]}: ") and what in message and "again" in message


# ---- single images --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "keep, what",
    [
        (0, "empty file"),
        (1, "is no image"),
        (2, "JPEG"),
        (20, "JPEG"),
        (300, "JPEG"),
        (-1, "truncated"),
        (-40, "truncated"),
    ],
)
def test_names_a_truncated_jpeg(tiny_market, keep, what):
    root = tiny_market()
    file = root / "query" / TINY["query"][0]
    file.write_bytes(file.read_bytes()[:keep])
    with open_market1501(root) as data:
        message = refusal(data.image, data.query[0])
        assert message.startswith(f"{file}: ") and what in message and "Copy this file again" in message
        assert "0x" not in message  # no object's address


def test_any_damage_gives_an_image_or_the_one_error(tiny_market):
    root = tiny_market()
    file = root / "query" / TINY["query"][0]
    whole = file.read_bytes()
    rng = np.random.default_rng(0)
    refused = 0
    with open_market1501(root) as data:
        for _ in range(300):
            damaged = np.frombuffer(whole, np.uint8).copy()
            damaged[rng.integers(0, len(whole), 8)] = rng.integers(0, 256, 8)
            file.write_bytes(damaged[: rng.integers(1, len(whole) + 1)].tobytes())
            try:
                assert data.image(data.query[0]).mode == "RGB"
            except DatasetError as error:
                assert str(file) in str(error)
                refused += 1
    assert refused > 100


def test_grey_jpeg_becomes_rgb(tiny_market):
    root = tiny_market()
    with open_market1501(root) as data:
        colour = data.image(data.query[0])
        colour.convert("L").save(root / "query" / TINY["query"][0], "JPEG")
        grey = np.asarray(data.image(data.query[0]))
        assert grey.shape == (32, 16, 3) and (grey[..., :1] == grey).all()


def test_a_file_that_went_away_is_named(tiny_market):
    root = tiny_market()
    with open_market1501(root) as data:
        (root / "query" / TINY["query"][0]).unlink()
        message = refusal(data.read, data.query[0])
        assert TINY["query"][0] in message and "in place" in message


def test_reading_needs_a_known_sample_and_an_open_zip(tiny_market, pack):
    with open_market1501(pack(tiny_market())) as data:
        stranger = Sample("../../secret", 1, 1, 1, 1, 1, "query")
        assert "is not a file of this data set" in refusal(data.read, stranger)
    assert "already closed" in refusal(data.read, data.query[0])


# ---- Market-1501 itself ---------------------------------------------------------------------------------------------


@pytest.fixture
def published_tiny(monkeypatch):
    """Let the published release be `TINY`, so that the check of the counts runs without the real data."""
    counts = {"query": (3, 3, 3, 0, 0), "gallery": (7, 3, 5, 1, 2), "train": (3, 2, 3, 0, 0)}
    keys = ("images", "identities", "cameras", "junk", "distractors")
    monkeypatch.setattr(market1501, "PUBLISHED", {split: dict(zip(keys, row)) for split, row in counts.items()})
    monkeypatch.setattr(
        market1501, "LANDMARKS", {"query": set(TINY["query"][:2]), "gallery": set(TINY["bounding_box_test"][:4])}
    )


@pytest.mark.parametrize(
    "folders, short",
    [
        ({"query": TINY["query"][:2]}, "query/ holds 2 of 3 images"),
        ({"bounding_box_test": TINY["bounding_box_test"][:6]}, "bounding_box_test/ holds 6 of 7 images"),
        ({"bounding_box_train": TINY["bounding_box_train"][:1]}, "bounding_box_train/ holds 1 of 3 images"),
        (
            {"query": TINY["query"][:1], "bounding_box_test": TINY["bounding_box_test"][:1]},
            "query/ holds 1 of 3 images, bounding_box_test/ holds 1 of 7 images",
        ),
    ],
)
def test_names_the_short_split(tiny_market, published_tiny, folders, short):
    root = tiny_market(**folders)
    message = refusal(open_market1501, root)
    assert message.startswith(f"{root}: Market-1501, but short: {short}. ") and "again" in message
    with open_market1501(root, allow_short=True) as data:
        assert not data.is_market1501


@pytest.mark.parametrize(
    "folders, verdict",
    [
        ({}, True),
        ({"bounding_box_train": []}, True),
        (
            {"query": ["0003_c6s3_000003_00.jpg"], "bounding_box_test": ["0003_c5s2_000014_01.jpg"]},
            False,
        ),  # no landmark
        ({"bounding_box_test": [*TINY["bounding_box_test"], "0000_c1s1_000018_01.jpg"]}, False),  # more distractors
        ({"query": ["0001_c1s1_000001_00.jpg", "0002_c2s1_000002_00.jpg", "0001_c6s3_000003_00.jpg"]}, False),
    ],
)
def test_recognises_the_release(tiny_market, published_tiny, folders, verdict):
    with open_market1501(tiny_market(**folders)) as data:
        assert data.is_market1501 is verdict


def test_real_data(market_zip):
    with open_market1501(market_zip) as data:
        assert data.is_market1501
        assert [len(getattr(data, table)) for table in TABLES] == [3368, 15913, 3819, 0, 0]
        for row in data.summary():
            assert PUBLISHED[row["split"]].items() <= row.items()
        assert all(LANDMARKS[split] <= {sample.name for sample in getattr(data, split)} for split in LANDMARKS)
        assert data.image(data.query[0]).size == (64, 128)


@pytest.mark.parametrize(
    "dropped, short",
    [
        (r"query/1[0-9]{3}_", r"query/ holds 2,\d{3} of 3,368 images"),
        (r"bounding_box_test/-1_c1s1_000", r"bounding_box_test/ holds 19,\d{3} of 19,732 images"),
    ],
)
def test_real_data_cut_short(market_zip, tmp_path, dropped, short):
    path = tmp_path / "short.zip"
    with zipfile.ZipFile(market_zip) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            if not re.search(dropped, name):
                target.writestr(zipfile.ZipInfo(name), b"")  # names are enough: opening decodes nothing
    assert re.search(short, refusal(open_market1501, path))
