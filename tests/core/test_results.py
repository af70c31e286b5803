"""Result files: written whole, named by condition, read back equal or refused."""

from __future__ import annotations

import json
import os

import numpy as np
import pytest
from hypothesis import given, strategies as st

from osnet_lib.core.host import environment
from osnet_lib.core.results import (
    KINDS,
    NEEDED,
    NOT_MEASURED,
    Result,
    newest_result,
    read_result,
    read_results,
    result_name,
    results_by_kind,
    write_result,
)
from osnet_lib.errors import ResultError

MODEL = {"architecture": "osnet_x0_25", "sha256": "a" * 64}
SESSION = {"backend": "onnxruntime", "device": "CPU", "precision": "float32", "threads": 2}
PERFORMANCE = {
    "throughput": 100.0,
    "ave_latency": 10.0,
    "relative_spread": 0.1,
    "rounds": 50,
    "latency_ms": {"median": 80.0, "p99": 90.0},
}
ACCURACY = {"rank": {"1": 0.9}, "mAP": 0.8, "num_valid": 3368}


def performance(name: str = "x-bs8", batch_size: int = 8, **values) -> Result:
    return Result(
        "performance", name, {"model": MODEL, "session": SESSION, "batch_size": batch_size}, {**PERFORMANCE, **values}
    )


def accuracy(name: str = "mini-x", **conditions) -> Result:
    return Result(
        "accuracy",
        name,
        {
            "model": MODEL,
            "session": SESSION,
            "metric": "euclidean",
            "dataset": {"file": "mini", "sha256": "b" * 64},
            **conditions,
        },
        ACCURACY,
    )


EXAMPLES = {
    "performance": performance(),
    "accuracy": accuracy(),
    "parity": Result("parity", "x", {"model": MODEL}, {"stages": []}),
    "stages": Result(
        "stages",
        "x",
        {"model": MODEL, "metric": "euclidean", "dataset": accuracy().conditions["dataset"]},
        {"stages": []},
    ),
    "variants": Result("variants", "x", accuracy().conditions, {"variants": []}),
    "engines": Result(
        "engines",
        "x",
        {**accuracy().conditions, "batch_size": 8, "budget": 0.1, "machine": {}},
        {"candidates": [], "left_out": [], "recommendation": {"ratio": {"median": 1.7}}},
    ),
    "evaluation": Result(
        "evaluation",
        "x",
        {"benchmark": "metrics", "arguments": [], "code": {}, "queries": 1, "rounds": 1},
        {"same": True},
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_result_is_read_back(kind, tmp_path):
    result = EXAMPLES[kind]
    path = write_result(tmp_path / "results", result)
    read = read_result(path)
    assert path.name == result.file_name == f"{kind}-{result.name}.json" and read.file_name == path.name
    assert (read.kind, read.name, read.values) == (result.kind, result.name, result.values)
    machine = read.conditions["machine"]
    assert read.conditions == {"machine": machine, **result.conditions, "environment": environment()}


def test_measuring_again_replaces_the_file(tmp_path):
    for throughput in (100.0, 200.0):
        write_result(tmp_path, performance(throughput=throughput))
    assert [r.values["throughput"] for r in read_results(tmp_path, "performance")] == [200.0]
    assert len(list(tmp_path.iterdir())) == 1


def test_results_of_a_kind_come_sorted_by_name(tmp_path):
    for name in ("b", "a", "c"):
        write_result(tmp_path, performance(name))
    write_result(tmp_path, accuracy())
    assert [r.name for r in read_results(tmp_path, "performance")] == ["a", "b", "c"]
    assert read_results(tmp_path, "parity") == [] == read_results(tmp_path / "none", "accuracy")


def test_environment_names_what_a_figure_can_depend_on():
    found = environment()
    assert found["versions"]["numpy"] == np.__version__
    assert {"torch", "onnx", "onnxsim", "onnxruntime", "pillow"} <= set(found["versions"])
    assert found["cores"] >= 1 and found["python"].count(".") == 2 and found["system"] and found["machine"]


def test_a_package_that_is_not_installed_has_no_version(monkeypatch):
    monkeypatch.setattr("osnet_lib.core.host.PACKAGES", ("numpy", "no-such-package"))
    monkeypatch.setattr("osnet_lib.core.host._BESIDE", ())
    assert environment()["versions"] == {"numpy": np.__version__, "no-such-package": None}


@pytest.mark.parametrize(
    "parts, name",
    [
        (("mini-market", "osnet_x1_0-1a2b", "bs16"), "mini_market-osnet_x1_0_1a2b-bs16"),
        (("a/../b", 8), "a_.._b-8"),
        (("Ascend 310P3 (4 chips)",), "Ascend_310P3_4_chips"),
        (("v1.5", 0.5), "v1.5-0.5"),
    ],
)
def test_result_name(parts, name):
    assert result_name(*parts) == name


@given(st.lists(st.text(), min_size=1, max_size=4))
def test_any_words_make_a_file_name(parts):
    name = result_name(*parts)
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-")
    assert name.count("-") == len(parts) - 1


def test_unknown_kind_is_not_written(tmp_path):
    with pytest.raises(ResultError, match="x: unknown kind 'speed'. Known kinds: parity, stages, accuracy"):
        write_result(tmp_path, Result("speed", "x", {}, {}))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content, what",
    [
        ("", "not a result file"),
        ("{", "not a result file"),
        ("[]", "not a result file"),
        ("null", "not a result file"),
        ("[" * 100_000, "not a result file .ValueError: nested too deeply"),
        ('"text"', "not a result file"),
        ("{}", "not a result file.*kind"),
        ('{"kind": "accuracy", "name": "x", "values": {}}', "not a result file.*conditions"),
        ('{"kind": "speed", "name": "x", "values": {}, "conditions": {}}', "unknown kind 'speed'"),
        ('{"kind": "accuracy", "name": "x", "values": [], "conditions": 3}', "lacks conditions.model.architecture"),
        ('{"title": "Overall statistical evaluation", "value": []}', "not a result file.*kind"),
    ],
)
def test_what_is_no_result_is_refused(tmp_path, content, what):
    path = tmp_path / "accuracy-x.json"
    path.write_text(content)
    for read in (lambda: read_result(path), lambda: read_results(tmp_path, "accuracy")):
        with pytest.raises(
            ResultError, match=rf"accuracy-x\.json: {what}.*Delete it and run the notebook that writes it again\."
        ):
            read()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", ["values", "conditions", "name", "kind"])
def test_a_result_that_was_edited_is_refused_by_name(kind, part, tmp_path):
    path = write_result(tmp_path, EXAMPLES[kind])
    document = json.loads(path.read_text())
    document[part] = {**document[part], "more": 1} if isinstance(document[part], dict) else f"{document[part]}x"
    path.write_text(json.dumps(document))
    with pytest.raises(ResultError, match=rf"{path.name}: was changed after it was written: its digest does not fit\."):
        read_result(path)
    del document["digest"]
    if part in ("values", "conditions"):  # one of before, or made by hand
        path.write_text(json.dumps(document))
        assert read_result(path).kind == kind


def test_form_and_order_are_no_edits(tmp_path):
    path = write_result(tmp_path, Result("parity", "x", {"model": MODEL}, {"stages": (1, {2: 0.1, 10: float("inf")})}))
    document = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(document.items()))))
    assert read_result(path).values == {"stages": [1, {"2": 0.1, "10": float("inf")}]}


@pytest.mark.parametrize("digest", ["blake3:00", "sha512:", "", 7, ["sha256:"], {}])
def test_a_result_of_a_later_version_is_named(tmp_path, digest):
    path = write_result(tmp_path, EXAMPLES["parity"])
    path.write_text(json.dumps({**json.loads(path.read_text()), "digest": digest}))
    with pytest.raises(ResultError, match=rf"^.*{path.name}: of a later version \(its digest is "):
        read_result(path)


def test_what_a_table_asks_for_and_a_result_lacks_is_named(tmp_path):
    path = write_result(tmp_path, Result("stages", "x", EXAMPLES["stages"].conditions, {"stages": [{"name": "om"}]}))
    result = read_result(path)
    for ask in (lambda: result.values["rank"], lambda: result.values["stages"][0]["mAP"]):
        with pytest.raises(ResultError, match=rf"{path.name}: lacks (rank|mAP)\. It is of another version"):
            ask()
    assert result.values.get("rank") is None and json.loads(json.dumps(result.values)) == {"stages": [{"name": "om"}]}


@pytest.mark.parametrize(
    "kind, name, value",
    [
        ("accuracy", "values.mAP", "high"),
        ("accuracy", "values.num_valid", 10**400),
        ("accuracy", "conditions.model.sha256", None),
        ("stages", "values.stages", 3),
        ("performance", "values.latency_ms.median", [1]),
    ],
)
def test_what_is_of_another_type_is_named(tmp_path, kind, name, value):
    path = write_result(tmp_path, EXAMPLES[kind])
    document = inner = json.loads(path.read_text())
    del document["digest"]
    *parents, last = name.split(".")
    for parent in parents:
        inner = inner[parent]
    inner[last] = value
    path.write_text(json.dumps(document))
    with pytest.raises(ResultError, match=rf"{path.name}: holds something else than expected as {name}\."):
        read_result(path)


def test_a_missing_result_is_named(tmp_path):
    with pytest.raises(ResultError, match=r"gone\.json: not a result file \(FileNotFoundError"):
        read_result(tmp_path / "gone.json")


@pytest.mark.parametrize("kind, name", [(kind, name) for kind in KINDS for name in NEEDED[kind]])
def test_what_a_kind_needs_is_named_when_it_lacks(tmp_path, kind, name):
    path = write_result(tmp_path, EXAMPLES[kind])
    document = json.loads(path.read_text())
    *parents, last = name.split(".")
    inner = document
    for parent in parents:
        inner = inner[parent]
    del inner[last], document["digest"]
    path.write_text(json.dumps(document))
    with pytest.raises(ResultError, match=rf"{path.name}: lacks .*{name.replace('.', '[.]')}"):
        read_result(path)


SIMULATED = {**SESSION, "backend": "ascend", "simulated": True}
NO_SPEED = {
    "throughput": None,
    "ave_latency": None,
    "relative_spread": None,
    "rounds": 50,
    "times_ms": [],
    "latency_ms": {"median": None, "p99": None},
    "not_measured": NOT_MEASURED,
}


def test_a_simulated_device_has_a_result_without_a_speed(tmp_path):
    result = Result("performance", "sim", {"model": MODEL, "session": SIMULATED, "batch_size": 8}, NO_SPEED)
    assert read_result(write_result(tmp_path, result)).values == NO_SPEED


@pytest.mark.parametrize(
    "session, values, words",
    [
        (SIMULATED, {**NO_SPEED, "throughput": 9.0}, "a simulated device has no speed, but holds throughput"),
        (SIMULATED, {**NO_SPEED, "times_ms": [1.0]}, "no speed, but holds times_ms"),
        (SIMULATED, {**NO_SPEED, "latency_ms": {"median": None, "p99": 2.0}}, "no speed, but holds latency_ms.p99"),
        (
            SIMULATED,
            {**PERFORMANCE, "not_measured": NOT_MEASURED},
            "but holds throughput, ave_latency, relative_spread",
        ),
        (SESSION, {**NO_SPEED, "not_measured": ""}, "holds no throughput, and no reason for it in not_measured"),
    ],
)
def test_speeds_that_are_refused_when_written_and_when_read(tmp_path, session, values, words):
    result = Result("performance", "x", {"model": MODEL, "session": session, "batch_size": 8}, values)
    with pytest.raises(ResultError, match=words):
        write_result(tmp_path, result)
    path = write_result(tmp_path, performance("x"))
    document = json.loads(path.read_text())
    document["values"], document["conditions"]["session"] = values, session
    del document["digest"]
    path.write_text(json.dumps(document))
    with pytest.raises(ResultError, match=f"performance-x.json: .*{words}"):
        read_result(path)


def test_the_newest_result_is_the_one_written_last(tmp_path):
    for number, metric in enumerate(("euclidean", "cosine")):
        path = write_result(tmp_path, accuracy(metric, metric=metric))
        os.utime(path, (number, number))
    assert newest_result(tmp_path, "accuracy").conditions["metric"] == "cosine"
    assert newest_result(tmp_path, "accuracy", metric="euclidean").name == "euclidean"
    assert {kind: len(found) for kind, found in results_by_kind(tmp_path).items() if found} == {"accuracy": 2}
    with pytest.raises(ResultError, match="no result of kind parity"):
        newest_result(tmp_path, "parity")


def test_a_result_names_machine_and_date_unless_it_came_from_elsewhere(tmp_path):
    here = read_result(write_result(tmp_path, accuracy())).conditions
    assert here["machine"]["date"] and here["machine"]["processor"]
    there = read_result(write_result(tmp_path, accuracy(imported={"tool": "benchmark"}))).conditions
    assert "machine" not in there
