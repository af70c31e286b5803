"""The score of a gallery in pieces is that of the whole: counted here piece by piece, without a cluster."""

from __future__ import annotations

import json
import tracemalloc
from dataclasses import fields, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from helpers.ray_cluster import needs_ray
from osnet_lib.cli.main import main
from osnet_lib.cluster import evaluation
from osnet_lib.cluster.evaluation import PIECE, check_shards, pieces_of
from osnet_lib.cluster.rows import count_rows, load_names, load_rows
from osnet_lib.cluster.shards import LARGEST, Piece, join_features, write_list
from osnet_lib.core.files import sha256
from osnet_lib.errors import FeatureError, MetricError
from osnet_lib.features.store import Features, load_features, save_features
from osnet_lib.metrics import evaluate


def some_features(count: int, seed: int, start: int = 0, people: int = 5) -> Features:
    """Coarse numbers, so that there are ties; distractors and junk among them where `start` is not 0."""
    random = np.random.default_rng(seed)
    pids = random.integers(1, people + 1, count)
    if start:
        pids[random.random(count) < 0.2] = 0
        pids[random.random(count) < 0.1] = -1
    return Features(
        np.array([f"{start + i:06d}.jpg" for i in range(count)]),
        pids,
        random.integers(1, 4, count),
        random.integers(0, 3, (count, 8)).astype(np.float32),
        {},
    )


def in_pieces(query: Features, pieces, metric: str = "euclidean", normalize: bool = False):
    """`evaluate_on_cluster` with its tasks called here, one after the other."""
    sides = (query.features, query.pids, query.camids)
    answers = [evaluation._matches(piece, sides, metric, normalize) for piece in pieces]
    found = [evaluation.content_of(answer) for answer in answers]
    far = evaluation.by_query(found)
    wrong = sum(evaluation.content_of(evaluation._counts(piece, sides, metric, normalize, far)) for piece in pieces)
    return evaluation.merged(query, found, far, wrong, metric, normalize)


def assert_equal(one, other) -> None:
    for part in fields(one):
        assert np.array_equal(getattr(one, part.name), getattr(other, part.name), equal_nan=part.name != "metric"), part


@given(st.integers(0, 10_000), st.integers(1, 9), st.sampled_from([("euclidean", False), ("euclidean", True)]))
def test_any_number_of_pieces_scores_as_the_whole(tmp_path_factory, seed, count, how):
    query, gallery = some_features(9, seed), some_features(40, seed + 1, 100)
    query.features[:, 0] = gallery.features[:, 0] = 1  # no row of zeros, which has no direction
    path = save_features(tmp_path_factory.mktemp("pieces") / "gallery.npz", gallery)
    pieces = pieces_of(path, count)
    assert len(pieces) == count and sum(len(piece.load()[1]) for piece in pieces) == 40
    metric, normalize = how
    try:
        whole = evaluate(query, gallery, metric=metric, normalize=normalize)
    except MetricError:
        with pytest.raises(MetricError, match="has a match"):
            in_pieces(query, pieces, metric, normalize)
        return
    assert_equal(in_pieces(query, pieces, metric, normalize), whole)


def real_features(count: int, seed: int, prefix: str) -> Features:
    """Of the width and kind of OSNet's, as many people as there are to have some matches each."""
    random = np.random.default_rng(seed)
    names = np.array([f"{prefix}{i:06d}.jpg" for i in range(count)])
    pids, camids = random.integers(1, 6, count), random.integers(1, 4, count)
    return Features(names, pids, camids, random.standard_normal((count, 512)).astype(np.float32), {})


@given(st.integers(0, 10_000), st.integers(1, 40), st.lists(st.integers(1, 59), max_size=8))
def test_copies_of_a_match_in_other_pieces_stay_ties(tmp_path_factory, seed, queries, cuts):
    """Real numbers: a product of few columns rounds otherwise than that of many, and a tie would be lost."""
    random = np.random.default_rng(seed)
    query, gallery = real_features(queries, seed, "q"), real_features(60, seed + 1, "g")
    gallery.features[random.integers(0, 60, 25)] = gallery.features[random.integers(0, 60, 25)]
    gallery.features[-1] = gallery.features[random.integers(0, 59)]
    path = save_features(tmp_path_factory.mktemp("pieces") / "gallery.npz", gallery)
    bounds = sorted({0, 60, *cuts, 59})
    pieces = [Piece((path,), (), start, stop) for start, stop in pairwise(bounds)]
    try:
        whole = evaluate(query, gallery)
    except MetricError:
        with pytest.raises(MetricError, match="has a match"):
            in_pieces(query, pieces)
        return
    assert_equal(in_pieces(query, pieces), whole)


@pytest.mark.parametrize("count", [1, 2, 3, 40])
def test_features_that_are_all_equal_score_as_on_one_machine(tmp_path, count):
    query, gallery = (real_features(n, n, name) for n, name in ((count, "q"), (50, "g")))
    query.features[:], gallery.features[:] = query.features[0], gallery.features[0]
    path = save_features(tmp_path / "gallery.npz", gallery)
    assert_equal(in_pieces(query, pieces_of(path, 7)), evaluate(query, gallery))


def test_a_list_of_shards_is_a_gallery_and_a_shard_that_changed_is_refused(tmp_path):
    query, parts = some_features(9, 1), [some_features(16, seed, 100 * seed) for seed in (2, 3, 4)]
    (tmp_path / "shards").mkdir()
    paths = [save_features(tmp_path / "shards" / f"gallery-{i}.npz", part) for i, part in enumerate(parts)]
    entries = [{"file": path.name, "sha256": sha256(path), "images": 16} for path in paths]
    listed = write_list(tmp_path, "gallery", entries, {})
    assert [len(piece.paths) for piece in pieces_of(listed)] == [3]
    assert [len(piece.paths) for piece in pieces_of(listed, 2)] == [1, 1, 1]
    assert_equal(in_pieces(query, pieces_of(listed, 3)), evaluate(query, join_features(parts, {})))
    save_features(paths[1], parts[0])
    with pytest.raises(FeatureError, match=r"gallery-1\.npz: is not the shard that was listed"):
        in_pieces(query, pieces_of(listed, 3))


@pytest.mark.parametrize("content", ["", "{}", '{"shards": [{"file": "a.npz"}]}', '{"shards": [[1, 2, 3]]}', "[]"])
def test_what_is_no_list_of_shards_is_refused(tmp_path, content):
    path = tmp_path / "gallery.json"
    path.write_text(content)
    with pytest.raises(FeatureError, match="no list of shards"):
        pieces_of(path)
    with pytest.raises(FeatureError, match="no such list"):
        pieces_of(tmp_path / "other.json")


@pytest.mark.parametrize("images", [PIECE, PIECE + 1, 10 * PIECE + 7, 10**9])
def test_no_piece_is_larger_than_what_a_worker_holds(tmp_path, images):
    """Of files, which are listed and not opened here; those of a list are shards."""
    (tmp_path / "shards").mkdir()
    sizes = [LARGEST] * (images // LARGEST) + [images % LARGEST] * bool(images % LARGEST)
    entries = [{"file": f"{i}.npz", "sha256": "", "images": size} for i, size in enumerate(sizes)]
    pieces = pieces_of(write_list(tmp_path, "gallery", entries, {}))
    held = [sum(sizes[int(path.stem)] for path in piece.paths) for piece in pieces]
    assert sum(held) == images and max(held) <= PIECE


LIMIT = 2.5e9  # bytes of a worker, whatever the gallery
PROCESS = 0.5e9  # of it for Python, its libraries and Ray
PART = 8


@pytest.mark.parametrize("files, rows", [(1, 1), (2, 1), (1, 8)])
def test_a_worker_stays_within_its_memory(tmp_path, files, rows):
    """At an eighth of the largest piece; all that is held grows with it, and the block of distances less than that.

    The piece is one file, two files, or an eighth of the rows of one.
    """
    random, images = np.random.default_rng(0), PIECE // PART
    everything = []
    for count in (256, *[rows * images // files] * files):
        names = np.array([f"{len(everything)}-{i:06d}.jpg" for i in range(count)])
        pids, camids = random.integers(1, 2_000, count), random.integers(1, 7, count)
        everything.append(Features(names, pids, camids, random.random((count, 512), np.float32), {}))
    query, *parts = everything
    paths = tuple(save_features(tmp_path / f"{i}.npz", part) for i, part in enumerate(parts))
    piece = Piece(paths, tuple(map(sha256, paths))) if rows == 1 else Piece(paths, (), images, 2 * images)
    sides, peaks = (query.features, query.pids, query.camids), []
    tracemalloc.start()
    try:
        found = evaluation.content_of(evaluation._matches(piece, sides, "euclidean", True))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.reset_peak()
        evaluation.content_of(evaluation._counts(piece, sides, "euclidean", True, evaluation.by_query([found])))
        peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert min(peaks) > images * 512 * 4, "the features themselves are not seen"
    assert PART * max(peaks) < LIMIT - PROCESS, [f"{PART * peak / 1e9:.2f} GB" for peak in peaks]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda held: held["shards"].pop(), "lists shards of 2 images, and not of the 5 of all"),
        (lambda held: held["shards"].append(held["shards"][0]), "lists a shard twice"),
        (lambda held: held["shards"][0].update(images=-2), "is no list of shards"),
        (lambda held: held.pop("images"), "is no list of shards"),
    ],
)
def test_a_list_that_lost_a_shard_is_refused(tmp_path, change, words):
    """Else a part of the gallery would be left out of the score without a word."""
    entries = [{"file": f"gallery-{number}.npz", "sha256": "0" * 64, "images": number} for number in (2, 3)]
    listed = write_list(tmp_path, "gallery", entries, {})
    assert len(pieces_of(listed)[0].paths) == 2
    document = json.loads(listed.read_text())
    change(document)
    listed.write_text(json.dumps(document))
    with pytest.raises(FeatureError, match=words):
        pieces_of(listed)


def shards_of(folder: Path, parts: list[Features], conditions=None) -> Path:
    """A list of shards, written as an extraction does."""
    (folder / "shards").mkdir()
    paths = [save_features(folder / "shards" / f"gallery-{i}.npz", part) for i, part in enumerate(parts)]
    entries = [{"file": path.name, "sha256": sha256(path), "images": len(part)} for path, part in zip(paths, parts)]
    return write_list(folder, "gallery", entries, {}, conditions)


def test_a_shard_of_which_all_images_were_left_out_is_passed_over(tmp_path):
    query, gallery = some_features(9, 1), some_features(30, 2, 100)
    nothing = Features(np.array([], str), *(np.array([], np.int64),) * 2, np.empty((0, 512), np.float32), {})
    listed = shards_of(tmp_path, [nothing, gallery, nothing])
    assert load_features(tmp_path / "shards" / "gallery-0.npz").features.shape == (0, 512)
    for count in (1, 3):
        assert_equal(in_pieces(query, pieces_of(listed, count)), evaluate(query, gallery))


MADE = {"dataset": {"sha256": "a" * 64, "file": "one.zip"}, "session": {"model_sha256": "b" * 64, "model": "m.onnx"}}


def refuse_nothing(_names: Features) -> None:
    """A check of names that finds none wrong."""


def test_a_query_of_another_data_set_than_the_shards_is_refused_and_one_of_another_model_warned_of(tmp_path):
    query = some_features(9, 1)
    listed = shards_of(tmp_path, [some_features(30, 2, 100)], {**MADE, "batch": 4})
    check_shards(replace(query, conditions=MADE), listed, refuse_nothing)
    other = {**MADE, "dataset": {"sha256": "c" * 64, "file": "two.zip"}}
    with pytest.raises(FeatureError, match="two.zip and one.zip"):
        check_shards(replace(query, conditions=other), listed, refuse_nothing)
    with pytest.warns(UserWarning, match="different models"):
        check_shards(replace(query, conditions={**MADE, "session": {"model_sha256": "d" * 64}}), listed, refuse_nothing)


def test_the_list_of_the_query_is_no_gallery_and_one_of_an_older_run_is_taken(tmp_path):
    query, listed = some_features(9, 1), shards_of(tmp_path, [some_features(30, 2, 100)])
    document = json.loads(listed.read_text())
    listed.write_text(json.dumps({name: document[name] for name in ("split", "images", "shards", "skipped")}))
    check_shards(replace(query, conditions=MADE), listed, refuse_nothing)
    listed.write_text(json.dumps({**document, "split": "query"}))
    with pytest.raises(FeatureError, match="lists the shards of the query"):
        check_shards(query, listed, refuse_nothing)


@needs_ray
def test_an_empty_address_is_none_and_not_one_machine(tmp_path, capsys):
    for split, features in (("query", some_features(9, 1)), ("gallery", some_features(30, 2, 100))):
        save_features(tmp_path / f"{split}.npz", features)
    words = ["evaluate", *(str(tmp_path / f"{split}.npz") for split in ("query", "gallery")), str(tmp_path), "s"]
    assert main([*words, "--cluster", ""]) == 2
    assert "cluster: '' is no address" in capsys.readouterr().err


def test_names_of_all_shards_are_looked_at_before_a_cluster_is(tmp_path, capsys):
    query, parts = some_features(9, 1), [some_features(30, seed, 100 * seed) for seed in (2, 3)]
    save_features(tmp_path / "query.npz", query)
    words = ["evaluate", str(tmp_path / "query.npz"), str(shards_of(tmp_path, [*parts, query])), str(tmp_path), "s"]
    assert main([*words, "--cluster", "127.0.0.1:1"]) == 2
    assert "9 images are in both, the first is 000000" in capsys.readouterr().err
    (tmp_path / "shards" / "gallery-1.npz").unlink()
    assert main([*words, "--cluster", "127.0.0.1:1"]) == 2
    assert "gallery-1.npz: no such feature file" in capsys.readouterr().err


@given(st.integers(0, 39), st.integers(1, 40))
def test_rows_of_a_file_are_those_of_the_whole(tmp_path_factory, start, count):
    gallery = some_features(40, 3, 100)
    path = save_features(tmp_path_factory.mktemp("rows") / "g.npz", gallery)
    part = load_rows(path, start, start + count)
    for name in ("names", "pids", "camids", "features"):
        assert np.array_equal(getattr(part, name), getattr(gallery, name)[start : start + count]), name
    assert np.array_equal(load_names(path), gallery.names) and count_rows(path) == 40


def test_what_is_read_of_a_file_is_checked_as_the_whole_is(tmp_path):
    gallery = some_features(40, 3, 100)
    gallery.features[33, 2] = np.nan
    path = save_features(tmp_path / "g.npz", gallery)
    assert len(load_rows(path, 0, 33)) == 33
    with pytest.raises(FeatureError, match="not finite, the first is of 000133"):
        load_rows(path, 30, 40)
    with pytest.raises(FeatureError, match="ends within|damaged"):
        path.write_bytes(path.read_bytes()[:2000])
        load_rows(path, 0, 33)


@pytest.mark.parametrize(
    "save, words",
    [
        (lambda path, arrays: np.savez_compressed(path, **arrays), "is compressed"),
        (
            lambda path, arrays: np.savez(path, **{**arrays, "features": np.asfortranarray(arrays["features"])}),
            "not one",
        ),
        (lambda path, arrays: np.savez(path, features=arrays["features"]), "damaged, or not a feature file"),
        (lambda path, arrays: path.write_bytes(b"no zip"), "damaged, or not a feature file"),
    ],
)
def test_files_whose_rows_cannot_be_read_alone_are_refused(tmp_path, save, words):
    gallery = some_features(40, 3, 100)
    arrays = {name: getattr(gallery, name) for name in ("names", "pids", "camids", "features")}
    save(tmp_path / "g.npz", arrays)
    with pytest.raises(FeatureError, match=words):
        pieces_of(tmp_path / "g.npz", 3)


def test_a_list_without_images_is_refused(tmp_path):
    listed = write_list(tmp_path, "gallery", [], {})
    with pytest.raises(FeatureError, match="lists no features"):
        pieces_of(listed)
