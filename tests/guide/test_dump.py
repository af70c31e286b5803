"""Dump folders of three tools: read alike, paired by name; a file that is not as it must be is named."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as some

from helpers.guide_files import STEMS, features
from osnet_lib.datasets.market1501 import LANDMARKS, PUBLISHED
from osnet_lib.errors import DatasetError, FeatureError
from osnet_lib.features.store import Features
from osnet_lib.guide.dump import (
    FORMATS,
    check_apart,
    check_complete,
    check_published,
    dump_folder,
    format_feature,
    parse_feature,
    read_dump,
    write_feature,
)

# The head and the tail of a file as the old tool writes it: decimals, one space behind each, no end of line.
SAMPLE = "0.5 -1.25 1e-05 3.40282e+38 0 " + "0.125 " * 506 + "1.0625 "

finite = some.arrays(np.float32, 512, elements=st.floats(width=32, allow_nan=False, allow_infinity=False))


def ais_bench(folder, stem, feature, form):
    """A file as ais_bench writes it."""
    path = folder / f"{stem}_0.{form}"
    if form == "npy":
        np.save(path, feature[None])
    elif form == "txt":
        np.savetxt(path, feature[None], fmt="%f")
    else:
        feature.tofile(path)


def fill(folder, form="txt", stems=STEMS, tool="benchmark"):
    """A dump folder; returns its features, by row of `stems`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = features(len(stems))
    for stem, row in zip(stems, rows):
        if tool == "benchmark":
            write_feature(folder, stem, row, form)
        else:
            ais_bench(folder, stem, row, form)
    return rows


def test_a_sample_of_the_old_tool_is_read():
    feature = parse_feature(SAMPLE.encode(), "txt")
    assert feature.shape == (512,) and feature.dtype == np.float32
    assert feature[:5].tolist() == [0.5, -1.25, np.float32(1e-5), np.float32(3.40282e38), 0] and feature[-1] == 1.0625


def test_what_the_guide_s_script_reads(tmp_path):
    """It splits at each space and takes the first 512."""
    row = features(1)[0]
    path = write_feature(tmp_path, STEMS[0], row)
    text = path.read_text()
    assert path.name == "0001_c1s1_000001_00_1.txt" and text.endswith(" ") and "\n" not in text and "  " not in text
    assert np.array_equal(np.array(text.split(" ")[0:512], dtype=np.float32), row)
    assert write_feature(tmp_path, STEMS[0], row, "bin").read_bytes() == row.tobytes()
    assert dump_folder("result", 3).as_posix() == "result/dumpOutput_device3"


@pytest.mark.parametrize("form", FORMATS)
@given(feature=finite)
def test_every_float_comes_back(form, feature):
    assert np.array_equal(parse_feature(format_feature(feature, form), form), feature)


@given(st.sampled_from(["txt", "bin", "npy"]), st.binary(max_size=2100))
def test_any_bytes_are_read_or_refused(form, data):
    try:
        assert parse_feature(data, form).shape == (512,)
    except FeatureError:
        assert form != "bin" or len(data) != 2048


@pytest.mark.parametrize(
    "tool, form",
    [("benchmark", "txt"), ("benchmark", "bin"), ("ais_bench", "txt"), ("ais_bench", "bin"), ("ais_bench", "npy")],
)
def test_folders_of_every_tool_are_read_alike(tmp_path, tool, form):
    rows = fill(tmp_path / "dump", form, STEMS[::-1], tool)[::-1]
    (tmp_path / "dump" / ".DS_Store").write_bytes(b"")
    found = read_dump(tmp_path / "dump", progress=False)
    assert found.names.tolist() == STEMS and found.pids.tolist() == [1, 2, 3] and found.camids.tolist() == [1, 2, 6]
    # six decimals is all that ais_bench writes in text
    assert np.abs(found.features - rows).max() <= (5.1e-7 if (tool, form) == ("ais_bench", "txt") else 0)
    assert found.features.dtype == np.float32 and found.pids.dtype == np.int64


def test_junk_is_dropped_and_distractors_stay(tmp_path):
    fill(tmp_path, stems=["-1_c3s2_000017_01", "0000_c4s1_000015_01", STEMS[0]])
    assert read_dump(tmp_path, progress=False).pids.tolist() == [0, 1]


@pytest.mark.parametrize("names", [("device0", "device1"), ("device0_0", "device1_1")])
def test_the_device_folders_of_ais_bench_are_one_run(tmp_path, names):
    for name, stem in zip(names, STEMS):
        fill(tmp_path / name, "bin", [stem], "ais_bench")
    assert read_dump(tmp_path, progress=False).names.tolist() == STEMS[:2]
    fill(tmp_path / names[1], "bin", [STEMS[0]], "ais_bench")  # each device computed all images
    with pytest.raises(FeatureError, match="second feature of the image of"):
        read_dump(tmp_path, progress=False)


def spoil(name, text=None, data=b""):
    """A change of the folder: one file more, or another content."""
    return lambda folder: (folder / name).write_bytes(text.encode() if text is not None else data)


FEATURE = f"{STEMS[1]}_1.txt"
BAD = {
    "short": (spoil(FEATURE, "0.5 " * 511), rf"{FEATURE}: holds 511 numbers instead of 512\. Run the inference of"),
    "long": (spoil(FEATURE, "0.5 " * 513), rf"{FEATURE}: holds 513 numbers instead of 512"),
    "empty": (spoil(FEATURE, ""), rf"{FEATURE}: holds 0 numbers"),
    "words": (spoil(FEATURE, "0.5 " * 511 + "x "), rf"{FEATURE}: is no txt of numbers"),
    "commas": (spoil(FEATURE, "0,5 " * 512), rf"{FEATURE}: is no txt of numbers"),
    "nan": (spoil(FEATURE, "0.5 " * 511 + "nan "), rf"{FEATURE}: holds NaN or infinity\. Check the model's precision"),
    "infinity": (spoil(FEATURE, "inf " * 512), rf"{FEATURE}: holds NaN or infinity"),
    "too large": (spoil(FEATURE, "1e39 " * 512), rf"{FEATURE}: holds NaN or infinity"),
    "double": (
        spoil(f"{STEMS[1]}_1.bin"),
        rf"{STEMS[1]}_1\.(bin|txt): is a second feature of the image of .*{STEMS[1]}_1",
    ),
    "two tools": (spoil("0009_c1s1_000009_00_0.bin"), r"is output _\d, and others are _\d: two tools"),
    "third output": (spoil(f"{STEMS[1]}_2.txt"), rf"{STEMS[1]}_2\.txt: is no feature of a tool"),
    "images": (spoil(f"{STEMS[1]}.bin"), rf"{STEMS[1]}\.bin: is no feature of a tool, whose names are <stem>_1\.txt"),
    "summary": (spoil("run_summary.json"), r"run_summary\.json: is no feature of a tool.*\. Move it elsewhere"),
    "folder": (lambda folder: (folder / "dumpOutput_device1").mkdir(), "dumpOutput_device1: a folder among"),
    "odd name": (spoil("person_1.txt", "0.5 " * 512), r"person_1\.txt: the file name is not in Market-1501's form"),
}


@pytest.mark.parametrize("change, what", BAD.values(), ids=BAD)
def test_a_wrong_file_is_named(tmp_path, change, what):
    fill(tmp_path)
    change(tmp_path)
    with pytest.raises((FeatureError, DatasetError), match=what):
        read_dump(tmp_path, progress=False)


@pytest.mark.parametrize(
    "form, data, what",
    [
        ("bin", bytes(2047), "2,047 bytes are no float32 numbers"),
        ("bin", bytes(2044), "holds 511 numbers"),
        ("bin", bytes(1024), "holds 256 numbers instead of 512"),
        ("npy", b"", "is no npy"),
        ("npy", bytes(99), "is no npy"),
    ],
)
def test_a_wrong_binary_file_is_named(tmp_path, form, data, what):
    fill(tmp_path, "bin", tool="ais_bench")
    (tmp_path / f"{STEMS[0]}_0.bin").unlink()
    (tmp_path / f"{STEMS[0]}_0.{form}").write_bytes(data)
    with pytest.raises(FeatureError, match=rf"{STEMS[0]}_0\.{form}: {what}"):
        read_dump(tmp_path, progress=False)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(511, np.float32),
        np.zeros((2, 256), np.float32),
        np.zeros(512, np.int64),
        np.zeros((512, 1), np.float32),
        np.array([{}] * 512),
    ],
)
def test_a_wrong_array_is_named(tmp_path, array):
    fill(tmp_path, "npy", tool="ais_bench")
    np.save(tmp_path / f"{STEMS[0]}_0.npy", array)
    what = r"(holds .* instead of float32 \[512\]|holds 511 numbers|is no npy)"
    with pytest.raises(FeatureError, match=rf"{STEMS[0]}_0\.npy: {what}"):
        read_dump(tmp_path, progress=False)


@pytest.mark.parametrize(
    "stems, what", [(None, "no such folder"), ([], "holds no features"), (["-1_c3s2_000017_01"], "holds no features")]
)
def test_a_folder_without_features_is_refused(tmp_path, stems, what):
    if stems is not None:
        fill(tmp_path / "dump", stems=stems)
    with pytest.raises(FeatureError, match=f"dump: {what}"):
        read_dump(tmp_path / "dump", progress=False)


# Completeness


def named(*names):
    return Features(np.array(names), np.ones(len(names), int), np.ones(len(names), int), features(len(names)))


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


def test_query_and_gallery_share_no_image():
    check_apart(named(STEMS[0]), named(*STEMS[1:]), "q and g")
    with pytest.raises(FeatureError, match=rf"q and g: 1 images are in both, the first is {STEMS[1]}\. Run query"):
        check_apart(named(*STEMS[:2]), named(*STEMS[1:]), "q and g")


def test_reading_text_keeps_up_with_the_whole_test_split(tmp_path):
    """19,281 files in 6 s are 3,200 a second; the processor time of this thread, which no neighbour takes."""
    stems = [f"{pid:04d}_c1s1_000001_00" for pid in range(1, 401)]
    fill(tmp_path, stems=stems)
    seconds = []
    for _ in range(5):  # neighbours take the caches all the same: the best of five
        started = time.thread_time()
        assert len(read_dump(tmp_path, progress=False)) == 400
        seconds.append(time.thread_time() - started)
    assert min(seconds) < 400 * 6 / 19_281
