"""Offline inference: the features of a session, one file an image, and nothing beside them."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from helpers.guide_files import STEMS, content, write_feature
from osnet_lib.core.folder_record import FolderRecord
from osnet_lib.errors import DatasetError, FeatureError, SessionError
from osnet_lib.features.store import check_pair
from osnet_lib.guide.binfiles import SHAPES
from osnet_lib.guide.dump import format_feature, read_dump
from osnet_lib.guide.inference import infer
from osnet_lib.guide.info import InfoLine, read_info, write_info
from osnet_lib.guide.perf import parse_vision_perf
from osnet_lib.inference.session import Session


class Means:
    """An engine whose feature is 512 times the image's mean, and whose padding would show."""

    provider = device = precision = sha256 = "means"
    fails = False

    def __init__(self, model, dtype="float32", batch_size=2, simulated=False):
        self.model, self.input_dtype = model, np.dtype(dtype)
        self.input_shape = (batch_size, *SHAPES["uint8" if dtype == "uint8" else "float32"])
        self.gears, self.simulated, self.batches = (batch_size,) if batch_size else (), simulated, []

    def compute(self, batch):
        if self.fails:
            raise SessionError("no current", cure="Plug it in.")
        self.batches.append(len(batch))
        return np.repeat(batch.mean(axis=(1, 2, 3), dtype=np.float32)[:, None], 512, axis=1)

    def close(self):
        pass


@pytest.fixture
def prepared(tmp_path, monkeypatch):
    """A function that writes files of a dtype, image n full of n, and returns a session and the info lines."""
    monkeypatch.chdir(tmp_path)

    def make(dtype="float32", stored=None, **engine):
        (tmp_path / "prep").mkdir(exist_ok=True)
        for number, stem in enumerate(STEMS, 1):
            np.full(SHAPES[stored or dtype], number, stored or dtype).tofile(tmp_path / "prep" / f"{stem}.bin")
        write_info("./prep", "prep.info")
        return Session("ascend", Means(tmp_path / "m.om", dtype, **engine), 1), read_info("prep.info")

    return make


@pytest.mark.parametrize("dtype, stored", [("float32", None), ("uint8", None), ("float16", "float32")])
@pytest.mark.parametrize("form", ["txt", "bin"])
def test_every_image_gets_its_feature(prepared, dtype, stored, form):
    session, lines = prepared(dtype, stored)
    made = infer(session, lines[::-1], "out", 2, 1, form, progress=False)
    assert made.folder.as_posix() == "out/dumpOutput_device1" and made.count == 3
    assert sorted(content(made.folder)) == [f"{stem}_1.{form}" for stem in STEMS]
    found = read_dump(made.folder, progress=False)
    assert found.names.tolist() == STEMS and found.features[:, 0].tolist() == [1, 2, 3]
    assert session._engine.batches == [2, 2]  # the last was padded, and its padding dropped


@pytest.mark.parametrize("batch_size, calls", [(1, [1, 1, 1]), (2, [2, 1]), (3, [3]), (16, [3])])
def test_a_model_of_any_batch_is_not_padded(prepared, batch_size, calls):
    session, lines = prepared(batch_size=None)
    infer(session, lines, "out", batch_size, progress=False)
    assert session._engine.batches == calls


def test_the_speed_file_says_what_was_measured(prepared):
    session, lines = prepared()
    made = infer(session, lines, "out", 2, 3, progress=False)
    assert made.perf.as_posix() == "out/perf_vision_batchsize_2_device_3.txt"
    perf = parse_vision_perf(made.perf.read_text())
    assert perf.e2e_rate == pytest.approx(3000 / perf.e2e_latency, rel=1e-4)
    assert perf.infer_rate == perf.interface_rate == pytest.approx(1000 / perf.infer_latency, rel=1e-4)
    # The steps follow each other, so that their times add up to no more than the whole; a busy machine waits between.
    steps = 3 * (perf.read_latency + perf.preprocess_latency + perf.infer_latency) + 2 * perf.post_latency
    assert 0 < steps <= perf.e2e_latency * 1.0001


def test_a_simulated_device_leaves_features_and_no_speed(prepared, tmp_path):
    session, lines = prepared(simulated=True)
    made = infer(session, lines, "out", 2, progress=False)
    assert made.perf is None
    left = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert left == ["dumpOutput_device0", "dumpOutput_device0.key.json", "dumpOutput_device0.sha256"]
    assert len(read_dump(made.folder, progress=False)) == 3


class Model(Means):
    """An engine that is killed when no call is left."""

    left = 0

    def compute(self, batch):
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().compute(batch)


def halves_of_two_runs(infer_into, folder):
    """A whole run of one model, then a run of another that is killed behind its first batch."""
    infer_into(1)
    with pytest.raises(KeyboardInterrupt):
        infer_into(2, killed=True)


def change_one(infer_into, folder):
    infer_into(1)
    path = folder / f"{STEMS[1]}_1.txt"
    path.write_text(path.read_text().replace("2", "7"))


def first_batch_only(infer_into, folder):
    with pytest.raises(KeyboardInterrupt):
        infer_into(1, killed=True)


def another_tool_over_it(infer_into, folder):
    """What the old tool leaves in a folder where our run ended."""
    infer_into(1)
    write_feature(folder, STEMS[0], np.full(512, 9, np.float32))


COVERED = {
    "two models in one folder": (halves_of_two_runs, r"dumpOutput_device0: the run that wrote it did not end\. Run"),
    "a run that was killed": (first_batch_only, r"dumpOutput_device0: the run that wrote it did not end\. Run"),
    "a changed feature": (change_one, rf"{STEMS[1]}_1\.txt: is not what the run left that dumpOutput_device0\.sha256"),
    "another tool": (another_tool_over_it, rf"{STEMS[0]}_1\.txt: is not what .* remove .*dumpOutput_device0\.sha256\."),
}


@pytest.mark.parametrize("happens, what", COVERED.values(), ids=COVERED)
def test_a_folder_that_its_record_does_not_cover_is_refused(prepared, tmp_path, happens, what):
    _, lines = prepared()
    folder = tmp_path / "out" / "dumpOutput_device0"

    def infer_into(model: int, killed: bool = False):
        engine = Model(tmp_path / "m.om", batch_size=1)
        engine.sha256, engine.left = f"model {model}", 1 if killed else 3
        infer(Session("ascend", engine, 1), lines, "out", 1, progress=False)

    happens(infer_into, folder)
    with pytest.raises(FeatureError, match=what) as caught:
        read_dump(folder, progress=False)
    assert "\n" not in str(caught.value)
    infer_into(2)
    assert read_dump(folder, progress=False).features[:, 0].tolist() == [1, 2, 3]


def test_the_model_is_noted_so_that_query_and_gallery_of_two_are_told(prepared, tmp_path):
    _, lines = prepared()
    made = []
    for name, digest in (("a", "a" * 64), ("b", "b" * 64)):
        engine = Means(tmp_path / f"{name}.om")
        engine.sha256 = digest
        made.append(infer(Session("ascend", engine, 1), lines, name, 2, progress=False).folder)
    one, other = (read_dump(folder, progress=False) for folder in made)
    assert (one.session.model, one.session.model_sha256) == ("a.om", "a" * 64)
    with pytest.warns(UserWarning, match=r"different models \(a\.om and b\.om\)"):
        check_pair(one, other)


def test_an_image_that_preprocess_did_not_make_is_refused(prepared, tmp_path):
    """One that was overwritten, in a folder with a record; folders without one are read as they are."""
    session, lines = prepared()
    record = FolderRecord("prep")
    record.begin("key")
    for path in sorted((tmp_path / "prep").iterdir()):
        record.put(path.name, path.read_bytes())
    record.end()
    infer(session, lines, "one", 2, progress=False)
    shutil.copy(lines[0].path, lines[1].path)
    with pytest.raises(DatasetError, match=rf"{STEMS[1]}\.bin: is not the image that prep\.sha256 lists"):
        infer(session, lines, "two", 2, progress=False)
    record.list.unlink()
    infer(session, lines, "three", 2, progress=False)


def test_a_folder_without_a_record_is_read_as_it_is(prepared, tmp_path):
    session, lines = prepared()
    folder = infer(session, lines, "out", 2, progress=False).folder.rename(tmp_path / "elsewhere")
    (folder / f"{STEMS[0]}_1.txt").write_bytes(format_feature(np.ones(512, np.float32), "txt"))
    assert read_dump(folder, progress=False).features[:, 0].tolist() == [1, 2, 3]


def test_running_again_replaces_the_features(prepared):
    session, lines = prepared()
    folder = infer(session, lines, "out", 2, progress=False).folder
    before = content(folder)
    (folder / f"{STEMS[0]}_1.txt").write_text("half")
    assert content(infer(session, lines, "out", 1, progress=False).folder) == before


@pytest.mark.parametrize("form, some", [("txt", slice(0, 2)), ("bin", slice(3))])
def test_another_run_into_the_same_folder_is_refused(prepared, form, some):
    session, lines = prepared()
    before = content(infer(session, lines, "out", 2, progress=False).folder)
    with pytest.raises(
        FeatureError,
        match=r"dumpOutput_device0: holds \d features of other images or in another "
        r"format, the first is 000\d_.*_1\.txt\. Give each run a folder of its own",
    ):
        infer(session, lines[some], "out", 2, form=form, progress=False)
    assert content(infer(session, lines, "out", 2, progress=False).folder) == before


@pytest.mark.parametrize(
    "change, options, error, what",
    [
        ("gone", {}, DatasetError, rf"\./prep/{STEMS[1]}\.bin: cannot be read"),
        (
            "short",
            {},
            DatasetError,
            rf"\./prep/{STEMS[1]}\.bin: holds 98,304 bytes instead of 393,216.*without --uint8",
        ),
        ("wide", {}, DatasetError, rf"\./prep/{STEMS[1]}\.bin: width 256, height 128\. The network reads width 128"),
        (
            None,
            {"batch_size": 3},
            FeatureError,
            r"m\.om: batch size 3 is not a whole number from 1 to 2\. The model's own",
        ),
        (None, {"batch_size": 0}, FeatureError, r"m\.om: batch size 0"),
        (None, {"form": "npy"}, FeatureError, r"format: unknown format 'npy'\. Use one of txt, bin"),
        ("fails", {}, FeatureError, rf"\./prep/{STEMS[0]}\.bin to \./prep/{STEMS[1]}\.bin: no current\. Plug it in"),
    ],
)
def test_what_cannot_be_computed_is_named(prepared, tmp_path, change, options, error, what):
    session, lines = prepared()
    path = tmp_path / "prep" / f"{STEMS[1]}.bin"
    if change == "gone":
        path.unlink()
    elif change == "short":
        path.write_bytes(bytes(98_304))
    elif change == "wide":
        lines[1] = InfoLine(1, lines[1].path, 256, 128)
    session._engine.fails = change == "fails"
    with pytest.raises(error, match=what):
        infer(session, lines, "out", **{"batch_size": 2, **options}, progress=False)
