"""The list of a folder's files: what a run put there is held, and nothing else, whatever ended the run."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from osnet_lib.core.folder_record import FolderRecord


def begun(folder, wanted="a") -> FolderRecord:
    record = FolderRecord(folder)
    record.begin(wanted)
    return record


def test_what_was_put_is_held_by_the_next_process(tmp_path):
    record = begun(tmp_path / "out")
    assert record.put("x.bin", b"1").read_bytes() == b"1" and not record.ended
    record.end()
    again = FolderRecord(tmp_path / "out")
    assert again.exists and again.ended and again.matches("a") and not again.matches("b")
    assert again.holds("x.bin", b"1") and not again.holds("x.bin", b"2") and not again.holds("y.bin", b"1")


def test_another_key_forgets_what_was_there_and_the_same_goes_on(tmp_path):
    record = begun(tmp_path / "out")
    record.put("x.bin", b"1")
    record.end()
    same = begun(tmp_path / "out")
    assert same.ended and same.holds("x.bin", b"1")
    other = begun(tmp_path / "out", "b")
    assert not other.ended and not other.holds("x.bin", b"1") and (tmp_path / "out" / "x.bin").exists()


def test_a_line_that_a_kill_cut_short_harms_no_other(tmp_path):
    record = begun(tmp_path / "out")
    record.put("x.bin", b"1")
    record.list.write_bytes(record.list.read_bytes() + b"0123abc")
    begun(tmp_path / "out").put("y.bin", b"2")
    again = FolderRecord(tmp_path / "out")
    assert again.holds("x.bin", b"1") and again.holds("y.bin", b"2")


@pytest.mark.parametrize("key", [b"{", b"\xff", b"[" * 100_000, b'"b"', None])
def test_a_key_that_says_nothing_matches_nothing(tmp_path, key):
    record = begun(tmp_path / "out")
    record.key.unlink() if key is None else record.key.write_bytes(key)
    assert not record.matches("a")
    assert begun(tmp_path / "out").matches("a")


def test_a_folder_may_be_called_in_any_way(tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    monkeypatch.chdir(tmp_path / "out")
    begun(".").put("x.bin", b"1")
    assert FolderRecord(tmp_path / "out").holds("x.bin", b"1")


@pytest.mark.skipif(not shutil.which("sha256sum"), reason="no sha256sum on this system")
def test_the_list_is_one_of_sha256sum(tmp_path):
    record = begun(tmp_path / "out")
    record.put("x.bin", b"1")
    record.end()
    again = FolderRecord(tmp_path / "noted")
    again.begin("key", ("a" * 64, "a\nmodel.om"))
    again.put("x.bin", b"1")
    assert FolderRecord(tmp_path / "noted").model == ("a" * 64, "a model.om") and record.model is None
    noted = ["sha256sum", "--check", "--strict", str(again.list)]
    assert subprocess.run(noted, cwd=tmp_path / "noted", capture_output=True, check=False).returncode == 0
    check = ["sha256sum", "--check", "--strict", str(record.list)]
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True, check=False).returncode == 0
    (tmp_path / "out" / "x.bin").write_bytes(b"2")
    assert subprocess.run(check, cwd=tmp_path / "out", capture_output=True, check=False).returncode == 1
