"""All stages run on a data set: what is scored, kept and written, and stages broken on purpose."""

from __future__ import annotations

import functools
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from helpers.engines import needs_openvino
from helpers.fake_npu_ways import FakeCann, FakeTorchNpu
from osnet_lib.conversion.onnx_file import inspect_onnx, load_onnx, write_onnx
from osnet_lib.conversion.precision import FLOAT16, INT8, to_float16
from osnet_lib.core.results import read_results
from osnet_lib.datasets.market1501 import open_market1501, parse_name
from osnet_lib.errors import DatasetError, ParityError, SessionError
from osnet_lib.inference import extract as extraction
from osnet_lib.network.osnet import build_model
from osnet_lib.study import models as pipeline, runnable
from osnet_lib.study.calibration import CALIBRATION_IMAGES, spread
from osnet_lib.study.stages import fair_share, measure_stages
from osnet_lib.study.study import Study, distinct_batches
from osnet_lib.study.workspace import Workspace
from stand_ins.host import add_atc

QUERIES = 12  # of the small data set


@pytest.fixture(scope="module")
def dataset(small_market):
    with open_market1501(small_market) as dataset:
        yield dataset


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    return Workspace(tmp_path_factory.mktemp("stages"))


def fake_int8(change=lambda weights: weights):
    """In place of the quantiser, which takes seconds: float16 with changed weights, and a note of the images."""
    seen = []

    @functools.wraps(runnable.to_int8)  # so that lineage knows it
    def convert(source, target, batches):
        seen.extend(batch.shape for batch in batches)
        to_float16(source, target)
        model, found = load_onnx(target)
        for tensor in model.graph.initializer:
            if tensor.data_type == onnx.TensorProto.FLOAT16:
                tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor)), tensor.name))
        return write_onnx(
            model, {**found.metadata, "precision": INT8}, target, (found.opset, found.input_shape, found.output_shape)
        )

    return convert, seen


# ---- what is scored -------------------------------------------------------------------------------------------------


def table(people: dict[int, tuple[int, int]], distractors: int) -> SimpleNamespace:
    """Samples of people {pid: (queries, gallery images)} without images."""

    def samples(split, counts):
        return tuple(
            sorted(
                (
                    parse_name(f"{pid:04}_c1s1_{i:06}_00.jpg", split)
                    for pid, count in counts.items()
                    for i in range(count)
                ),
                key=lambda sample: sample.name,
            )
        )

    return SimpleNamespace(
        query=samples("query", {pid: q for pid, (q, _) in people.items()}),
        train=(),
        gallery=samples("gallery", {0: distractors, **{p: g for p, (_, g) in people.items()}}),
    )


EVEN, UNEVEN = dict.fromkeys(range(1, 21), (2, 5)), {pid: (1 + pid % 5, pid) for pid in range(1, 41)}


@pytest.mark.parametrize("people", [EVEN, UNEVEN])
@pytest.mark.parametrize("queries", [7, 13, 20, 39])
def test_a_share_is_fair(people, queries):
    whole = table(people, 100)
    query, gallery = fair_share(whole, queries)
    kept = {sample.pid for sample in query}
    assert len(query) == sum(people[pid][0] for pid in kept) <= queries
    more = spread(sorted(people), len(kept) + 1)
    assert sum(people[pid][0] for pid in more) > queries  # no smaller than it must be
    counts = {pid: sum(sample.pid == pid for sample in gallery) for pid in people}
    assert counts == {pid: people[pid][1] if pid in kept else 0 for pid in people}
    assert sum(sample.pid == 0 for sample in gallery) == round(100 * len(kept) / len(people))
    assert list(gallery) == sorted(gallery, key=lambda sample: sample.name) and (query, gallery) == fair_share(
        whole, queries
    )
    if people is EVEN:
        steps = np.diff(sorted(kept))
        assert steps.max() - steps.min() <= 1


@pytest.mark.parametrize("queries", [0, 40, 41, 10**6])
def test_the_whole_split_is_left_as_it_is(queries):
    whole = table(EVEN, 3)
    assert fair_share(whole, queries) == (whole.query, whole.gallery)


@pytest.mark.parametrize(
    "people, queries, least", [(EVEN, -1, 4), (EVEN, 1, 4), (EVEN, 2, 4), (EVEN, 3, 4), (UNEVEN, 3, 4)]
)
def test_too_few_queries_for_two_identities_are_refused(people, queries, least):
    whole = table(people, 3)
    words = rf"^queries \(stage_queries in the notebook\): {queries} are too few for two.*Give at least {least}, or 0"
    with pytest.raises(DatasetError, match=words):
        fair_share(whole, queries)
    assert len({sample.pid for sample in fair_share(whole, least)[0]}) == 2


@pytest.mark.parametrize("queries", [0, 1, 9])
def test_a_split_of_one_identity_is_refused(queries):
    with pytest.raises(DatasetError, match=r"^queries \(stage_queries.*: those .* of fewer than two identities"):
        fair_share(table({4: (5, 9)}, 3), queries)


@pytest.mark.parametrize(
    "sizes", ["[1, 8]", "8", b"8", 8, None, 2.0, [1, "8"], [2.0], [0], [-1], [True], [[1]], [None], [np.float32(2)]]
)
def test_batch_sizes_that_are_none_are_refused(work, sizes):
    with pytest.raises(SessionError) as refused:  # before a data set or a checkpoint is looked at
        measure_stages(Study(work, "no such data", "no such weights"), sizes)
    assert refused.value.where == "batch sizes" and "stage_batches: [1, 8]" in refused.value.cure
    assert refused.value.what in (
        f"{sizes!r} is no list",
        *(f"{size} is not a whole number from 1 to 65536" for size in (0, -1, True, None, 2.0, "'8'", [1])),
    )


@pytest.mark.parametrize("sizes", [[8, 1, 8], (8, 1), range(1, 9, 7), [np.int64(8), 1]])
def test_batch_sizes_count_once_in_order(sizes):
    found = distinct_batches(sizes, "stage_batches")
    assert found == [1, 8] and {type(size) for size in found} == {int}


# ---- the whole way --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stages(work, dataset, checkpoint):
    return measure_stages(Study(work, dataset, checkpoint, progress=False), [2], QUERIES)


def test_every_stage_is_measured_and_holds(stages, checkpoint):
    assert [(stage.name, stage.batch_size, stage.precision) for stage in stages] == [
        ("torch", None, "float32"),
        ("onnx", 2, "float32"),
        ("simplified", 2, "float32"),
        ("fp16", 2, FLOAT16),
        ("int8", 2, INT8),
    ]
    assert [stage.broken for stage in stages[:4]] == [None] * 4
    errors = [stage.max_abs for stage in stages]
    assert errors[0] == 0 < errors[1] < errors[3] / 10 < errors[3] < errors[4] and stages[4].cosine_min > 0.9
    assert stages[4].kendall_tau < stages[3].kendall_tau <= 1
    assert len({stage.images for stage in stages}) == len({stage.queries for stage in stages}) == 1


def test_one_result_is_written(work, stages, dataset, checkpoint):
    (result,) = read_results(work.results, "stages")
    assert [row["mAP"]["value"] for row in result.values["stages"]] == [stage.mAP.value for stage in stages]
    assert result.values["first_broken"] is None and result.values["verdict"].startswith("No stage breaks")
    conditions = result.conditions
    assert conditions["queries"] == stages[0].queries <= QUERIES < len(dataset.query)
    assert not conditions["whole_split"]
    assert conditions["queries"] + conditions["gallery"] == stages[0].images
    assert conditions["calibration"] == {"images": 32, "split": "train of mini-market", "method": "MinMax"}
    assert (conditions["metric"], conditions["batch_sizes"], conditions["opset"]) == ("euclidean", [2], 11)
    assert conditions["model"]["sha256"] == checkpoint.sha256


def test_a_second_run_computes_nothing(work, stages, dataset, checkpoint, monkeypatch):
    @functools.wraps(extraction.extract_features)
    def refuse(*_args):
        raise AssertionError("extracted again")

    monkeypatch.setattr(extraction, "extract_features", refuse)
    folders = (work.models, work.features)
    stamps = {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()}
    assert measure_stages(Study(work, dataset, checkpoint, progress=False), [2], QUERIES) == stages
    assert {path: path.stat().st_mtime_ns for folder in folders for path in folder.iterdir()} == stamps


# ---- broken on purpose ----------------------------------------------------------------------------------------------


@pytest.fixture
def copy(work, stages, tmp_path):
    """A workspace in which all is made already."""
    shutil.copytree(work.root, tmp_path, dirs_exist_ok=True)
    return Workspace(tmp_path)


def test_a_wrong_export_is_named(tmp_path, dataset, checkpoint, monkeypatch):
    """The file of other weights lies there under the name of these, as test_pipeline has it."""
    monkeypatch.setattr(runnable, "to_int8", fake_int8()[0])
    other = replace(checkpoint, model=build_model("osnet_x0_25", seed=1))
    pipeline.export_model(Study(tmp_path, weights=other))
    stages = measure_stages(Study(tmp_path, dataset, checkpoint, progress=False), [2], QUERIES)
    (result,) = read_results(tmp_path / "results", "stages")
    assert result.values["first_broken"] == "onnx at batch size 2" and stages[1].broken
    assert result.values["verdict"].startswith("The first stage that breaks is onnx at batch size 2: features differ")


def test_a_broken_int8_is_named_and_sees_the_calibration_images(copy, dataset, checkpoint, monkeypatch):
    convert, seen = fake_int8(lambda weights: np.roll(weights, 1, axis=0) if weights.ndim == 4 else weights)
    monkeypatch.setattr(runnable, "to_int8", convert)
    pipeline.simplify_model(Study(copy, weights=checkpoint, batch_size=2))
    for path in copy.models.glob("*_int8.onnx"):
        path.unlink()
    stages = measure_stages(Study(copy, dataset, checkpoint, progress=False), [2], QUERIES)
    assert sum(shape[0] for shape in seen) == CALIBRATION_IMAGES and {shape[1:] for shape in seen} == {(3, 256, 128)}
    assert [stage.name for stage in stages if stage.broken] == ["int8"] and "mAP falls by" in stages[4].broken


def test_a_stage_without_features_is_named(copy, dataset, checkpoint, monkeypatch):
    """Weights so large that what they are multiplied with leaves float16."""
    convert, _ = fake_int8(lambda weights: np.full_like(weights, 60000) if weights.ndim == 2 else weights)
    monkeypatch.setattr(runnable, "to_int8", convert)
    for path in copy.models.glob("*_int8.onnx"):
        path.unlink()
    with pytest.raises(ParityError, match="^int8, batch size 2: no features .*not finite"):
        measure_stages(Study(copy, dataset, checkpoint, progress=False), [2], QUERIES)


@pytest.mark.parametrize(
    "backend, fake, precision", [("cann", FakeCann, "CANN's force_fp16"), ("torch_npu", FakeTorchNpu, "float32")]
)
def test_other_ways_onto_an_npu_are_stages_where_they_are_asked_for(
    copy, dataset, checkpoint, monkeypatch, backend, fake, precision
):
    way = fake(monkeypatch)
    stages = measure_stages(Study(copy, dataset, checkpoint, backend=backend, device=1, progress=False), [2], QUERIES)
    assert [stage.name for stage in stages][4:] == ["int8", backend] and stages[5].precision == precision
    assert stages[5].broken is None and stages[5].images == stages[0].images and stages[5].max_abs < 1e-4
    assert set(way.seen) == {"npu:1"} if backend == "torch_npu" else way.opened[-1][0][0][1]["device_id"] == 1


@needs_openvino
def test_openvino_is_a_stage_where_it_is_asked_for(copy, dataset, checkpoint):
    stages = measure_stages(Study(copy, dataset, checkpoint, backend="openvino", progress=False), [2], QUERIES)
    assert [stage.name for stage in stages][4:] == ["int8", "openvino"] and stages[5].precision == "float32"
    assert stages[5].broken is None and stages[5].max_abs < 1e-4


def test_an_om_is_a_stage_on_an_ascend_host(copy, dataset, checkpoint, monkeypatch, npu):
    add_atc(monkeypatch)
    npu.restart()
    stages = measure_stages(Study(copy, dataset, checkpoint, backend="ascend", progress=False), [2], QUERIES)
    assert [stage.name for stage in stages][4:] == ["int8", "om"] and stages[5].precision == "chosen by ATC"
    assert stages[5].broken is None and stages[5].images == stages[0].images
    assert inspect_onnx(next(copy.models.glob("*_fp16.onnx"))).precision == FLOAT16
