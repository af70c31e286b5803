"""Every command on data small enough for a test; bad input ends in one line and exit code 2."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

from helpers import networks
from helpers.paths import ROOT
from osnet_lib import __version__
from osnet_lib.cli import main as cli
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.datasets.minimarket import World, render_minimarket
from osnet_lib.errors import StudyError
from osnet_lib.features.store import Features, load_features, save_features
from osnet_lib.guide.perf import parse_pure_perf
from osnet_lib.metrics import evaluate, evaluate_distances, expand_queries, rerank
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.study.workspace import REPOSITORY

COMMANDS = (
    "export",
    "simplify",
    "convert",
    "extract",
    "preprocess",
    "info",
    "infer",
    "evaluate",
    "benchmark",
    "import-results",
    "compare",
    "diagnose",
    "study",
    "train",
    "doctor",
    "bundle",
)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a checkpoint, models, a data set, features and things that are none; tests only read it."""
    folder = tmp_path_factory.mktemp("cli")
    shutil.copy(networks.checkpoint_path(), folder / "w.pth")
    shutil.copy(networks.onnx_path(), folder / "a.onnx")
    shutil.copy(networks.onnx_path(2), folder / "bs2.onnx")
    render_minimarket(
        folder / "market",
        World(test_pids=2, train_pids=0, pictures_per_camera=1, distractors=2, junk=1),
        progress=False,
    )
    (folder / "text.txt").write_text("not a model")
    (folder / "model.om").write_bytes(b"IMOD")
    (folder / "empty").mkdir()
    (folder / "taken.json").mkdir()
    (folder / "out" / "query.npz").mkdir(parents=True)
    assert (
        cli.main(
            ["extract", str(folder / "a.onnx"), str(folder / "market"), str(folder / "features"), "--threads", "1"]
        )
        == 0
    )
    return folder


@pytest.fixture
def osnet(capsys, place, monkeypatch, tmp_path):
    """Run a command line in which ``{}`` is the folder; exit code, lines on standard output and on standard error."""

    def run(line: str, **names: Path) -> tuple[int, list[str], list[str]]:
        arguments = [word.format(place, **names) for word in line.split()]
        try:
            code = cli.main(arguments)
        except SystemExit as error:
            code = error.code
        out, err = capsys.readouterr()
        bars = re.compile(r"\d+%\||image/s|round/s|\?image|\?round")
        return (
            code,
            out.splitlines(),
            [part for part in re.split(r"[\r\n]+", err) if part.strip() and not bars.search(part)],
        )

    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.chdir(tmp_path)  # the current folder receives result/
    return run


# What each command does


def test_export_writes_a_dynamic_model_and_checks_it(osnet, tmp_path):
    code, out, err = osnet("export {}/w.pth {new}/made/o.onnx", new=tmp_path)
    model = inspect_onnx(tmp_path / "made" / "o.onnx")
    assert code == 0 and not err and model.opset == 11 and model.input_shape == ("batch", 3, 256, 128)
    assert model.output_name == "feature"
    assert "osnet_x0_25, trained on Market-1501" in out[0] and "opset 11" in out[1]
    assert re.fullmatch(
        r"parity over 7 images: largest difference \d\.\de-\d\d, smallest cosine 1\.0+, row against "
        r"image alone .*: passed",
        out[2],
    )


def test_export_and_extract_say_what_was_found_and_a_key_chooses(osnet, tmp_path):
    held = {f"module.{name}": value for name, value in networks.state_dict().items()}
    torch.save({"model": {**held, "total_ops": torch.zeros(1)}, "ema": networks.state_dict(classes=3)}, tmp_path / "x")
    code, _, err = osnet("export {new}/x {new}/o.onnx", new=tmp_path)
    assert code == 2 and "holds 2 networks that differ: model, ema. Choose one: osnet export --key ema" in err[0]
    code, out, _ = osnet("export {new}/x {new}/o.onnx --key model", new=tmp_path)
    words = f"{tmp_path / 'x'}: found by its tensors; key model; prefix dropped module.; ignored total_ops"
    assert code == 0 and out[1] == words
    assert inspect_onnx(tmp_path / "o.onnx").metadata["weights_key"] == "model"
    code, out, _ = osnet("extract {new}/x mini {new}/f --key nonsense", new=tmp_path)
    assert code == 2


def test_export_takes_an_opset(osnet, tmp_path):
    assert osnet("export {}/w.pth {new}/o.onnx --opset 13", new=tmp_path)[0] == 0
    assert {entry.version for entry in onnx.load(tmp_path / "o.onnx").opset_import} == {13}


def test_export_fuses_streams_and_simplify_keeps_that(osnet, tmp_path):
    code, out, err = osnet("export {}/w.pth {new}/o.onnx --fuse-streams", new=tmp_path)
    made = inspect_onnx(tmp_path / "o.onnx")
    assert code == 0 and not err and made.nodes < inspect_onnx(networks.onnx_path()).nodes
    assert out[1].endswith("feature ['batch', 512], streams fused") and out[2].endswith(": passed")
    code, out, err = osnet("simplify {new}/o.onnx {new}/s.onnx --batch-size 2", new=tmp_path)
    assert code == 0 and not err and out[1].endswith(": passed")
    assert {inspect_onnx(tmp_path / name).metadata["graph"] for name in ("o.onnx", "s.onnx")} == {"streams fused"}


def test_simplify_fixes_the_batch(osnet, tmp_path):
    code, out, err = osnet("simplify {}/a.onnx {new}/s.onnx --batch-size 3", new=tmp_path)
    model = inspect_onnx(tmp_path / "s.onnx")
    assert code == 0 and not err and model.batch_size == 3 and model.nodes < inspect_onnx(networks.onnx_path()).nodes
    assert "batch fixed to 3" in out[0] and out[1].startswith("parity over 5 images") and out[1].endswith("passed")


def test_extract_writes_what_scripts_rely_on(place):
    for split, count in (("query", 6), ("gallery", 8 + 1)):
        with np.load(place / "features" / f"{split}.npz", allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in arrays}
        names = sorted(
            p.name
            for p in (place / "market" / {"query": "query", "gallery": "bounding_box_test"}[split]).iterdir()
            if not p.name.startswith("-1")
        )
        assert found["names"].tolist() == names and {"pids", "camids", "features"} <= set(found)
        assert found["features"].shape == (len(names), 512) and found["features"].dtype == np.float32
        assert len(names) >= count
        assert found["pids"].tolist() == [int(name[:4]) for name in names]
        assert found["camids"].tolist() == [int(name[6]) for name in names]
        conditions = json.loads(str(found["conditions"]))
        assert conditions["batch_size"] == 16 and conditions["session"]["backend"] == "onnxruntime"


@pytest.mark.parametrize(
    "model, options, batch_size",
    [
        ("w.pth", "--backend torch --batch-size 5", 5),
        ("w.pth", "", 16),
        ("bs2.onnx", "", 2),
        ("bs2.onnx", "--batch-size 1", 1),
    ],
)
def test_extract_gives_the_same_features_whatever_computes(osnet, place, tmp_path, model, options, batch_size):
    code, out, err = osnet(f"extract {{}}/{model} {{}}/market {{new}} --threads 1 {options}", new=tmp_path)
    assert code == 0 and not err and [Path(line.split(": ")[0]).name for line in out] == ["query.npz", "gallery.npz"]
    for split in ("query", "gallery"):
        made, expected = load_features(tmp_path / f"{split}.npz"), load_features(place / "features" / f"{split}.npz")
        assert made.conditions["session"]["backend"] == ("torch" if "torch" in options else "onnxruntime")
        assert made.conditions["batch_size"] == batch_size and (made.names == expected.names).all()
        assert np.abs(made.features - expected.features).max() < 1e-3 * np.abs(expected.features).max()


def test_extract_repeats_only_what_is_missing_or_made_otherwise(osnet, tmp_path):
    def stamps():
        return [(tmp_path / f"{split}.npz").stat().st_mtime_ns for split in ("query", "gallery")]

    line = "extract {}/a.onnx {}/market {new} --threads 1"
    assert osnet(line, new=tmp_path)[0] == 0
    before = stamps()
    (tmp_path / "gallery.npz").unlink()  # as a kill between the two would have left it
    assert osnet(line, new=tmp_path)[0] == 0
    after = stamps()
    assert after[0] == before[0] and after[1] != before[1]
    assert osnet(line + " --batch-size 4", new=tmp_path)[0] == 0
    assert stamps()[0] != before[0] and stamps()[1] != after[1]


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize("name", ["result", "result.json"])
def test_evaluate_prints_the_scores_and_writes_the_guide_s_json(osnet, place, tmp_path, metric, name):
    code, out, err = osnet(
        f"evaluate {{}}/features/query.npz {{}}/features/gallery.npz {{new}}/made {name} --metric {metric}",
        new=tmp_path,
    )
    query, gallery = (load_features(place / "features" / f"{split}.npz") for split in ("query", "gallery"))
    score = evaluate(query, gallery, metric=metric, max_rank=5)
    assert code == 0 and not err and f"6 of 6 queries, {len(gallery)} gallery images, {metric} distance" == out[0]
    assert out[1] == f"Rank-1  {score.hits(1)}/6 = {score.rank(1):.6f}" and out[4].startswith("Rank-20 6/6 = 1.0")
    assert out[5:7] == [f"mAP     {score.mAP:.6f}", f"mINP    {score.mINP:.6f}"]
    document = json.loads((tmp_path / "made" / "result.json").read_text())
    assert [entry["key"] for entry in document["value"]] == ["R1", "mAP"]
    assert out[7] == str(tmp_path / "made" / "result.json")
    assert float(document["value"][0]["value"]) == pytest.approx(score.rank(1))
    assert float(document["value"][1]["value"]) == score.mAP


@pytest.mark.parametrize(
    "options, words, change",
    [
        ("--normalize", "unit features", lambda q, g: evaluate(q, g, normalize=True)),
        (
            "--expand",
            "unit features, query expansion",
            lambda q, g: evaluate((expand_queries(q, g), q.pids, q.camids), g, normalize=True),
        ),
        (
            "--rerank --metric cosine",
            "re-ranking",
            lambda q, g: evaluate_distances(q, g, distances=rerank(q, g, metric="cosine")),
        ),
    ],
)
def test_evaluate_uses_features_otherwise(osnet, tmp_path, options, words, change):
    random = np.random.default_rng(1)
    people = random.standard_normal((9, 512))
    sides = []
    for camera, side in ((1, "q"), (2, "g")):
        pids = np.repeat(np.arange(1, 10), 3)
        rows = (people[pids - 1] + 1.5 * random.standard_normal((27, 512))) * random.uniform(0.5, 2, (27, 1))
        names = np.array([f"{pid:04d}_c{camera}s1_{i:06d}_00.jpg" for i, pid in enumerate(pids)])
        sides.append(Features(names, pids, np.full(27, camera), rows.astype(np.float32)))
        save_features(tmp_path / f"{side}.npz", sides[-1])
    code, out, _ = osnet(f"evaluate {{new}}/q.npz {{new}}/g.npz {{new}} r {options}", new=tmp_path)
    score = change(*sides)
    assert code == 0 and out[0].endswith(f"distance, {words}") and f"mAP     {score.mAP:.6f}" in out
    assert score.mAP != evaluate(*sides).mAP


def test_evaluate_takes_features_of_other_tools(osnet, tmp_path):
    features = np.eye(4, dtype=np.float32)
    for name, camid in (("q", 1), ("g", 2)):
        np.savez(
            tmp_path / f"{name}.npz",
            names=np.array([f"{name}{i}" for i in range(4)]),
            pids=np.arange(4),
            camids=np.full(4, camid),
            features=features,
        )
    code, out, _ = osnet("evaluate {new}/q.npz {new}/g.npz {new} r", new=tmp_path)
    assert code == 0 and out[1] == "Rank-1  4/4 = 1.000000" and out[5] == "mAP     1.000000"


def test_evaluate_warns_of_two_models(osnet, place, tmp_path):
    gallery = load_features(place / "features" / "gallery.npz")
    gallery.conditions["session"]["model_sha256"] = "0" * 64
    save_features(tmp_path / "g.npz", gallery)
    code, _, err = osnet("evaluate {}/features/query.npz {new}/g.npz {new} r", new=tmp_path)
    assert code == 0 and len(err) == 1
    assert err[0].startswith("warning: query and gallery were computed by different models")


def test_benchmark_prints_and_writes_every_figure(osnet, tmp_path):
    code, out, err = osnet(
        "benchmark {}/bs2.onnx --batch-size 2 --rounds 4 --warmup 1 --threads 1 --json {new}/made/b.json", new=tmp_path
    )
    assert code == 0 and not err and "PureInfer Performance Summary" in out[2]
    (cost,) = re.fullmatch(r"\[INFO\] Dataset number: 3 finished cost ([\d.]+)ms", out[0]).groups()
    assert out[1] == "[INFO] PureInfer result saved in ./result/PureInfer_perf_of_bs2_in_device_0.txt"
    rate, latency = re.fullmatch(
        r"\[INFO\] ave_throughputRate: ([\d.]+)samples/s, ave_latency: ([\d.]+)ms", out[3]
    ).groups()
    assert re.search(
        r"batch 2: [\d.]+ images/s; per batch mean [\d.]+ ms, median [\d.]+, p90 [\d.]+, p99 [\d.]+, "
        r"spread [\d.]+ %",
        out[5],
    )
    perf = parse_pure_perf((tmp_path / "result" / "PureInfer_perf_of_bs2_in_device_0.txt").read_text())
    assert (perf.rate, perf.latency) == pytest.approx((float(rate), float(latency)), rel=1e-4)
    document = json.loads((tmp_path / "made" / "b.json").read_text())
    assert document["values"]["rounds"] == len(document["values"]["times_ms"]) == 4
    assert document["conditions"]["warmup"] == 1 and document["conditions"]["devices"] == [0]
    assert document["values"]["times_ms"][-1] == pytest.approx(float(cost), abs=1e-3)
    assert document["values"]["ave_throughputRate"] == pytest.approx(float(rate), abs=1e-3)
    assert document["values"]["ave_latency"] == pytest.approx(float(latency), abs=1e-5)
    assert document["conditions"]["session"]["threads"] == 1
    assert document["conditions"]["environment"]["versions"]["onnxruntime"]


def test_benchmark_takes_a_checkpoint(osnet):
    code, out, _ = osnet("benchmark {}/w.pth --batch-size 1 --rounds 1 --warmup 0 --threads 1")
    assert code == 0 and any(line.startswith("device 0, batch 1: ") for line in out)  # its verdict follows it


def test_study_hands_over_its_options(osnet, monkeypatch, tmp_path):
    seen = {}
    monkeypatch.setenv("OSNET_WORKSPACE", str(tmp_path))
    (tmp_path / "notebooks").symlink_to(ROOT / "notebooks")
    monkeypatch.setattr(
        "osnet_lib.study.run.run_study", lambda workspace, runs: seen.update(root=workspace.root, runs=runs)
    )
    monkeypatch.setattr("osnet_lib.study.book.build_book", lambda workspace: workspace.root / "index.html")
    code, out, _ = osnet("study --dataset d.zip --weights w.pth --batch-size 7 --backend torch --device 1")
    assert code == 0 and seen["root"] == tmp_path and out == [str(tmp_path / "index.html")]
    paths = {"dataset": str(tmp_path / "d.zip"), "weights": str(tmp_path / "w.pth")}  # kernels run elsewhere
    common = {**paths, "batch_size": 7, "backend": "torch", "device": 1}
    accuracy = next(run.parameters for run in seen["runs"] if run.notebook == "05_accuracy")
    assert accuracy.items() >= common.items()
    timed = next(run.parameters for run in seen["runs"] if "perf" in run.notebook)
    assert {timed["batch_size"], *timed["batch_sizes"]} == {1, 4, 7, 8, 16, 32}
    assert osnet("study --no-book")[1] == []


def test_train_hands_over_its_options(osnet, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(
        "osnet_lib.study.training.train_mini", lambda *arguments: seen.append(arguments) or {"result": {"mAP": 0.5}}
    )
    code, out, _ = osnet("train {new}/w.safetensors --small-epochs 0 --device cpu", new=tmp_path)
    assert code == 0 and out == ['{"mAP": 0.5}']
    assert seen[0][1:] == (tmp_path / "w.safetensors", {"small_epochs": 0}, "cpu")


# Bad input: the line, what standard error says (file and cure)

BAD = [
    (
        "export {}/gone.pth {new}/o.onnx",
        r"{}/gone\.pth: no such weights\. Give mini, market1501 or the path of a checkpoint",
    ),
    ("export {}/empty {new}/o.onnx", r"{}/empty: a folder, not a file\. Give"),
    ("export {}/text.txt {new}/o.onnx", r"{}/text\.txt: .*checkpoint.*\. .+"),
    ("export {}/a.onnx {new}/o.onnx", r"{}/a\.onnx: .*checkpoint.*\. .+"),
    ("export {}/w.pth {new}/o.onnx --opset 3", r"{new}/o\.onnx: opset 3 is not a whole number from 9 to 20\. 11"),
    (
        "export {}/w.pth {}/text.txt/o.onnx",
        r"{}/text\.txt/o\.onnx: cannot be written .*\. Give a path that can be written",
    ),
    ("export {}/w.pth {}/empty", r"{}/empty: cannot be written .*\. Give a path that can be written"),
    (
        "simplify {}/gone.onnx {new}/o.onnx --batch-size 1",
        r"{}/gone\.onnx: no such ONNX file\. Write it with osnet export",
    ),
    ("simplify {}/text.txt {new}/o.onnx --batch-size 1", r"{}/text\.txt: .*"),
    (
        "simplify {}/a.onnx {new}/o.onnx --batch-size 0",
        r"{new}/o\.onnx: batch size 0 is not a whole number from 1 to 65536\. Give",
    ),
    (
        "simplify {}/bs2.onnx {new}/o.onnx --batch-size 3",
        r"{}/bs2\.onnx: already fixed to batch size 2.*\. Start from the file that osnet export wrote",
    ),
    ("extract {}/gone.onnx {}/market {new}", r"{}/gone\.onnx: no such weights\. Give"),
    (
        "extract {}/model.om {}/market {new}",
        r"ascend: there is no module acl \(pyACL\)\. Source CANN's set_env\.sh first",
    ),
    ("extract {}/a.onnx {}/gone {new}", r"{}/gone: no such folder, zip or tar\. Check the path"),
    ("extract {}/a.onnx {}/empty {new}", r"{}/empty: holds none of the folders .*\. Pass the folder, zip or tar"),
    ("extract {}/a.onnx {}/text.txt {new}", r"{}/text\.txt: is not a readable zip .*\. Download it again"),
    (
        "extract {}/a.onnx {}/market {new} --batch-size 0",
        r"{}/a\.onnx: batch size 0 is not a whole number from 1 to 65536\. Give",
    ),
    (
        "extract {}/bs2.onnx {}/market {new} --batch-size 3",
        r"{}/bs2\.onnx: batch size 3 is not a whole number from 1 to 2\. The model's own is 2",
    ),
    (
        "extract {}/a.onnx {}/market {new} --backend tpu",
        r"backend: 'tpu' is not a backend\. Choose one of auto, onnxruntime, torch",
    ),
    (
        "extract {}/w.pth {}/market {new} --backend ascend",
        r"{}/w\.pth: the ascend backend does not read it.*\. Give a \.om file",
    ),
    (
        "extract {}/a.onnx {}/market {new} --precision bfloat16",
        r"precision: the onnxruntime backend does not compute in bfloat16 .*\. It has float32, float16, int8; bfloat16",
    ),
    (
        "extract {}/a.onnx {}/market {new} --precision half",
        r"precision: 'half' is not a precision\. Choose one of float32",
    ),
    ("extract {}/a.onnx {}/market {new} --backend cann", r"{}/a\.onnx: .*CANN provider.*\. (pip uninstall|Source)"),
    (
        "extract {}/a.onnx {}/market {new} --option precision_mode=force_fp32",
        r"options: the onnxruntime backend has no precision_mode\. It has none",
    ),
    (
        "benchmark {}/a.onnx --batch-size 1 --backend cann --option precision_mode=x --option speed=1",
        r"options: the cann backend has no speed\. It has npu_mem_limit, ",
    ),
    ("extract {}/a.onnx {}/market {new} --device 9", r"device: device 9 does not exist.*\. Give device 0"),
    ("extract {}/a.onnx {}/market {new} --threads 0", r"threads: 0 is not a whole number.*\. Leave it out"),
    (
        "extract {}/a.onnx {}/market {}/text.txt/out",
        r"{}/text\.txt.*: (not a directory|file exists)\. Check the path, its permissions",
    ),
    ("extract {}/a.onnx {}/market {}/out", r"{}/out/query\.npz: is a directory\. Check the path, its permissions"),
    (
        "evaluate {}/gone.npz {}/features/gallery.npz {new} r",
        r"{}/gone\.npz: no such feature file\. Make it with: osnet extract",
    ),
    (
        "evaluate {}/features/query.npz {}/text.txt {new} r",
        r"{}/text\.txt: damaged, or not a feature file\. Run the extraction again",
    ),
    (
        "evaluate {}/features/query.npz {}/features/gallery.npz {}/text.txt r",
        r"{}/text\.txt.*: (not a directory|file exists)\. Check the path",
    ),
    (
        "evaluate {}/features/query.npz {}/features/gallery.npz {} taken",
        r"{}/taken\.json: is a directory\. Check the path",
    ),
    ("benchmark {}/gone.onnx --batch-size 1", r"{}/gone\.onnx: no such weights\. Give"),
    ("benchmark {}/a.onnx --batch-size 0", r"benchmark: batch_size 0 is not a whole number from 1 to 65536\. Give"),
    ("benchmark {}/a.onnx --batch-size 1 --rounds 0", r"benchmark: rounds 0 is not .*\. Give"),
    (
        "benchmark {}/bs2.onnx --batch-size 4",
        r"benchmark: the model is fixed to batch 2, not 4\. Benchmark it with --batch-size 2",
    ),
    (
        "benchmark {}/a.onnx --batch-size 1 --rounds 1 --warmup 0 --json {}/text.txt/b.json",
        r"{}/text\.txt.*: (not a directory|file exists)\. Check",
    ),
    ("study --dataset {}/gone --no-book", r"{}/gone: no such folder, zip or tar\. Check the path"),
    ("study --weights {}/gone.pth --no-book", r"{}/gone\.pth: no such weights\. Give"),
    ("train {new}/w.pth", r"{new}/w\.pth: weights are stored as safetensors\. Give a name that ends in \.safetensors"),
    ("train {}/text.txt/w.safetensors", r"{}/text\.txt.*: (not a directory|file exists)\. Check the path"),
]


@pytest.mark.parametrize(
    "line, says", BAD, ids=[re.sub(r"\{new\}/?|\{\}/?", "", line).replace(" ", "_") for line, _ in BAD]
)
def test_bad_input_ends_in_one_line_that_names_file_and_cure(osnet, place, tmp_path, monkeypatch, line, says):
    monkeypatch.setenv("OSNET_WORKSPACE", str(REPOSITORY))
    kept = {path: path.stat().st_mtime_ns for path in place.rglob("*") if path.is_file()}
    code, _, err = osnet(line, new=tmp_path / "new")
    expected = says.replace("{new}", re.escape(str(tmp_path / "new"))).replace("{}", re.escape(str(place)))
    assert code == 2 and len(err) == 1 and re.match(f"osnet: {expected}", err[0]) and "Traceback" not in err[0], err
    assert {path: path.stat().st_mtime_ns for path in kept} == kept  # nothing that was there is lost


@pytest.mark.parametrize(
    "line, path",
    [
        ("export gone.pth o.onnx", "gone.pth"),
        ("export ~/gone.pth o.onnx", "home/gone.pth"),
        ("extract {}/a.onnx gone out --threads 1", "gone"),
        ("evaluate {}/features/query.npz {}/features/gallery.npz . r --dataset sub/../gone", "gone"),
        ("diagnose {}/features {}/a.onnx ~nobody-here/gone --threads 1", "~nobody-here/gone"),
        ("study --dataset gone --no-book", "gone"),
        ("study --weights ./gone.pth --no-book", "gone.pth"),
    ],
)
def test_a_refusal_names_the_path_that_was_looked_at(osnet, tmp_path, monkeypatch, line, path):
    monkeypatch.setenv("OSNET_WORKSPACE", str(REPOSITORY))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    code, _, err = osnet(line)
    assert code == 2 and err[0].startswith(f"osnet: {tmp_path / path}: no such "), err


@pytest.mark.parametrize(
    "line, says",
    [
        ("", "osnet: the following arguments are required: COMMAND. See osnet --help"),
        ("speed", "osnet: argument COMMAND: invalid choice: 'speed'"),
        (
            "benchmark {}/a.onnx",
            "osnet benchmark: the following arguments are required: --batch-size. See osnet benchmark --help",
        ),
        (
            "benchmark {}/a.onnx --batch-size 1 --option speed",
            "osnet benchmark: argument --option: 'speed' is not NAME=VALUE. See osnet benchmark --help",
        ),
        ("benchmark {}/a.onnx --batch-size many", "osnet benchmark: argument --batch-size: invalid int value: 'many'"),
        ("export {}/w.pth", "osnet export: the following arguments are required: output"),
        ("extract mini mini out --speed", "osnet: unrecognized arguments: --speed"),
        ("evaluate q g . r --metric manhattan", "osnet evaluate: argument --metric: invalid choice: 'manhattan'"),
    ],
)
def test_a_wrong_command_line_ends_in_one_line_too(osnet, line, says):
    code, out, err = osnet(line)
    assert code == 2 and not out and len(err) == 1 and err[0].startswith(says)


@pytest.mark.parametrize(
    "error, says",
    [
        (
            PermissionError(13, "Permission denied", "/locked/.result.123.tmp.json"),
            "osnet: /locked/result.json: permission denied. Check the path",
        ),
        (
            PermissionError(13, "Permission denied", "/locked/.a.result.123.0badcafe.tmp.json"),
            "osnet: /locked/a.result.json: permission denied. Check the path",
        ),
        (
            IsADirectoryError(21, "Is a directory", "/x/.a.1.tmp.json", None, "/x/a.json"),
            "osnet: /x/a.json: is a directory. Check the path",
        ),
        (
            OSError(28, "No space left on device"),
            "osnet: no space left on device. Check the path, its permissions and the space on the disk.",
        ),
        (OSError("odd"), "osnet: odd. Check"),
        (StudyError("what", where="there", cure="Do this"), "osnet: there: what. Do this"),
    ],
)
def test_what_the_system_refuses_is_told_in_one_line(osnet, monkeypatch, error, says):
    def fail(*_):
        raise error

    monkeypatch.setattr("osnet_lib.features.store.load_features", fail)
    code, _, err = osnet("evaluate q g . r")
    assert code == 2 and len(err) == 1 and err[0].startswith(says)


# Gates, warnings, interruption


@pytest.mark.parametrize("command", ["export {}/w.pth {new}/o.onnx", "simplify {}/a.onnx {new}/o.onnx --batch-size 2"])
def test_a_failed_gate_ends_with_1_and_leaves_no_model(osnet, monkeypatch, tmp_path, command):
    """A conversion that goes wrong: what is written is the network of other weights."""
    other = networks.state_dict()
    other["fc.0.weight"] *= 1.01
    torch.save(other, tmp_path / "other.pth")
    from osnet_lib.conversion import export

    real = export.export_onnx

    def convert(source, path, *_):
        return real(load_checkpoint(tmp_path / "other.pth"), path, 11)

    monkeypatch.setattr(export, "export_onnx", convert)
    monkeypatch.setattr(export, "simplify_onnx", convert)
    code, _, err = osnet(command, new=tmp_path)
    assert code == 1 and len(err) == 1
    assert re.match(
        r"osnet: gate failed: (onnx, batch size 4|simplified, batch size 2): features differ from the "
        r"reference",
        err[0],
    )
    assert not (tmp_path / "o.onnx").exists()


def test_imagenet_weights_are_warned_of_in_one_line(osnet, tmp_path):
    torch.save(networks.state_dict(classes=1000), tmp_path / "imagenet.pth")
    for _ in range(2):  # each time, not once a process
        code, _, err = osnet("export {new}/imagenet.pth {new}/o.onnx", new=tmp_path)
        assert code == 0 and len(err) == 1 and re.match(r"warning: .*imagenet\.pth: .*ImageNet.*means nothing", err[0])


def test_warnings_of_the_caller_are_left_as_they_were(osnet):
    before = warnings.showwarning
    osnet("evaluate {}/features/query.npz {}/features/gallery.npz {}/empty r")
    assert warnings.showwarning is before


def test_an_interruption_says_what_happens_next(osnet, monkeypatch):
    monkeypatch.setattr("osnet_lib.features.store.load_features", lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    code, _, err = osnet("evaluate q g . r")
    assert code == 130 and err == ["osnet: interrupted; the next run continues where this one stopped"]


# As a program


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(osnet, command):
    code, out, _ = osnet(f"{command} --help")
    text = "\n".join(out)
    assert code == 0 and f"example: osnet {command}" in text.replace("\n", " ")
    assert text.startswith(f"usage: osnet {command}")


def test_the_examples_of_the_help_can_be_parsed(osnet):
    for command in COMMANDS:
        _, out, _ = osnet(f"{command} --help")
        example = " ".join(out).split("example: osnet ")[1].split()
        assert cli._parser().parse_args(example).run.__name__.startswith((command, f"_{command.replace('-', '_')}"))


def test_as_a_module_in_a_process_of_its_own(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(
        [sys.executable, "-m", "osnet_lib", "--help"], capture_output=True, text=True, env=environment, cwd=tmp_path
    )
    assert done.returncode == 0 and all(f"    {command}" in done.stdout for command in COMMANDS) and not done.stderr
    done = subprocess.run(
        [sys.executable, "-m", "osnet_lib", "simplify", "gone.onnx", "o.onnx", "--batch-size", "1"],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "osnet: gone.onnx: no such ONNX file. Write it with osnet export.\n"


def test_the_console_script(osnet):
    entry = re.search(r'^osnet = "([\w.]+):(\w+)"$', (REPOSITORY / "pyproject.toml").read_text(), re.MULTILINE)
    assert getattr(importlib.import_module(entry[1]), entry[2]) is cli.main
    assert osnet("--version") == (0, [f"osnet {__version__}"], [])
    program = shutil.which("osnet", path=str(Path(sys.executable).parent))
    if program:  # installed, as `make test` does
        done = subprocess.run([program, "--version"], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, f"osnet {__version__}\n")


def test_help_and_refusals_do_not_wait_for_torch():
    script = (
        "import sys; from osnet_lib.cli.main import main; main(['evaluate', 'gone.npz', 'g', '.', 'r'])\n"
        "sys.exit('torch' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, env=environment).returncode == 0
