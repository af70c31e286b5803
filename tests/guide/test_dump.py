"""Dump folders of the tools over the years: read alike, paired by name; a file that is not as it must be is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra import numpy as some

from helpers.guide_files import STEMS, features, write_feature
from osnet_lib.datasets.market1501 import parse_name
from osnet_lib.errors import DatasetError, FeatureError
from osnet_lib.guide.dump import FORMATS, dump_folder, format_feature, parse_feature, read_dump

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
        assert form != "bin" or len(data) not in (1024, 2048)


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


def text(separator: str, end: str = "", start: str = "") -> Callable[[np.ndarray], bytes]:
    """Decimals with something between them."""
    return lambda row: (start + separator.join(f"{value:.6f}" for value in row) + end).encode()


def npy(shape: tuple[int, ...], dtype: type = np.float32) -> Callable[[np.ndarray], bytes]:
    def write(row: np.ndarray) -> bytes:
        stream = BytesIO()
        np.save(stream, row.reshape(shape).astype(dtype))
        return stream.getvalue()

    return write


def raw(row: np.ndarray) -> bytes:
    return row.astype("<f4").tobytes()


def half(row: np.ndarray) -> bytes:
    return row.astype("<f2").tobytes()


# What the tools left over the years: where in the folder, under which name, in which form.
LEFT = {
    "benchmark, a line of decimals": ("", "{}_1.txt", text(" ", " ")),
    "benchmark, a number a line": ("", "{}_1.txt", text("\n", "\n")),
    "benchmark, raw": ("", "{}_1.bin", raw),
    "a line of Windows": ("", "{}_0.txt", text(" ", "\r\n")),
    "lines of Windows": ("", "{}_0.txt", text("\r\n", "\r\n")),
    "a line that begins with a mark of order": ("", "{}_0.txt", text(" ", start="\ufeff")),
    "commas": ("", "{}_0.txt", text(",")),
    "commas and spaces": ("", "{}_0.txt", text(", ", "\n")),
    "a comma at the end": ("", "{}_0.txt", text(",", ",\n")),
    "tabs": ("", "{}_0.txt", text("\t")),
    "ais_infer": ("", "{}_0.bin", raw),
    "ais_infer, in a folder of its time": ("2022_11_14-16_13_58", "{}_0.bin", raw),
    "the same, to the microsecond": ("2023_01_02-03_04_05_123456", "{}_0.npy", npy((1, 512))),
    "msame, in a folder of its time": ("20210601_101010", "{}_output_0.bin", raw),
    "ais_bench on a device": ("device0_0", "{}_0.bin", raw),
    "the same, in a folder of its time": ("2023_05_06-07_08_09/device3_0", "{}_0.txt", text(" ")),
    "ATC with --output_type FP16": ("", "{}_0.bin", half),
    "msame, raw": ("", "{}_output_0.bin", raw),
    "msame, float16": ("", "{}_output_0.bin", half),
    "msame, text": ("", "{}_output_0.txt", text(" ", "\r\n")),
    "one's own script, raw": ("", "{}.bin", raw),
    "one's own script, text": ("", "{}.txt", text("\n")),
    "one's own script, an array": ("", "{}.npy", npy((512,))),
    "a row": ("", "{}_0.npy", npy((1, 512))),
    "a column": ("", "{}_0.npy", npy((512, 1))),
    "pooled maps": ("", "{}_0.npy", npy((1, 512, 1, 1))),
    "pooled maps of one image": ("", "{}_0.npy", npy((512, 1, 1))),
    "float16": ("", "{}_0.npy", npy((1, 512), np.float16)),
    "float64": ("", "{}_0.npy", npy((1, 512), np.float64)),
    "the other order of bytes": ("", "{}_0.npy", npy((1, 512), np.dtype(">f4"))),
}


@pytest.mark.parametrize("kind", LEFT)
def test_what_the_tools_left_over_the_years_is_read(tmp_path, kind):
    place, name, form = LEFT[kind]
    rows = features()
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    for stem, row in zip(STEMS, rows):
        (tmp_path / place / name.format(stem)).write_bytes(form(row))
    for litter in ("Thumbs.db", ".DS_Store", "desktop.ini"):
        (tmp_path / place / litter).write_bytes(b"x")
    for summary in ("sumary.json", "summary.json", "device0_0_summary.json", "2022_11_14-16_13_58_summary.json"):
        (tmp_path / place / summary).write_text("{}")
    found = read_dump(tmp_path, progress=False)
    assert found.names.tolist() == STEMS and found.features.dtype == np.float32
    assert np.abs(found.features - rows).max() < (2e-3 if "16" in kind.split()[-1] else 1e-6)


def test_an_image_whose_own_name_ends_like_an_output_keeps_it(tmp_path):
    """The data set says which part of a file's name is the image's."""
    samples = {"walk_0": parse_name("0007_c1s1_000001_00.jpg", "query"), "walk": parse_name(f"{STEMS[0]}.jpg", "query")}
    for stem, row in zip(samples, features(2)):
        (tmp_path / f"{stem}.bin").write_bytes(raw(row))
    found = read_dump(tmp_path, progress=False, samples=samples)
    assert found.names.tolist() == [f"{STEMS[0]}.jpg", "0007_c1s1_000001_00.jpg"] and found.pids.tolist() == [1, 7]
    (tmp_path / "run.bin").write_bytes(raw(features(1)[0]))
    with pytest.raises(FeatureError, match=r"run\.bin: is no feature of a tool"):
        read_dump(tmp_path, progress=False, samples=samples)
    (tmp_path / "run.bin").rename(tmp_path / "run_0.bin")
    for path in list(tmp_path.glob("walk*")):
        path.unlink()
    with pytest.raises(FeatureError, match=r"run_0\.bin: is of an image that the data set does not list\. Give the"):
        read_dump(tmp_path, progress=False, samples=samples)


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
    "commas": (spoil(FEATURE, "0,5 " * 512), rf"{FEATURE}: holds 1,024 numbers"),
    "nan": (spoil(FEATURE, "0.5 " * 511 + "nan "), rf"{FEATURE}: holds NaN or infinity\. Check the model's precision"),
    "infinity": (spoil(FEATURE, "inf " * 512), rf"{FEATURE}: holds NaN or infinity"),
    "too large": (spoil(FEATURE, "1e39 " * 512), rf"{FEATURE}: holds NaN or infinity"),
    "double": (
        spoil(f"{STEMS[1]}_1.bin"),
        rf"{STEMS[1]}_1\.(bin|txt): is a second feature of the image of .*{STEMS[1]}_1",
    ),
    "two tools": (spoil("0009_c1s1_000009_00_0.bin"), r"is output _\d, and others are _\d: two tools"),
    "third output": (spoil(f"{STEMS[1]}_2.txt"), rf"{STEMS[1]}_2\.txt: is no feature of a tool"),
    "images": (spoil("photo.bin"), r"photo\.bin: is no feature of a tool, whose names are <stem>_1\.txt"),
    "a list": (spoil("notes.txt"), r"notes\.txt: is no feature of a tool.*\. Move it elsewhere"),
    "a table": (spoil("summary.csv"), r"summary\.csv: is no feature of a tool.*\. Move it elsewhere"),
    "one's own among theirs": (
        spoil("0009_c1s1_000009_00.bin"),
        r"is output without a number, and others are _1: two tools|is output _1, and others are without a number",
    ),
    "msame among theirs": (spoil("0009_c1s1_000009_00_output_0.bin"), r"_output_0.*two tools"),
    "pure inference": (
        spoil("pure_infer_data_0.bin"),
        r"pure_infer_data_0\.bin: is the output of pure inference, into which no image went\. Run the tool with --inp",
    ),
    "two runs": (
        lambda folder: [(folder / name).mkdir() for name in ("2022_11_14-16_13_58", "2022_11_14-16_14_58")],
        r"holds more than one run \(.*2022_11_14-16_13_58.*\)\. Give the folder of one",
    ),
    "a folder in the folder of a device": (
        lambda folder: (folder / "device0" / "device0").mkdir(parents=True),
        "device0/device0: a folder among",
    ),
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
        ("bin", bytes(1024), "holds 1,024 bytes, float16 or a file cut short, and others hold more: 1 of 3 are so"),
        ("bin", bytes(393_216), "is a preprocessed image of float32, no feature of a tool. Give the folder that"),
        ("bin", bytes(98_304), "is a preprocessed image of uint8, no feature of a tool"),
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
        np.zeros((8, 512), np.float32),
        np.zeros((0, 512), np.float32),
        np.zeros((16, 16, 2), np.float32),
        np.float32(1),
        np.array([{}] * 512),
    ],
)
def test_a_wrong_array_is_named(tmp_path, array):
    fill(tmp_path, "npy", tool="ais_bench")
    np.save(tmp_path / f"{STEMS[0]}_0.npy", array)
    what = r"(holds .* instead of float32 \[512\]|holds (511|1) numbers|is no npy)"
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


def test_a_pipe_among_the_features_is_refused_and_not_waited_for(tmp_path):
    fill(tmp_path)
    os.mkfifo(tmp_path / "0009_c1s1_000001_00_1.txt")
    with pytest.raises(FeatureError, match=r"0009_c1s1_000001_00_1\.txt: cannot be read \(is a named pipe"):
        read_dump(tmp_path, progress=False)
