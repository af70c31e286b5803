"""What reads features: feature files, dumps of the guide's tools, info files, and the records of a killed run."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np

from fuzz.target import SMALL, Target, command, digest, put
from helpers.guide_files import STEMS, features, write_feature
from helpers.market import TINY
from osnet_lib.cluster.evaluation import pieces_of
from osnet_lib.cluster.shards import write_list
from osnet_lib.core.cache import artefact
from osnet_lib.core.files import fingerprint, sha256, write_json
from osnet_lib.core.folder_record import FolderRecord
from osnet_lib.datasets.market1501 import Sample, parse_name
from osnet_lib.features.store import ARRAYS, Features, load_features, save_features
from osnet_lib.guide.binfiles import bin_bytes, read_bin
from osnet_lib.guide.dump import feature_name, format_feature, read_dump
from osnet_lib.guide.info import read_info
from osnet_lib.inference.extract import collect_features
from osnet_lib.report.openings import features_opening

_NAMES = {"query": TINY["query"], "gallery": TINY["bounding_box_test"][:-1]}


def _split(split: str, width: int = 8, seed: int = 0) -> Features:
    names = _NAMES[split]
    samples = [parse_name(name, split) for name in names]
    rows = np.random.default_rng(seed).standard_normal((len(names), width)).astype(np.float32)
    labels = (np.array([getattr(sample, label) for sample in samples]) for label in ("pid", "camid"))
    conditions = {"dataset": {"file": "tiny", "sha256": "a" * 64}, "session": {"backend": "torch", "model": "m.pth"}}
    return Features(np.array(names), *labels, rows, conditions)


def _stores(folder: Path) -> dict[str, bytes]:
    for split in _NAMES:
        save_features(folder / f"{split}.npz", _split(split))
    packed = io.BytesIO()
    held = _split("query")
    arrays = {name: getattr(held, name) for name in ("names", "pids", "camids", "features")}
    np.savez_compressed(packed, **arrays)
    one = io.BytesIO()
    np.save(one, held.features)
    ours = (folder / "query.npz").read_bytes()
    return {"ours": ours, "packed": packed.getvalue(), "foreign: one array": one.getvalue()}


def _load(data: bytes, folder: Path) -> str:
    held = load_features(put(folder, "query.npz", data))
    assert repr(held) and repr((held.dataset, held.session))
    return digest(*(getattr(held, name).tobytes() for name in ("names", "pids", "camids", "features")))


def _evaluate(*options: str):
    def read(data: bytes, folder: Path) -> str:
        return command("evaluate", put(folder, "query.npz", data), folder / "gallery.npz", folder, "r", *options)

    return read


_RERANK = ("--rerank", "--k1", "5", "--k2", "2", "--expand", "--metric", "cosine")


def _compare(data: bytes, folder: Path) -> str:
    both = folder / "both"
    save_features(both / "gallery.npz", _split("gallery"))
    for split in _NAMES:
        save_features(folder / "other" / f"{split}.npz", _split(split))
    put(both, "query.npz", data)
    return command("compare", both, folder / "other", "--json", folder / "compared.json", "--mAP-drop", "0.99")


def _one_store(folder: Path) -> dict[str, bytes]:
    return {"ours": _stores(folder)["ours"]}


def _one_feature(form: str):
    return lambda _folder: {form: format_feature(features()[0], form)}


def _dump(form: str):
    def read(data: bytes, folder: Path) -> str:
        dump = folder / "dump"
        shutil.rmtree(dump, ignore_errors=True)
        dump.mkdir()
        for stem, feature in zip(STEMS[1:], features()):
            write_feature(dump, stem, feature)
        put(dump, feature_name(STEMS[0], form), data)
        held = read_dump(dump, progress=False)
        return digest(held.features.tobytes())

    return read


def _array(_folder: Path) -> dict[str, bytes]:
    one, half = io.BytesIO(), io.BytesIO()
    np.save(one, features()[0])
    np.save(half, features()[:1].astype(np.float16))
    return {"float32": one.getvalue(), "float16": half.getvalue()}


def _recorded(folder: Path) -> dict[str, bytes]:
    """A folder with a record, of whose files one is damaged."""
    record = FolderRecord(folder / "dump")
    record.begin("key")
    for stem, feature in zip(STEMS, features()):
        record.put(feature_name(stem, "txt"), format_feature(feature, "txt"))
    record.end()
    return {"txt": format_feature(features()[0], "txt")}


def _read_recorded(data: bytes, folder: Path) -> str:
    put(folder / "dump", feature_name(STEMS[0], "txt"), data)
    return digest(read_dump(folder / "dump", progress=False).features.tobytes())


def _record_list(folder: Path) -> dict[str, bytes]:
    _recorded(folder)
    return {"list": (folder / "dump.sha256").read_bytes()}


def _read_with_list(data: bytes, folder: Path) -> str:
    put(folder, "dump.sha256", data)
    return digest(read_dump(folder / "dump", progress=False).features.tobytes())


def _record_key(folder: Path) -> dict[str, bytes]:
    _recorded(folder)
    return {"key": (folder / "dump.key.json").read_bytes()}


def _go_on(data: bytes, folder: Path) -> str:
    """A run that is taken up again makes the same files, whatever became of the key."""
    put(folder, "dump.key.json", data)
    record = FolderRecord(folder / "dump")
    record.begin("key")
    for stem, feature in zip(STEMS, features()):
        record.put(feature_name(stem, "txt"), format_feature(feature, "txt"))
    record.end()
    return digest(read_dump(folder / "dump", progress=False).features.tobytes())


def _made(folder: Path) -> Path:
    return artefact(folder / "made.bin", {"a": [1, 2]}, lambda path: path.write_bytes(b"made"))


def _artefact(name: str):
    """What is kept is what would be made, whatever became of the file or its key."""

    def read(data: bytes, folder: Path) -> str:
        _made(folder)
        put(folder, name, data)
        return digest(_made(folder).read_bytes())

    return read


def _artefact_keys(folder: Path) -> dict[str, bytes]:
    return {"key": _made(folder).with_name("made.bin.key.json").read_bytes()}


def _resumed(folder: Path) -> str:
    samples = [Sample(name, 1, 1, 1, 0, 0, "query") for name in TINY["query"]]
    conditions = {"session": {"backend": "torch"}, "batch_size": 1}

    def compute(done: int, advance):
        for row in features()[done:]:
            advance(1)
            yield row[None]

    made = collect_features(folder / "f.npz", samples, conditions, 1, compute, progress=False)
    return digest(made.features.tobytes())


def _part_keys(folder: Path) -> dict[str, bytes]:
    conditions = {"session": {"backend": "torch"}, "batch_size": 1}
    return {"key": write_json(folder / "key.json", fingerprint(conditions)).read_bytes()}


def _resume(data: bytes, folder: Path) -> str:
    put(folder, "f.npz.part", features()[:2].tobytes())
    put(folder, "f.npz.part.json", data)
    return _resumed(folder)


def _lists(folder: Path) -> dict[str, bytes]:
    """A list of two shards, as a run on a cluster leaves it."""
    whole = _split("gallery")
    entries = []
    for number, rows in enumerate((slice(0, 2), slice(2, None))):
        part = Features(*(getattr(whole, name)[rows] for name in ARRAYS), whole.conditions)
        path = save_features(folder / "shards" / f"gallery-{number:05}.npz", part)
        entries.append({"file": path.name, "sha256": sha256(path), "images": len(part)})
    save_features(folder / "query.npz", _split("query"))
    return {"list": write_list(folder, "gallery", entries, {}).read_bytes()}


def _pieces(data: bytes, folder: Path) -> str:
    put(folder / "shards", "gallery.json", data)
    pieces = pieces_of(folder / "shards" / "gallery.json", 2)
    return digest(*(array.tobytes() for piece in pieces for array in piece.load()))


def _measured(_folder: Path) -> dict[str, bytes]:
    """Conditions of a run on a cluster and of one on this machine."""
    here = {**_split("query").conditions, "seconds": 2.5, "batch_size": 8}
    cluster = {"ray": "2.60.0", "workers": 2, "shards": 4, "same_bits": True, "nodes": {"vm": {"images": 2}}}
    return {
        name: json.dumps(held).encode() for name, held in {"here": here, "cluster": here | {"cluster": cluster}}.items()
    }


def _plan(data: bytes, folder: Path) -> str:
    """Conditions with which features are saved, whatever they say."""
    held = _split("query")
    arrays = {name: getattr(held, name) for name in ARRAYS}
    stream = io.BytesIO()
    np.savez(stream, **arrays, conditions=np.array(data.decode(errors="replace")))
    path = put(folder, "query.npz", stream.getvalue())
    assert repr(load_features(path).session)
    assert str(features_opening(load_features(path), load_features(path)))
    return command("plan", "--images", "1e6", "--measured", path)


def _infos(_folder: Path) -> dict[str, bytes]:
    return {"info": "".join(f"{at} ./prep/{stem}.bin 128 256\n" for at, stem in enumerate(STEMS)).encode()}


def _info(data: bytes, folder: Path) -> str:
    return repr(read_info(put(folder, "a.info", data)))


def _bins(_folder: Path) -> dict[str, bytes]:
    return {"uint8": bytes(bin_bytes("uint8"))}


def _read_bin(data: bytes, folder: Path) -> str:
    return str(read_bin(put(folder, "image.bin", data), "uint8").shape)


TARGETS = (
    Target("features", _stores, _load, weight=15, checked=True),
    Target("features, packed again", _one_store, _load, ("zip",), weight=15),
    Target("evaluate", _one_store, _evaluate(), ("zip",), weight=8),
    Target("evaluate, re-ranked", _one_store, _evaluate(*_RERANK), ("zip",), weight=3),
    Target("compare", _one_store, _compare, ("zip",), weight=SMALL),
    Target("dump, txt", _one_feature("txt"), _dump("txt"), ("text",)),
    Target("dump, bin", _one_feature("bin"), _dump("bin")),
    Target("dump, npy", _array, _dump("npy")),
    Target("dump with a record", _recorded, _read_recorded, ("text",), weight=8, checked=True),
    Target("record of a dump", _record_list, _read_with_list, ("text",), weight=8, checked=True),
    Target("key of a dump", _record_key, _go_on, ("json",), weight=4, checked=True),
    Target("key of an artefact", _artefact_keys, _artefact("made.bin.key.json"), ("json",), weight=6, checked=True),
    Target("artefact", lambda _folder: {"made": b"made"}, _artefact("made.bin"), weight=3, checked=True),
    Target("key of a part", _part_keys, _resume, ("json",), weight=4, checked=True),
    Target("list of shards", _lists, _pieces, ("json",), weight=6, checked=True),
    Target("conditions of features", _measured, _plan, ("json",), weight=10),
    Target("info", _infos, _info, ("text",)),
    Target("preprocessed image", _bins, _read_bin, weight=3),
)
