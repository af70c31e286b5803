"""Intervals and the paired test: agreement with plain loops and formulas, coverage by simulation, words."""

from __future__ import annotations

import itertools
from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from scipy.special import betaincinv
from scipy.stats import binomtest

from osnet_lib.errors import MetricError
from osnet_lib.metrics import Evaluation, evaluate_distances
from osnet_lib.metrics.uncertainty import Interval, bootstrap, exact_interval, paired_test

BASE = evaluate_distances(([1], [1]), ([1, 2], [2, 2]), distances=[[0, 1]])


def scored(ap, first_hit=None) -> Evaluation:
    """An evaluation with the given average precisions; NaN is a query without a match, 1 one that is right at once."""
    ap = np.asarray(ap, float)
    valid = ~np.isnan(ap)
    if first_hit is None:
        first_hit = np.where(ap >= 0.7, 0, 3)
    first_hit = np.where(valid, first_hit, -1)
    return replace(
        BASE, ap=ap, first_hit=first_hit, mAP=float(ap[valid].mean()), num_queries=len(ap), num_valid=int(valid.sum())
    )


def draw(seed: int, queries: int = 60, people: int = 12) -> tuple[Evaluation, np.ndarray]:
    """Random scores in which the queries of a person resemble each other, and two queries without a match."""
    rng = np.random.default_rng(seed)
    pids = rng.integers(0, people, queries) * 7
    ap = np.clip(0.7 + rng.normal(0, 0.2, people)[pids // 7] + rng.normal(0, 0.2, queries), 0.01, 1)
    ap[[3, 17]] = np.nan
    return scored(ap), pids


# ------------------------------------------------------------------------------------------- against plain loops


def plain(rows: list[tuple[float, float, int]], rounds: int, seed: int, level: float) -> list[tuple[float, float]]:
    """The percentile bootstrap written out: `rows` are sums of two scores and a number of queries, one a unit."""
    rng = np.random.default_rng(seed)
    rows = sorted(rows, key=lambda row: row[::-1])
    means: list[tuple[float, float]] = []
    for _ in range(rounds):
        drawn = [rows[i] for i in rng.integers(0, len(rows), len(rows))]
        number = sum(row[2] for row in drawn)
        means.append((sum(row[0] for row in drawn) / number, sum(row[1] for row in drawn) / number))
    ends = [100 * (1 - level) / 2, 100 * (1 + level) / 2]
    return [tuple(np.percentile([mean[k] for mean in means], ends)) for k in (0, 1)]


@pytest.mark.parametrize("by_identity", [False, True])
@pytest.mark.parametrize("level, seed", [(0.95, 0), (0.8, 5)])
def test_bootstrap_is_the_plain_loop(by_identity, level, seed):
    score, pids = draw(1)
    queries = [
        (float(hit == 0), ap, pid if by_identity else i)
        for i, (hit, ap, pid) in enumerate(zip(score.first_hit, score.ap, pids))
        if hit >= 0
    ]
    units = {}
    for right, ap, unit in queries:
        sums = units.get(unit, (0.0, 0.0, 0))
        units[unit] = (sums[0] + right, sums[1] + ap, sums[2] + 1)
    found = bootstrap(score, clusters=pids if by_identity else None, level=level, rounds=300, seed=seed)
    for interval, ends in zip((found.rank1, found.mAP), plain(list(units.values()), 300, seed, level)):
        assert (interval.low, interval.high) == pytest.approx(ends, abs=1e-12)
    assert found.rank1.value == pytest.approx(np.mean([q[0] for q in queries]))
    assert found.mAP.value == pytest.approx(score.mAP)
    assert (found.units, found.queries) == (len(units), 58)
    assert found.resampled == ("identities" if by_identity else "queries")


def test_blocks_change_nothing(monkeypatch):
    score, pids = draw(2)
    whole = bootstrap(score, clusters=pids, rounds=200)
    monkeypatch.setattr("osnet_lib.metrics.resampling._BLOCK", 1)
    assert bootstrap(score, clusters=pids, rounds=200) == whole


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), shuffle=st.permutations(range(60)), by_identity=st.booleans())
def test_order_and_numbering_do_not_matter(seed, shuffle, by_identity):
    score, pids = draw(seed)
    other, _ = draw(seed + 1)
    clusters, renumbered = (pids, (5 - pids)[shuffle]) if by_identity else (None, None)
    a, b = (scored(e.ap[shuffle]) for e in (score, other))
    one, two = bootstrap(score, clusters=clusters, rounds=60), bootstrap(a, clusters=renumbered, rounds=60)
    assert (one.rank1, one.mAP.low, one.mAP.high, one.units) == (two.rank1, two.mAP.low, two.mAP.high, two.units)
    first, second = (
        paired_test(score, other, clusters=clusters, rounds=60),
        paired_test(a, b, clusters=renumbered, rounds=60),
    )
    assert (first.mAP.low, first.mAP.high, first.rank1) == (second.mAP.low, second.mAP.high, second.rank1)
    assert (first.lost, first.won, first.p, first.changed) == (second.lost, second.won, second.p, second.changed)


def test_the_seed_decides():
    score, _ = draw(4)
    assert bootstrap(score, rounds=100) == bootstrap(score, rounds=100) != bootstrap(score, rounds=100, seed=1)


def test_a_higher_level_is_wider():
    score, pids = draw(5)
    ends = [bootstrap(score, clusters=pids, level=level, rounds=2000).mAP for level in (0.5, 0.9, 0.99)]
    assert ends[2].low < ends[1].low < ends[0].low < score.mAP < ends[0].high < ends[1].high < ends[2].high


def test_all_right_leaves_no_room():
    found = bootstrap(scored(np.ones(20)), rounds=100)
    assert found.rank1 == found.mAP == Interval(1, 1, 1)
    assert found.rank1_exact.low == pytest.approx(0.025 ** (1 / 20))  # 20 of 20 is still no proof of 100 %


# --------------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("hits, queries", [(0, 7), (7, 7), (3, 8), (1, 1), (3071, 3368), (3176, 3368)])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_exact_interval_is_that_of_the_beta_distribution(hits, queries, level):
    found, tail = exact_interval(hits, queries, level), (1 - level) / 2
    low = betaincinv(hits, queries - hits + 1, tail) if hits else 0
    high = betaincinv(hits + 1, queries - hits, 1 - tail) if hits < queries else 1
    assert found.value == hits / queries and (found.low, found.high) == pytest.approx((low, high), abs=1e-10)


def test_a_query_of_market1501_is_far_below_what_can_be_seen():
    found = exact_interval(3176, 3368)
    assert 0.0070 < found.high - found.value < found.value - found.low < 0.0085  # the guide's 94.30 %


def paired(lost: int, won: int, both: int = 4, neither: int = 3):
    right = np.repeat([[1, 0], [0, 1], [1, 1], [0, 0]], [lost, won, both, neither], axis=0)
    return paired_test(*(scored(0.5 + 0.5 * side) for side in right.T), rounds=100)


@pytest.mark.parametrize("lost", range(0, 12, 2))
@pytest.mark.parametrize("won", [0, 1, 4, 11])
def test_mcnemar_counts_coins(lost, won):
    found = paired(lost, won)
    assert (found.lost, found.won, found.both, found.neither) == (lost, won, 4, 3)
    assert found.changed == lost + won and found.queries == lost + won + 7
    assert found.rank1.value == pytest.approx((won - lost) / found.queries)
    coins = [comb(lost + won, heads) / 2 ** (lost + won) for heads in range(lost + won + 1)]
    assert found.p == pytest.approx(min(1, 2 * sum(coins[: min(lost, won) + 1])))
    assert found.p_worse == pytest.approx(sum(coins[lost:]))
    assert lost + won or found.outcome == "identical"


@pytest.mark.parametrize("discordant", [1, 5, 6, 12, 25])
@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.2])
def test_mcnemar_never_claims_too_often(discordant, alpha):
    """Equally good models: every query that tells them apart is a fair coin, so all outcomes can be enumerated."""
    chances = [binomtest(lost, discordant).pvalue for lost in range(discordant + 1)]
    weights = np.array([np.prod([(discordant - i) / (i + 1) for i in range(lost)]) for lost in range(discordant + 1)])
    found = np.array([paired(lost, discordant - lost).p for lost in range(discordant + 1)])
    assert found == pytest.approx(np.array(chances))
    assert (weights * (found <= alpha)).sum() / weights.sum() <= alpha


@pytest.mark.parametrize("by_identity", [False, True])
def test_intervals_cover_the_truth(by_identity):
    """Sets of queries from a population whose scores are known; four queries a person, alike if `by_identity`."""
    rng, rounds, covered = np.random.default_rng(7), 300, np.zeros(2)
    pids = np.repeat(np.arange(40), 4)
    for _ in range(rounds):
        hardness = np.repeat(rng.random(40), 4) if by_identity else rng.random(160)
        ap = np.where(hardness < 0.8, 0.75 + 0.25 * rng.random(160), 0.5 * rng.random(160))
        found = bootstrap(
            scored(ap), clusters=pids if by_identity else None, rounds=400, seed=int(rng.integers(1 << 30))
        )
        covered += found.rank1.holds(0.8), found.mAP.holds(0.8 * 0.875 + 0.2 * 0.25)
    assert (covered / rounds >= 0.90).all() and (covered / rounds <= 0.98).all()


def test_queries_of_one_person_are_not_independent():
    rng, covered = np.random.default_rng(8), 0
    pids = np.repeat(np.arange(40), 4)
    for seed in range(200):
        ap = np.where(np.repeat(rng.random(40), 4) < 0.8, 1.0, 0.1)
        by_query, by_identity = (
            bootstrap(scored(ap), clusters=clusters, rounds=300, seed=seed) for clusters in (None, pids)
        )
        covered += by_query.mAP.holds(0.8 + 0.2 * 0.1)
        assert by_identity.mAP.high - by_identity.mAP.low > 1.3 * (by_query.mAP.high - by_query.mAP.low)
    assert covered / 200 < 0.8  # far below 95 %: why the verdicts draw identities


def test_equal_models_are_seldom_told_apart():
    rng, rounds, claims = np.random.default_rng(9), 300, np.zeros(2)
    pids = np.repeat(np.arange(50), 3)
    for seed in range(rounds):
        base = rng.random(150)
        a, b = (scored(np.clip(base + rng.normal(0, 0.15, 150), 0, 1)) for _ in range(2))
        found = paired_test(a, b, clusters=pids, rounds=400, seed=seed)
        claims += found.mAP_shown, found.rank1_shown
    assert 0.02 <= claims[0] / rounds <= 0.10 and claims[1] / rounds <= 0.07


@pytest.mark.parametrize("by_identity", [False, True])
def test_a_fall_of_few_queries_or_identities_is_not_shown(by_identity):
    """Four that fall alike: no resample with one of them rises, but four coins agree in one case of eight."""
    pids = np.arange(300) if not by_identity else np.repeat(np.arange(4), 75)
    before, after = np.full(300, 0.9), np.full(300, 0.9)
    after[np.unique(pids, return_index=True)[1][:4]] = 0.5
    found = paired_test(scored(before), scored(after), clusters=pids, rounds=2000)
    assert found.mAP.high < 0 and found.p_mAP == pytest.approx(1 / 8, abs=0.03) and not found.mAP_shown
    assert found.outcome == "no difference" and "a randomisation test gives p = 0.1" in found.verdict()


def test_the_randomisation_test_is_the_plain_loop():
    a, pids = draw(3)
    b = replace(a, ap=np.clip(a.ap + np.random.default_rng(4).normal(-0.02, 0.05, len(a.ap)), 0, 1))
    found = paired_test(a, b, clusters=pids, rounds=20_000)
    valid = a.first_hit >= 0
    units = np.array([(b.ap - a.ap)[valid & (pids == pid)].sum() for pid in np.unique(pids[valid])])
    signs = np.array(list(itertools.product((-1, 1), repeat=len(units))))  # every assignment of signs
    assert found.p_mAP == pytest.approx(np.mean(np.abs(signs @ units) >= abs(units.sum()) - 1e-12), abs=0.015)
    assert paired_test(b, a, clusters=pids, rounds=20_000).p_mAP == found.p_mAP


def test_a_real_loss_is_found_where_two_intervals_overlap():
    rng = np.random.default_rng(10)
    ap = rng.random(400)
    good, bad = scored(ap), scored(np.clip(ap - 0.02, 0, 1))
    assert bootstrap(bad, rounds=500).mAP.high > bootstrap(good, rounds=500).mAP.low
    found = paired_test(good, bad, rounds=500)
    assert found.mAP_shown and found.mAP.value < 0 and found.outcome == "worse"


# ------------------------------------------------------------------------------------------------ the paired test


@pytest.mark.parametrize("by_identity", [False, True])
@pytest.mark.parametrize("seed", range(8))
def test_exchanging_the_models_mirrors_everything(seed, by_identity):
    a, pids = draw(seed)
    b = scored(np.clip(a.ap + np.random.default_rng(seed).normal(0, 0.1, 60), 0, 1))
    there, back = (paired_test(*pair, clusters=pids if by_identity else None, rounds=200) for pair in ((a, b), (b, a)))
    for name in ("rank1", "mAP"):
        one, other = getattr(there, name), getattr(back, name)
        assert (one.value, one.low, one.high) == pytest.approx((-other.value, -other.high, -other.low), abs=1e-15)
    assert (there.lost, there.won, there.p, there.changed) == (back.won, back.lost, back.p, back.changed)
    assert there.p_worse + back.p_worse >= 1
    assert {"worse": "better", "better": "worse"}.get(there.outcome, there.outcome) == back.outcome


def test_the_interval_of_the_difference_is_that_of_one_bootstrap():
    """The differences are a score as any other, so the plain loop applies to them."""
    a, _ = draw(11)
    b = scored(np.clip(a.ap - 0.05 * np.random.default_rng(0).random(60), 0, 1))
    found = paired_test(a, b, rounds=300, seed=3)
    rows = [
        (float(hb == 0) - float(ha == 0), y - x, 1)
        for x, y, ha, hb in zip(a.ap, b.ap, a.first_hit, b.first_hit)
        if ha >= 0
    ]
    either = [plain(rows, 300, 3, 0.95), plain([(-r, -m, n) for r, m, n in rows], 300, 3, 0.95)]
    mirrored = [(-high, -low) for low, high in either[1]]
    ends = [(i.low, i.high) for i in (found.rank1, found.mAP)]
    assert any(np.allclose(ends, expected, atol=1e-12) for expected in (either[0], mirrored))


SHIFTED = np.linspace(0.2, 0.65, 40)
OUTCOMES = {
    "identical": (SHIFTED, None, SHIFTED, None, "identical"),
    "same AP, other first match": (SHIFTED, np.full(40, 2), SHIFTED, np.full(40, 5), "no difference"),
    "all lower": (SHIFTED, None, SHIFTED - 0.1, None, "worse"),
    "all higher": (SHIFTED, None, SHIFTED + 0.04, None, "better"),
    "as much up as down": (SHIFTED, None, SHIFTED + np.tile([0.1, -0.1], 20), None, "no difference"),
    "Rank-1 lost, AP the same": (SHIFTED, np.zeros(40, int), SHIFTED, np.repeat([0, 1], 20), "worse"),
    "Rank-1 lost, AP higher": (SHIFTED, np.zeros(40, int), SHIFTED + 0.1, np.repeat([0, 1], 20), "mixed"),
    "five lost are not enough": (SHIFTED, np.zeros(40, int), SHIFTED, np.repeat([0, 1], [35, 5]), "no difference"),
    "six lost are": (SHIFTED, np.zeros(40, int), SHIFTED, np.repeat([0, 1], [34, 6]), "worse"),
}


@pytest.mark.parametrize("ap_a, first_a, ap_b, first_b, outcome", OUTCOMES.values(), ids=OUTCOMES)
def test_outcomes(ap_a, first_a, ap_b, first_b, outcome):
    found = paired_test(scored(ap_a, first_a), scored(ap_b, first_b), rounds=1000)
    head = {
        "identical": "om and onnx rank alike",
        "worse": "om is worse than onnx: mAP",
        "better": "om is better than onnx: mAP",
        "mixed": "om is better than onnx in one score and worse in the other: mAP",
        "no difference": "No difference can be shown between onnx and om: mAP",
    }[outcome]
    assert found.outcome == outcome and found.alike == (outcome == "identical")
    assert found.verdict("onnx", "om").startswith(head)
    assert found.as_dict()["outcome"] == outcome and found.as_dict()["verdict"] == found.verdict()


def test_few_identities_are_not_shown_by_mcnemar_alone():
    """Thirty lost queries, all of one person: McNemar counts thirty, but it is one person's fate."""
    pids = np.repeat(np.arange(4), 30)
    first = np.where(pids == 2, 1, 0)
    a, b = scored(np.full(120, 0.5), np.zeros(120, int)), scored(np.full(120, 0.5), first)
    assert paired_test(a, b, rounds=500).rank1_shown
    found = paired_test(a, b, clusters=pids, rounds=500)
    assert found.p < 1e-6 and not found.rank1_shown and found.outcome == "no difference" and found.units == 4


def test_the_verdict_tells_the_numbers():
    found = paired_test(
        *(scored(np.full(3368, 0.9), np.repeat([1, 0], split)) for split in ((12, 3356), (0, 3368))), rounds=100
    )
    assert found.verdict() == (
        "B is better than A: mAP changes by +0.00 points (95 % interval over 3,368 queries +0.00 to +0.00), not shown; "
        "Rank-1 loses 0 and wins 12 of 3,368 queries (McNemar p < 0.001, shown); average precision differs in 0."
    )
    fallen = replace(
        found,
        mAP=Interval(-0.0193, -0.024, -0.015),
        lost=31,
        won=12,
        p=0.0054,
        rank1=Interval(-0.0056, -0.0095, -0.002),
        changed=900,
        p_mAP=0.001,
    )
    assert fallen.verdict("onnx", "om") == (
        "om is worse than onnx: mAP falls by 1.93 points (95 % interval over 3,368 queries 1.50 to 2.40); Rank-1 loses "
        "31 and wins 12 of 3,368 queries (McNemar p = 0.005, shown); average precision differs in 900."
    )


@pytest.mark.parametrize(
    "interval, text, points",
    [
        (Interval(0.911817, 0.9021, 0.9213), "91.18 % (90.2 to 92.1)", ("+91.18", "+90.21 to +92.13")),
        (Interval(0, 0, 0), "0.00 % (0.0 to 0.0)", ("+0.00", "+0.00 to +0.00")),
        (Interval(-1e-6, -3e-6, 0), "-0.00 % (-0.0 to 0.0)", ("-0.0001", "-0.0003 to +0.00")),
    ],
)
def test_intervals_in_words(interval, text, points):
    assert (interval.text(), interval.points()) == (text, points)


def test_intervals_name_what_was_drawn():
    score, pids = draw(12)
    text = bootstrap(score, clusters=pids, level=0.9, rounds=100).text()
    assert text.startswith("Rank-1 ") and text.endswith(": 90 % intervals, resampling 12 identities")
    assert bootstrap(score, rounds=100).text().endswith("resampling 58 queries")
    assert bootstrap(score, rounds=100).as_dict()["mAP"]["value"] == pytest.approx(score.mAP)


# ------------------------------------------------------------------------------------------------------- refusals

GOOD, PIDS = draw(13)
LESS = scored(np.where(np.arange(60) == 5, np.nan, GOOD.ap))


@pytest.mark.parametrize(
    "call, words",
    [
        (lambda: bootstrap(GOOD, level=1), "level 1 with 10000 rounds"),
        (lambda: bootstrap(GOOD, level=0), "level 0"),
        (lambda: bootstrap(GOOD, level=float("nan")), "level nan"),
        (lambda: bootstrap(GOOD, rounds=39), "with 39 rounds"),
        (lambda: bootstrap(GOOD, rounds=100.0), "bootstrap: rounds 100.0 is not a whole number"),
        (lambda: bootstrap(GOOD, seed=-1), "bootstrap: seed -1"),
        (lambda: paired_test(GOOD, GOOD, seed=0.5), "bootstrap: seed 0.5"),
        (lambda: bootstrap(GOOD, clusters=PIDS[1:]), r"clusters: int64 of shape \(59,\) for 60 queries"),
        (lambda: bootstrap(GOOD, clusters=PIDS + 0.5), "clusters: float64"),
        (lambda: bootstrap(GOOD, clusters=np.ones(60, int)), "bootstrap: only 1 identity to draw from"),
        (lambda: bootstrap(scored([0.5])), "only 1 query"),
        (lambda: paired_test(GOOD, scored(np.ones(59))), "paired test: 60 and 59 queries"),
        (lambda: paired_test(GOOD, LESS), "query 5 has a match in only one"),
        (lambda: paired_test(GOOD, GOOD, clusters=PIDS[:3]), "clusters"),
        (lambda: exact_interval(3, 2), "3 of 2 queries"),
        (lambda: exact_interval(0, 0), "0 of 0"),
        (lambda: exact_interval(1, 2, 95), "level 95"),
    ],
)
def test_refused(call, words):
    with pytest.raises(MetricError, match=words):
        call()
