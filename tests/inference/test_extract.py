"""Extraction that survives a kill, and feature files that are refused when they lie."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from PIL import ImageOps

from helpers.paths import ROOT, TESTS
from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.datasets.preprocess import preprocess
from osnet_lib.errors import BusyError, FeatureError, SessionError
from osnet_lib.features.store import Features, average_mirrored, load_features
from osnet_lib.inference.extract import _open_alone, _resume, extract_features

ROW = 2048  # bytes
QUERY = [f"{pid:04d}_c{cam}s1_{pid:06d}_00.jpg" for pid in range(1, 7) for cam in (1, 2)][:11]
GALLERY = [f"{pid:04d}_c3s1_{pid:06d}_01.jpg" for pid in range(1, 7)]


class Fake:
    """A session whose feature depends on every part of an image and on nothing else."""

    input_dtype = np.dtype(np.float32)

    def __init__(
        self,
        batch_size: int | None = None,
        fail_at: int | None = None,
        pause: float = 0,
        error: Exception = KeyboardInterrupt(),
    ):
        self.model, self.batch_size = Path("fake.onnx"), batch_size
        self.fail_at, self.pause, self.error = fail_at, pause, error
        self.seen: list[int] = []

    def run(self, batch: np.ndarray) -> np.ndarray:
        time.sleep(self.pause if self.seen else 0)
        if len(self.seen) == self.fail_at:
            raise self.error
        self.seen.append(len(batch))
        return batch.reshape(len(batch), 512, -1).mean(axis=2)

    def stream(self, batches):
        return map(self.run, batches)

    def streams(self, batch_size):
        return 1

    def describe(self) -> dict:
        return {"backend": "fake", "model": self.model.name, "model_sha256": "0", "batch_size": self.batch_size}


@pytest.fixture
def dataset(tiny_market):
    with open_market1501(tiny_market(query=QUERY, bounding_box_test=GALLERY)) as opened:
        yield opened


def extract(dataset, path, session=None, batch_size=4):
    return extract_features(session or Fake(), dataset, dataset.query, path, batch_size, progress=False)


@pytest.fixture
def whole(dataset, tmp_path):
    return extract(dataset, tmp_path / "whole.npz")


def same(a: Features, b: Features) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("names", "pids", "camids", "features"))


def test_features_are_in_the_order_of_the_samples(dataset, whole):
    assert whole.names.tolist() == [s.name for s in dataset.query] == QUERY
    assert whole.pids.tolist() == [s.pid for s in dataset.query]
    assert whole.camids.tolist() == [s.camid for s in dataset.query]
    assert whole.features.shape == (11, 512) and whole.features.dtype == np.float32
    assert whole.conditions["images"] == 11 and whole.conditions["batch_size"] == 4
    assert whole.conditions["resumed_at"] == 0 and whole.conditions["streams"] == 1
    assert whole.conditions["dataset"] == {"file": "tiny", "sha256": dataset.digest}
    assert whole.conditions["session"]["backend"] == "fake" and re.fullmatch("[0-9a-f]{64}", whole.conditions["code"])


def test_a_flip_test_sees_every_image_mirrored(dataset, whole, tmp_path):
    def tilt(batch):  # tells left from right
        return np.repeat(
            (batch * np.linspace(0, 1, batch.shape[-1], dtype=np.float32)).mean(axis=(1, 2, 3))[:, None], 512, axis=1
        )

    session = Fake()
    session.run = tilt
    straight = extract(dataset, tmp_path / "straight.npz", session)
    flipped = extract_features(session, dataset, dataset.query, tmp_path / "flipped.npz", 4, progress=False, flip=True)
    images = np.stack([preprocess(ImageOps.mirror(dataset.image(sample))) for sample in dataset.query])
    assert np.allclose(flipped.features, tilt(images), atol=1e-3)
    assert np.abs(flipped.features - straight.features).max() > 0.01
    assert flipped.conditions["preprocess"] == straight.conditions["preprocess"] + ", mirrored"
    mean = average_mirrored(straight, flipped)
    assert np.allclose(mean.features, (straight.features + flipped.features) / 2) and mean.conditions["flip"] is True
    assert mean.names.tolist() == straight.names.tolist()


def test_the_file_holds_what_was_returned_and_nothing_else_is_left(dataset, tmp_path):
    path = tmp_path / "out" / "query.npz"
    made, read = extract(dataset, path), load_features(path)
    assert same(made, read) and read.conditions == made.conditions and len(read) == 11
    assert [p.name for p in path.parent.iterdir()] == ["query.npz"]
    with np.load(path, allow_pickle=False) as arrays:  # what scripts rely on
        assert {"names", "pids", "camids", "features"} <= set(arrays) and arrays["names"].dtype.kind == "U"


@pytest.mark.parametrize("batch_size, calls", [(1, [1] * 11), (4, [4, 4, 3]), (11, [11]), (64, [11])])
def test_batches_and_the_last_one(dataset, whole, tmp_path, batch_size, calls):
    session = Fake()
    assert same(extract(dataset, tmp_path / "q.npz", session, batch_size), whole) and session.seen == calls


@pytest.mark.parametrize("fail_at", [0, 1, 2])
def test_an_interrupted_extraction_goes_on(dataset, whole, tmp_path, fail_at):
    path = tmp_path / "q.npz"
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, path, Fake(fail_at=fail_at))
    assert not path.exists() and (tmp_path / "q.npz.part").stat().st_size == 4 * fail_at * ROW
    session = Fake()
    made = extract(dataset, path, session)
    assert same(made, whole) and session.seen == [4, 4, 3][fail_at:] and made.conditions["resumed_at"] == 4 * fail_at


@pytest.mark.parametrize("cut, resumed_at", [(3 * ROW, 4), (1, 4), (ROW, 4), (4 * ROW, 4), (4 * ROW + 1, 0)])
def test_a_row_written_in_part_is_dropped(dataset, whole, tmp_path, cut, resumed_at):
    part = tmp_path / "q.npz.part"
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, tmp_path / "q.npz", Fake(fail_at=2))
    os.truncate(part, part.stat().st_size - cut)
    made = extract(dataset, tmp_path / "q.npz")
    assert same(made, whole) and made.conditions["resumed_at"] == resumed_at


def test_a_kill_after_the_last_batch_computes_nothing_again(dataset, whole, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("osnet_lib.inference.extract.save_features", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            extract(dataset, tmp_path / "q.npz")
    session = Fake()
    assert same(extract(dataset, tmp_path / "q.npz", session), whole) and session.seen == []


def change_batch_size(dataset, tmp_path, monkeypatch):
    return extract(dataset, tmp_path / "q.npz", batch_size=2)


def change_session(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr(Fake, "describe", lambda self: {"backend": "fake", "model_sha256": "1"})
    return extract(dataset, tmp_path / "q.npz")


def change_code(dataset, tmp_path, monkeypatch):
    monkeypatch.setattr("osnet_lib.inference.extract.code_digest", lambda *_: "other code")
    return extract(dataset, tmp_path / "q.npz")


def change_samples(dataset, tmp_path, monkeypatch):
    return extract_features(Fake(), dataset, dataset.query[::-1], tmp_path / "q.npz", 4, progress=False)


def change_pixels(dataset, tmp_path, monkeypatch):
    (dataset.path / "query" / QUERY[0]).write_bytes((dataset.path / "query" / QUERY[1]).read_bytes())
    with open_market1501(dataset.path) as changed:
        return extract(changed, tmp_path / "q.npz")


def lose_key(dataset, tmp_path, monkeypatch):
    (tmp_path / "q.npz.part.json").unlink()
    return extract(dataset, tmp_path / "q.npz")


def damage_key(dataset, tmp_path, monkeypatch):
    (tmp_path / "q.npz.part.json").write_bytes(b"\xff{")
    return extract(dataset, tmp_path / "q.npz")


@pytest.mark.parametrize(
    "change", [change_batch_size, change_session, change_code, change_samples, change_pixels, lose_key, damage_key]
)
def test_rows_of_other_conditions_are_not_used(dataset, tmp_path, monkeypatch, change):
    with pytest.raises(KeyboardInterrupt):
        extract(dataset, tmp_path / "q.npz", Fake(fail_at=2))
    made = change(dataset, tmp_path, monkeypatch)
    assert made.conditions["resumed_at"] == 0 and len(made) == 11 and np.isfinite(made.features).all()


def test_a_killed_process_leaves_rows_that_the_next_one_uses(dataset, whole, tmp_path):
    path = tmp_path / "q.npz"
    script = (
        "import sys; sys.path[:0] = sys.argv[1:4]; from test_extract import Fake, extract, open_market1501\n"
        "with open_market1501(sys.argv[4]) as d: extract(d, sys.argv[5], Fake(pause=600))"
    )
    arguments = [*map(str, (ROOT, TESTS, Path(__file__).parent, dataset.path, path))]
    process = subprocess.Popen([sys.executable, "-c", script, *arguments])
    part, deadline = tmp_path / "q.npz.part", time.monotonic() + 300
    while (
        not (part.exists() and part.stat().st_size >= 4 * ROW)
        and process.poll() is None
        and time.monotonic() < deadline
    ):
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not path.exists()
    session = Fake()
    made = extract(dataset, path, session)
    assert same(made, whole) and made.conditions["resumed_at"] >= 4 and len(session.seen) < 3


@settings(max_examples=200, deadline=None)
@given(
    images=st.integers(0, 40),
    held=st.integers(0, 45),
    odd=st.integers(0, ROW - 1),
    batch_size=st.integers(1, 17),
    same_key=st.booleans(),
)
def test_what_is_kept_of_an_earlier_run(images, held, odd, batch_size, same_key):
    with tempfile.TemporaryDirectory() as folder:
        part, key = Path(folder, "part"), Path(folder, "part.json")
        content = np.random.default_rng(held).bytes(held * ROW + odd)
        part.write_bytes(content)
        key.write_text(json.dumps("this" if same_key else "that"))
        with open(part, "a+b") as rows:
            done = _resume(rows, key, "this", images, batch_size)
        assert part.read_bytes() == content[: done * ROW] and json.loads(key.read_text()) == "this"
    assert 0 <= done <= min(held, images)
    assert done % batch_size == 0 or done == images  # batches stay what they would have been
    if not same_key or held > images:
        assert done == 0
    elif (held, odd) != (images, 0):
        assert held < images or odd
        assert done == (held // batch_size * batch_size if held < images else 0)


def test_two_processes_never_mix_their_rows(dataset, tmp_path):
    pytest.importorskip("fcntl")
    with _open_alone(tmp_path / "q.npz.part"):
        with pytest.raises(BusyError, match=r"q\.npz\.part: another process is extracting into it\. Wait for it"):
            extract(dataset, tmp_path / "q.npz")
    assert len(extract(dataset, tmp_path / "q.npz")) == 11


@pytest.mark.parametrize(
    "own, batch_size, cure",
    [
        (None, 0, "from 1 to 65536. Give"),
        (None, -2, "from 1 to 65536. Give"),
        (8, 16, "from 1 to 8. The model's own is 8."),
        (8, 0, "from 1 to 8. The"),
    ],
)
def test_a_batch_the_session_does_not_take(dataset, tmp_path, own, batch_size, cure):
    for _ in range(2):  # what the first attempt leaves must not make the second one worse
        with pytest.raises(FeatureError, match=rf"fake\.onnx: batch size {batch_size} is not a whole number {cure}"):
            extract(dataset, tmp_path / "q.npz", Fake(own), batch_size)
    assert not list(tmp_path.glob("q.npz*"))


def test_a_failed_batch_names_its_images(dataset, tmp_path):
    failure = SessionError("the network gave NaN", where="fake.onnx", cure="Look for damaged weights")
    with pytest.raises(
        FeatureError, match=rf"{QUERY[4]} to {QUERY[7]}: the network gave NaN\. Look for damaged weights"
    ):
        extract(dataset, tmp_path / "q.npz", Fake(fail_at=1, error=failure))
