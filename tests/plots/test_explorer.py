"""osnet_lib.plots.explorer: what the page shows is what the library ranks."""

from __future__ import annotations

import json

import numpy as np
import pytest

from osnet_lib.datasets.market1501 import open_market1501
from osnet_lib.errors import DatasetError, MetricError
from osnet_lib.features.store import Features
from osnet_lib.metrics import evaluate, ranked_list
from osnet_lib.plots.explorer import Explorer, Ranking, Shown, explore
from osnet_lib.plots.widget import as_script


def features(samples, seed: int) -> Features:
    rng = np.random.default_rng(seed)
    labels = ([getattr(sample, name) for sample in samples] for name in ("name", "pid", "camid"))
    names, pids, camids = map(np.array, labels)
    return Features(names, pids, camids, rng.standard_normal((len(samples), 4)).astype(np.float32))


def people(number: int, gallery: int, seed: int = 5) -> tuple[Features, Features]:
    """Made-up features of five people, distractors and junk, with names that are markup."""
    rng = np.random.default_rng(seed)

    def side(count, pids, prefix):
        return Features(
            np.array([f"{prefix}{i}</script><b>&" for i in range(count)]),
            np.array(pids),
            rng.integers(1, 4, count),
            rng.standard_normal((count, 6)).astype(np.float32),
        )

    return side(number, rng.integers(1, 6, number), "q"), side(gallery, rng.integers(-1, 6, gallery), "g")


def gallery_of(payload: dict) -> list[tuple[str, int, int]]:
    """The gallery images as the page's script reads them."""
    images, name = [], ""
    for same, rest, pid, camid in payload["gallery"]:
        name = name[:same] + rest
        images.append((name, pid, camid))
    return images


@pytest.fixture
def dataset(tiny_market):
    with open_market1501(tiny_market()) as found:
        yield found


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("k, dropped", [(10, 4), (3, 0), (100, 100)])
def test_lists_are_those_of_the_library(metric, k, dropped):
    query, gallery = people(12, 40)
    score = evaluate(query, gallery, metric=metric)
    shown = explore(query, gallery, score, k=k, dropped=dropped).payload()
    ranked = ranked_list(query, gallery, k=k, dropped=dropped, metric=metric)
    listed = gallery_of(shown)
    rows = {str(name): row for row, name in enumerate(query.names)}
    for (name, pid, camid, ap, first), (found, distances, marks) in zip(shown["queries"], shown["lists"], strict=True):
        row = rows.pop(name)
        there = ranked.indices[row] >= 0
        images = [listed[i] for i in found]
        assert [image[0] for image in images] == gallery.names[ranked.indices[row][there]].tolist()
        assert (pid, camid) == (query.pids[row], query.camids[row])
        np.testing.assert_allclose(distances, ranked.distances[row][there], rtol=1e-3)
        ranks = iter(range(1, len(images) + 1))
        for mark, (_, its_pid, its_camid), rank in zip(marks, images, ranked.ranks[row][there]):
            junk, own = its_pid == -1, (its_pid, its_camid) == (pid, camid)
            assert mark == ("j" if junk else "d" if own else "r" if its_pid == pid else "w")
            assert rank == (next(ranks) if mark in "rw" else 0)
        if np.isnan(score.ap[row]):
            assert (ap, first) == (None, 0)
        else:
            assert ap == pytest.approx(score.ap[row], abs=1e-5) and first == score.first_hit[row] + 1
    assert not rows
    aps = [entry[3] for entry in shown["queries"] if entry[3] is not None]
    assert aps == sorted(aps)


def test_names_that_are_markup_do_no_harm():
    query, gallery = people(12, 40)
    html = explore(query, gallery, evaluate(query, gallery))._repr_html_()
    assert html.count("</script>") == 2 and "<b>" not in html
    assert "q0&lt;/script&gt;&lt;b&gt;&amp;" in html or "\\u003c/script\\u003e\\u003cb\\u003e\\u0026" in html


def test_the_worst_queries_are_a_table_without_a_script():
    query, gallery = people(30, 60)
    score = evaluate(query, gallery)
    explorer = explore(query, gallery, score)
    rows = explorer.table().records()
    assert len(rows) == 10
    worst = np.argsort(score.ap, kind="stable")[:10]
    assert [row["query"] for row in rows] == query.names[worst].tolist()
    assert set("".join(row["nearest images"] for row in rows)) <= set("✓✗–∅ ")
    assert f"{score.hits(1)} of {score.num_valid} queries" in repr(explorer)
    assert explorer._repr_html_().index("<table") < explorer._repr_html_().index("<script")


def test_of_too_many_queries_those_from_worst_to_best_stay():
    query, gallery = people(50, 60)
    score = evaluate(query, gallery)
    shown = explore(query, gallery, score, most=7).payload()
    aps = [entry[3] for entry in shown["queries"]]
    assert len(aps) == 7 and shown["total"] == score.num_valid
    assert aps[0] == pytest.approx(np.nanmin(score.ap), abs=1e-5)
    assert {len(shown[name]) for name in ("queries", "lists")} == {7}


def test_the_page_of_market1501_stays_small():
    """Its test split has 3,368 queries and, with junk, 23,551 gallery images: at most all of them are listed."""
    rng = np.random.default_rng(7)

    def images(number):
        labels = np.sort(rng.integers(1, [1502, 7, 7, 100_000], (number, 4)), axis=0)
        return tuple(Shown(f"{p:04d}_c{c}s{s}_{f:06d}_00.jpg", int(p), int(c)) for p, c, s, f in labels)

    gallery = images(23_551)
    rankings = tuple(
        Ranking(
            one,
            0.75432,
            3,
            tuple(rng.integers(0, 23_551, 14).tolist()),
            tuple(10 + 10 * rng.random(14)),
            "dddd" + "r" * 10,
        )
        for one in images(3368)
    )
    html = Explorer(rankings, gallery, 3368, 3000, "euclidean")._repr_html_()
    assert len(html.encode()) < 1.35e6


def test_pictures_are_part_of_it_only_if_given(dataset):
    query = features(dataset.query, 1)
    gallery = features((*dataset.gallery, *dataset.junk), 2)
    score = evaluate(query, gallery)
    without = explore(query, gallery, score)
    assert without.sprite is None and "data:image" not in without._repr_html_()
    given = explore(query, gallery, score, pictures=dataset)
    assert given.sprite.count == len(given.rankings) + len(given.gallery)
    assert json.loads(as_script(given.payload()))["sprite"]["uri"].startswith("data:image/avif;base64,")


def test_what_does_not_belong_together_is_refused(dataset):
    query, gallery = people(12, 40)
    score = evaluate(query, gallery)
    with pytest.raises(MetricError, match="an evaluation of 12 queries for features of 3"):
        explore(features(dataset.query, 1), gallery, score)
    with pytest.raises(DatasetError, match="no image q.* among those that are ranked"):
        explore(query, gallery, score, pictures=dataset)
