"""osnet_lib.features.store: what a feature file holds, what is refused, and what may be compared."""

from __future__ import annotations

import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from osnet_lib.errors import FeatureError
from osnet_lib.features.store import Features, average_mirrored, check_pair, load_features, save_features, without_junk

QUERY = [f"{pid:04d}_c{cam}s1_{pid:06d}_00.jpg" for pid in range(1, 7) for cam in (1, 2)][:11]


@pytest.fixture
def whole(tmp_path) -> Features:
    """Eleven features, also on disk as ``whole.npz``."""
    made = Features(
        np.array(QUERY),
        np.array([int(name[:4]) for name in QUERY]),
        np.array([int(name[6]) for name in QUERY]),
        np.random.default_rng(0).standard_normal((11, 512)).astype(np.float32),
        {"images": 11},
    )
    save_features(tmp_path / "whole.npz", made)
    return made


def same(a: Features, b: Features) -> bool:
    return all(np.array_equal(getattr(a, name), getattr(b, name)) for name in ("names", "pids", "camids", "features"))


def test_a_file_gives_back_what_was_saved(whole, tmp_path):
    read = load_features(tmp_path / "whole.npz")
    assert same(read, whole) and read.conditions == {"images": 11} and len(read) == 11


def test_a_flip_test_takes_the_same_images_in_the_same_order(whole):
    other = Features(whole.names[::-1], whole.pids, whole.camids, whole.features, {})
    with pytest.raises(FeatureError, match="not of the same images"):
        average_mirrored(whole, other)


def changed(features: Features, /, **arrays) -> dict:
    return {
        "names": features.names,
        "pids": features.pids,
        "camids": features.camids,
        "features": features.features,
        "conditions": np.array("{}"),
        **arrays,
    }


def without(features: Features, /, *names: str) -> dict:
    return {name: array for name, array in changed(features).items() if name not in names}


BAD_ARRAYS = {
    "no array features": lambda f: without(f, "features"),
    "no array pids, camids": lambda f: without(f, "pids", "camids"),
    "arrays of different length: names 10, pids 11": lambda f: changed(f, names=f.names[:-1]),
    f"{QUERY[1]} occurs 2 times": lambda f: changed(f, names=np.array([QUERY[1], *QUERY[1:]])),
    f"1 features are not finite, the first is of {QUERY[2]}": lambda f: changed(
        f, features=np.where(np.arange(11)[:, None] == 2, np.nan, f.features)
    ),
    "11 features are not finite": lambda f: changed(f, features=f.features * np.inf),
    "array pids is <U1": lambda f: changed(f, pids=np.array(["a"] * 11)),
    "array camids is float64": lambda f: changed(f, camids=f.camids + 0.5),
    "array names is int64": lambda f: changed(f, names=f.pids),
    r"array names is <U3 of shape \(\)": lambda f: changed(f, names=np.array("abc")),
    r"array features is float32 of shape \(5632,\)": lambda f: changed(f, features=f.features.ravel()),
    "array features is complex64": lambda f: changed(f, features=f.features * np.complex64(1)),
    "array pids holds 18446744073709551615, no int64": lambda f: changed(f, pids=np.full(11, 2**64 - 1, np.uint64)),
    "array camids holds 9223372036854775808, no int64": lambda f: changed(f, camids=np.full(11, 2**63, np.uint64)),
    r"its features have no values \(width 0\)": lambda f: changed(f, features=f.features[:, :0]),
    "damaged, or not a feature file": lambda f: changed(f, conditions=np.array("[" * 100_000)),
    "its conditions are no JSON object": lambda f: changed(f, conditions=np.array("[]")),
}


@pytest.mark.parametrize("what", BAD_ARRAYS)
def test_arrays_that_do_not_belong_together(whole, tmp_path, what):
    np.savez(tmp_path / "bad.npz", **BAD_ARRAYS[what](whole))
    with pytest.raises(FeatureError, match=rf"bad\.npz: {what}.*(Run the extraction again|then extract again)\."):
        load_features(tmp_path / "bad.npz")


def test_numbers_of_other_widths_become_float32(whole, tmp_path):
    for dtype in (np.float16, np.float64, np.longdouble, ">f4"):
        np.savez(tmp_path / "q.npz", **changed(whole, features=whole.features.astype(dtype)))
        read = load_features(tmp_path / "q.npz")
        assert read.features.dtype == np.float32 and np.allclose(read.features, whole.features, atol=1e-2)
    np.savez(tmp_path / "q.npz", **changed(whole, features=np.full((11, 512), 1e300)))  # infinite in float32
    with pytest.raises(FeatureError, match=r"q\.npz: 11 features are not finite, the first is of"):
        load_features(tmp_path / "q.npz")


def test_files_of_other_tools_need_no_conditions(whole, tmp_path):
    np.savez_compressed(
        tmp_path / "q.npz", **without(whole, "conditions") | {"features": whole.features.astype(np.float16)}
    )
    read = load_features(tmp_path / "q.npz")
    assert read.conditions == {} and read.features.dtype == np.float32
    assert np.allclose(read.features, whole.features, atol=1e-2)


def raw(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("names", "pids", "camids", "features"):
            archive.writestr(f"{name}.npy", b"abc")


BAD_FILES = {
    "empty": lambda path, content: path.write_bytes(b""),
    "text": lambda path, content: path.write_text("names,pids\n"),
    "cut short": lambda path, content: path.write_bytes(content[:-100]),
    "half": lambda path, content: path.write_bytes(content[: len(content) // 2]),
    "a bit flipped": lambda path, content: path.write_bytes(
        content[:9000] + bytes([content[9000] ^ 1]) + content[9001:]
    ),
    "a zip of raw members": raw,
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_files_that_are_no_feature_files(whole, tmp_path, kind):
    path = tmp_path / "q.npz"
    BAD_FILES[kind](path, (tmp_path / "whole.npz").read_bytes())
    with pytest.raises(
        FeatureError,
        match=r"q\.npz: (damaged, or not a feature file|no array names|array names is \|S3).*Run the "
        r"extraction again\.",
    ):
        load_features(path)


@pytest.mark.parametrize("path", ["missing.npz", "."])
def test_no_such_file_says_how_to_make_it(tmp_path, path):
    with pytest.raises(FeatureError, match=r"no such feature file\. Make it with: osnet extract MODEL DATASET OUTDIR"):
        load_features(tmp_path / path)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_no_damage_gets_through(position, value):
    """One byte set to any value: the same features, or a refusal, never another error or other numbers."""
    made = Features(
        np.array(["a", "b"]),
        np.array([1, 2]),
        np.array([1, 2]),
        np.arange(16, dtype=np.float32).reshape(2, 8),
        {"k": 1},
    )
    with tempfile.TemporaryDirectory() as folder:
        path = save_features(Path(folder, "q.npz"), made)
        content = bytearray(path.read_bytes())
        content[position % len(content)] = value
        path.write_bytes(content)
        try:
            read = load_features(path)
        except FeatureError:
            return
    assert same(read, made)


def features_of(dataset: str | None, model: str | None) -> Features:
    conditions = ({"dataset": {"file": f"{dataset}.zip", "sha256": dataset}} if dataset else {}) | (
        {"session": {"model": f"{model}.onnx", "model_sha256": model}} if model else {}
    )
    return Features(np.array(["a"]), np.array([1]), np.array([1]), np.ones((1, 4), np.float32), conditions)


def test_query_and_gallery_of_two_data_sets_are_refused():
    with pytest.raises(
        FeatureError, match=r"query and gallery: features of two data sets \(a\.zip and b\.zip\)\. Take query\.npz"
    ):
        check_pair(features_of("a", "m"), features_of("b", "m"))


def test_query_and_gallery_of_two_models_are_warned_of():
    with pytest.warns(UserWarning, match=r"different models \(m\.onnx and n\.onnx\)"):
        check_pair(features_of("a", "m"), features_of("a", "n"))


@pytest.mark.parametrize("pair", [(("a", "m"), ("a", "m")), ((None, None), ("a", "m")), ((None, None), (None, None))])
def test_query_and_gallery_that_may_go_together(pair, recwarn):
    check_pair(*(features_of(*facts) for facts in pair))
    assert not recwarn.list


def test_conditions_of_other_tools_are_left_alone(recwarn):
    ours, theirs = features_of("a", "m"), features_of(None, None)
    theirs.conditions.update(dataset="Market", session=None)
    check_pair(ours, theirs)
    assert not recwarn.list


@pytest.mark.parametrize("junk", [(), (0,), (2, 3, 10), range(11)])
def test_junk_is_left_out(whole, junk):
    kept = [row for row in range(11) if row not in junk]
    mixed = Features(
        whole.names, np.where(np.isin(range(11), junk), -1, whole.pids), whole.camids, whole.features, whole.conditions
    )
    found = without_junk(mixed)
    assert same(found, Features(*(getattr(whole, name)[kept] for name in ("names", "pids", "camids", "features"))))
    assert found.conditions == whole.conditions and (mixed.pids == -1).sum() == len(junk)
