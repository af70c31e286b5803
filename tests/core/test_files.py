"""Files appear whole or not at all; hashes follow content, not order."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor

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
    open_own,
    open_regular,
    read_bytes,
    read_json,
    read_text,
    sha256,
    special,
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


@pytest.mark.parametrize("write", [lambda path: path.write_text(""), lambda path: path.write_text("x")])
def test_a_block_that_writes_an_empty_file_has_written(tmp_path, write):
    with atomic_path(tmp_path / "x") as temporary:
        write(temporary)
    assert os.listdir(tmp_path) == ["x"]


def test_two_writers_of_one_process_id_never_share_a_name(tmp_path):
    """As two containers on one volume: each writes its own file, and what is there in the end is whole."""
    target = tmp_path / "x.txt"
    with atomic_path(target) as one, atomic_path(target) as other:
        assert one != other
        assert re.fullmatch(rf"\.x\.{os.getpid()}\.[0-9a-f]{{8}}\.tmp\.txt", one.name)
        one.write_text("one"), other.write_text("other")
    assert target.read_text() == "one" and os.listdir(tmp_path) == ["x.txt"]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write_text(target, f"{n}" * 50_000), range(8)))
    assert len(set(target.read_text())) == 1 and os.listdir(tmp_path) == ["x.txt"]


def test_a_planted_link_is_never_written_through(tmp_path, monkeypatch):
    """Neither at the name itself nor at that of the temporary file, should somebody guess it."""
    victim, folder = tmp_path / "victim", tmp_path / "folder"
    folder.mkdir(), victim.write_text("precious")
    (folder / "x.txt").symlink_to(victim)
    guesses = iter(["00000000", "11111111"])
    monkeypatch.setattr("osnet_lib.core.files.secrets.token_hex", lambda _: next(guesses))
    (folder / f".x.{os.getpid()}.00000000.tmp.txt").symlink_to(victim)
    write_text(folder / "x.txt", "new")
    assert victim.read_text() == "precious"
    assert (folder / "x.txt").read_text() == "new" and not (folder / "x.txt").is_symlink()


def test_a_file_of_ours_under_a_name_that_can_be_foreseen_follows_no_link(tmp_path):
    (tmp_path / "victim").write_bytes(b"precious")
    (tmp_path / "x.part").symlink_to(tmp_path / "victim")
    with open_own(tmp_path / "x.part") as stream:
        stream.write(b"rows")
    with open_own(tmp_path / "x.part") as stream:  # what is there stays
        stream.write(b"more")
        stream.seek(0)
        assert stream.read() == b"rowsmore"
    assert (tmp_path / "victim").read_bytes() == b"precious"


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path):
    with pytest.raises(OSError, match="x.json") as caught, atomic_path(tmp_path / "x.json"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(tmp_path / "x.json") and not os.listdir(tmp_path)


def pipe(path):
    os.mkfifo(path)


def bound(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path.name)  # in the folder at work: the whole path may be too long for one


SPECIAL = {
    "a named pipe": pipe,
    "a link to a named pipe": lambda path: (pipe(path.with_name("p")), path.symlink_to("p")),
    "a socket": bound,
    "a device": lambda path: path.symlink_to("/dev/zero"),
    "a loop of links": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("words, make", SPECIAL.items(), ids=SPECIAL)
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, monkeypatch, words, make):
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "x")
    assert special("x") == words.removeprefix("a link to ")
    for read in (open_regular, read_bytes, read_text, read_json, sha256):
        with pytest.raises(OSError, match="loop|symbolic links" if "loop" in words else "not a regular file") as caught:
            read("x")
        assert caught.value.filename == "x"


@pytest.mark.parametrize("write", [lambda path: write_text(path, "x"), open_own], ids=["whole", "appended"])
def test_a_pipe_is_not_written_to(tmp_path, write):
    pipe(tmp_path / "x")
    with pytest.raises(OSError, match="is a named pipe, not a regular file"):
        write(tmp_path / "x")
    assert os.listdir(tmp_path) == ["x"]


@pytest.mark.parametrize("path", [".", "absent", "zero\0byte", "file"])
def test_files_folders_and_nothing_are_not_special(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert special(path) == ""


def test_write_text_is_utf8(tmp_path):
    assert write_text(tmp_path / "x", "naïve 行人\n").read_bytes() == "naïve 行人\n".encode()


@given(value=JSON)
def test_write_json_round_trip(tmp_path_factory, value):
    path = write_json(tmp_path_factory.getbasetemp() / "value.json", value)
    text = path.read_text(encoding="utf-8")
    assert json.loads(text) == value and text.endswith("\n")


# Without NUL, for one at the start makes of the mark of UTF-16 that of UTF-32.
@given(form=st.sampled_from(list(FORMS)), text=st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff")))
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
