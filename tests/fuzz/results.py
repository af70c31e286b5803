"""What reads measurements and notebooks: results, scores, summaries of Huawei's tools, stamps."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import nbformat

from fuzz.target import SMALL, UNCHECKED, Target, command, put
from helpers.guide_files import PURE, VISION
from helpers.notebooks import toy
from helpers.results import accuracy, engines, parity, performance, stages
from osnet_lib.comparison.score import read_score
from osnet_lib.core.files import decode_text, parse_json
from osnet_lib.core.results import Result, read_result, read_results, write_result
from osnet_lib.guide.imports import import_results
from osnet_lib.guide.metrics_json import write_guide_json
from osnet_lib.guide.perf import pure_perf_name, vision_perf_name
from osnet_lib.inference.doctor import examine
from osnet_lib.report.accuracy import accuracy_table
from osnet_lib.report.engines import engine_marks, engines_table, finalists_table, left_out_text, roofs_table
from osnet_lib.report.evaluation_speed import evaluation_conditions_table, evaluation_speed_table
from osnet_lib.report.front import tiles
from osnet_lib.report.performance import performance_table, throughput_series
from osnet_lib.report.provenance import provenance_table
from osnet_lib.report.status import changes_sentence, changes_table, disturbed_table
from osnet_lib.report.summary import findings_table, summary_opening
from osnet_lib.study import bundle
from osnet_lib.study.outcome import HEADLINES, read_headlines
from osnet_lib.study.run import Run, check_parameters, is_current, results_key, run_key
from osnet_lib.study.workspace import Workspace

_CONDITIONS = {
    "benchmark": "metrics",
    "arguments": [],
    "code": {},
    "queries": 9,
    "gallery": 20,
    "rounds": 3,
    "width": 8,
}
_SECONDS = {"evaluate": {"median": 1.0, "min": 0.9, "max": 1.1}}
_EVALUATION = Result(
    "evaluation",
    "metrics",
    {**_CONDITIONS, "metric": "euclidean", "loop_queries": 9},
    {"same": True, "seconds": _SECONDS, "peak_bytes": {"evaluate": 5}, "difference": {"max": 1e-6}},
)
_RESULTS = {
    "accuracy": accuracy(),
    "engines": engines(),
    "evaluation": _EVALUATION,
    "parity": parity(),
    "performance": performance(8),
    "stages": stages(),
}


def files(folder: Path) -> dict[str, bytes]:
    return {kind: write_result(folder / "seeds", result).read_bytes() for kind, result in _RESULTS.items()}


def without_digest(folder: Path) -> dict[str, bytes]:
    """As earlier versions wrote them, and as people write them by hand."""
    documents = {kind: json.loads(data) for kind, data in files(folder).items()}
    return {kind: json.dumps({**held, "digest": None}).encode() for kind, held in documents.items()}


def _read(data: bytes, folder: Path) -> str:
    result = read_result(put(folder, "result.json", data))
    assert repr(result)
    if parse_json(decode_text(data)).get("digest") is None:
        return UNCHECKED
    return json.dumps([result.kind, result.name, result.conditions, result.values], sort_keys=True)


def _tables(data: bytes, folder: Path) -> str:
    """What the summary shows of it."""
    results = folder / "results"
    try:
        kind = read_result(put(folder, "result.json", data)).kind
        put(results, f"{kind}-x.json", data)
        held = read_results(results, kind)
        if kind == "accuracy":
            return f"{accuracy_table(held)} {provenance_table(held)}"
        if kind == "performance":
            return f"{performance_table(held)} {throughput_series(held)} {provenance_table(held)}"
        if kind == "evaluation":
            return f"{evaluation_speed_table(held)} {evaluation_conditions_table(held)}"
        told = (
            f"{tiles({kind: held[0]})} {summary_opening({kind: held})} {findings_table(held)} {disturbed_table(held)}"
        )
        if kind == "engines":
            engine = held[0]
            told += f"{engines_table(engine)} {finalists_table(engine)} {left_out_text(engine)} {engine_marks(engine)}"
            return f"{told} {roofs_table(engine)}"
        return told
    finally:
        for path in results.glob("*.json"):
            path.unlink()


def scores(folder: Path) -> dict[str, bytes]:
    guide = write_guide_json(folder / "guide.json", 0.94, 0.75).read_bytes()
    return {"guide": guide, "ours": without_digest(folder)["accuracy"]}


def _compare(data: bytes, folder: Path) -> str:
    assert repr(read_score(put(folder, "score.json", data)))
    return command("compare", folder / "score.json", "published:osnet_x1_0:Ascend 310", "--mAP-drop", "0.99")


def _import(name: str):
    def read(data: bytes, folder: Path) -> str:
        place = put(folder, name, data)
        made = import_results([place], folder / "made", network="osnet_x1_0", batch_size=None, chip="x")
        return str(performance_table([read_result(path) for path in made]))

    return read


_NPU = {"min": 3.9, "max": 4.1, "mean": 4.0, "median": 4.0, "percentile(99%)": 4.097, "count": 4}
SUMMARY = {
    "args": ["ais_infer.py", "--model", "./osnet_x1_0_bs16.om", "--device", "3"],
    "NPU_compute_time": _NPU,
    "npu_compute_time_list": [3.9, 4.1, 4.0, [5, 9]],
    "throughput": 4000.0,
}
_PRINTED = {
    "benchmark": "[INFO] ave_throughputRate: 240.622samples/s, ave_latency: 4.24716ms osnet_x1_0_bs4.om",
    "ais_bench": "NPU_compute_time (ms): min = 1.1, max = 1.4, mean = 1.2, median = 1.2, percentile(99%) = 1.39\n"
    "throughput 1000*batchsize.mean(8)/NPU_compute_time.mean(1.2): 6666.67",
    "msame": "osnet_x1_0_bs2.om\nInference time: 2.4ms\nInference average time without first time: 2.4 ms",
}


def _texts(**texts: str):
    return lambda _folder: {name: text.encode() for name, text in texts.items()}


def notebooks(folder: Path) -> dict[str, bytes]:
    toy(folder / "notebooks", "add", "a: int = 1  # first", "import osnet_lib.core.files\nprint(a + 1)")
    book = nbformat.read(folder / "notebooks" / "add.ipynb", 4)
    book.cells.insert(0, nbformat.v4.new_markdown_cell("# Add\n\nText."))
    return {"add": nbformat.writes(book).encode()}


def _headlines(folder: Path) -> dict[str, bytes]:
    figures = {"how good": "93.00 %", "which engine": "openvino int8, 2.7 ×"}
    held = {"before": {"date": "2026-01-01", "figures": figures}, "now": {"date": "2026-01-02", "figures": figures}}
    return {"two runs": json.dumps(held).encode()}


def _changes(data: bytes, folder: Path) -> str:
    put(folder, f"work/{HEADLINES}", data)
    held = read_headlines(Workspace(folder))
    return f"{changes_sentence(held)} {changes_table(held)}"


_RUN = Run("add", {"a": 2}, reads=("accuracy",))


def _notebook(data: bytes, folder: Path) -> str:
    place = Workspace(folder)
    path = put(folder, "notebooks/add.ipynb", data)
    check_parameters(path, _RUN.parameters)
    return json.dumps(run_key(place, _RUN))


def stamps(folder: Path) -> dict[str, bytes]:
    held = json.loads(notebooks(folder)["add"])
    held["metadata"]["study"] = {"key": "a" * 64, "results": {"accuracy-x.json": "b" * 64}}
    output = {"output_type": "stream", "name": "stdout", "text": ["a"]}
    error = {"output_type": "error", "ename": "E", "evalue": "x", "traceback": ["\x1b[31mE"]}
    held["cells"][1]["outputs"] = [output, error]
    return {"executed": json.dumps(held).encode()}


def _stamp(data: bytes, folder: Path) -> str:
    place = Workspace(folder)
    put(folder, "executed/add.ipynb", data)
    return f"{is_current(place, _RUN, {'a': 1})} {results_key(place, replace(_RUN, reads=()))}"


@cache
def _examined() -> list:
    """What the bundle says of the host, which takes seconds and does not depend on the input."""
    return examine()


def _bundle(data: bytes, folder: Path) -> str:
    put(folder, "work/failed/add.ipynb", data)
    bundle.examine = lambda **_places: _examined()
    return repr(bundle.write_bundle(folder / "b.zip", Workspace(folder), home=folder).names)


TARGETS = (
    Target("result", files, _read, ("json",), weight=15, checked=True),
    Target("result without digest", without_digest, _tables, ("json",), weight=20),
    Target("figures of the last run", _headlines, _changes, ("json",), weight=8),
    Target("score", scores, _compare, ("json",)),
    Target("PureInfer file", _texts(pure=PURE), _import(pure_perf_name("osnet_x1_0_bs8", 0)), ("text",), weight=8),
    Target("perf_vision file", _texts(vision=VISION), _import(vision_perf_name(8, 0)), ("text",), weight=8),
    Target("summary.json", _texts(summary=json.dumps(SUMMARY)), _import("summary.json"), ("json",), weight=12),
    Target("printed lines", _texts(**_PRINTED), _import("printed.log"), ("text",), weight=8),
    Target("notebook", notebooks, _notebook, ("json",), weight=3),
    Target("stamp of a notebook", stamps, _stamp, ("json",), weight=10),
    Target("notebook that failed", stamps, _bundle, ("json",), weight=SMALL),
)
