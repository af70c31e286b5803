"""What Huawei's tools measured elsewhere becomes a result that the book shows, or is refused by name."""

from __future__ import annotations

import json

import pytest

from helpers.guide_files import PURE, VISION
from helpers.results import rows
from osnet_lib.core.files import sha256
from osnet_lib.core.results import read_result, read_results
from osnet_lib.errors import ResultError
from osnet_lib.guide.imports import import_results
from osnet_lib.report.performance import performance_table, throughput_series
from osnet_lib.report.provenance import provenance_table
from osnet_lib.report.speed_chart import speed_chart

PURE_NAME = "PureInfer_perf_of_osnet_x1_0_bs16_sim_in_device_2.txt"
VISION_NAME = "perf_vision_batchsize_16_device_1.txt"

# As ais_bench writes it at the end of a run of three batches.
TIMES = [3.9, 4.1, 4.0]
SUMMARY = {
    "filesinfo": {"0": {"infiles": ["a.bin"], "outfiles": ["a_0.bin"]}},
    "args": ["ais_bench/__main__.py", "--model", "./osnet_x1_0_bs16.om", "--device", "3", "--input", "prep"],
    "NPU_compute_time": {"min": 3.9, "max": 4.1, "mean": 4.0, "median": 4.0, "percentile(99%)": 4.098, "count": 3},
    "H2D_latency": {"min": 1, "max": 1, "mean": 1, "median": 1, "percentile(99%)": 1, "count": 3},
    "D2H_latency": {"min": 1, "max": 1, "mean": 1, "median": 1, "percentile(99%)": 1, "count": 3},
    "npu_compute_time_list": TIMES,
    "throughput": 4000.0,
    "pid": 123,
}


@pytest.fixture
def imported(tmp_path):
    """A function that writes a file, imports it and returns the result."""

    def write(name, content, **options):
        (tmp_path / name).write_text(content if isinstance(content, str) else json.dumps(content))
        (path,) = import_results([tmp_path / name], tmp_path / "results", **options)
        return read_result(path)

    return write


def test_a_pure_inference_file(imported, tmp_path):
    result = imported(PURE_NAME, PURE, chip="Ascend310")
    session = result.conditions["session"]
    assert (result.values["throughput"], result.values["ave_latency"]) == (244.742, 4.15733)
    assert result.conditions["model"]["architecture"] == "osnet_x1_0" and result.conditions["batch_size"] == 16
    assert (session["backend"], session["device"], session["device_id"]) == ("benchmark PureInfer", "Ascend310", 2)
    assert session["model"] == "osnet_x1_0_bs16_sim" and session["precision"] == "precision not stated"
    assert result.conditions["imported"] == {
        "tool": "benchmark PureInfer",
        "file": PURE_NAME,
        "sha256": sha256(tmp_path / PURE_NAME),
    }
    assert set(result.conditions["environment"]["versions"].values()) == {None}  # not those of this machine


def test_a_file_of_a_run_over_images(imported):
    result = imported(VISION_NAME, VISION, network="osnet_x1_0")
    assert result.values["throughput"] == 382.328 == result.values["perf_vision"]["interface_rate"]
    assert result.values["ave_latency"] is None and result.conditions["batch_size"] == 16
    assert result.conditions["session"]["device_id"] == 1
    assert result.conditions["session"]["device"] == "chip not stated"


@pytest.mark.parametrize(
    "model",
    [
        ["--model", "./osnet_x1_0_bs16.om"],
        ["--model=a/osnet_x1_0_bs16.om"],
        ["-m", "osnet_x1_0_bs16.om"],
        ["--om-model", "osnet_x1_0_bs16.om"],
    ],
)
def test_a_summary_of_ais_bench(imported, model):
    result = imported("run_summary.json", {**SUMMARY, "args": ["x", *model, "--device=3"]})
    session, values = result.conditions["session"], result.values
    assert (session["backend"], session["model"], session["device_id"]) == ("ais_bench", "osnet_x1_0_bs16", 3)
    assert result.conditions["batch_size"] == 16 and values["throughput"] == 4000 and values["rounds"] == 3
    assert values["latency_ms"] == {"mean": 4, "median": 4, "p99": 4.098, "min": 3.9, "max": 4.1}
    assert values["ave_latency"] == 0.25 and values["relative_spread"] == pytest.approx(0.025)


def test_a_summary_of_pairs_of_begin_and_end(imported):
    pairs = [[10.0 * n, 10.0 * n + ms] for n, ms in enumerate(TIMES)]
    result = imported("run_summary.json", {**SUMMARY, "npu_compute_time_list": pairs})
    assert result.values["relative_spread"] == pytest.approx(0.025)


def test_a_summary_of_threads_states_less(imported):
    result = imported(
        "summary.json", {"NPU_compute_time": {"mean": 4.0, "count": 9}, "throughput": 4000.0}, network="osnet_x1_0"
    )
    assert result.values["latency_ms"]["median"] is None and result.values["relative_spread"] is None
    assert result.conditions["batch_size"] == 16 and result.conditions["session"]["device_id"] is None


def test_the_book_shows_imported_speeds_as_such(imported, tmp_path):
    imported(PURE_NAME, PURE, chip="Ascend310")
    imported(VISION_NAME, VISION, network="osnet_x1_0")
    imported("run_summary.json", SUMMARY, chip="Ascend310P3")
    results = read_results(tmp_path / "results", "performance")
    found = {row["computed by"]: row for row in rows(performance_table(results))}
    assert set(found) == {
        "benchmark PureInfer, imported, precision not stated, Ascend310",
        "benchmark, imported, precision not stated, chip not stated",
        "ais_bench, imported, precision not stated, Ascend310P3",
    }
    assert {row["images/s"] for row in found.values()} == {244.742, 382.328, 4000}
    assert "4000.0" in str(performance_table(results))
    measured, _, points = throughput_series(results)
    assert measured == [] and sorted(point[2] for point in points) == [244.742, 382.328, 4000]
    series = [(one.heading, one.label) for one in speed_chart(results).series]
    headings = [heading for heading, _ in series]
    assert headings.index("imported") < headings.index("published") and "measured here" not in headings
    assert ("imported", "osnet_x1_0, ais_bench") in series
    assert {row["Python"] for row in rows(provenance_table(results))} == {None}


def test_importing_again_replaces_the_result(imported, tmp_path):
    imported(PURE_NAME, PURE)
    assert imported(PURE_NAME, PURE.replace("244.742", "250")).values["throughput"] == 250
    assert len(list((tmp_path / "results").iterdir())) == 1


@pytest.mark.parametrize(
    "name, content, options, what",
    [
        ("speed.txt", PURE, {}, "does not tell the network"),
        ("speed.txt", "fast", {}, "holds no measurements of Huawei's tools. Give a text for each run"),
        (PURE_NAME, "fast", {}, "not in the form of the benchmark tool"),
        (PURE_NAME, PURE.replace("244.742", "0"), {}, "ave_throughputRate is 0, which no measurement gives"),
        (
            "PureInfer_perf_of_model_bs1_in_device_0.txt",
            PURE,
            {},
            "does not tell the network. Give it, such as --network",
        ),
        ("PureInfer_perf_of_osnet_x1_0_in_device_0.txt", PURE, {}, "does not tell the batch size. Give --batch-size"),
        ("PureInfer_perf_of_osnet_x1_0_in_device_0.txt", PURE, {"batch_size": 0}, "does not tell the batch size"),
        (PURE_NAME, PURE, {"batch_size": 8}, "was measured at batch 16, not 8. Leave --batch-size out"),
        (VISION_NAME, VISION, {}, "does not tell the network"),
        ("a_summary.json", "{", {}, "not a summary of ais_bench"),
        ("a_summary.json", [], {}, "not a summary of ais_bench"),
        ("a_summary.json", {}, {}, "not a summary of ais_bench"),
        (
            "a_summary.json",
            {**SUMMARY, "NPU_compute_time": {"mean": "fast", "count": 1}},
            {},
            "NPU_compute_time.mean is 'fast'",
        ),
        ("a_summary.json", {**SUMMARY, "npu_compute_time_list": [[1], [2, 3]]}, {}, r"npu_compute_time_list\[0\]"),
        ("a_summary.json", {**SUMMARY, "throughput": 0}, {}, "throughput is 0, which no measurement gives"),
        (
            "a_summary.json",
            {**SUMMARY, "throughput": 4100.0, "args": ["--model", "osnet_x1_0.om"]},
            {},
            "does not tell the batch size",
        ),
    ],
)
def test_what_states_no_speed_is_refused(imported, tmp_path, name, content, options, what):
    with pytest.raises(ResultError, match=rf"{name}: {what}"):
        imported(name, content, **options)
    assert not (tmp_path / "results").exists()


def test_all_files_are_imported_or_none(tmp_path):
    for name, content in ((PURE_NAME, PURE), ("other.txt", "fast")):
        (tmp_path / name).write_text(content)
    with pytest.raises(ResultError, match="other.txt"):
        import_results([tmp_path / PURE_NAME, tmp_path / "other.txt"], tmp_path / "results")
    with pytest.raises(ResultError, match="measures the same as"):
        import_results([tmp_path / PURE_NAME] * 2, tmp_path / "results")
    with pytest.raises(ResultError, match=r"gone\.txt: cannot be read \(No such file"):
        import_results([tmp_path / "gone.txt"], tmp_path / "results")
    assert not (tmp_path / "results").exists()
