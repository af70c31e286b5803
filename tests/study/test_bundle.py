"""A bundle holds what explains a result, and nothing of the person who sends it, their images or their weights."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from osnet_lib.ascend.checkup import Check
from osnet_lib.cli import main as cli
from osnet_lib.errors import StudyError
from osnet_lib.study import bundle
from osnet_lib.study.bundle import KINDS_OF_BUNDLE, blotter, write_bundle
from osnet_lib.study.workspace import Workspace

USER, HOST = "marie-curie", "radium.example"
PNG = b"\x89PNG\r\n\x1a\n\0\0"


@pytest.fixture
def place(tmp_path, monkeypatch) -> Workspace:
    """A workspace in somebody's home, after a run that failed."""
    home = tmp_path / "home" / USER
    work = Workspace(home / "osnet")
    monkeypatch.setattr(bundle.Path, "home", lambda: home)
    monkeypatch.setattr(bundle.socket, "gethostname", lambda: HOST)
    for name in ("USER", "LOGNAME", "ASCEND_PROCESS_LOG_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(bundle, "examine", lambda home, workspace: [Check("disk", "good", f"9 GB free in {workspace}")])
    failed = {
        "cells": [
            {
                "outputs": [
                    {"output_type": "stream", "text": [f"read {home}/data.zip\n"]},
                    {"output_type": "display_data", "data": {"image/png": "aW1hZ2U="}},
                    {"output_type": "error", "traceback": ["\x1b[31mSessionError\x1b[0m: no device"]},
                ]
            },
            {"source": "x"},
        ]
    }
    for path, content in {
        work.results / "parity-a.json": json.dumps({"file": f"{home}/Market.zip", "seen": f"/data/{USER}_x"}),
        work.models / "a.om": b"weights",
        work.models / "a.om.key.json": json.dumps({"key": {"options": [f"--model={work.models / 'a.onnx'}"]}}),
        work.features / "query.npz": b"features",
        work.failed / "04_inference.ipynb": json.dumps(failed),
        work.failed / "05_accuracy.ipynb": "torn",
        work.root / "data" / "person.jpg": PNG,
        home / "ascend" / "log" / "debug" / "plog" / f"plog-{USER}.log": f"[ERROR] {HOST} by {USER.upper()}\n",
        home / "ascend" / "log" / "other.txt": "no log",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return work


def unpack(path: Path) -> dict[str, bytes]:
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(path) as archive:
        assert {(m.uname, m.gname, m.uid, m.gid, m.mtime) for m in archive} == {("", "", 0, 0, 0)}
        return {member.name: archive.extractfile(member).read() for member in archive}


@pytest.mark.parametrize("suffix", KINDS_OF_BUNDLE)
def test_what_is_in_a_bundle(place, tmp_path, suffix):
    (tmp_path / "convert.log").write_text(f"osnet convert in {place.root}\n")
    made = write_bundle(tmp_path / f"x{suffix}", place, [tmp_path / "convert.log"])
    found = unpack(made.path)
    assert (
        list(found)
        == list(made.names)
        == [
            "doctor.txt",
            "environment.json",
            "results/parity-a.json",
            "conditions/models/a.om.key.json",
            "logs/failed/04_inference.txt",
            "logs/failed/05_accuracy.txt",
            "logs/ascend/debug/plog/plog-<user>.log",
            "logs/1-convert.log",
            "hashes.json",
            "SHA256SUMS",
        ]
    )
    assert found["logs/failed/04_inference.txt"] == b"read ~/data.zip\nSessionError: no device\n"
    assert found["logs/ascend/debug/plog/plog-<user>.log"] == b"[ERROR] <host> by <user>\n"
    assert found["doctor.txt"].endswith(b"cannot work: none\n") and b"free in <workspace>" in found["doctor.txt"]
    assert json.loads(found["results/parity-a.json"]) == {"file": "~/Market.zip", "seen": "/data/<user>_x"}
    assert b"--model=<workspace>/" in found["conditions/models/a.om.key.json"]
    assert json.loads(found["environment.json"])["versions"]["numpy"]
    for line in found["SHA256SUMS"].decode().splitlines():
        total, name = line.split("  ")
        assert hashlib.sha256(found[name]).hexdigest() == total


def test_nothing_personal_and_nothing_heavy_is_in_it(place, tmp_path):
    everything = b"".join([*unpack(write_bundle(tmp_path / "x.zip", place).path).values()])
    for secret in (USER, USER.upper(), HOST, str(tmp_path), "/home/", "aW1hZ2U="):
        assert secret.encode() not in everything
    assert PNG not in everything and b"weights" not in everything and b"features\n" not in everything
    hashes = json.loads(unpack(tmp_path / "x.zip")["hashes.json"])
    assert hashes["work/models/a.om"] == {"bytes": 7, "sha256": hashlib.sha256(b"weights").hexdigest()}
    assert set(hashes) >= {"work/features/query.npz", "results/parity-a.json"} and "data/person.jpg" not in hashes


def test_an_empty_workspace_has_a_bundle_too(place, tmp_path):
    made = write_bundle(tmp_path / "x.zip", Workspace(tmp_path / "nothing"), home=tmp_path / "nobody")
    assert made.names == ("doctor.txt", "environment.json", "hashes.json", "SHA256SUMS")


@pytest.mark.parametrize(
    "text, blotted",
    [
        ("/home/ada/osnet/models/a", "<workspace>/models/a"),
        ("/home/ada/other", "~/other"),
        ("'/home/bob/x' and /Users/eve, /home/eve/.cache", "'~/x' and ~, ~/.cache"),
        ("/rooted /home2/ada", "/rooted /home2/<user>"),
        ("ada ADA ada_data ada2 adage", "<user> <user> <user>_data ada2 adage"),
        ("box box.lan inbox", "<host> <host> inbox"),
        ("/home/ada/osnet2", "~/osnet2"),
        ("the root of it", "the root of it"),
    ],
)
def test_what_is_blotted_out(monkeypatch, text, blotted):
    monkeypatch.setattr(bundle.socket, "gethostname", lambda: "box.lan")
    monkeypatch.setattr(bundle, "_users", lambda: {"root", ""})
    assert blotter(Path("/home/ada/osnet"), Path("/home/ada"))(text) == blotted


def test_every_name_of_the_user_is_known_and_a_user_without_one_is_no_fault(monkeypatch):
    monkeypatch.setenv("SUDO_USER", "ada")
    monkeypatch.setenv("LOGNAME", "lovelace")
    assert {"ada", "lovelace"} <= bundle._users()

    def nameless() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(bundle.getpass, "getuser", nameless)
    assert {"ada", "lovelace"} <= bundle._users()


def test_only_the_end_of_a_long_log_goes_in(place, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "END_OF_LOG", 10)
    monkeypatch.setattr(bundle, "NEWEST_LOGS", 1)
    (tmp_path / "long.log").write_text("0123456789abcdef")
    found = unpack(write_bundle(tmp_path / "x.tar", place, [tmp_path / "long.log"]).path)
    assert found["logs/1-long.log"] == b"6789abcdef" and sum(name.startswith("logs/ascend") for name in found) == 1


@pytest.mark.parametrize(
    "output, log, words",
    [
        ("x.rar", None, "x.rar: no kind of bundle. End it with .zip, .tar, .tar.gz, .tgz."),
        ("x.zip", "person.jpg", "person.jpg: no text. Give a log; images and models do not belong"),
        ("x.zip", "gone.log", "gone.log: no such file"),
    ],
)
def test_refusals(place, tmp_path, capsys, monkeypatch, output, log, words):
    (tmp_path / "person.jpg").write_bytes(PNG)
    monkeypatch.setenv("OSNET_WORKSPACE", str(place.root))
    line = ["bundle", str(tmp_path / output), *(["--log", str(tmp_path / log)] if log else [])]
    assert cli.main(line) == 2 and words in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_in_the_shell(place, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("OSNET_WORKSPACE", str(place.root))
    assert cli.main(["bundle", str(tmp_path / "x.tgz")]) == 0
    *names, last = capsys.readouterr().out.splitlines()
    assert names == list(unpack(tmp_path / "x.tgz")) and "no image, no weights. Look through it" in last


def test_a_refusal_of_a_kind_is_one_of_the_study():
    with pytest.raises(StudyError):
        write_bundle(Path("x.7z"), Workspace(Path("nothing")))
