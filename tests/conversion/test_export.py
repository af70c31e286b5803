"""ONNX files as promised (names, shapes, opset, bytes), and every refusal with its file and cure."""

from __future__ import annotations

import copy
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path

import numpy as np
import onnx
import onnxsim
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

import osnet_lib
from helpers.networks import FOLDER, checkpoint, checkpoint_path, images, onnx_path
from helpers.refusals import refusal_of
from osnet_lib.conversion.export import FUSED, OPSETS, export_onnx, simplify_onnx
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.conversion.parity import Tolerance, check_parity
from osnet_lib.core.files import sha256
from osnet_lib.errors import ExportError
from osnet_lib.inference.parity_gate import sample_people
from osnet_lib.inference.session import open_session

refusal = partial(refusal_of, ExportError)


def tiny(
    path,
    *,
    name="image",
    shape=("batch", 3, 256, 128),
    output="feature",
    out_shape=("batch", 512),
    dtype=TensorProto.FLOAT,
    opsets=(11,),
    inputs=1,
    weights_as_inputs=False,
):
    """A graph with the outside of an OSNet, or nearly, and one operator inside."""
    values = [helper.make_tensor_value_info(name if i == 0 else f"{name}{i}", dtype, shape) for i in range(inputs)]
    weight = numpy_helper.from_array(np.zeros((1, 512), np.float32), "weight")
    if weights_as_inputs:
        values.insert(0, helper.make_tensor_value_info("weight", TensorProto.FLOAT, (1, 512)))
    nodes = [helper.make_node("Identity", ["weight"], [output])]
    feature = helper.make_tensor_value_info(output, TensorProto.FLOAT, out_shape)
    graph = helper.make_graph(nodes, "tiny", values, [feature], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", v) for v in opsets], ir_version=6)
    path.write_bytes(model.SerializeToString())
    return path


# ---- export ---------------------------------------------------------------------------------------------------------


def test_export():
    made = inspect_onnx(onnx_path(), expect_osnet=True)
    assert (made.input_name, made.input_shape) == ("image", ("batch", 3, 256, 128))
    assert (made.output_name, made.output_shape) == ("feature", ("batch", 512))
    assert (made.opset, made.batch_size, made.sha256) == (11, None, sha256(onnx_path()))
    assert made.metadata == {
        "architecture": "osnet_x0_25",
        "weights_sha256": checkpoint().sha256,
        "osnet_lib": osnet_lib.__version__,
        "torch": torch.__version__,
        "onnx": onnx.__version__,
    }
    model = onnx.load(onnx_path(), load_external_data=False)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 11)]
    assert made.nodes == len(model.graph.node) and made.ir_version == model.ir_version <= 10
    assert not [t for t in model.graph.initializer if t.data_location == TensorProto.EXTERNAL]
    assert sorted(os.listdir(FOLDER)).count("osnet.onnx.data") == 0


@pytest.mark.parametrize("opset", [OPSETS.start, 17, OPSETS.stop - 1])
def test_the_opset_asked_for_is_in_the_file(tmp_path, opset):
    made = export_onnx(checkpoint(), tmp_path / "x.onnx", opset)
    assert made == inspect_onnx(tmp_path / "x.onnx") and made.opset == opset
    assert onnx.load(tmp_path / "x.onnx").opset_import[0].version == opset


def test_an_exporter_that_writes_another_opset_is_caught(tmp_path, monkeypatch):
    """As the dynamo exporter of torch 2.13 does: asked for 11, it writes 18."""
    export = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: export(*a, **{**k, "opset_version": 18}))
    message = refusal(export_onnx, checkpoint(), tmp_path / "x.onnx")
    assert re.search(r"came out as 18, .* instead of 11, .*requirements\.txt", message)
    assert list(tmp_path.iterdir()) == []


def test_an_exporter_that_freezes_the_batch_is_caught(tmp_path, monkeypatch):
    export = torch.onnx.export
    monkeypatch.setattr(torch.onnx, "export", lambda *a, **k: export(*a, **{**k, "dynamic_axes": None}))
    assert "(2, 3, 256, 128)" in refusal(export_onnx, checkpoint(), tmp_path / "x.onnx")


@pytest.mark.parametrize("name", ["osnet_ibn_x1_0", "osnet_ain_x1_0"])
def test_variants(tmp_path, name):
    made = export_onnx(checkpoint(name), tmp_path / "x.onnx")
    kinds = [node.op_type for node in onnx.load(made.path).graph.node]
    assert made.metadata["architecture"] == name
    assert kinds.count("InstanceNormalization") == {"osnet_ibn_x1_0": 3, "osnet_ain_x1_0": 5}[name]


@pytest.mark.parametrize("name", ["osnet_x0_5", "osnet_ibn_x1_0", "osnet_ain_x0_25"])
def test_fused_streams_pass_the_gate(tmp_path, name):
    made = export_onnx(checkpoint(name), tmp_path / "x.onnx", fuse_streams=True)
    assert made == inspect_onnx(made.path, expect_osnet=True) and made.metadata["graph"] == FUSED
    people = sample_people(3)
    with open_session(checkpoint(name), "torch", threads=1) as torch_session:
        expected = np.concatenate([torch_session.run(image[None]) for image in people])
    exact = Tolerance(1e-5 * max(1, expected.max()))  # float32 rounds by the size of a number
    with open_session(made.path, "onnxruntime", threads=1) as session:
        assert session.describe()["graph"] == FUSED
        assert check_parity(expected, session, people, "fused", exact, batch_size=2).passed


def test_fused_streams_simplified():
    """The graph of x0.25 is that of all widths; of ten light convolutions and four gates a block keeps four and one."""
    made, plain = inspect_onnx(onnx_path(2, fuse_streams=True)), inspect_onnx(onnx_path(4))
    fused, other = (Counter(node.op_type for node in onnx.load(file.path).graph.node) for file in (made, plain))
    assert made.nodes == 253 and inspect_onnx(onnx_path(fuse_streams=True)).nodes < 280 < plain.nodes == 391
    assert fused["Conv"] == other["Conv"] - 6 * (2 * (10 - 4) + 2 * (4 - 1)) and fused["Sigmoid"] == 6
    same = ("architecture", "weights_sha256", "torch", "onnx", "onnxsim")
    assert made.metadata["graph"] == FUSED and "graph" not in plain.metadata
    assert [made.metadata[key] for key in same] == [plain.metadata[key] for key in same]
    batch = images(2)
    with open_session(made.path, threads=1) as one, open_session(plain.path, threads=1) as another:
        np.testing.assert_allclose(one.run(batch), another.run(batch), rtol=0, atol=1e-5)
        assert "graph" not in another.describe()


@pytest.mark.parametrize("opset", [OPSETS.start, OPSETS.stop - 1])
def test_fused_streams_in_other_opsets(tmp_path, opset):
    made = export_onnx(checkpoint(), tmp_path / "x.onnx", opset, fuse_streams=True)
    batch = images(2)
    with open_session(made.path, "onnxruntime", threads=1) as one, open_session(onnx_path(), threads=1) as other:
        assert made.opset == opset
        np.testing.assert_allclose(one.run(batch), other.run(batch), rtol=0, atol=1e-5)


def test_a_network_that_fusing_would_change_is_refused(tmp_path):
    changed = copy.deepcopy(checkpoint().model)
    changed.conv4[1].conv2c.append(torch.nn.Sigmoid())
    message = refusal(export_onnx, replace(checkpoint(), model=changed), tmp_path / "x.onnx", fuse_streams=True)
    assert message.startswith("conv4.1: its streams are not") and not list(tmp_path.iterdir())


def test_two_exports_are_the_same_bytes(tmp_path):
    first, second = (export_onnx(checkpoint(), tmp_path / f"{i}.onnx") for i in "ab")
    assert replace(first, path=second.path) == second and first.sha256 == sha256(onnx_path())
    assert simplify_onnx(first.path, tmp_path / "c.onnx", 4).sha256 == sha256(onnx_path(4))


def test_another_process_exports_the_same_bytes(tmp_path):
    code = (
        "import sys; from osnet_lib.network.checkpoint import load_checkpoint\n"
        "from osnet_lib.conversion.export import export_onnx\n"
        "print(export_onnx(load_checkpoint(sys.argv[1]), sys.argv[2]).sha256)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, checkpoint_path(), tmp_path / "x.onnx"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(osnet_lib.__file__).parents[1],
        env={**os.environ, "PYTHONHASHSEED": "7", "OMP_NUM_THREADS": "1"},
    )
    assert (run.stdout.split(), run.stderr) == ([sha256(onnx_path())], "")


def test_quiet_but_not_deaf(tmp_path, monkeypatch, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        export_onnx(checkpoint(), tmp_path / "x.onnx")
        simplify_onnx(tmp_path / "x.onnx", tmp_path / "y.onnx", 2)
    assert capfd.readouterr() == ("", "")
    export = torch.onnx.export

    def warn(*args, **kwargs):
        warnings.warn("something new", DeprecationWarning, stacklevel=2)
        return export(*args, **kwargs)

    monkeypatch.setattr(torch.onnx, "export", warn)
    with pytest.warns(DeprecationWarning, match="something new"):
        export_onnx(checkpoint(), tmp_path / "x.onnx")


@pytest.mark.parametrize("opset", [6, 8, 21, 99, 0, -1, "11", 11.0, True, None])
def test_bad_opset(tmp_path, opset):
    message = refusal(export_onnx, checkpoint(), tmp_path / "x.onnx", opset)
    assert message.startswith(f"{tmp_path / 'x.onnx'}: opset {opset!r}") and "from 9 to 20" in message
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("obstacle", ["a folder of that name", "a file where a folder should be"])
def test_a_path_that_cannot_be_written(tmp_path, obstacle):
    path = tmp_path / "sub" / "x.onnx"
    if obstacle == "a folder of that name":
        path.mkdir(parents=True)
    else:
        path.parent.write_text("")
    message = refusal(export_onnx, checkpoint(), path)
    assert message.startswith(f"{path}: cannot be written (") and "Give a path" in message


# ---- simplify -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 4, np.int64(3)])
def test_simplify(tmp_path, batch_size):
    before, made = inspect_onnx(onnx_path()), simplify_onnx(onnx_path(), tmp_path / "x.onnx", batch_size)
    assert made == inspect_onnx(tmp_path / "x.onnx", expect_osnet=True)
    assert (made.input_shape, made.output_shape) == ((batch_size, 3, 256, 128), (batch_size, 512))
    assert made.batch_size == batch_size and type(made.batch_size) is int
    assert (made.input_name, made.output_name, made.opset) == ("image", "feature", 11)
    assert made.nodes == 391 < before.nodes
    assert made.metadata == {**before.metadata, "onnxsim": version("onnxsim"), "source_sha256": before.sha256}


def test_simplify_again_to_the_same_batch_and_in_place(tmp_path):
    (tmp_path / "x.onnx").write_bytes(onnx_path(4).read_bytes())
    made = simplify_onnx(tmp_path / "x.onnx", tmp_path / "x.onnx", 4)
    assert made.batch_size == 4 and made.metadata["source_sha256"] == sha256(onnx_path(4))


def test_simplify_refuses_another_batch(tmp_path):
    message = refusal(simplify_onnx, onnx_path(4), tmp_path / "x.onnx", 8)
    assert message.startswith(f"{onnx_path(4)}: already fixed to batch size 4") and "osnet export" in message


@pytest.mark.parametrize("batch_size", [0, -1, 2.0, "4", None, True])
def test_simplify_refuses_a_batch_size_that_is_none(tmp_path, batch_size):
    assert f"batch size {batch_size!r}" in refusal(simplify_onnx, onnx_path(), tmp_path / "x.onnx", batch_size)


def test_simplify_refuses_another_network(tmp_path):
    message = refusal(simplify_onnx, tiny(tmp_path / "t.onnx", out_shape=("batch", 751)), tmp_path / "x.onnx", 2)
    assert str(tmp_path / "t.onnx") in message and "751" in message


def other_results(model, same):
    return model, False


def dynamic_again(model, same):
    model.graph.output[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    return model, same


def broken_down(model, same):
    raise RuntimeError("shape inference failed\nand more")


@pytest.mark.parametrize(
    "fault, words",
    [
        (other_results, "changed what the network computes at batch size 4"),
        (dynamic_again, r"came out as .*\('batch', 512\) instead of"),
        (broken_down, r"onnxsim failed \(shape inference failed\)"),
    ],
)
def test_a_simplifier_that_fails(tmp_path, monkeypatch, fault, words):
    simplify = onnxsim.simplify
    monkeypatch.setattr(onnxsim, "simplify", lambda *args, **kwargs: fault(*simplify(*args, **kwargs)))
    assert re.search(words, refusal(simplify_onnx, onnx_path(), tmp_path / "x.onnx", 4))
    assert list(tmp_path.iterdir()) == []


def test_too_little_memory_is_no_fault_of_the_model(tmp_path, monkeypatch):
    def full(*_given, **_options):
        raise MemoryError("Unable to allocate 48.0 MiB")

    monkeypatch.setattr(onnxsim, "simplify", full)
    with pytest.raises(MemoryError, match="48"):
        simplify_onnx(onnx_path(), tmp_path / "x.onnx", 4)


def test_without_onnxsim(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxsim", None)
    assert "pip install onnxsim" in refusal(simplify_onnx, onnx_path(), tmp_path / "x.onnx", 4)


# ---- inspect --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content, words",
    [
        (None, "no such ONNX file.*osnet export"),
        (b"", "the file is empty.*sha256"),
        (b"not a network\n", "not an ONNX file, or a damaged one.*sha256"),
        (b"\x00" * 64, "not an ONNX file, or a damaged one"),
        (b"PK\x03\x04" + bytes(100), "not an ONNX file, or a damaged one"),
    ],
)
@pytest.mark.parametrize("expect", [False, True])
def test_files_that_are_no_onnx(tmp_path, content, words, expect):
    if content is not None:
        (tmp_path / "x.onnx").write_bytes(content)
    message = refusal(inspect_onnx, tmp_path / "x.onnx", expect_osnet=expect)
    assert message.startswith(f"{tmp_path / 'x.onnx'}: ") and re.search(words, message)


def test_a_folder(tmp_path):
    assert "cannot be read (Is a directory)" in refusal(inspect_onnx, tmp_path)


@given(kept=st.floats(0.001, 1, exclude_max=True))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncated_anywhere(tmp_path, kept):
    whole = onnx_path().read_bytes()
    (tmp_path / "x.onnx").write_bytes(whole[: int(kept * len(whole))])
    assert "not an ONNX file, or a damaged one" in refusal(inspect_onnx, tmp_path / "x.onnx")


@pytest.mark.parametrize(
    "change, shown",
    [
        (
            {"shape": ("batch", 3, 128, 256)},
            r"input image is \[batch, 3, 128, 256\], not \[N, 3.*Height and width are swap",
        ),
        ({"shape": ("batch", 256, 128, 3)}, r"input image is \[batch, 256, 128, 3\].*The colours come last"),
        ({"shape": ("batch", 3, 384, 128), "name": "x"}, r"input x is \[batch, 3, 384, 128\].*images of this size"),
        ({"shape": (None, "c", 256, 128)}, r"input image is \[\?, c, 256, 128\]"),
        ({"shape": (3, 256, 128)}, r"input image is \[3, 256, 128\]"),
        ({"shape": (0, 3, 256, 128)}, r"its batch is 0 at the input"),
        ({"shape": (4, 3, 256, 128), "out_shape": (8, 512)}, r"its batch is 4 at the input and 8 at the output"),
        ({"out_shape": ("batch", 751), "output": "y"}, r"output y is \[batch, 751\].*without its classifier"),
        ({"out_shape": ("batch", 512, 1, 1)}, r"output feature is \[batch, 512, 1, 1\].*Flatten"),
        ({"dtype": TensorProto.FLOAT16}, "input image is float16, not float.*float32 inputs"),
        ({"dtype": TensorProto.UINT8}, "input image is uint8, not float"),
        ({"inputs": 2}, r"2 inputs \(image, image1\), not one"),
    ],
)
def test_another_network_is_told_by_the_part_that_does_not_fit(tmp_path, change, shown):
    path = tiny(tmp_path / "x.onnx", **change)
    assert inspect_onnx(path).path == path  # shown when nobody asked for an OSNet
    message = refusal(inspect_onnx, path, expect_osnet=True)
    assert message.startswith(f"{path}: not an OSNet of this study: it") and message.endswith(
        "as osnet export writes it."
    )
    assert re.search(shown, message)


@pytest.mark.parametrize(
    "change, batch_size",
    [
        ({}, None),
        ({"shape": ("-1", 3, 256, 128)}, None),  # the name that the guide's own script gives
        ({"shape": (None, 3, 256, 128)}, None),
        ({"shape": (16, 3, 256, 128), "out_shape": (16, 512)}, 16),
        ({"weights_as_inputs": True}, None),  # IR version 3 and the guide's old onnx list them so
        ({"name": "images", "output": "output"}, None),
        ({"name": "input.1", "output": "1234"}, None),
        ({"name": "input", "output": "embedding", "shape": (1, 3, 256, 128), "out_shape": (1, 512)}, 1),
        ({"shape": (8, 3, 256, 128), "out_shape": ("batch", 512)}, 8),
    ],
)
def test_files_of_others_that_fit(tmp_path, change, batch_size):
    found = inspect_onnx(tiny(tmp_path / "X.ONNX", **change), expect_osnet=True)
    assert found.batch_size == batch_size and found.metadata == {}
    assert (found.input_name, found.output_name) == (change.get("name", "image"), change.get("output", "feature"))


def renamed(path):
    """The network with the names of another exporter."""
    model = onnx.load(onnx_path())
    for node in model.graph.node:
        node.input[:] = ["images" if name == "image" else name for name in node.input]
        node.output[:] = ["output" if name == "feature" else name for name in node.output]
    model.graph.input[0].name, model.graph.output[0].name = "images", "output"
    onnx.save(model, path)
    return path


def test_other_names_run_and_are_simplified(tmp_path):
    made = simplify_onnx(renamed(tmp_path / "x.onnx"), tmp_path / "y.onnx", 2)
    assert (made.input_name, made.output_name, made.batch_size) == ("images", "output", 2)
    with open_session(onnx_path(), threads=1) as ours, open_session(made.path, threads=1) as theirs:
        assert theirs.describe()["input"] == "images" and theirs.describe()["output"] == "output"
        assert np.abs(ours.run(images(2)) - theirs.run(images(2))).max() < 1e-4


def follow(message, folder, monkeypatch) -> None:
    """Run the python -c of a cure, in this process: starting one takes seconds."""
    monkeypatch.chdir(folder)
    exec(re.search(r'python -c "(.*)"', message)[1], {})


def test_two_outputs_and_their_cure(tmp_path, monkeypatch):
    model = onnx.load(onnx_path())
    model.graph.output.append(helper.make_tensor_value_info(model.graph.node[0].output[0], TensorProto.FLOAT, None))
    onnx.save(model, tmp_path / "x.onnx")
    message = refusal(inspect_onnx, tmp_path / "x.onnx", expect_osnet=True)
    assert re.search(r"it has 2 outputs \(feature, \S+\), not one", message)
    follow(message, tmp_path, monkeypatch)
    assert inspect_onnx(tmp_path / "x_one.onnx", expect_osnet=True).output_name == "feature"


def test_a_newer_ir_version_and_its_cure(tmp_path, monkeypatch):
    model = onnx.load(onnx_path())
    model.ir_version = 99
    onnx.save(model, tmp_path / "x.onnx")
    message = refusal(inspect_onnx, tmp_path / "x.onnx")
    assert f"has IR version 99, and the onnx installed here ({onnx.__version__}) knows up to" in message
    follow(message, tmp_path, monkeypatch)
    assert inspect_onnx(tmp_path / "lower.onnx", expect_osnet=True).ir_version == 8


@pytest.mark.parametrize(
    "content, words", [(b"<html><title>Sign in</title>", "a web page"), (None, "a PyTorch checkpoint")]
)
def test_another_kind_of_file_is_told_for_what_it_is(tmp_path, content, words):
    (tmp_path / "x.onnx").write_bytes(content or checkpoint_path().read_bytes())
    assert re.search(f"not an ONNX file, or a damaged one: it is {words}", refusal(inspect_onnx, tmp_path / "x.onnx"))


@pytest.mark.parametrize("change, words", [({"opsets": (11, 12)}, "2 opsets|damaged"), ({"inputs": 0}, "0 inputs")])
def test_graphs_that_cannot_be_used(tmp_path, change, words):
    assert re.search(words, refusal(inspect_onnx, tiny(tmp_path / "x.onnx", **change)))


def test_weights_in_another_file_and_the_cure(tmp_path, monkeypatch):
    model = onnx.load(onnx_path())
    onnx.save_model(model, tmp_path / "x.onnx", save_as_external_data=True, location="x.data", size_threshold=0)
    message = refusal(inspect_onnx, tmp_path / "x.onnx")
    assert re.search(r"keeps \d+ tensors in another file \(x\.data\)", message)
    follow(message, tmp_path, monkeypatch)
    assert inspect_onnx(tmp_path / "x_whole.onnx", expect_osnet=True).nodes == inspect_onnx(onnx_path()).nodes
    (tmp_path / "x.data").unlink()
    assert "x.data, which is not beside it" in refusal(inspect_onnx, tmp_path / "x.onnx")
