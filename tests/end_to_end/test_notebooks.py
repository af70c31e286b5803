"""The notebooks as files, and each of them executed alone with small parameters."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import nbformat
import papermill
import pytest

from helpers.paths import ROOT
from helpers.surface import keys, lacking
from osnet_lib.core.results import read_results
from osnet_lib.report.labels import unsaid
from osnet_lib.study.run import run_matrix
from osnet_lib.study.study import Study

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def code_cells(path: Path) -> list:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def test_every_notebook_is_in_the_study():
    assert {path.stem for path in NOTEBOOKS} == {run.notebook for run in run_matrix(Study(ROOT))}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
class TestSource:
    def test_is_stored_without_outputs(self, path):
        assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(path))

    def test_names_a_kernel(self, path):
        assert nbformat.read(path, as_version=4).metadata.kernelspec.name == "python3"

    def test_has_one_parameters_cell_with_one_name_a_line(self, path):
        tagged = [cell for cell in code_cells(path) if "parameters" in cell.metadata.get("tags", [])]
        assert len(tagged) == 1
        for line in tagged[0].source.splitlines():
            assert line.count("=") == 1 and "  # " in line and ": " in line.split("=")[0], line

    def test_papermill_explains_every_parameter(self, path):
        known = papermill.inspect_notebook(str(path))
        declared = [line.split(":")[0] for line in code_cells(path)[0].source.splitlines()]
        assert list(known) == declared
        for name, facts in known.items():
            assert facts["help"] and facts["inferred_type_name"] not in ("", "None"), name

    def test_is_thin(self, path):
        cells = code_cells(path)
        tree = ast.parse("\n".join(cell.source for cell in cells))
        forbidden = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda, ast.For, ast.While)
        assert len(cells) <= 12
        assert not [node for node in ast.walk(tree) if isinstance(node, forbidden)]

    def test_uses_all_its_parameters(self, path):
        tree = ast.parse("\n".join(cell.source for cell in code_cells(path)[1:]))
        used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        assert set(papermill.inspect_notebook(str(path))) <= used


def run(path: Path, workspace: Path, folder: Path, **parameters) -> nbformat.NotebookNode:
    """Execute a notebook as `papermill notebooks/X.ipynb out.ipynb -p …` does, with those of these that it declares."""
    given = {"workspace": str(workspace), "progress": False, **parameters}
    parameters = {name: value for name, value in given.items() if name in papermill.inspect_notebook(str(path))}
    papermill.execute_notebook(str(path), str(folder / path.name), parameters=parameters, progress_bar=False)
    return nbformat.read(folder / path.name, as_version=4)


def text_of(notebook: nbformat.NotebookNode) -> str:
    """All that a reader sees: streams, and the text or HTML of results."""
    seen = []
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            seen.append(
                output.get("text", "")
                or data.get("text/html")
                or data.get("text/markdown")
                or data.get("text/plain", "")
            )
    return "\n".join(seen)


def pictures_of(notebook: nbformat.NotebookNode) -> int:
    return sum(
        any(kind.startswith("image/") for kind in output.get("data", {}))
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


def unsaid_of(notebook: nbformat.NotebookNode, language: str) -> list[str]:
    """Labels of the charts of a notebook, and of what answers to the pointer, that have no counterpart."""
    shown = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    return [
        words
        for data in shown
        for kind in ("image/svg+xml", "text/html")
        for words in unsaid(data.get(kind, ""), language)
    ]


def stderr_of(notebook: nbformat.NotebookNode) -> str:
    return "".join(
        output.text for cell in notebook.cells for output in cell.get("outputs", []) if output.get("name") == "stderr"
    )


RECORD = json.loads(Path(__file__).with_name("surface.json").read_text("utf-8"))["results"]


def lacking_keys(file: Path) -> list[str]:
    """Keys of a result file that those of its kind had when they were recorded, and this one has not."""
    kind, name, _ = file.name.split("-", 2)
    return lacking(RECORD.get(kind) or RECORD[f"{kind}-{name}"], keys(json.loads(file.read_text("utf-8"))))


SMALL = {
    "00_one_query": ({}, ["the same", "yes", "left out: own camera", "Rank-1"], 2),
    "01_export": ({"batch_sizes": [1, 2], "batch_size": 2}, ["osnet_x0_25", "passed"], 1),
    "02_convert": ({"batch_sizes": [1], "batch_size": 2}, ["atc --framework=5", "image:2,3,256,128", "Ascend310"], 0),
    "03_preprocess": ({"columns": 3}, ["query", "gallery"], 3),
    "04_inference": ({"batch_size": 4}, ["onnxruntime", "512"], 0),
    "05_accuracy": (
        {"batch_size": 4},
        ["Rank-1", "interval over identities", "published", "not Market-1501", "re-ranking"]
        + ["own (gt_query, trapezoid)", "own lists"],
        1,
    ),
    "06_stages": ({"stage_batches": [2], "stage_queries": 6}, ["int8", "Kendall", "fp16", "torch"], 0),
    "07_ranking": ({"batch_size": 4}, ["queries find a right image at rank 1"], 6),
    "08_performance": (
        {"batch_size": 2, "batch_sizes": [1], "rounds": 3, "warmup": 1},
        ["ave_throughputRate", "median", "verdict", "because", "processor"],
        2,
    ),
    "10_summary": ({}, ["published", "962.488", "fastest published chip"], 0),
    "11_roofline": ({}, ["Ascend 310P3", "published", "computed"], 2),
    "12_engines": (
        {"batch_size": 2, "engine_queries": 6, "rounds": 1},
        ["onnxruntime float32", "points of mAP", "left out: ", "GFLOP/s", "McNemar", "6 queries"],
        1,
    ),
    "09_evaluation_speed": (
        {"queries": 40, "gallery": 240, "share": 0.5, "distractors": [0, 200, 500], "rounds": 1},
        ["published numpy algorithm", "measured", "distractors"],
        1,
    ),
}


@pytest.mark.parametrize("name", SMALL)
def test_runs_alone_on_small_data(name, complete_market, small_weights, tmp_path):
    """Each starts in an empty workspace, so it must make whatever it needs itself; the layout is the complete one."""
    parameters, expected, pictures = SMALL[name]
    path = next(p for p in NOTEBOOKS if p.stem == name)
    notebook = run(
        path, tmp_path / "workspace", tmp_path, dataset=str(complete_market), weights=str(small_weights), **parameters
    )
    text = text_of(notebook).replace("\u00a0", " ")
    assert not [words for words in expected if words not in text], text
    assert pictures_of(notebook) == pictures
    assert unsaid_of(notebook, "zh_CN") == []
    assert stderr_of(notebook) == ""
    for file in (tmp_path / "workspace" / "results").glob("*.json"):
        assert lacking_keys(file) == [], file.name
    for result in read_results(tmp_path / "workspace" / "results", "accuracy"):
        own = result.values["gt_query"]["mAP_trapezoid"]
        assert f"{100 * own:.2f} %" in text and own < result.values["gt_query"]["mAP"] != result.values["mAP"]


def test_a_new_batch_size_becomes_a_row_of_the_page_and_of_the_summary(small_market, small_weights, tmp_path):
    workspace = tmp_path / "workspace"
    by_name = {p.stem: p for p in NOTEBOOKS}
    common = {"dataset": str(small_market), "weights": str(small_weights)}
    small = {**common, "rounds": 2, "warmup": 0}
    run(by_name["08_performance"], workspace, tmp_path, **small, batch_size=2)
    held = {path.name: path.read_bytes() for path in (workspace / "results").iterdir()}
    page = text_of(run(by_name["08_performance"], workspace, tmp_path, **small, batch_size=3))
    results = read_results(workspace / "results", "performance")
    assert [result.conditions["batch_size"] for result in results] == [2, 3]
    assert all((workspace / "results" / name).read_bytes() == content for name, content in held.items())
    shown = text_of(run(by_name["10_summary"], workspace, tmp_path, **common))
    for result in results:
        assert result.values["rounds"] == 2 and len(result.values["times_ms"]) == 2
        assert result.conditions["session"]["model_sha256"]
        assert result.conditions["environment"]["versions"]["onnxruntime"]
        assert f"{result.values['throughput']:.2f}" in page and f"{result.values['throughput']:.1f}" in shown
