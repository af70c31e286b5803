"""Scores: where they come from, and which may be set beside each other."""

from __future__ import annotations

import re
import warnings
from dataclasses import replace

import pytest

from helpers.market_scores import GUIDE, MARKET, ZOO, market
from osnet_lib.comparison.acceptance import accept
from osnet_lib.comparison.score import Score, check_comparable, measured_score, published_score, read_score
from osnet_lib.core.results import Result, write_result
from osnet_lib.errors import ResultError
from osnet_lib.guide.metrics_json import write_guide_json
from osnet_lib.metrics import evaluate_distances
from osnet_lib.published.quoted import find_published

# --------------------------------------------------------------------------------------------------- where from


def test_published_scores_bring_their_conditions():
    assert (ZOO.label, ZOO.source, ZOO.decimals) == ("published osnet_x1_0:GPU", "torchreid MODEL_ZOO", 1)
    assert ZOO.preprocess == "RGB, bilinear 256x128, ImageNet mean and std"
    odd = published_score(replace(find_published("osnet_x1_0"), mean=[0, 0, 0]))
    assert odd.preprocess.startswith("RGB, bilinear 256x128, mean [0, 0, 0], std [0.229")


@pytest.mark.parametrize("rank1, mAP", [(3176 / 3368, 0.8257416732159705), (0.0, 0.1), (1.0, 1.0), (0.94, 0.8)])
def test_the_guides_file(tmp_path, rank1, mAP):
    score = read_score(write_guide_json(tmp_path / "result.json", rank1, mAP))
    assert score.rank1 == pytest.approx(rank1, abs=1e-7) and score.mAP == mAP
    assert (score.metric, score.dataset, score.is_market1501, score.queries) == (None, None, None, None)
    with pytest.warns(UserWarning, match="does not state"):
        assert accept(Score("exact", rank1, mAP, **MARKET), score).passed  # the float32 is no loss


def test_the_guides_own_file_as_printed_in_it(tmp_path):
    path = tmp_path / "result_bs1.json"
    path.write_text(
        '{"title": "Overall statistical evaluation", "value": [{"key": "R1", "value": "0.94299287"}, '
        '{"key": "mAP", "value": "0.8257416732159705"}]}'
    )
    with pytest.warns(UserWarning):
        found = accept(ZOO, read_score(path))
    assert found.passed and found.criteria[0].queries == 3


def accuracy(tmp_path, name: str = "x", market1501: bool = True, **values):
    conditions = {
        "model": {"architecture": "osnet_x1_0", "sha256": "a" * 64},
        "metric": "cosine",
        "session": {"backend": "ascend", "device": "Ascend310", "precision": "float16", "threads": None},
        "dataset": {"file": "m.zip", "sha256": "b" * 64},
        "is_market1501": market1501,
    }
    return write_result(
        tmp_path, Result("accuracy", name, conditions, {"rank": {"1": 0.94}, "mAP": 0.82, "num_valid": 3368, **values})
    )


@pytest.mark.parametrize("values, metric", [({}, "cosine"), ({"normalized": True}, "cosine of unit features")])
def test_a_result_of_the_study(tmp_path, values, metric):
    score = read_score(accuracy(tmp_path, **values))
    assert score == Score(
        "accuracy-x.json",
        0.94,
        0.82,
        None,
        metric,
        "m.zip",
        "b" * 64,
        True,
        3368,
        "osnet_x1_0",
        "Ascend310",
        "float16",
        None,
        "a result of this study",
    )


@pytest.mark.parametrize(
    "text, words",
    [
        ("", "no JSON that can be read"),
        ("{}", "neither a result of this study nor the guide's"),
        ("[1]", "neither a result"),
        ('{"value": [{"key": "R1", "value": "high"}]}', "neither a result"),
        ('{"value": [{"key": "R1", "value": "0.9"}]}', "neither a result"),
        ('{"value": [{"key": "R1", "value": "94.2"}, {"key": "mAP", "value": "0.8"}]}', "Rank-1 is 94.2"),
        ('{"value": [{"key": "R1", "value": "0.9"}, {"key": "mAP", "value": "nan"}]}', "mAP is nan"),
        ('{"kind": "accuracy"}', "not a result file"),
    ],
)
def test_files_that_hold_no_score(tmp_path, text, words):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(ResultError, match=words):
        read_score(tmp_path / "x.json")


def test_other_results_hold_no_score(tmp_path):
    path = write_result(
        tmp_path, Result("parity", "x", {"model": {"architecture": "a", "sha256": "b"}}, {"stages": []})
    )
    with pytest.raises(ResultError, match="a result of kind parity, which holds no score"):
        read_score(path)
    with pytest.raises(ResultError, match=r"holds something else than expected as values\.rank\.1"):
        read_score(accuracy(tmp_path, rank={"1": "0.9"}))
    with pytest.raises(ResultError, match="no JSON that can be read .FileNotFoundError"):
        read_score(tmp_path / "gone.json")


def test_an_evaluation():
    evaluation = evaluate_distances(([1, 1], [1, 1]), ([1, 2], [2, 2]), distances=[[0, 1], [1, 0]])
    score = measured_score("x", evaluation, device="CPU")
    assert (score.rank1, score.mAP, score.queries, score.metric, score.device) == (0.5, 0.75, 2, "given", "CPU")
    assert score.rank1_text == "50.00 %"


# ------------------------------------------------------------------------------------- what can be compared at all

MINI = Score(
    "mini",
    0.93,
    0.85,
    metric="euclidean",
    dataset="mini-market",
    dataset_sha256="a" * 64,
    is_market1501=False,
    queries=300,
    network="osnet_x1_0",
    preprocess="RGB",
)


@pytest.mark.parametrize(
    "reference, candidate, words",
    [
        (ZOO, MINI, "mini is not a score on Market-1501 as published (mini-market)"),
        (MINI, ZOO, "mini is not a score on Market-1501 as published (mini-market)"),
        (ZOO, market(3176, metric="cosine"), "euclidean and cosine distance"),
        (MINI, replace(MINI, metric="cosine"), "euclidean and cosine distance"),
        (ZOO, market(3176, metric="euclidean of unit features"), "of unit features"),
        (MINI, replace(MINI, dataset_sha256="b" * 64), "two data sets (mini-market and mini-market)"),
        (MINI, replace(MINI, queries=299), "300 and 299 queries"),
    ],
)
def test_refused(reference, candidate, words):
    with pytest.raises(ResultError, match=re.escape(words)):
        check_comparable(reference, candidate)
    with pytest.raises(ResultError, match=re.escape(words)):
        accept(reference, candidate)


UNKNOWN = Score("result.json", 0.9, 0.8, 5)


@pytest.mark.parametrize(
    "reference, candidate, words",
    [
        (ZOO, UNKNOWN, "result.json does not state its distance and whether its data set is Market-1501"),
        (ZOO, market(3176, is_market1501=None), "measured does not state whether its data set is Market-1501"),
        (MINI, replace(MINI, network="osnet_x0_25"), "two networks (osnet_x1_0 against osnet_x0_25)"),
        (MINI, replace(MINI, preprocess="BGR"), "images prepared in two ways (RGB against BGR)"),
    ],
)
def test_warned(reference, candidate, words):
    with pytest.warns(UserWarning, match=re.escape(words)):
        check_comparable(reference, candidate)


@pytest.mark.parametrize(
    "reference, candidate",
    [
        (ZOO, GUIDE),
        (MINI, MINI),
        (replace(MINI, is_market1501=None), replace(MINI, is_market1501=None)),
        (market(3176, dataset_sha256="a"), market(3176, dataset_sha256="b")),
    ],
)  # with and without the train split
def test_taken_without_a_word(reference, candidate):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_comparable(reference, candidate)
