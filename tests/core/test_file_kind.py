"""What a file is, told at once: whatever its head holds, and where there is no file at all."""

from __future__ import annotations

import os
import time

import pytest

from osnet_lib.core.file_kind import file_kind
from osnet_lib.datasets.lookalike import HEAD, lookalike

COMMENTS = {  # which could be cut into comments in many ways
    "closed": b"<!---->" * 600,
    "closed, then text": b"<!---->" * 80 + b"<p>",
    "open": b"<!--" * 1000,
    "spaces": b"<!-- -->    " * 300,
}


@pytest.mark.parametrize("head", COMMENTS.values(), ids=COMMENTS)
def test_comments_without_a_page_take_no_time(tmp_path, head):
    (tmp_path / "x").write_bytes(head)
    started = time.process_time()
    assert file_kind(tmp_path / "x").name == "text" and lookalike(head[:HEAD]) is None
    assert time.process_time() - started < 1


@pytest.mark.parametrize("comments", [b"", b"<!-- a --> <!---->\n"])
def test_a_page_is_one_behind_comments_too(tmp_path, comments):
    page = comments + b"<!DOCTYPE html><title>Quota</title>"
    (tmp_path / "x").write_bytes(page)
    assert "a web page (Quota)" in file_kind(tmp_path / "x").what and "is a web page" in lookalike(page)[0]


@pytest.mark.parametrize(
    "make, what",
    [
        (os.mkfifo, "a named pipe, not a regular file"),
        (lambda path: path.symlink_to("/dev/zero"), "a device, not a regular file"),
        (lambda path: path.symlink_to(path.name), "a loop of links, not a regular file"),
    ],
    ids=["pipe", "device", "loop"],
)
def test_what_is_no_file_is_not_opened(tmp_path, make, what):
    make(tmp_path / "x")
    assert file_kind(tmp_path / "x").what == what
