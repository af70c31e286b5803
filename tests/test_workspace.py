"""Where things lie, and when an artefact is made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osnet_lib.files import write_text
from osnet_lib.workspace import REPOSITORY, Workspace, artefact, open_workspace


def test_folders_lie_below_the_root(tmp_path):
    work = Workspace(tmp_path)
    folders = [work.models, work.data, work.features, work.failed, work.results, work.executed, work.notebooks]
    assert len(set(folders)) == 7 and all(tmp_path in folder.parents for folder in folders)


def test_open_workspace_takes_path_then_variable_then_checkout(tmp_path, monkeypatch):
    monkeypatch.setenv("OSNET_WORKSPACE", str(tmp_path / "variable"))
    assert open_workspace(tmp_path / "path").root == tmp_path / "path"
    assert open_workspace().root == tmp_path / "variable"
    monkeypatch.setenv("OSNET_WORKSPACE", "")
    assert open_workspace().root == REPOSITORY and (REPOSITORY / "notebooks").is_dir()


def test_open_workspace_without_checkout_is_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("OSNET_WORKSPACE", raising=False)
    monkeypatch.setattr("osnet_lib.workspace.REPOSITORY", tmp_path / "site-packages")
    monkeypatch.chdir(tmp_path)
    assert open_workspace().root == tmp_path.resolve()


def test_open_workspace_expands_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_workspace("~/study").root == tmp_path / "study"


class Maker:
    """Writes its count of calls."""

    def __init__(self):
        self.calls = 0

    def __call__(self, path: Path) -> None:
        self.calls += 1
        write_text(path, f"made {self.calls}")


@pytest.fixture
def made(tmp_path):
    make = Maker()
    return artefact(tmp_path / "models" / "a.onnx", {"weights": "1"}, make), make


def record_of(path: Path) -> Path:
    return path.with_name(path.name + ".key.json")


def test_artefact_is_made_once(made):
    path, make = made
    assert artefact(path, {"weights": "1"}, make) == path and (make.calls, path.read_text()) == (1, "made 1")
    assert json.loads(record_of(path).read_text())["key"] == {"weights": "1"}


@pytest.mark.parametrize("order", [{"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}])
def test_order_of_the_key_does_not_matter(tmp_path, order):
    make = Maker()
    artefact(tmp_path / "x", {"a": 1, "b": [1, 2]}, make)
    artefact(tmp_path / "x", order, make)
    assert make.calls == 1


HARM = {
    "another key": lambda path: None,
    "damaged file": lambda path: path.write_text("made 0"),
    "no file": lambda path: path.unlink(),
    "no record": lambda path: record_of(path).unlink(),
    "record cut short": lambda path: record_of(path).write_bytes(record_of(path).read_bytes()[:20]),
    "record is no text": lambda path: record_of(path).write_bytes(b"\xff\xfe\x00"),
    "record is a list": lambda path: record_of(path).write_text("[]"),
    "record without hash": lambda path: record_of(path).write_text("{}"),
}


@pytest.mark.parametrize("harm", HARM)
def test_artefact_is_made_again(made, harm):
    path, make = made
    HARM[harm](path)
    key = {"weights": "2" if harm == "another key" else "1"}
    for _ in range(2):  # and then it is current again
        assert artefact(path, key, make).read_text() == "made 2"
    assert make.calls == 2


def test_a_make_that_fails_leaves_nothing_current(made):
    path, make = made

    def fail(target: Path) -> None:
        raise RuntimeError("interrupted")

    with pytest.raises(RuntimeError, match="interrupted"):
        artefact(path, {"weights": "2"}, fail)
    assert not record_of(path).exists()
    artefact(path, {"weights": "1"}, make)  # what lies there was made of it, but nothing vouches for that any more
    assert make.calls == 2
