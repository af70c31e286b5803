"""The summary of all result files, and the status of a run."""

from __future__ import annotations

import pytest

from helpers.results import accuracy, engines, intervals, parity, performance, stages
from osnet_lib.core.host import environment
from osnet_lib.core.machine import describe_machine
from osnet_lib.core.results import KINDS, Result
from osnet_lib.report.accuracy import accuracy_table
from osnet_lib.report.provenance import provenance_sentence
from osnet_lib.report.status import changes_sentence, changes_table, disturbed_table, machine_table, run_times_table
from osnet_lib.report.summary import CHAPTERS, all_results, findings_table, summary_opening

EVALUATION = Result(
    "evaluation",
    "reranking",
    {"benchmark": "reranking"},
    {"same": True, "seconds": {"rerank": {"median": 1.0}, "dense": {"median": 4.0}}, "verdict": "disturbed"},
)
VARIANTS = Result("variants", "x", {"metric": "euclidean"}, {"variants": [{}, {}, {}]})


def scored(metric: str) -> Result:
    result = accuracy("osnet_x1_0", metric=metric)
    result.values["intervals"] = intervals()
    return result


@pytest.fixture
def results():
    found = [scored("cosine"), scored("euclidean"), parity(), stages(), engines(), performance(8), EVALUATION, VARIANTS]
    return {kind: [result for result in found if result.kind == kind] for kind in KINDS}


def test_every_kind_has_its_chapter():
    assert set(CHAPTERS) == set(KINDS)


def test_an_empty_workspace_says_which_chapter_to_run():
    assert str(summary_opening({})) == (
        "This workspace holds no result yet. Run the chapter [01_export](01_export) first, or the whole study."
    )


def test_the_summary_counts_all_and_names_what_is_missing(results):
    said = str(summary_opening(results))
    assert "holds 8 result files: parity 1, accuracy 2" in said and "Still to run" not in said
    assert "Rank-1 is 91.18 % (89.2 to 93.2)" in said and "by euclidean distance" in said
    assert "Still to run: [12_engines](12_engines)." in str(summary_opening({**results, "engines": []}))


def test_every_result_file_has_a_row_that_says_what_was_found(results):
    records = findings_table(all_results(results)).records()
    assert len(records) == 8 and records[0]["result file"].startswith("parity")
    assert [row["result file"] for row in records if row["result file"].startswith("accuracy")] == [
        "accuracy-osnet_x1_0-euclidean.json",
        "accuracy-osnet_x1_0-cosine.json",
    ]
    assert all(len(str(row["what was found"])) > 20 for row in records)
    assert {row["verdict"] for row in records} == {None, "quiet", "disturbed"}
    assert records[0]["date"] == "2026-01-02 03:04"
    assert findings_table([]).rows == ()


def test_scores_have_intervals_and_the_default_distance_comes_first():
    first, second, *_ = accuracy_table([scored("cosine"), scored("euclidean")]).records()
    assert (first["distance"], second["distance"]) == ("euclidean", "cosine")
    assert first["Rank-1"] == "91.18 % (89.2 to 93.2)"


def test_a_file_is_named_with_hash_date_and_machine():
    said = provenance_sentence(parity(), "abcdef0123456789", 2)
    assert str(said) == (
        "From `parity-osnet.json`: sha256 abcdef012345, written 2026-01-02 03:04 UTC on Some CPU. "
        "2 more at the end of this page."
    )
    assert "at an unknown time" in str(provenance_sentence(VARIANTS, "0" * 64))


def test_the_status_tells_times_disturbances_and_changes(results):
    runs = [("01_export", 12.34, "2026-01-02T03:04:05+00:00", 1), ("02_convert", None, None, 0)]
    assert "12.3" in str(run_times_table(runs)) and run_times_table(runs).rows[0][2] == "2026-01-02 03:04"
    assert [row[0] for row in disturbed_table(all_results(results)).rows] == ["evaluation-reranking.json"]
    now = {"date": "today", "figures": {"how good": "mAP 1 %", "where lost": "nowhere"}}
    before = {"date": "then", "figures": {"how good": "mAP 2 %"}}
    good, lost = changes_table({"before": before, "now": now}).records()
    assert (good["before"], good["now"], good["changed"]) == ("mAP 2 %", "mAP 1 %", True)
    assert lost["before"] is None and lost["changed"] is None
    assert "today beside that of then" in str(changes_sentence({"before": before, "now": now}))
    assert changes_sentence({"before": {}, "now": now})[0].name == "first run"
    assert changes_sentence({"before": {}, "now": {}})[0].name == "no run"
    assert "Python" in str(machine_table(describe_machine(), environment()))
