"""The guide's .bin files: the right bytes, each file whole, nothing made twice, nothing mixed."""

from __future__ import annotations

import os
import shutil
from collections import namedtuple

import numpy as np
import pytest
from hypothesis import given, strategies as st
from PIL import Image

from helpers.guide_files import content
from helpers.market import TINY
from osnet_lib.core.files import stem
from osnet_lib.datasets.preprocess import preprocess, to_uint8
from osnet_lib.errors import DatasetError
from osnet_lib.guide import binfiles
from osnet_lib.guide.binfiles import SHAPES, bin_bytes, preprocess_folder, read_bin

BINS = sorted(f"{name.split('.')[0]}.bin" for name in TINY["bounding_box_test"])


@pytest.fixture
def gallery(tiny_market):
    return tiny_market() / "bounding_box_test"


def stamps(folder):
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_sizes_are_those_of_the_guide_and_of_aipp():
    assert (bin_bytes("float32"), bin_bytes("uint8")) == (393_216, 98_304)


@pytest.mark.parametrize("zipped", [False, True], ids=["folder", "zip"])
@pytest.mark.parametrize("dtype", SHAPES)
def test_files_hold_the_preprocessed_image_byte_for_byte(gallery, pack, tmp_path, dtype, zipped):
    source = pack(gallery.parent, "Market/") / gallery.name if zipped else gallery
    made = preprocess_folder(source, tmp_path / "prep", dtype, progress=False)
    assert (made.path, made.dtype, made.count, made.kept) == (tmp_path / "prep", dtype, 7, 0)
    assert sorted(content(made.path)) == BINS  # junk is there as well
    for name in TINY["bounding_box_test"]:
        with Image.open(gallery / name) as image:
            expected = preprocess(image) if dtype == "float32" else to_uint8(image)
        path = made.path / f"{stem(name)}.bin"
        assert path.read_bytes() == expected.tobytes() and path.stat().st_size == bin_bytes(dtype)
        assert np.array_equal(read_bin(path, dtype), expected) and read_bin(path, dtype).dtype == dtype


def test_the_number_of_threads_changes_nothing(gallery, tmp_path):
    one, many = (content(preprocess_folder(gallery, tmp_path / str(n), threads=n, progress=False).path) for n in (1, 5))
    assert one == many


@pytest.mark.parametrize("harm", ["missing", "short", "random bytes", "not listed", "list cut short"])
def test_a_run_goes_on_where_it_stopped(gallery, tmp_path, harm):
    whole = content(preprocess_folder(gallery, tmp_path / "prep", progress=False).path)
    before, victim = stamps(tmp_path / "prep"), tmp_path / "prep" / BINS[2]
    if harm == "missing":
        victim.unlink()
    elif harm == "short":
        os.truncate(victim, 1000)
    elif harm == "random bytes":
        victim.write_bytes(np.random.default_rng(0).bytes(bin_bytes("float32")))
    else:
        sums = tmp_path / "prep.sha256"
        lines = sums.read_text().splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if victim.name in line)
        cut = [lines[at][:40]] if harm == "list cut short" else []
        sums.write_text("".join([*lines[:at], *lines[at + 1 :], *cut]))
    made = preprocess_folder(gallery, tmp_path / "prep", progress=False)
    assert made.kept == 6 and content(made.path) == whole
    assert {name for name, stamp in stamps(made.path).items() if stamp != before[name]} == {BINS[2]}


@pytest.mark.parametrize("change", ["pixels", "dtype", "record"])
def test_files_of_other_pictures_or_numbers_are_made_again(gallery, tmp_path, change):
    prep = preprocess_folder(gallery, tmp_path / "prep", progress=False).path
    if change == "pixels":  # same name, another picture
        shutil.copy(gallery / TINY["bounding_box_test"][0], gallery / TINY["bounding_box_test"][1])
    elif change == "record":
        (tmp_path / "prep.key.json").write_text("{")
    dtype = "uint8" if change == "dtype" else "float32"
    made = preprocess_folder(gallery, prep, dtype, progress=False)
    fresh = preprocess_folder(gallery, tmp_path / "fresh", dtype, progress=False)
    assert made.kept == 0 and content(prep) == content(fresh.path)


def test_old_files_do_not_survive_a_change_of_pictures_that_fails(gallery, tmp_path, monkeypatch):
    """Else the next run would take them for its own."""
    preprocess_folder(gallery, tmp_path / "prep", progress=False)
    shutil.copy(gallery / TINY["bounding_box_test"][0], gallery / TINY["bounding_box_test"][1])
    with monkeypatch.context() as patch:
        patch.setattr(binfiles.FolderRecord, "put", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            preprocess_folder(gallery, tmp_path / "prep", threads=1, progress=False)
    assert preprocess_folder(gallery, tmp_path / "prep", progress=False).kept == 0


def test_an_unreadable_image_is_named_and_leaves_nothing_half_done(gallery, tmp_path):
    (gallery / TINY["bounding_box_test"][3]).write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"bounding_box_test/0003_c5s2_000014_01\.jpg\.jpg: is no image"):
        preprocess_folder(gallery, tmp_path / "prep", threads=2, progress=False)
    left = content(tmp_path / "prep")
    assert set(left) < set(BINS) and {len(data) for data in left.values()} <= {bin_bytes("float32")}


@pytest.mark.parametrize("dtype", SHAPES)
def test_a_disk_that_is_too_small_is_refused_at_the_start(gallery, tmp_path, monkeypatch, dtype):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 9, 7 * bin_bytes(dtype) - 1))
    with pytest.raises(DatasetError, match=r"prep: the files need 0\.00 GB, and the disk has 0\.00 GB left\. Free"):
        preprocess_folder(gallery, tmp_path / "prep", dtype, progress=False)
    assert not (tmp_path / "prep").exists() and not (tmp_path / "prep.key.json").exists()
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 9, 7 * bin_bytes(dtype)))
    assert preprocess_folder(gallery, tmp_path / "prep", dtype, progress=False).count == 7


def test_the_whole_test_split_needs_nine_gigabytes(monkeypatch, tmp_path):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, 1_500_000_000))
    with pytest.raises(DatasetError, match=r"need 9\.08 GB, and the disk has 1\.50 GB left"):
        binfiles._check_space(tmp_path, (3368 + 19732) * bin_bytes("float32"), 0)


def test_files_that_are_there_already_do_not_count_against_the_disk(gallery, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    preprocess_folder(gallery, tmp_path / "prep", progress=False)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(9, 9, 0))
    assert preprocess_folder(gallery, tmp_path / "prep", progress=False).kept == 7
    assert preprocess_folder(gallery, tmp_path / "prep", "uint8", progress=False).kept == 0  # smaller than what goes


def test_two_splits_in_one_folder_are_refused(tiny_market, tmp_path):
    market = tiny_market()
    preprocess_folder(market / "query", tmp_path / "prep", progress=False)
    with pytest.raises(DatasetError, match=r"prep: holds 3 files of other images, the first is 0001_c1s1_000001_00"):
        preprocess_folder(market / "bounding_box_test", tmp_path / "prep", progress=False)
    assert len(content(tmp_path / "prep")) == 3


@pytest.mark.parametrize(
    "name, what",
    [
        ("gone", r"gone: no such folder of images\. Give a folder, ZIP/query"),
        ("empty", r"empty: holds no images\. Give a folder such as"),
        ("twins", r"twins/0001_c1s1_000001_00\.jpg\.jpg: has the same stem as 0001_c1s1_000001_00\.jpg\. Rename"),
        ("odd", r"odd/me\.jpg: the file name is not in Market-1501's form"),
    ],
)
def test_what_is_no_folder_of_images_is_refused(tmp_path, name, what):
    for folder, files in {
        "empty": [],
        "twins": ["0001_c1s1_000001_00.jpg", "0001_c1s1_000001_00.jpg.jpg"],
        "odd": ["me.jpg"],
    }.items():
        (tmp_path / folder).mkdir()
        for file in files:
            (tmp_path / folder / file).write_bytes(b"")
    with pytest.raises(DatasetError, match=what):
        preprocess_folder(tmp_path / name, tmp_path / "prep", progress=False)
    assert not (tmp_path / "prep").exists()


@given(st.sampled_from(sorted(SHAPES)), st.binary(min_size=8, max_size=64))
def test_any_image_is_read_back(tmp_path_factory, dtype, seed):
    path = tmp_path_factory.getbasetemp() / "any.bin"
    data = (seed * (bin_bytes(dtype) // len(seed) + 1))[: bin_bytes(dtype)]
    path.write_bytes(data)
    image = read_bin(path, dtype)
    assert image.shape == SHAPES[dtype] and image.tobytes() == data


@pytest.mark.parametrize(
    "size, dtype, what",
    [
        (98_304, "float32", r"holds 98,304 bytes instead of 393,216, one image of float32\. .*uint8.*without --uint8"),
        (393_216, "uint8", r"holds 393,216 bytes instead of 98,304, one image of uint8\. .*float32.*with --uint8"),
        (393_215, "float32", r"holds 393,215 bytes .*\. Preprocess the images again"),
        (0, "uint8", "holds 0 bytes"),
        (None, "float32", r"cannot be read \(No such file or directory\)\. Preprocess the images again, or run from"),
    ],
)
def test_a_file_of_another_size_is_refused(tmp_path, size, dtype, what):
    if size is not None:
        (tmp_path / "a.bin").write_bytes(bytes(size))
    with pytest.raises(DatasetError, match=rf"a\.bin: {what}"):
        read_bin(tmp_path / "a.bin", dtype)
