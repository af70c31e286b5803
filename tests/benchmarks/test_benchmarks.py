"""The programs of benchmarks/: they run, compare, print their ratios, and refuse; the plain loops are right."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from argparse import Namespace

import numpy as np
import pytest

from helpers.paths import ROOT


@pytest.fixture
def script(monkeypatch):
    """A function that imports a module of benchmarks/, whose modules import each other by name."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module


def run(name, *options):
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, ROOT / "benchmarks" / name, *map(str, options)],
        capture_output=True,
        text=True,
        env=environment,
        timeout=500,
    )


# ------------------------------------------------------------------------------------------------ the data
def test_galleries_are_nested(script):
    synthetic = script("synthetic")
    query, gallery = synthetic.market_like(40, 300, 16, seed=3)
    for distractors in (1, 5000, 9000):
        same_query, larger = synthetic.market_like(40, 300, 16, 3, distractors)
        np.testing.assert_array_equal(same_query[0], query[0])
        assert [part.shape[0] for part in larger] == [300 + distractors] * 3 and larger[0].dtype == np.float32
        assert all(np.array_equal(a[:300], b) for a, b in zip(larger, gallery)) and not larger[1][300:].any()
    shorter = synthetic.market_like(40, 300, 16, 3, 5000)[1]
    np.testing.assert_allclose(larger[0][:5300], shorter[0], atol=1e-5)  # a product of other size rounds differently
    assert all(np.array_equal(a[:5300], b) for a, b in zip(larger[1:], shorter[1:]))
    assert len(np.unique(larger[0], axis=0)) == len(larger[0]) and set(larger[2]) == set(range(1, 7))


def test_another_seed_is_another_set(script):
    synthetic = script("synthetic")
    first, second = (synthetic.market_like(40, 300, 16, seed)[1][0] for seed in (0, 1))
    assert not np.allclose(first, second)


def test_plain_loops_agree(script):
    synthetic, loops = script("synthetic"), script("argsort_loop")
    query, gallery = synthetic.market_like(60, 700, 16, 0)
    gallery[1][::9] = -1
    dist = loops.distance_matrix(query[0], gallery[0], "cosine")
    whole, listed = (loop(dist, *query[1:], *gallery[1:]) for loop in (loops.argsort_loop, loops.list_loop))
    np.testing.assert_allclose(listed[0], whole[0], atol=1e-12)
    np.testing.assert_array_equal(listed[1], whole[1])
    assert 0 < np.nanmean(whole[0]) < 1 and np.isnan(whole[0]).any()


def test_peak_memory_counts_what_this_process_held():
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); import process; before = process.peak_rss(); {}; "
        "print(process.peak_rss() - before)"
    )
    grown = [
        int(
            subprocess.run(
                [sys.executable, "-c", code.format(hold), ROOT / "benchmarks"],
                capture_output=True,
                text=True,
                check=True,
            ).stdout
        )
        for hold in ("0", "b = b'1' * 50_000_000; del b")
    ]
    assert grown[0] < 5e6 < 45e6 < grown[1] < 60e6


# ------------------------------------------------------------------------------------------------ the programs
def test_metrics_scales_the_list_loop_and_says_so(tmp_path):
    done = run(
        "metrics.py",
        "--queries",
        80,
        "--gallery",
        900,
        "--width",
        16,
        "--rounds",
        1,
        "--loop-queries",
        20,
        "--json",
        tmp_path / "m.json",
    )
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "m.json").read_text())
    assert measured["same"] and measured["conditions"]["loop_queries"] == 20
    assert measured["ratios"]["evaluate"] == 1 and measured["ratios"]["argsort loop"] == measured["ratio"]
    assert "run on 20 queries, time scaled to 80" in done.stdout


def test_reranking_compares_and_measures(tmp_path):
    done = run(
        "reranking.py", "--queries", 40, "--gallery", 300, "--width", 32, "--rounds", 1, "--json", tmp_path / "r.json"
    )
    assert done.returncode == 0, done.stderr
    assert "the published dense algorithm takes" in done.stdout and "same distances" in done.stdout
    measured = json.loads((tmp_path / "r.json").read_text())
    assert measured["same"] and measured["difference"]["max"] < 1e-5
    seconds = {name: times["median"] for name, times in measured["seconds"].items()}
    assert measured["ratio"] == pytest.approx(seconds["dense"] / seconds["rerank"])
    assert all(2e7 < peak < 1e9 for peak in measured["peak_rss_bytes"].values())  # a process with numpy in it
    assert measured["figures"]["rerank"] == measured["figures"]["dense"] != measured["figures"]["before"]


def test_reranking_finds_a_contestant_that_computes_something_else(script, monkeypatch, capsys):
    reranking = script("reranking")

    def child(_, arguments):  # as run_child, without the processes; the dense one gets another k2
        options = dict(zip(arguments[::2], arguments[1::2]))
        facts = Namespace(
            **{name: options[f"--{name}"] for name in reranking.NUMBERS},
            out=options["--out"],
            contestant=options["--contestant"],
        )
        facts.k2 += facts.contestant == "dense"
        return reranking.run_contestant(facts)

    monkeypatch.setattr(reranking, "run_child", child)
    assert reranking.main(["--queries", "30", "--gallery", "200", "--width", "16", "--rounds", "1"]) == 1
    assert "THE DISTANCES DIFFER" in capsys.readouterr().out


def test_distractors_measures_time_and_memory(tmp_path):
    options = ("--queries", 30, "--gallery", 300, "--width", 64, "--rounds", 1, "--distractors", 0, 9000)
    done = run("distractors.py", *options, "--json", tmp_path / "d.json")
    assert done.returncode == 0, done.stderr
    assert "us per gallery image" in done.stdout and "no queries gain by more distractors" in done.stdout
    measured = json.loads((tmp_path / "d.json").read_text())
    small, large = measured["sizes"]
    assert (small["gallery"], large["gallery"]) == (300, 9300) and large["input_bytes"] == (30 + 9300) * 64 * 4
    assert small["mAP"] > large["mAP"] and measured["fits"] and measured["peak_rss_bytes"] >= small["peak_rss_bytes"]
    line = measured["line"]  # two points: the line goes through both
    for size in (small, large):
        on_line = line["seconds_without_images"] + line["seconds_per_image"] * size["gallery"]
        assert on_line == pytest.approx(size["seconds"]["median"])


def test_distractors_fails_above_its_limit(script, monkeypatch, capsys):
    distractors = script("distractors")
    one = {
        "seconds": 1.0,
        "processor_seconds": 1.0,
        "peak_rss_bytes": 2_000_000_000,
        "input_bytes": 1,
        "rank1": 0.5,
        "mAP": 0.5,
        "ap": [0.5, float("nan")],
    }
    gains = {**one, "ap": [0.6, float("nan")], "peak_rss_bytes": 1}
    for made, code, words in (
        ([one, one], 0, "2.00 GB, inputs included, within the 2.5 GB allowed"),
        ([one, {**one, "peak_rss_bytes": 2_600_000_000}], 1, "ABOVE the 2.5 GB allowed"),
        ([one, gains], 1, "1 queries gain by more distractors, WHICH CANNOT BE"),
    ):
        children = iter(made)
        monkeypatch.setattr(distractors, "run_child", lambda *_, children=children: next(children))
        assert distractors.main(["--distractors", "0", "10", "--rounds", "1"]) == code
        assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    "script_name, options, message",
    [
        ("reranking.py", ["--rounds", "0"], "--rounds counts from 1"),
        ("dump.py", ["--files", "1000001"], "files count from 1 to a million"),
        ("metrics.py", ["--seed", "-1"], "--seed counts from 0"),
        ("reranking.py", ["--queries", "5", "--gallery", "9"], "k1 or k2 is too large for 14 images"),
        ("distractors.py", ["--distractors", "-1"], "give each number of distractors once, from 0"),
        ("distractors.py", ["--distractors", "9", "3"], "from the smallest to the largest"),
        ("metrics.py", ["--loop-queries", "0"], "--loop-queries counts from 1"),
    ],
)
def test_options_without_sense(script, capsys, script_name, options, message):
    with pytest.raises(SystemExit) as stopped:
        script(script_name.removesuffix(".py")).main(options)
    assert stopped.value.code == 2 and message in capsys.readouterr().err
