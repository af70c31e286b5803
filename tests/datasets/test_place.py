"""A data set in an object store is the one on the disk, to the bit; what the store refuses is told in one line."""

from __future__ import annotations

import pickle
import sys
import tarfile
from pathlib import Path

import fsspec.config
import numpy as np
import pytest
import s3fs

from helpers.s3_server import BUCKET, KEY, SECRET, needs_s3, s3_server
from osnet_lib.cli.main import main
from osnet_lib.datasets import place
from osnet_lib.datasets.collection import open_collection
from osnet_lib.datasets.manifest import write_rows
from osnet_lib.datasets.place import locate
from osnet_lib.errors import DatasetError, StoreError
from osnet_lib.features.store import load_features

pytestmark = needs_s3


@pytest.fixture(scope="module")
def store():
    with s3_server() as running:
        yield running


def as_tar(folder: Path) -> Path:
    path = folder.with_suffix(".tar")
    with tarfile.open(path, "w") as archive:
        archive.add(folder, "top")
    return path


def as_manifest(folder: Path) -> Path:
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.jpg") if "train" not in path.parts[-2])
    rows = [("query" if name.parts[0] == "query" else "gallery", name, *labels(name.name)) for name in names]
    write_rows(folder / "list.csv", [row for row in rows if row[2] >= 0 or row[0] == "gallery"])
    return folder / "list.csv"


def labels(name: str) -> tuple[int, int]:
    pid, rest = name.rsplit("_c", 1)[0], name.rsplit("_c", 1)[1]
    return int(pid), int(rest[0])


KINDS = {
    "zip": lambda store, folder, pack: (pack(folder), store.put(pack(folder), "some/data.zip")),
    "tar": lambda store, folder, pack: (as_tar(folder), store.put(as_tar(folder), "data.tar")),
    "prefix": lambda store, folder, pack: (folder, store.put(folder, "plain")),
    "prefix above": lambda store, folder, pack: (folder, store.put(folder, "above/inner").removesuffix("inner")),
    "manifest": lambda store, folder, pack: (as_manifest(folder), store.put(folder, "listed") + "/list.csv"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_tables_digest_and_images_are_those_of_the_local_copy(store, tiny_market, pack, kind):
    local, remote = KINDS[kind](store, tiny_market(), pack)
    with open_collection(local) as one, open_collection(remote) as other:
        assert (one.query, one.gallery, one.junk, one.train) == (other.query, other.gallery, other.junk, other.train)
        assert one.digest == other.digest and len(one.digest) == 64
        for sample in one.gallery:
            assert one.image(sample).tobytes() == other.image(sample).tobytes()
    assert pickle.loads(pickle.dumps(other.path)) == locate(remote)


def test_features_and_conditions_are_those_of_the_local_zip_and_hold_no_keys(
    store, tiny_market, pack, small_weights, tmp_path, capfd
):
    local = pack(tiny_market("data"))
    for name, dataset in (("one", str(local)), ("other", store.put(local, "one/data.zip"))):
        assert main(["extract", str(small_weights), dataset, str(tmp_path / name), "--backend", "torch"]) == 0
    for split in ("query", "gallery"):
        one, other = (load_features(tmp_path / name / f"{split}.npz") for name in ("one", "other"))
        assert np.array_equal(one.names, other.names) and np.array_equal(one.features, other.features)
        assert one.conditions["dataset"] == other.conditions["dataset"]
    told = capfd.readouterr()
    for held in (told.out.encode(), told.err.encode(), *(file.read_bytes() for file in files_in(tmp_path / "other"))):
        assert KEY.encode() not in held and SECRET.encode() not in held


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_zip_is_read_by_ranges_and_not_as_a_whole(store, tiny_market, pack, monkeypatch):
    folder = tiny_market("large")
    (folder / "other.bin").write_bytes(np.random.default_rng(0).bytes(6 << 20))  # what nobody asks for
    remote = store.put(pack(folder), "large.zip")
    asked = []
    fetch = s3fs.core.S3File._fetch_range

    def count(self, start, end):
        asked.append(end - start)
        return fetch(self, start, end)

    monkeypatch.setattr(s3fs.core.S3File, "_fetch_range", count)
    with open_collection(remote) as dataset:
        assert dataset.digest
    assert 0 < sum(asked) < 5 << 20 < store.files.size(f"{BUCKET}/large.zip")


def test_what_a_console_lays_for_an_empty_folder_is_no_image(store, tiny_market):
    remote = store.put(tiny_market("marked"), "marked")
    for marker in ("", "query/"):
        store.files.call_s3("put_object", Bucket=BUCKET, Key=f"marked/{marker}", Body=b"")
    with open_collection(remote) as dataset:
        assert len(dataset.query) == 3


def test_an_image_that_a_manifest_lists_and_that_is_not_there_is_named(store, tiny_market):
    manifest = as_manifest(tiny_market("short"))
    store.put(manifest, "short/list.csv")
    with pytest.raises(DatasetError, match=r"list\.csv, line 2: bounding_box_test/.* is not there, nor are 9 more"):
        open_collection(f"s3://{BUCKET}/short/list.csv")


REFUSED = {
    "s3://nowhere/data.zip": ({}, "s3://nowhere/data.zip: no such bucket. Check"),
    "s3://nowhere": ({}, "s3://nowhere: no such bucket"),
    "s3://crops/nothing.zip": ({}, "s3://crops/nothing.zip: no such object"),
    "s3://crops/nothing.csv": ({}, "s3://crops/nothing.csv: no such object"),
    "s3://": ({}, "s3://: names no bucket"),
    "s3:///crops/data.zip": ({}, "s3://: names no bucket"),
    f"s3://{KEY}:{SECRET}@crops/data.zip": ({}, "s3://: holds a user or access keys before an @"),
    f"s3://{KEY}:ab/{SECRET}@crops/data.zip": ({}, "s3://: holds a user or access keys before an @"),
    f"S3:/{KEY}:{SECRET}/a@crops": ({}, "s3://: holds a user or access keys before an @"),
    "s3://crops/a.zip": ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, "a.zip: no access keys ("),
    "s3://crops/b.zip": ({"AWS_SECRET_ACCESS_KEY": None}, "b.zip: no access keys (Partial"),
    "s3://crops/c.zip": ({"AWS_PROFILE": "other"}, "c.zip: no access keys (The config profile (other)"),
    "s3://crops/d.zip": ({"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "d.zip: cannot be read (Could not connect"),
    "s3://crops/e.zip": ({"AWS_ENDPOINT_URL": f"u:{SECRET}@host"}, "e.zip: cannot be read (Invalid endpoint: host)"),
    "s3://crops/f.zip": ({"AWS_ENDPOINT_URL": f"u:{SECRET}/{SECRET}@host"}, "f.zip: cannot be read (Invalid endp"),
    "s3://crops/g.zip": ({"AWS_ENDPOINT_URL": f"u:{SECRET * 9}@host"}, "g.zip: cannot be read (Invalid endpoint: h"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_refused_before_any_work_in_one_line(store, small_weights, tmp_path, monkeypatch, capsys, path):
    environment, words = REFUSED[path]
    monkeypatch.setitem(place._PATIENCE, "retries", {"max_attempts": 0})
    for name, value in environment.items():
        monkeypatch.delenv(name) if value is None else monkeypatch.setenv(name, value)
    assert main(["extract", str(small_weights), path, str(tmp_path / "out"), "--backend", "torch"]) == 2
    told = capsys.readouterr().err
    assert words in told and len(told.splitlines()) == 1 and not files_in(tmp_path)
    assert KEY not in told and SECRET not in told


def test_keys_that_the_store_did_not_give_out_are_refused(store, tiny_market, pack):
    remote = store.put(pack(tiny_market("guarded")), "guarded.zip")
    with (
        store.guarded(),
        pytest.raises(StoreError, match=r"guarded\.zip: is refused \(.*\)\. Check the access keys") as e,
    ):
        open_collection(remote)
    assert KEY not in str(e.value)


def test_without_s3fs_the_extra_is_named(small_weights, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    assert main(["extract", str(small_weights), "s3://crops/data.zip", str(tmp_path), "--backend", "torch"]) == 2
    assert "pip install 'osnet-ascend-study[s3]'" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["zip", "prefix"])
def test_a_store_that_fails_while_it_is_read_is_no_damaged_image(store, tiny_market, pack, kind):
    """Else a worker that loses its network would list every image as one that cannot be decoded."""
    _, remote = KINDS[kind](store, tiny_market(f"gone {kind}"), pack)
    with open_collection(remote) as dataset:
        gone = dataset._archive.path
        if kind == "zip":
            store.files.pipe_file(gone.key, b"another" * 500_000)
        else:
            store.files.rm(gone.key, recursive=True)
        with pytest.raises(StoreError):
            for sample in (*dataset.gallery, *dataset.query):
                dataset.image(sample)


def test_a_bucket_with_too_many_prefixes_is_refused(store, tmp_path, monkeypatch):
    for number in range(4):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.jpg").touch()
    remote = store.put(tmp_path, "many")
    monkeypatch.setattr(place, "MOST_FOLDERS", 5)  # the four and the one above them
    assert len(list(locate(remote).walk(()))) == 4
    monkeypatch.setattr(place, "MOST_FOLDERS", 4)
    with pytest.raises(StoreError, match="holds more than 4 prefixes"):
        open_collection(remote)


def test_keys_of_this_process_do_not_travel_to_another(store, monkeypatch):
    """fsspec holds what its own variables say as options of the file system."""
    monkeypatch.setenv("FSSPEC_S3_KEY", KEY)
    monkeypatch.setenv("FSSPEC_S3_SECRET", SECRET)
    fsspec.config.set_conf_env(conf := {})
    monkeypatch.setattr(fsspec.config, "conf", conf)
    path = locate("s3://crops/data.zip")
    assert SECRET in str(path._store.storage_options)  # else this would show nothing
    sent = pickle.dumps([path, path / "b"])
    assert KEY.encode() not in sent and SECRET.encode() not in sent
    assert pickle.loads(sent) == [path, path / "b"]


@pytest.mark.parametrize("kind", ["zip", "tar", "manifest"])
def test_what_was_opened_is_closed_again(store, tiny_market, pack, monkeypatch, kind):
    opened = []
    start = place._Ranges.__init__

    def note(self, path):
        opened.append(self)
        start(self, path)

    monkeypatch.setattr(place._Ranges, "__init__", note)
    _, remote = KINDS[kind](store, tiny_market(f"closed {kind}"), pack)
    with open_collection(remote):
        pass
    assert opened and all(one.closed and one._stream.closed for one in opened)


def test_paths():
    path = locate("s3://crops/a/data.v1.zip/")
    assert str(path) == "s3://crops/a/data.v1.zip" and (path.name, path.stem, path.suffix) == (
        "data.v1.zip",
        "data.v1",
        ".zip",
    )
    assert str(path.parent / "b") == "s3://crops/a/b" and path.absolute() is path and locate(path) is path
    assert locate(Path("s3://crops/a")) == locate("s3://crops/a") and str(locate("s3://crops").parent) == "s3://crops"
    assert locate("S3://crops/a/") == locate("s3://crops/a") and locate("s3:/crops/a@b") == locate("s3://crops/a@b")
    point = "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/mine/a@b"
    assert str(locate(point)) == point
    assert isinstance(locate("data/s3"), Path) and "_store" not in repr(path)
