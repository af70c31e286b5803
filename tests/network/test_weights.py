"""Where weights come from, and what the reader is told when they do not come."""

from __future__ import annotations

import hashlib
import re
import sys
import types
from functools import partial

import pytest

from helpers.refusals import refusal_of
from osnet_lib.errors import CheckpointError
from osnet_lib.network import weights
from osnet_lib.network.weights import MARKET1501, MINI, Published, cache_folder, find_weights

CONTENT = b"the published checkpoint"
ENTRY = Published("osnet.pth", "drive-id-1", len(CONTENT), hashlib.sha256(CONTENT).hexdigest())


@pytest.fixture
def published(monkeypatch, tmp_path):
    """Stand a small file in for the published one; return the place where it is cached."""
    monkeypatch.setattr(weights, "MARKET1501", ENTRY)
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / ENTRY.file


def serve(monkeypatch, download):
    monkeypatch.setitem(sys.modules, "gdown", types.SimpleNamespace(download=download))


def forbid(monkeypatch):
    serve(monkeypatch, lambda **_: pytest.fail("nothing was to be downloaded"))


refusal = partial(refusal_of, CheckpointError, find_weights)


def test_the_published_file_is_the_one_of_the_guide():
    assert (MARKET1501.size, MARKET1501.drive_id) == (10_399_605, "1vduhq5DpN2q1g4fYEZfPI17MJeh9qyrA")
    assert MARKET1501.sha256 == "2809d3227f7d078f6045f7feb874a34d0684f0e0057b264b99adccf7d4519154"
    assert MARKET1501.file.startswith("osnet_x1_0_market_256x128_amsgrad")


def test_mini_is_part_of_the_package():
    assert find_weights("mini") == MINI
    assert MINI.parent.parent.name == "osnet_lib" and MINI.suffix == ".safetensors"


def test_a_path(tmp_path, monkeypatch):
    (tmp_path / "w.pth").write_bytes(b"x")
    assert find_weights(tmp_path / "w.pth") == find_weights(str(tmp_path / "w.pth")) == tmp_path / "w.pth"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert find_weights("~/w.pth") == tmp_path / "w.pth"


@pytest.mark.parametrize("name", ["absent.pth", "market"])
def test_no_such_path(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert re.fullmatch(
        rf"{re.escape(str(tmp_path / name))}: no such weights\. .*mini.*market1501.*path.*", refusal(name)
    )


@pytest.mark.parametrize(
    "variable, expected",
    [
        ("elsewhere", "elsewhere"),
        ("", ".cache/osnet"),
        (None, ".cache/osnet"),
    ],
)
def test_cache_folder(monkeypatch, tmp_path, variable, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("OSNET_CACHE", raising=False)
    if variable is not None:
        monkeypatch.setenv("OSNET_CACHE", variable and str(tmp_path / variable))
    assert cache_folder() == tmp_path / expected


def test_a_cached_copy_is_used(published, monkeypatch):
    published.parent.mkdir()
    published.write_bytes(CONTENT)
    forbid(monkeypatch)
    assert find_weights("market1501") == published


def test_a_download_is_kept(published, monkeypatch):
    asked = []

    def download(id, output, quiet):
        asked.append(id)
        with open(output, "wb") as stream:
            stream.write(CONTENT)

    serve(monkeypatch, download)
    assert find_weights("market1501") == published and published.read_bytes() == CONTENT
    assert find_weights("market1501") == published and asked == ["drive-id-1"]
    assert [p.name for p in published.parent.iterdir()] == [ENTRY.file]


def says_what_to_do(message, path) -> bool:
    parts = (ENTRY.drive_id, str(path), f"{ENTRY.size:,} bytes", ENTRY.sha256, "OSNET_CACHE")
    return message.startswith(f"{ENTRY.file}: ") and all(part in message for part in parts)


def offline(**_):
    raise ConnectionError("Max retries exceeded with url: /uc?id=…\nsecond line")


def nothing(**_):
    return None


def half(output, **_):
    with open(output, "wb") as stream:
        stream.write(CONTENT[:5])
    raise OSError("connection reset")


@pytest.mark.parametrize("download", [offline, nothing, half])
def test_without_network_one_message_says_what_to_do(published, monkeypatch, download):
    serve(monkeypatch, download)
    assert says_what_to_do(refusal("market1501"), published)
    assert list(published.parent.iterdir()) == []


def test_without_gdown(published, monkeypatch):
    monkeypatch.setitem(sys.modules, "gdown", None)  # makes the import fail
    assert says_what_to_do(refusal("market1501"), published)


@pytest.mark.parametrize("content", [b"", CONTENT[:-1], CONTENT[:-1] + b"?", b"<html>quota exceeded</html>"])
def test_a_download_of_something_else_is_not_kept(published, monkeypatch, content):
    def download(output, **_):
        with open(output, "wb") as stream:
            stream.write(content)

    serve(monkeypatch, download)
    message = refusal("market1501")
    assert says_what_to_do(message, published)
    assert f"{len(content)} bytes" in message and hashlib.sha256(content).hexdigest()[:16] in message
    assert list(published.parent.iterdir()) == []


@pytest.mark.parametrize("content", [CONTENT + b"!", CONTENT[:-1] + b"?"])
def test_a_damaged_cached_copy_is_named(published, monkeypatch, content):
    published.parent.mkdir()
    published.write_bytes(content)
    forbid(monkeypatch)
    message = refusal("market1501")
    assert message.startswith(f"{published}: not the published checkpoint") and "Delete it" in message
    assert published.read_bytes() == content  # it is the user's file: said, not deleted


def test_a_folder(tmp_path):
    assert refusal(tmp_path) == f"{tmp_path}: a folder, not a file. Give the path of the file in it."
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / "data.pkl").write_bytes(b"x")
    assert "unpacked into a folder (archive/data.pkl)" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["osnet.pth", "osnet (1).pth", "osnet(2).pth"])
def test_what_has_the_published_name_must_be_the_published_file(published, monkeypatch, tmp_path, name):
    """Given by path, as a browser saved it; the cure, another name for another file, works."""
    forbid(monkeypatch)
    (tmp_path / name).write_bytes(CONTENT)
    assert find_weights(tmp_path / name) == tmp_path / name
    (tmp_path / name).write_bytes(b"<html><title>Quota exceeded</title>")
    message = refusal(tmp_path / name)
    assert message.startswith(f"{tmp_path / name}: not the published checkpoint: it is a web page (Quota exceeded)")
    assert ENTRY.drive_id in message and "rename" in message
    (tmp_path / name).rename(tmp_path / "osnet_mine.pth")
    assert find_weights(tmp_path / "osnet_mine.pth") == tmp_path / "osnet_mine.pth"


def test_the_cure_of_a_failed_download_works(published, monkeypatch):
    serve(monkeypatch, offline)
    place = re.search(r"save it as (\S+) ", refusal("market1501"))[1]
    with open(place, "wb") as stream:
        stream.write(CONTENT)
    assert find_weights("market1501") == published
