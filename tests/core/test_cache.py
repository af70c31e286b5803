"""When an artefact is made again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from osnet_lib.core.cache import artefact
from osnet_lib.core.files import write_text


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
    "record is nested too deeply": lambda path: record_of(path).write_text("[" * 100_000),
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
