"""Info files: the lines of the guide, to the letter, and nothing that is not one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, strategies as st

from helpers.guide_files import STEMS
from osnet_lib.errors import DatasetError
from osnet_lib.guide.binfiles import bin_bytes
from osnet_lib.guide.info import InfoLine, format_info, parse_info, read_info, write_info

# As the guide's script writes it.
SAMPLE = """0 ./prep/0001_c1s1_000001_00.bin 128 256
1 ./prep/0002_c2s1_000002_00.bin 128 256
2 ./prep/0003_c6s3_000003_00.bin 128 256
"""

letters = st.characters(codec="utf-8", exclude_categories=["Z", "C"], exclude_characters="/.")
words = st.text(letters, min_size=1, max_size=8)


@pytest.fixture
def prep(tmp_path, monkeypatch):
    """Three preprocessed files and some others, in ``prep`` of the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "prep").mkdir()
    for stem in reversed(STEMS):
        (tmp_path / "prep" / f"{stem}.bin").write_bytes(bytes(bin_bytes("float32")))
    (tmp_path / "prep" / "notes.txt").write_text("")
    (tmp_path / "prep" / ".hidden.bin").write_text("")
    return tmp_path / "prep"


@pytest.mark.parametrize("folder", ["./prep", "./prep/", "prep"])
def test_the_file_has_the_bytes_of_the_guide(prep, tmp_path, folder):
    assert write_info(folder, tmp_path / "out" / "prep.info") == 3
    expected = SAMPLE if folder.startswith(".") else SAMPLE.replace("./", "")
    assert (tmp_path / "out" / "prep.info").read_bytes() == expected.encode()


def test_a_sample_is_read():
    lines = parse_info(SAMPLE)
    assert lines[1] == InfoLine(1, "./prep/0002_c2s1_000002_00.bin", 128, 256)
    assert [line.stem for line in lines] == STEMS and "".join(f"{line}\n" for line in lines) == SAMPLE
    assert parse_info(SAMPLE.rstrip("\n")) == lines


@given(st.lists(words, min_size=1, max_size=20, unique=True), words, st.integers(1, 9999), st.integers(1, 9999))
def test_any_list_is_read_back(names, folder, width, height):
    paths = [f"./{folder}/{name}.bin" for name in names]
    lines = parse_info(format_info(paths, width, height))
    assert [line.path for line in lines] == paths and [line.index for line in lines] == list(range(len(names)))
    assert [line.stem for line in lines] == names and {(line.width, line.height) for line in lines} == {(width, height)}


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text):
    try:
        lines = parse_info(text)
    except DatasetError:
        return
    assert lines and all(re.fullmatch(r"\d+ \S+ \d+ \d+", str(line)) for line in lines)


@pytest.mark.parametrize(
    "text, what",
    [
        ("", "lists no images"),
        ("0  a.bin 128 256\n", "line 1 is not 'index path width height'"),
        ("0 a.bin 128\n", "line 1 is not"),
        ("0 a b.bin 128 256", "line 1 is not"),
        ("0 a.bin 128 256 \n", "line 1 is not"),
        ("0 a.bin 128 256\n\n1 b.bin 128 256\n", "line 2 is not"),
        ("0 a.bin 128 256.0\n", "line 1 is not"),
        ("1 a.bin 128 256\n", "line 1 has the index 1 instead of 0"),
        (SAMPLE + SAMPLE, "line 4 has the index 0 instead of 3"),
        ("0 x/a.bin 128 256\n1 y/a.bin 128 256\n", "line 2 lists a again"),
    ],
)
def test_what_is_no_info_file_is_refused(tmp_path, text, what):
    (tmp_path / "a.info").write_text(text)
    with pytest.raises(DatasetError, match=rf"a\.info: {what}.*\. Write it again with osnet info\."):
        read_info(tmp_path / "a.info")


@pytest.mark.parametrize("data, what", [(None, "No such file"), (b"\xff\xfe\x00", "no text")])
def test_a_file_that_cannot_be_read_is_named(tmp_path, data, what):
    if data:
        (tmp_path / "a.info").write_bytes(data)
    with pytest.raises(DatasetError, match=rf"a\.info: cannot be read \({what}"):
        read_info(tmp_path / "a.info")


@pytest.mark.parametrize(
    "folder, size, what",
    [
        ("gone", (128, 256), r"gone: no such folder\. Make it with osnet preprocess"),
        ("empty", (128, 256), r"empty: holds no \.bin files"),
        ("prep", (256, 128), r"info: width 256, height 128\. The network reads width 128, height 256, in this order"),
        ("two words", (128, 256), r"two words/0001.*: white space in a path"),
        (
            "short",
            (128, 256),
            r"short/0002.*: holds 393,215 bytes; an image has 393,216 \(float32\) or 98,304 \(uint8\)",
        ),
        ("mixed", (128, 256), r"mixed/0002.*: holds 98,304 bytes; .* all must be of one kind"),
    ],
)
def test_what_the_tools_would_stumble_over_is_refused(prep, tmp_path, folder, size, what):
    (tmp_path / "empty").mkdir()
    for name, second in {"two words": 393_216, "short": 393_215, "mixed": 98_304}.items():
        (tmp_path / name).mkdir()
        for stem, length in zip(STEMS, (393_216, second)):
            (tmp_path / name / f"{stem}.bin").write_bytes(bytes(length))
    with pytest.raises(DatasetError, match=what):
        write_info(folder, "out.info", *size)
    assert not (tmp_path / "out.info").exists()


def test_a_list_of_uint8_files(prep, tmp_path):
    for path in prep.glob("0*.bin"):
        path.write_bytes(bytes(98_304))
    assert write_info("prep", "out.info") == 3
