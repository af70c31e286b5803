"""What reads models: checkpoints, ONNX files, OMs, AIPP files, cards, and what ATC prints."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import torch
from onnx import TensorProto, helper
from safetensors.torch import save

from fuzz.target import SMALL, Target, command, digest, put
from helpers.networks import state_dict
from helpers.npu import tiny_onnx
from osnet_lib.ascend.aipp import imagenet_aipp, read_aipp
from osnet_lib.ascend.atc_errors import parse_messages
from osnet_lib.ascend.om import read_network
from osnet_lib.conversion.export import simplify_onnx
from osnet_lib.conversion.interface import FEATURE_SHAPE, IMAGE_SHAPE
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.core.file_kind import file_kind
from osnet_lib.core.files import sha256
from osnet_lib.inference.session import open_session
from osnet_lib.inference.tuned import TunedEngine, tuning_path, write_tuning
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.report.models import card_table

_IMAGE = np.zeros((1, 3, 256, 128), np.float32)


def _network() -> dict[str, torch.Tensor]:
    """Without its classifier, which is most of the file and is not used."""
    return {name: value for name, value in state_dict().items() if not name.startswith("classifier.")}


def saved(content: object, **options) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, **options)
    return stream.getvalue()


def _packed(content: bytes) -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as held, zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as again:
        for name in held.namelist():
            again.writestr(zipfile.ZipInfo(name), held.read(name), zipfile.ZIP_DEFLATED)
    return whole.getvalue()


def zipped(_folder: Path) -> dict[str, bytes]:
    network = _network()
    plain = saved(network)
    trained = {"state_dict": {f"module.{name}": value for name, value in network.items()}, "epoch": 3, "rank1": 0.9}
    return {"plain": plain, "packed": _packed(plain), "protocol 4": saved(trained, pickle_protocol=4)}


def _loose(_folder: Path) -> dict[str, bytes]:
    """Without checksums."""
    network = _network()
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        without = saved(network)
    finally:
        torch.serialization.set_crc32_options(before)
    legacy = {"_use_new_zipfile_serialization": False}
    bare = {"a": torch.ones(3), "b": [np.arange(3), {"c"}, "d" * 40]}
    return {
        "legacy": saved(network, **legacy),
        "legacy, protocol 4": saved({"model": network, "lr": 0.1}, pickle_protocol=4, **legacy),
        "safetensors": save(network, {"format": "pt"}),
        "no CRC": without,
        "foreign: bare": pickle.dumps(bare, 4),
        "foreign: bare, protocol 2": pickle.dumps(bare, 2),
    }


def _load(data: bytes, folder: Path) -> str:
    found = load_checkpoint(put(folder, "weights.pth", data))
    assert repr(found) and found.describe()
    return digest(*(value.numpy().tobytes() for value in found.model.state_dict().values()))


def networks(_folder: Path) -> dict[str, bytes]:
    value = helper.make_tensor_value_info
    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Tile", ["mean", "times"], ["many"]),
        helper.make_node("Slice", ["many", "start", "end", "axis"], ["feature"]),
    ]
    numbers = {"times": [1, 171], "start": [0], "end": [512], "axis": [1]}
    graph = helper.make_graph(
        nodes,
        "small",
        [value("image", TensorProto.FLOAT, [1, 3, 256, 128])],
        [value("feature", TensorProto.FLOAT, [1, 512])],
        [helper.make_tensor(name, TensorProto.INT64, [len(held)], held) for name, held in numbers.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8)
    helper.set_model_props(model, {"architecture": "osnet_x0_25", "precision": "float32"})
    return {"small": model.SerializeToString(), "tiny": tiny_onnx()}


def _run(data: bytes, folder: Path) -> str:
    with open_session(put(folder, "network.onnx", data), "onnxruntime", threads=1) as session:
        return f"{session.facts} {session.run(_IMAGE).shape}"


def _simplify(data: bytes, folder: Path) -> str:
    return repr(simplify_onnx(put(folder, "network.onnx", data), folder / "simple.onnx", 1))


def _om_facts(_folder: Path) -> dict[str, bytes]:
    """What pyACL tells of an OM: whole numbers and lists of them, whatever the file says."""
    dims = {"acl.mdl.get_input_dims": [1, *IMAGE_SHAPE], "acl.mdl.get_output_dims": [1, *FEATURE_SHAPE]}
    numbers = {
        "acl.mdl.get_num_inputs": 1,
        "acl.mdl.get_num_outputs": 1,
        "acl.mdl.get_input_index_by_name": 1,
        "acl.mdl.get_input_data_type": 0,
        "acl.mdl.get_output_data_type": 0,
        "acl.mdl.get_input_size_by_index": 4 * 3 * 256 * 128,
        "acl.mdl.get_output_size_by_index": 4 * 512,
    }
    static = {**numbers, **dims, "acl.mdl.get_dynamic_batch": [1]}
    gears = {**static, "acl.mdl.get_num_inputs": 2}
    return {"static": json.dumps(static).encode(), "gears": json.dumps(gears).encode()}


def _read_om(data: bytes, folder: Path) -> str:
    whole = json.loads(_om_facts(folder)["static"])
    try:
        found = json.loads(data)
        facts = {**whole, **{name: found[name] for name in whole if name in found}}
    except (ValueError, TypeError, RecursionError):
        facts = whole

    def acl(call: str, *_arguments: object) -> object:
        told, like = facts[call], whole[call]
        if isinstance(like, int):
            return told if type(told) is int else -1
        numbers = [one for one in told if type(one) is int] if isinstance(told, list) else []
        return {"batch" if call.endswith("batch") else "dims": numbers}

    return repr(read_network(acl, 0, folder / "network.om"))


def _aipp(_folder: Path) -> dict[str, bytes]:
    ours = str(imagenet_aipp())
    return {"ours": ours.encode(), "naive": str(imagenet_aipp(split=False)).replace(": ", " : ").encode()}


def cards(folder: Path) -> dict[str, bytes]:
    weights = put(folder, "weights.safetensors", b"weights")
    scores = {"metric": "euclidean", "rank": {"1": 0.9}, "mAP": 0.7}
    data = {"name": "mini-market", "seed": 1, "train_images": 9, "train_identities": 3}
    card = {
        "sha256": sha256(weights),
        "warning": "for tests",
        "data": data | {"test_queries": 5, "test_gallery": 9},
        "recipe": {"epochs": 3, "rate": 0.01},
        "training": {"seconds": 60.0, "device": "cpu"},
        "result": scores,
        "untrained": scores,
    }
    return {"card": json.dumps(card).encode()}


def _kinds(folder: Path) -> dict[str, bytes]:
    texts = {
        "page": b"<!doctype html><title>Quota</title>",
        "lfs": b"version https://git-lfs.github.com/spec/v1\nsize 9",
    }
    return {**texts, "json": b'{"error": {"code": 404}}', **networks(folder), **zipped(folder)}


_ATC = b"""ATC start working now, please wait for a moment.
ATC run failed, Please check the detail log, Try 'atc --help' for more information
E10001: 2024-01-01-00:00:00.1 Value [Ascend9] for parameter [--soc_version] is invalid. Reason: unknown.
        Solution: Select a valid one.
        TraceBack (most recent call last):
        E10016: Opname [image] is not found
W11001: [PID: 7] Op [x] does not hit the high-priority operator information library.
"""


def _aipp_file(data: bytes, folder: Path) -> str:
    return repr(read_aipp(put(folder, "a.cfg", data)))


def _convert(data: bytes, folder: Path) -> str:
    model = put(folder, "network.onnx", networks(folder)["small"])
    aipp = put(folder, "a.cfg", data)
    return command("convert", model, folder / "out", "--soc-version", "Ascend310", "--aipp", aipp)


def _card_of(data: bytes, folder: Path) -> str:
    return str(card_table(put(folder, "weights.json", data).with_suffix(".safetensors")))


def _kind(data: bytes, folder: Path) -> str:
    return file_kind(put(folder, "file", data)).what


def _inspect(data: bytes, folder: Path) -> str:
    return repr(inspect_onnx(put(folder, "network.onnx", data), expect_osnet=True))


def _tunings(folder: Path) -> dict[str, bytes]:
    """What osnet tune keeps of a network."""
    model = put(folder, "network.onnx", networks(folder)["small"])
    choice = TunedEngine(model, sha256(model), "onnxruntime", "float32", 1)
    return {"tuned": write_tuning(model, choice, {"budget": 0.1}).read_bytes()}


def _tuned(data: bytes, folder: Path) -> str:
    """Open what was recommended."""
    model = folder / "network.onnx"
    tuning_path(model, sha256(model)).write_bytes(data)
    with open_session(model, backend="tuned") as session:
        return repr(session.facts)


def _messages(data: bytes, _folder: Path) -> str:
    return repr(parse_messages(data.decode("utf-8", "replace")))


TARGETS = (
    Target("checkpoint", zipped, _load, weight=3, checked=True),
    Target("checkpoint, packed again", zipped, _load, ("zip",), weight=2),
    Target("checkpoint without CRC", _loose, _load, weight=3),
    Target("kind of a file", _kinds, _kind),
    Target("ONNX", networks, _inspect),
    Target("ONNX session", networks, _run, weight=4),
    Target("simplify", networks, _simplify, weight=SMALL),
    Target("OM", _om_facts, _read_om, ("json",), weight=6),
    Target("file of osnet tune", _tunings, _tuned, ("json",), weight=4),
    Target("AIPP", _aipp, _aipp_file, ("text",)),
    Target("card", cards, _card_of, ("json",)),
    Target("ATC's words", lambda _folder: {"failed": _ATC}, _messages, ("text",)),
    Target("convert", _aipp, _convert, ("text",), weight=3),
)
