"""Engines side by side: what is tried and left out, what stays in the race, what is recommended and refused."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from helpers.networks import checkpoint_path, onnx_path
from helpers.refusals import refusal_of
from osnet_lib.core.disturbance import Span, Watched
from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_results
from osnet_lib.errors import SessionError, StudyError
from osnet_lib.inference.benchmark import Benchmark
from osnet_lib.inference.session import open_session
from osnet_lib.study import candidates, engines, prices
from osnet_lib.study.candidates import FUSED, PLAIN, Candidate, combinations, fewer_threads
from osnet_lib.study.engines import measure_engines, tune
from osnet_lib.study.models import simplify_model
from osnet_lib.study.study import Study
from osnet_lib.study.workspace import Workspace

TRIED = [
    Candidate("onnxruntime", "float32", PLAIN, 2),
    Candidate("onnxruntime", "float32", FUSED, 2),
    Candidate("torch", "bfloat16", PLAIN, 2),
    Candidate("torch", "bfloat16", FUSED, 2),
    Candidate("ascend", "float32", PLAIN, 2),
]


@pytest.fixture
def milliseconds(monkeypatch):
    """What a round of each takes, by engine and graph; none is really timed."""
    found = {("onnxruntime", PLAIN): 40.0, ("onnxruntime", FUSED): 20.0, ("torch", PLAIN): 10.0}

    def of(session) -> float:
        graph = FUSED if session.facts.graph == FUSED else PLAIN
        return found[session.backend, graph] * (1 if session.threads > 1 else 1.5)

    def side_by_side(sessions, batch_size, rounds, warmup, progress, pause):
        span = Span(2.0, 0.0, 0.0, 0.0, 0.0, 1.0)
        return [
            Benchmark(
                np.full(rounds, of(session)),
                batch_size,
                warmup,
                session.describe(),
                watched=Watched(span, span, span, span, cores=2),
            )
            for session in sessions
        ]

    monkeypatch.setattr(engines, "run_side_by_side", side_by_side)
    monkeypatch.setattr(engines, "code_digest", lambda *_: "of today")
    monkeypatch.setattr(engines, "time_round", lambda session, images: of(session) / 2 * len(images))
    monkeypatch.setattr(engines, "combinations", combinations, raising=False)
    monkeypatch.setattr(candidates, "combinations", lambda: TRIED)
    return found


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Both graphs at the batch size of the tests, made once."""
    made = Study(Workspace(tmp_path_factory.mktemp("models")), weights=checkpoint_path(), batch_size=2, progress=False)
    for fused in (False, True):
        simplify_model(made, fuse_streams=fused)
    return made.place.models


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """Where the features that one test has left wait for the next, as they would in one workspace."""
    return tmp_path_factory.mktemp("features")


@pytest.fixture
def study(work, models, features, small_market, tmp_path, monkeypatch):
    monkeypatch.setenv("OSNET_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "net.pt"
    path.write_bytes(checkpoint_path().read_bytes())
    shutil.copytree(models, work.models, dirs_exist_ok=True)
    shutil.copytree(features, work.features, dirs_exist_ok=True)
    yield Study(work, small_market, path, 2, progress=False)
    shutil.copytree(work.features, features, dirs_exist_ok=True)


# ---- what is tried --------------------------------------------------------------------------------------------------


def test_combinations_begin_with_the_reference_and_hold_every_backend():
    found = combinations()
    assert (found[0].engine, found[0].graph) == ("onnxruntime float32", PLAIN)
    assert {one.backend for one in found} == {"onnxruntime", "torch", "openvino", "ascend", "cann", "torch_npu"}
    assert len(found) == len({(one.engine, one.graph) for one in found})


@pytest.mark.parametrize(
    "threads, fewer", [(1, []), (2, [1]), (3, [1, 2]), (4, [1, 2]), (8, [1, 2, 4]), (12, [1, 2, 4, 8])]
)
def test_fewer_threads(threads, fewer):
    assert [one.threads for one in fewer_threads(Candidate("torch", "float32", PLAIN, threads))] == fewer


def test_a_candidate_in_words():
    assert str(Candidate("openvino", "bfloat16", FUSED, 2)) == "openvino bfloat16, streams fused, 2 threads"
    assert str(Candidate("openvino", "bfloat16", PLAIN, 1)) == "openvino bfloat16, 1 thread"


# ---- what is found --------------------------------------------------------------------------------------------------


def test_the_fastest_within_the_budget_is_recommended_and_opened(study, milliseconds):
    """torch in bfloat16 is faster and costs something; the fused graph is exact and twice as fast."""
    result, path = tune(study, budget=0.0)
    found, values = result.values["recommendation"], result.values
    assert (found["backend"], found["graph"], found["ratio"]["median"]) == ("onnxruntime", FUSED, 2.0)
    assert found["price"] is None and found["agrees"] and found["features"]["max_abs"] < 1e-4
    by_name = {(row["backend"], row["graph"]): row for row in values["candidates"]}
    price = by_name["torch", PLAIN]
    assert price["loss"][2] > 0 and price["price"]["queries"] > 2 and price["ratio"]["median"] == 4
    assert set(values["left_out"]) == {"torch bfloat16, streams fused", "ascend float32"}
    assert [row["threads"] for row in values["finalists"]] == [2, 2, 1]
    assert result.conditions["whole_split"] and result.conditions["budget"] == 0
    assert path.is_file() and read_results(study.place.results, "engines") == [result]
    with open_session(study.weights, "tuned") as session:
        assert (session.backend, session.threads, session.facts.graph) == ("onnxruntime", 2, FUSED)
        assert session.facts.exported_from["sha256"] == sha256(study.weights)


def test_a_larger_budget_takes_fewer_bits(study, milliseconds):
    result, _ = tune(study, budget=100)
    assert result.values["recommendation"]["backend"] == "torch"
    with open_session(study.weights, "tuned") as session:
        assert session.facts.precision == "bfloat16"


def test_fewer_threads_are_recommended_where_they_are_faster(study, milliseconds):
    real = milliseconds["onnxruntime", FUSED]
    milliseconds["onnxruntime", FUSED] = real
    rows = measure_engines(study, 0.0, queries=6, rounds=6)
    assert rows.values["recommendation"]["threads"] == 2 and rows.conditions["queries"] == 6


def test_nothing_within_the_budget_names_what_there_is(study, milliseconds, monkeypatch):
    milliseconds["onnxruntime", FUSED] = 50.0
    message = refusal_of(StudyError, tune, study, 0.0)
    assert message.startswith(
        "budget: nothing that is faster than ONNX Runtime in float32 costs at most 0 points of mAP"
    )
    assert "There is torch bfloat16 (4.00 times, up to " in message and "stay with the backend auto" in message
    assert not (study.place.root / "cache" / "tuned").exists()


def test_where_nothing_is_faster_the_reference_is_recommended(study, milliseconds):
    milliseconds.update({("onnxruntime", FUSED): 50.0, ("torch", PLAIN): 60.0})
    result, _ = tune(study)
    found = result.values["recommendation"]
    assert (found["backend"], found["graph"], found["ratio"]["median"]) == ("onnxruntime", PLAIN, 1)
    slower = result.values["candidates"][1:]
    assert [row["loss"] for row in slower] == [None] * len(slower) and not result.values["finalists"]


def test_what_is_far_slower_is_out_after_a_trial(study, milliseconds):
    milliseconds["torch", PLAIN] = 400.0
    left_out = measure_engines(study, queries=6, rounds=6).values["left_out"]
    assert left_out["torch bfloat16, 2 threads"] == "0.1 times as fast as the reference in a trial"


def test_every_one_is_scored_and_started_on_request(study, milliseconds, monkeypatch):
    milliseconds["torch", PLAIN] = 60.0
    monkeypatch.setattr(engines, "ROOF_SIZE", 32)
    result = measure_engines(study, queries=6, rounds=6, every=True)
    for row in result.values["candidates"]:
        assert row["price"]["queries"] == 6 and row["startup"]["seconds"] > 0
    assert {(roof["backend"], roof["reason"]) for roof in result.values["roofs"]} == {
        ("onnxruntime", None),
        ("torch", None),
    }


@pytest.mark.parametrize(("least", "queries"), [(-1.0, 18), (1.0, 6)])
def test_what_few_queries_leave_open_all_of_them_settle(study, milliseconds, monkeypatch, least, queries):
    """torch in bfloat16 is faster; by few queries it may or may not meet the budget, or it does not."""
    real = prices.Price.loss.fget
    few = property(lambda price: (1.5, least, 2.0) if price.queries == 6 else real(price))
    monkeypatch.setattr(prices.Price, "loss", few)
    monkeypatch.setattr(engines, "measure_roofs", lambda *_, **__: [])
    monkeypatch.setattr(engines, "measure_startup", lambda *_: None)
    milliseconds["onnxruntime", FUSED] = 50.0
    result = measure_engines(study, budget=0.9, queries=6, rounds=6, every=True)
    assert {row["price"]["queries"] for row in result.values["candidates"]} == {6}
    assert {row["price"]["queries"] for row in result.values["finalists"]} == ({queries} if queries > 6 else set())
    assert result.values["recommendation"]["backend"] == ("torch" if queries > 6 else "onnxruntime")


def test_features_of_the_stages_are_used_again(study, milliseconds, monkeypatch):
    from osnet_lib.study.stages import measure_stages

    monkeypatch.setattr("osnet_lib.study.stages.STAGES", ("torch", "simplified"))
    for kept in study.place.features.glob("*simplified*"):
        kept.unlink()
    measure_stages(study, [2], queries=6)
    before = {path.name: path.stat().st_mtime_ns for path in study.place.features.glob("*simplified*.npz")}
    assert len(before) == 2
    measure_engines(study, queries=6, rounds=6)
    after = {path.name: path.stat().st_mtime_ns for path in study.place.features.glob("*simplified*.npz")}
    assert after == before


def test_an_onnx_has_the_graph_it_has(study, milliseconds):
    fixed = replace(study, weights=onnx_path(2))
    milliseconds["onnxruntime", PLAIN] = 10.0
    result, _ = tune(fixed)
    assert result.values["left_out"]["onnxruntime float32, streams fused"] == "an ONNX has the graph it has"
    assert "the own graph of a checkpoint" in result.values["left_out"]["torch bfloat16"]
    with open_session(onnx_path(2), "tuned") as session:
        assert session.model == onnx_path(2)
    again = measure_engines(replace(study, weights=onnx_path()), rounds=6)
    assert again.values["recommendation"]["file"].endswith("_bs2_sim.onnx")


# ---- what is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [-0.1, float("nan"), float("inf"), "much"])
def test_a_budget_that_is_none(study, budget):
    assert refusal_of(StudyError, measure_engines, study, budget).startswith("budget: a budget of ")


def test_without_the_reference_there_is_nothing_to_compare_with(study, milliseconds, monkeypatch):
    def refuse(*_args, **_given):
        raise SessionError("ONNX Runtime is not there", where="here", cure="Install it.")

    monkeypatch.setattr(candidates, "open_session", refuse)
    assert "ONNX Runtime is not there" in refusal_of(SessionError, measure_engines, study)
