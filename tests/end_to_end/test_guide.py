"""The guide's six steps through the command line, on rendered people; features as txt, bin and npz score alike."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

from helpers.guide_files import content
from osnet_lib.cli import main as cli
from osnet_lib.core.results import NOT_MEASURED, read_results
from osnet_lib.features.store import load_features
from osnet_lib.guide.dump import read_dump
from osnet_lib.guide.info import read_info
from osnet_lib.guide.perf import parse_pure_perf, parse_vision_perf
from osnet_lib.inference.benchmark import Benchmark

BATCH = "4"


def osnet(*words: object) -> None:
    assert cli.main([str(word) for word in words]) == 0


@pytest.fixture(scope="module")
def run(small_market, small_weights, tmp_path_factory) -> Path:
    """A folder in which every step of the guide was done, with its own file names; tests add to it or copy it."""
    folder = tmp_path_factory.mktemp("guide")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        osnet("export", small_weights, "osnet.onnx")
        osnet("simplify", "osnet.onnx", "osnet_bs4_sim.onnx", "--batch-size", BATCH)
        for split, source in (("query", "query"), ("gallery", "bounding_box_test")):
            osnet("preprocess", small_market / source, f"./{split}_prep_dataset/")
            osnet("info", "bin", f"./{split}_prep_dataset", f"./{split}_prep_bin.info", 128, 256)
            for form in ("txt", "bin"):
                osnet(
                    "infer",
                    "osnet_bs4_sim.onnx",
                    f"./{split}_prep_bin.info",
                    f"result/{form}/{split}",
                    "--batch-size",
                    BATCH,
                    "--device-id",
                    0,
                    "--format",
                    form,
                    "--threads",
                    1,
                )
        osnet("extract", "osnet_bs4_sim.onnx", small_market, "features", "--batch-size", BATCH, "--threads", 1)
    return folder


@pytest.fixture
def steps(run, monkeypatch, capsys):
    """Go to the folder; a function that runs a command and returns exit code, output and errors."""
    monkeypatch.chdir(run)
    capsys.readouterr()

    def call(line: str) -> tuple[int, str, str]:
        code = cli.main(line.split())
        out, err = capsys.readouterr()
        told = [part for part in re.split(r"[\r\n]+", err) if part.startswith(("osnet:", "warning"))]
        return code, out, "\n".join(told)

    return call


def dump(form: str, split: str) -> str:
    return f"result/{form}/{split}/dumpOutput_device0"


def test_the_files_are_those_of_the_guide(run, small_market):
    names = sorted(path.name for path in (small_market / "bounding_box_test").iterdir())
    stems = [name.split(".")[0] for name in names]
    assert stems[0].startswith("-1_")  # junk goes all the way, and is dropped when scores are made
    prep = content(run / "gallery_prep_dataset")
    assert sorted(prep) == sorted(f"{stem}.bin" for stem in stems)
    assert {len(data) for data in prep.values()} == {393_216}
    lines = (run / "gallery_prep_bin.info").read_text().splitlines()
    assert lines == [f"{index} ./gallery_prep_dataset/{name} 128 256" for index, name in enumerate(sorted(prep))]
    for form in ("txt", "bin"):
        assert sorted(content(run / dump(form, "gallery"))) == sorted(f"{stem}_1.{form}" for stem in stems)
        perf = (run / "result" / form / "gallery" / "perf_vision_batchsize_4_device_0.txt").read_text()
        assert parse_vision_perf(perf).interface_rate > 0


@pytest.mark.parametrize("split", ["query", "gallery"])
def test_features_are_the_same_in_every_form(run, split):
    text, raw = (read_dump(run / dump(form, split), progress=False) for form in ("txt", "bin"))
    arrays = load_features(run / "features" / f"{split}.npz")
    assert [name.split(".")[0] for name in arrays.names] == text.names.tolist() == raw.names.tolist()
    assert np.array_equal(text.features, raw.features)
    assert np.abs(arrays.features - text.features).max() < 1e-5 * np.abs(text.features).max()
    assert np.array_equal(arrays.pids, text.pids) and np.array_equal(arrays.camids, text.camids)


@pytest.mark.parametrize("names", ["", "--info ./query_prep_bin.info ./gallery_prep_bin.info", "--dataset {market}"])
def test_scores_are_the_same_in_every_form(steps, run, small_market, names):
    names, shown = names.format(market=small_market), {}
    for form, query, gallery in [
        ("txt", f"{dump('txt', 'query')}/", f"{dump('txt', 'gallery')}/"),
        ("bin", dump("bin", "query"), dump("bin", "gallery")),
        ("npz", "features/query.npz", "features/gallery.npz"),
        ("mixed", dump("txt", "query"), "features/gallery.npz"),
    ]:
        code, out, err = steps(f"evaluate {query} {gallery} ./ result_{form}.json {names}")
        assert code == 0 and not err
        shown[form] = out.splitlines()[:-1]
        document = json.loads((run / f"result_{form}.json").read_text())
        assert document["title"] == "Overall statistical evaluation"
        assert [entry["key"] for entry in document["value"]] == ["R1", "mAP"]
        assert f"mAP     {float(document['value'][1]['value']):.6f}" == shown[form][-2]
        assert re.fullmatch(r"mINP    0\.\d{6}", shown[form][-1])
    assert shown["txt"] == shown["bin"] == shown["npz"] == shown["mixed"]
    assert (run / "result_txt.json").read_bytes() == (run / "result_bin.json").read_bytes()


@pytest.mark.parametrize(
    "line, what",
    [
        ("evaluate gone {g} . r", "gone: no such feature file"),
        ("evaluate query_prep_dataset {g} . r", r"query_prep_dataset/\S+\.bin: is a preprocessed image of float32"),
        ("evaluate {q} {q} . r", r"result/txt/query/dumpOutput_device0 and \S+: \d+ images are in both, the first is"),
        ("evaluate {q} result/txt/gallery . r", r"dumpOutput_device0: a folder among the features"),
        (
            "evaluate {g} {q} . r --info query_prep_bin.info gallery_prep_bin.info",
            r"dumpOutput_device0: no feature of \d{4}_c",
        ),
        ("info bin ./gone out.info 128 256", "gone: no such folder"),
        ("info bin ./query_prep_dataset out.info 256 128", "info: width 256, height 128"),
        (
            "infer osnet_bs4_sim.onnx query_prep_bin.info result/txt/gallery --batch-size 4",
            r"dumpOutput_device0: holds [\d,]+ features of other images",
        ),
        (
            "infer osnet_bs4_sim.onnx query_prep_bin.info new --batch-size 5",
            r"batch size 5 is not a whole number from 1 to 4\. The",
        ),
        ("infer osnet_bs4_sim.onnx osnet.onnx new --batch-size 4", r"osnet\.onnx: (cannot be read|line 1 is not)"),
        ("infer osnet_bs4_sim.onnx query_prep_bin.info new --batch-size 4 --device-id 3", "device 3 does not exist"),
        ("preprocess gone new", r"gone: no such folder of images"),
        ("preprocess query_prep_dataset new", r"\.bin: the file name is not in Market-1501's form"),
        ("import-results osnet.onnx", r"osnet\.onnx: (cannot be read|not named like)"),
        ("benchmark osnet_bs4_sim.onnx --batch-size 4 --devices 0,x", "devices: '0,x' is no list of device numbers"),
    ],
)
def test_bad_input_ends_in_one_line(steps, run, line, what):
    before = content(run)
    code, _, err = steps(line.format(q=dump("txt", "query"), g=dump("txt", "gallery")))
    assert code == 2 and re.search(what, err) and "\n" not in err, err
    assert content(run) == before


@pytest.mark.parametrize("names", ["--info query_prep_bin.info gallery_prep_bin.info", "--dataset {market}"])
def test_a_missing_feature_is_named(steps, run, small_market, tmp_path, names):
    shutil.copytree(run / dump("bin", "gallery"), tmp_path / "gallery")
    victim = sorted((tmp_path / "gallery").glob("0*.bin"))[5]
    victim.unlink()
    code, _, err = steps(f"evaluate {dump('bin', 'query')} {tmp_path}/gallery . r {names.format(market=small_market)}")
    assert code == 2 and f"gallery: no feature of {victim.stem.removesuffix('_1')}. Run" in err


def test_uint8_files_are_a_quarter_and_for_another_model(steps, run, small_market, tmp_path):
    code, out, _ = steps(f"preprocess {small_market}/query {tmp_path}/prep --uint8")
    assert code == 0 and "uint8 [256, 128, 3], 98,304 bytes each" in out
    assert steps(f"info bin {tmp_path}/prep {tmp_path}/prep.info 128 256")[0] == 0
    assert len(read_info(tmp_path / "prep.info")) == len(read_info(run / "query_prep_bin.info"))
    code, _, err = steps(f"infer osnet_bs4_sim.onnx {tmp_path}/prep.info {tmp_path}/out --batch-size 4")
    assert code == 2 and "an image of uint8, and the model takes float32: preprocess without --uint8" in err


# Benchmark on several devices; which of them compute is the business of osnet_lib.inference.devices.


def timed(simulated=False):
    """What devices measured: 10, 20, … ms a batch together, and 8 ms for a device alone."""

    def measure(model, batch_size, devices, rounds, warmup, backend, *, threads, opener):
        assert (batch_size, rounds, warmup, backend, threads) == (4, 3, 1, "auto", None)
        several = devices if len(devices) > 1 else ()
        return [
            Benchmark(
                np.full(rounds, 10.0 * (n + 1) if several else 8.0),
                batch_size,
                warmup,
                {"simulated": simulated, "backend": "x"},
                device,
                several,
                0.9 if several else None,
            )
            for n, device in enumerate(devices)
        ]

    return measure


LINE = (
    "benchmark osnet_bs4_sim.onnx --batch-size 4 --rounds 3 --warmup 1 --devices 2,5 --output {new}/result "
    "--json {new}/b.json"
)


def test_devices_are_added_up_and_shown_beside_the_guide_s_product(steps, tmp_path, monkeypatch):
    monkeypatch.setattr("osnet_lib.inference.devices.benchmark_devices", timed())
    code, out, _ = steps(LINE.format(new=tmp_path))
    assert code == 0
    for device, rate, latency in ((2, 400, 2.5), (5, 200, 5)):
        path = f"{tmp_path}/result/PureInfer_perf_of_osnet_bs4_sim_in_device_{device}.txt"
        assert f"[INFO] PureInfer result saved in {path}\n" in out
        assert f"device {device}, batch 4: {rate}.00 images/s" in out
        perf = parse_pure_perf(Path(path).read_text())
        assert (perf.rate, perf.latency) == (rate, latency)
    assert "card, 2 devices measured together: 600.000 images/s\n" in out
    assert "the guide's way, device 2 alone times 2: 500.000 x 2 = 1000.000 samples/s\n" in out
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["values"]["card"] == {"together": 600, "alone": 500, "multiplied": 1000}
    assert [one["device"] for one in document["values"]["devices"]] == document["conditions"]["devices"] == [2, 5]


@pytest.mark.parametrize("devices", ["2,5", "2"])
def test_a_simulated_device_has_no_speed(steps, tmp_path, monkeypatch, devices):
    monkeypatch.setattr("osnet_lib.inference.devices.benchmark_devices", timed(simulated=True))
    code, out, _ = steps(LINE.format(new=tmp_path).replace("2,5", devices))
    assert code == 0 and NOT_MEASURED in out and not re.search(r"\d (images|samples)/s|\dms|saved in", out)
    assert not (tmp_path / "result").exists()
    assert not re.search(r"\d\.\d", re.sub('"environment".*', "", (tmp_path / "b.json").read_text(), flags=re.DOTALL))


def test_speeds_of_other_hosts_come_into_the_results(steps, tmp_path):
    for device in (0, 1):
        (tmp_path / f"PureInfer_perf_of_osnet_x1_0_bs16_in_device_{device}.txt").write_text(
            "ave_throughputRate = 643.052samples/s, ave_latency = 1.55994ms"
        )
    files = " ".join(map(str, sorted(tmp_path.glob("*.txt"))))
    code, out, _ = steps(f"import-results {files} --chip Ascend310 --results {tmp_path}/results")
    assert code == 0 and len(out.splitlines()) == 2
    results = read_results(tmp_path / "results", "performance")
    assert [r.conditions["session"]["device_id"] for r in results] == [0, 1]
    assert {r.values["throughput"] for r in results} == {643.052}
    assert {r.conditions["session"]["device"] for r in results} == {"Ascend310"}
