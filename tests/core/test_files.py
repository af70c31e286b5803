"""Files appear whole or not at all; hashes follow content, not order."""

from __future__ import annotations

import errno
import hashlib
import json
import os

import numpy as np
import pytest
from hypothesis import given, strategies as st

from helpers.texts import FORMS
from osnet_lib.core.files import (
    absolute,
    atomic_path,
    decode_text,
    file_stem,
    fingerprint,
    read_json,
    read_text,
    sha256,
    stem,
    write_json,
    write_text,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


def test_atomic_path_writes_beside_and_renames(tmp_path):
    target = tmp_path / "new" / "folder" / "x.npz"
    with atomic_path(target) as temporary:
        assert temporary.parent == target.parent and temporary.suffix == ".npz" and str(os.getpid()) in temporary.name
        np.savez(temporary, a=[1])  # appends a suffix to names that lack it
        assert not target.exists()
    assert np.load(target)["a"].tolist() == [1]
    assert os.listdir(target.parent) == ["x.npz"]


@pytest.mark.parametrize("before", [None, "old"])
def test_a_failed_write_leaves_things_as_they_were(tmp_path, before):
    target = tmp_path / "x.txt"
    if before:
        target.write_text(before)
    with pytest.raises(ZeroDivisionError), atomic_path(target) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert os.listdir(tmp_path) == (["x.txt"] if before else [])
    assert not before or target.read_text() == before


@pytest.mark.parametrize("name", [".", "..", "/", "", "folder"])
def test_a_folder_is_no_file_to_write(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(IsADirectoryError) as refused:
        write_json(name, {})
    assert (refused.value.errno, refused.value.strerror) == (errno.EISDIR, "is a directory")
    assert refused.value.filename == (name or ".") and os.listdir(tmp_path) == ["folder"]


def test_a_block_that_writes_nothing_does_not_pass_silently(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "x"):
        pass


def test_write_text_is_utf8(tmp_path):
    assert write_text(tmp_path / "x", "naïve 行人\n").read_bytes() == "naïve 行人\n".encode()


@given(value=JSON)
def test_write_json_round_trip(tmp_path_factory, value):
    path = write_json(tmp_path_factory.getbasetemp() / "value.json", value)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == value and text.endswith("\n")


@given(form=st.sampled_from(list(FORMS)), text=st.text(st.characters(codec="utf-8", exclude_characters="\r\ufeff")))
def test_a_text_is_the_same_however_an_editor_saved_it(form, text):
    assert decode_text(FORMS[form](text)) == text


@given(form=st.sampled_from(list(FORMS)), value=JSON)
def test_json_is_the_same_however_an_editor_saved_it(tmp_path_factory, form, value):
    path = tmp_path_factory.getbasetemp() / "value.json"
    path.write_bytes(FORMS[form](json.dumps(value, indent=2, ensure_ascii=False)))
    assert read_json(path) == value


@pytest.mark.parametrize("data", [b"\xff", b"\xef\xbb\xbf\xff", b"\xff\xfea", "ü".encode("latin-1")])
def test_what_is_no_text_is_a_value_error(tmp_path, data):
    (tmp_path / "x").write_bytes(data)
    with pytest.raises(UnicodeDecodeError):
        read_text(tmp_path / "x")
    assert "\ufffd" in read_text(tmp_path / "x", errors="replace")


@pytest.mark.parametrize(
    "given_path, seen",
    [
        ("x.pth", "here/x.pth"),
        ("./a/../x.pth", "here/x.pth"),
        ("../x.pth", "x.pth"),
        ("~/x.pth", "home/x.pth"),
        ("~nobody-here/x.pth", "here/~nobody-here/x.pth"),
        ("link/x.pth", "here/link/x.pth"),
        (".", "here"),
    ],
)
def test_absolute_counts_from_the_current_folder(tmp_path, monkeypatch, given_path, seen):
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path)
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert absolute(given_path) == tmp_path / seen and absolute(absolute(given_path)) == tmp_path / seen


def test_write_json_keeps_the_old_file_when_the_value_is_not_json(tmp_path):
    path = write_json(tmp_path / "x.json", {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_sha256(tmp_path, size):
    (tmp_path / "x").write_bytes(b"\xa5" * size)
    assert sha256(tmp_path / "x") == hashlib.sha256(b"\xa5" * size).hexdigest()


@given(st.dictionaries(st.text(), JSON, min_size=2, max_size=6))
def test_fingerprint_ignores_the_order_of_keys(value):
    assert fingerprint(dict(reversed(value.items()))) == fingerprint(value)


@given(a=JSON, b=JSON)
def test_fingerprint_tells_values_apart(a, b):
    same = json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True)
    assert (fingerprint(a) == fingerprint(b)) == same


def test_fingerprint_does_not_change_between_versions():
    assert fingerprint({"b": [1, 2.5], "a": "ü"}) == hashlib.sha256('{"a":"ü","b":[1,2.5]}'.encode()).hexdigest()


@pytest.mark.parametrize(
    "name, short",
    [
        ("0003_c5s2_000014_01.jpg.jpg", "0003_c5s2_000014_01"),
        ("-1_c3s2_000017_01.jpg", "-1_c3s2_000017_01"),
        ("plain", "plain"),
        ("a.JPG", "a"),
        ("a.jpeg.bin", "a"),
        ("2021.05.03_12.png", "2021.05.03_12"),  # other dots are part of it
        ("cam.1/a.b.webp", "cam.1/a.b"),
        ("a.exe", "a.exe"),
        (".jpg", ""),
    ],
)
def test_stem_is_the_name_without_the_suffixes_of_images_and_of_what_is_made_of_them(name, short):
    assert stem(name) == stem(short) == short


def test_file_stem_has_no_folders():
    assert [file_stem(name) for name in ("cam.1/a.b.jpg", "a.b.jpg", "x/y/a_1.txt")] == ["a.b", "a.b", "a_1"]


def test_json_nested_too_deeply_is_damaged(tmp_path):
    (tmp_path / "x.json").write_text("[" * 100_000)
    with pytest.raises(ValueError, match="nested too deeply"):
        read_json(tmp_path / "x.json")


def test_bytes_of_a_path_that_are_not_utf_8_are_given_back(tmp_path):
    value = {"caf\udce9": ["\udcff", "\\udcff", "é"]}
    path = write_json(tmp_path / "x.json", value)
    assert read_json(path) == value and path.read_bytes().decode("utf-8").count("é") == 1
    assert fingerprint(value) != fingerprint({"caf\udce9": ["\\udcff", "\\udcff", "é"]})


def test_a_write_that_fails_without_a_name_gets_that_of_the_file(tmp_path):
    with pytest.raises(OSError) as caught, atomic_path(tmp_path / "x.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x.txt") and not list(tmp_path.iterdir())
