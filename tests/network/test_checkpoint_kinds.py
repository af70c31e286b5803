"""What people have for checkpoints: each kind with several members, loaded or told for what it is.

The kinds are those of the field; the files are made here from random weights.
"""

from __future__ import annotations

import argparse
import bz2
import collections
import datetime
import gzip
import io
import json
import lzma
import os
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import types
import warnings
import zipfile
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from helpers import networks
from osnet_lib.errors import CheckpointError
from osnet_lib.network.checkpoint import CheckpointWarning, load_checkpoint
from osnet_lib.network.osnet import build_model

LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.fixture(scope="module")
def weights():
    return networks.state_dict()


def prefixed(prefix, tensors):
    return collections.OrderedDict((prefix + name, value) for name, value in tensors.items())


def other(tensors):
    """The same network, trained on."""
    return {name: value + 1 if value.is_floating_point() else value for name, value in tensors.items()}


def load(path, key=None):
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        return load_checkpoint(path, key)


def same(loaded, tensors) -> bool:
    held = loaded.model.state_dict()
    return all(torch.equal(held[n], v.to(held[n].dtype)) for n, v in tensors.items() if not n.startswith("classifier."))


refusal = networks.refused_checkpoint


# ---- prefixes and wrappers ------------------------------------------------------------------------------------------

PREFIXES = [
    *("module.", "module.module.", "model.", "model.module.", "backbone.", "base.", "net.", "_orig_mod.", "network."),
    *("encoder.", "student.", "feature_extractor.", "reid_model.backbone.", "module._orig_mod.", "_orig_mod.module."),
    *("_fsdp_wrapped_module.", "model.0.", "osnet_x1_0.", "0."),
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_common_prefix_is_dropped_and_named(tmp_path, weights, prefix):
    torch.save({"state_dict": prefixed(prefix, weights)}, tmp_path / "w.pth")
    loaded = load(tmp_path / "w.pth")
    assert same(loaded, weights) and loaded.classes == 751
    assert loaded.origin == {"key": "state_dict", "prefix_dropped": prefix} and loaded.describe()["key"] == "state_dict"


WRAPPERS = [
    ("model", lambda w: {"model": w, "iteration": 1, "optimizer": {"state": {}, "param_groups": [{"lr": 0.1}]}}),
    ("net", lambda w: {"net": w, "acc": 90.0, "epoch": 3}),
    ("model_state_dict", lambda w: {"model_state_dict": w, "loss": 0.1}),
    ("weights", lambda w: {"weights": w}),
    ("module", lambda w: {"module": w, "ds_config": {"zero": 1}, "global_steps": 5, "optimizer": None}),  # DeepSpeed
    ("state.model", lambda w: {"state": {"model": w, "epoch": 3}}),
    ("a.b.c.d.e", lambda w: {"a": {"b": {"c": {"d": {"e": w}}}}}),
    ("0", lambda w: [w, {"epoch": 3}]),
    ("1.net", lambda w: (3, {"net": w})),
    ("models.0", lambda w: {"models": [w]}),
    ("model", lambda w: {"model": w, "state_dict": {k: v.clone() for k, v in w.items()}}),  # twice the same
]


@pytest.mark.parametrize("key, wrap", WRAPPERS)
def test_a_network_at_any_depth(tmp_path, weights, key, wrap):
    torch.save(wrap(weights), tmp_path / "checkpoint.bin")
    loaded = load(tmp_path / "checkpoint.bin")
    assert same(loaded, weights) and loaded.origin == {"key": key} and loaded.key == key


def test_a_checkpoint_of_lightning(tmp_path, weights):
    torch.save(
        {
            "epoch": 3,
            "pytorch-lightning_version": "2.1",
            "state_dict": prefixed("model.", weights),
            "callbacks": {"ModelCheckpoint{'monitor': None}": {"best_model_path": "x", "dirpath": Path("log")}},
            "hyper_parameters": {"lr": 1e-3, "args": argparse.Namespace(lr=1)},
        },
        tmp_path / "last.ckpt",
    )
    assert load(tmp_path / "last.ckpt").origin == {"key": "state_dict", "prefix_dropped": "model."}


# ---- several networks -----------------------------------------------------------------------------------------------

SEVERAL = [
    (("model", "ema"), lambda w: {"model": w, "ema": other(w)}),
    (("state_dict", "state_dict_ema"), lambda w: {"state_dict": w, "state_dict_ema": other(w), "epoch": 1}),
    (("model", "ema.module"), lambda w: {**prefixed("model.", w), **prefixed("ema.module.", other(w))}),
    (
        ("state_dict.model", "state_dict.ema_model"),
        lambda w: {"state_dict": {**prefixed("model.", w), **prefixed("ema_model.", other(w))}},
    ),
    ((".", "ema"), lambda w: {**w, **prefixed("ema.", other(w))}),
    (
        ("student", "teacher"),
        lambda w: {"student": prefixed("module.", w), "teacher": prefixed("module.", other(w))},
    ),
]


@pytest.mark.parametrize("keys, make", SEVERAL)
def test_several_networks_refuse_and_the_key_chooses(tmp_path, weights, keys, make):
    path = tmp_path / "w.pth"
    torch.save(make(weights), path)
    error = refusal(path)
    assert error.what == f"holds 2 networks that differ: {', '.join(keys)}" and f"--key {keys[1]}" in error.cure
    first, second = (load(path, key) for key in keys)
    assert same(first, weights) and same(second, other(weights)) and second.key == keys[1] == second.origin["key"]
    with pytest.raises(CheckpointError, match=re.escape(f"no network under the key 'x'. Choose one of: {keys[0]}, ")):
        load_checkpoint(path, "x")


def test_a_key_where_there_is_one_network(tmp_path, weights):
    torch.save({"model": weights}, tmp_path / "w.pth")
    assert same(load(tmp_path / "w.pth", "model"), weights)
    with pytest.raises(CheckpointError, match="Leave the key out: it holds one network, at model"):
        load_checkpoint(tmp_path / "w.pth", "ema")


# ---- what lies beside -----------------------------------------------------------------------------------------------

BESIDE = [
    ({"total_ops": torch.tensor([1.0]), "conv1.total_params": torch.tensor([0.0])}, "total_ops, conv1.total_params"),
    ({"n_averaged": torch.tensor(3)}, "n_averaged"),
    ({"pixel_mean": torch.zeros(1, 3, 1, 1), "pixel_std": torch.ones(3)}, "pixel_mean, pixel_std"),
    ({"normalize.mean": torch.tensor([0.485, 0.456, 0.406])}, "normalize.mean"),
    ({"pixel_mean": torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)}, "pixel_mean"),
    ({"epoch": 3, "arch": "osnet", "optimizer": {"lr": 1}}, "epoch, arch, optimizer"),
    ({f"c{i}.total_ops": torch.ones(1) for i in range(5)}, "c0.total_ops, c1.total_ops, c2.total_ops, c3.total_ops and 1 more"),  # noqa: E501
]  # fmt: skip


@pytest.mark.parametrize("prefix", ["", "backbone."])
@pytest.mark.parametrize("extra, words", BESIDE)
def test_counters_and_normalisation_are_ignored_and_named(tmp_path, weights, extra, words, prefix):
    torch.save({**prefixed(prefix, weights), **extra}, tmp_path / "w.pth")
    loaded = load(tmp_path / "w.pth")
    assert same(loaded, weights) and loaded.describe()["ignored"] == words


@pytest.mark.parametrize("name, value", [("pixel_mean", [0.5, 0.5, 0.5]), ("norm.std", [127.5, 127.5, 127.5])])
def test_another_normalisation_is_warned_of(tmp_path, weights, name, value):
    torch.save({**weights, name: torch.tensor(value)}, tmp_path / "w.pth")
    with pytest.warns(CheckpointWarning, match=rf"{name} is \[.*another way than .*ImageNet"):
        load_checkpoint(tmp_path / "w.pth")


def norm(name):
    return {f"{name}.{part}": torch.zeros(512) for part in ("weight", "bias", "running_mean", "running_var")}


LAYERS = [
    ("", norm("bottleneck"), "4 unexpected: bottleneck."),
    ("backbone.", norm("heads.bottleneck.0"), "4 unexpected: heads.bottleneck.0."),
    ("backbone.", norm("backbone.bnneck"), "4 unexpected: bnneck."),
    ("model.", {"center_loss.centers": torch.zeros(751, 512)}, "1 unexpected: center_loss.centers"),
    ("", {"pool.p": torch.tensor([3.0])}, "1 unexpected: pool.p"),
    ("", {"total_ops": torch.zeros(9)}, "1 unexpected: total_ops"),
    ("", {"mean": torch.zeros(512)}, "1 unexpected: mean"),
    ("net.", {"fc.0.weight": torch.zeros(512, 128)}, "1 unexpected: fc.0.weight"),
]


@pytest.mark.parametrize("form", ["w.pth", "w.safetensors"])
@pytest.mark.parametrize("prefix, layer, words", LAYERS)
def test_another_layer_refuses_and_the_cure_saves_the_rest(tmp_path, monkeypatch, weights, prefix, layer, words, form):
    path = tmp_path / form
    content = {**prefixed(prefix, weights), **layer}
    if form == "w.pth":
        torch.save({"model": content}, path)
    else:
        save_file(content, path)
    error = refusal(path)
    assert error.what.startswith(f"holds a whole osnet_x0_25 and {words}")
    follow(error.cure, tmp_path, monkeypatch)
    assert same(load(tmp_path / "weights.pth"), weights)


def follow(cure, folder, monkeypatch) -> None:
    """Run the python -c of a cure, in this process: starting one takes seconds."""
    monkeypatch.chdir(folder)
    code = re.search(r'python -c "(.*)"', cure) or re.search(r"python -c '(.*)'", cure)
    exec(code[1].replace("'\"'\"'", "'"), {})


@pytest.mark.parametrize(
    "change, words",
    [
        ({"fc.0.weight": torch.zeros(512, 128, dtype=torch.int8)}, "1 of another type: fc.0.weight int8"),
        ({"fc.0.weight": torch.zeros(512, 128, dtype=torch.complex64)}, "1 of another type: fc.0.weight complex64"),
        ({"fc.0.weight": torch.zeros(512, 128).to_sparse()}, "1 of another type: fc.0.weight float32"),
        ({"fc.0.bias": torch.full((512,), 1e300, dtype=torch.float64)}, "1 non-finite: fc.0.bias"),
        ({"fc.0.bias": [1.0]}, "entry 'fc.0.bias' is a list, not a tensor"),
    ],
)
def test_the_check_of_tensors_stays_strict(tmp_path, weights, change, words):
    torch.save({"model": {**weights, **change}}, tmp_path / "w.pth")
    assert words in refusal(tmp_path / "w.pth").what


# ---- training states, pickle protocols, suffixes --------------------------------------------------------------------


def adam():
    network = torch.nn.Linear(2, 2)
    optimizer = torch.optim.Adam(network.parameters(), amsgrad=True)
    network(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return optimizer


STATES = {
    "optimizer": lambda: {"optimizer": adam().state_dict()},
    "a whole optimizer": lambda: {"optimizer": adam()},
    "scheduler": lambda: {"scheduler": torch.optim.lr_scheduler.LambdaLR(adam(), lambda at: 0.9**at).state_dict()},
    "Namespace": lambda: {"args": argparse.Namespace(lr=0.1, nested=argparse.Namespace(a=1))},
    "SimpleNamespace": lambda: {"args": types.SimpleNamespace(lr=0.1)},
    "paths": lambda: {"dir": Path("log"), "more": [PurePosixPath("a"), PureWindowsPath("b")]},
    "dates": lambda: {"time": datetime.datetime(2024, 1, 1), "took": datetime.timedelta(hours=1)},
    "numpy": lambda: {"rank1": np.float32(0.9), "cmc": np.linspace(0, 1, 20), "ids": np.arange(5, dtype=np.uint8)},
    "sets": lambda: {"seen": {1, 2}, "frozen": frozenset({3})},
    "defaultdict": lambda: {"log": collections.defaultdict(list, loss=[0.1]), "count": collections.Counter("aab")},
    "bytes": lambda: {"rng": b"\x00\xff" * 300, "big": 1 << 100, "array": bytearray(b"abc"), "complex": 1j},
    "names": lambda: {"long": "x" * 300, "ünï": "ö\ud800", "none": None, "true": True, "float": 1e-300},
}  # fmt: skip


@pytest.mark.parametrize("state", STATES)
def test_training_states(tmp_path, weights, state):
    torch.save(
        {"state_dict": weights, "epoch": 60, **STATES[state]()}, tmp_path / "model.pth.tar-60", pickle_protocol=4
    )
    assert same(load(tmp_path / "model.pth.tar-60"), weights)


@pytest.mark.parametrize("options", [{"pickle_protocol": p} for p in (2, 3, 4, 5)] + [{**LEGACY, "pickle_protocol": 4}])
def test_all_of_them_in_every_protocol(tmp_path, weights, options):
    states = {name: make() for name, make in STATES.items()}
    torch.save({"state_dict": weights, "epoch": 60, **states}, tmp_path / "model.pth.tar-60", **options)
    assert same(load(tmp_path / "model.pth.tar-60"), weights)


def test_weights_as_numpy_arrays(tmp_path, weights):
    for protocol in (2, 5):
        torch.save({k: v.numpy() for k, v in weights.items()}, tmp_path / "w.pth", pickle_protocol=protocol)
        assert same(load(tmp_path / "w.pth"), weights)


@pytest.mark.parametrize("file", ["w.t7", "w.ckpt", "w.bin", "w.PTH", "w.onnx", "w.om", "w.npz", "w", "W.SAFETENSORS"])
def test_a_suffix_says_nothing(tmp_path, weights, file):
    for write in (lambda path: torch.save(weights, path), lambda path: save_file(weights, path)):
        write(tmp_path / file)
        assert same(load(tmp_path / file), weights)


class Code:
    """Makes a folder when it is unpickled without care."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


class Settings:
    pass


@pytest.mark.parametrize("options", [{"pickle_protocol": p} for p in (2, 3, 4, 5)] + [{**LEGACY, "pickle_protocol": 5}])
@pytest.mark.parametrize("make", [Code, lambda _: Settings(), lambda _: build_model("osnet_x0_25"), lambda _: os.mkdir])
def test_no_code_runs_in_any_protocol(tmp_path, weights, options, make):
    target = tmp_path / "made"
    torch.save({"state_dict": weights, "extra": make(target)}, tmp_path / "w.pth", **options)
    error = refusal(tmp_path / "w.pth")
    assert re.search(r"pickle wants to run code( and|.*(mkdir|Settings))", error.what) and not target.exists()


def test_a_name_with_a_line_break_smuggles_nothing(tmp_path, weights):
    """A global whose name would become another operation in protocol 2."""
    path, buffer = tmp_path / "w.pth", io.BytesIO()
    torch.save(weights, buffer, pickle_protocol=4)
    evil = b"\x80\x04\x8c\x05torch\x8c\x0cSize\ncos\nabc\x93."
    with zipfile.ZipFile(buffer) as source, zipfile.ZipFile(path, "w") as target:
        for name in source.namelist():
            target.writestr(name, evil if name.endswith("data.pkl") else source.read(name))
    assert "unprintable name" in refusal(path).what


# ---- what is no checkpoint ------------------------------------------------------------------------------------------


def in_zip(folder, weights):
    torch.save(weights, folder / "inner.pth")
    with zipfile.ZipFile(folder / "w.pth", "w") as archive:
        archive.write(folder / "inner.pth", "inner.pth")
        archive.writestr("readme.txt", "hello")


def in_tar(folder, weights):
    torch.save(weights, folder / "inner.pth")
    with tarfile.open(folder / "w.pth", "w") as archive:
        archive.add(folder / "inner.pth", "inner.pth")


def compressed(pack):
    def write(folder, weights):
        buffer = io.BytesIO()
        torch.save(weights, buffer)
        (folder / "w.pth").write_bytes(pack(buffer.getvalue()))

    return write


def traced(folder, weights):
    model = build_model("osnet_x0_25")
    model.load_state_dict({k: v for k, v in weights.items() if not k.startswith("classifier.")})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, torch.ones(1, 3, 32, 32), check_trace=False), folder / "w.pth")


def features(folder, _weights):
    with open(folder / "w.pth", "wb") as stream:
        np.savez(stream, features=np.zeros((2, 512)), names=["a", "b"])


def array(folder, _weights):
    with open(folder / "w.pth", "wb") as stream:
        np.save(stream, np.zeros(3))


def dumped(folder, weights):
    (folder / "w.pth").write_bytes(pickle.dumps({k: v.numpy() for k, v in weights.items()}))


def data_pkl(folder, weights):
    torch.save({"state_dict": weights, "args": argparse.Namespace()}, folder / "whole.pth")
    with zipfile.ZipFile(folder / "whole.pth") as archive:
        (folder / "w.pth").write_bytes(archive.read("whole/data.pkl"))


def onnx(folder, _weights):
    shutil.copy(networks.onnx_path(), folder / "w.pth")


LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"0" * 64 + b"\nsize 9331049\n"
NOT_CHECKPOINTS = {
    "an HTML quota page": (
        b"<!DOCTYPE html><html><head><title>Google Drive - Quota exceeded</title>",
        r"web page \(Google Drive - Quota exceeded\)",
        "browser",
    ),
    "an HTML page with a BOM": (b"\xef\xbb\xbf\r\n<HTML><body>Virus scan warning</body>", "a web page", "browser"),
    "an HTML page with a comment": (b"<!-- a\n --><html><meta charset=x>", "a web page", "browser"),
    "an XML message": (
        b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
        "an XML message .*AccessDenied",
        "again",
    ),
    "a JSON message": (b'{"message": "Not Found"}', r"a JSON text .*Not Found", "again"),
    "a long JSON text": (json.dumps([{"name": "x" * 90}] * 90).encode(), "a JSON text", "again"),
    "plain text": (b"Moved Permanently", r"plain text \(Moved Permanently\)", "again"),
    "a git-lfs pointer": (LFS, "a git-lfs pointer to a file of 9,331,049 bytes", "git lfs pull"),
    "a git-lfs pointer with CRLF": (
        LFS.replace(b"\n", b"\r\n"),
        "a git-lfs pointer to a file of 9,331,049",
        "git lfs pull",
    ),
    "zeros": (bytes(5000), "filled with zeros", "Download"),
    "a JPEG image": (b"\xff\xd8\xff\xe0\x00\x10JFIF", "a JPEG image", "model"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "PyTorch"),
    "RAR": (b"Rar!\x1a\x07\x00", "a RAR archive", "unrar x w.pth"),
    "7z": (b"7z\xbc\xaf\x27\x1c", "a 7z archive", "7z x w.pth"),
    "zstd": (b"\x28\xb5\x2f\xfdxx", "compressed by zstd", "zstd -dc w.pth"),
    "an OM": (b"IMOD" + bytes(20) + b"x", "an Ascend OM", "osnet infer"),
    "Lua's Torch7": (b"\x04\0\0\0\x01\0\0\0\x03\0\0\0V 1", "Torch7", "PyTorch"),
    "a pickle of arrays": (dumped, "written by pickle.dump", "python -c"),
    "a bare data.pkl": (data_pkl, "only the data.pkl", "zipfile -c"),
    "TorchScript": (traced, "a TorchScript program", "python -c"),
    "a zip around a checkpoint": (in_zip, r"a zip archive around inner\.pth, readme\.txt", "zipfile -e w.pth FOLDER"),
    "a tar around a checkpoint": (in_tar, r"a tar archive around inner\.pth", "tar -xf w.pth"),
    "gzip": (compressed(gzip.compress), "compressed by gzip", "gzip -dc w.pth > OUT"),
    "bzip2": (compressed(bz2.compress), "compressed by bzip2", "bzip2 -dc w.pth > OUT"),
    "xz": (compressed(lambda content: lzma.compress(content, preset=0)), "compressed by xz", "xz -dc w.pth > OUT"),
    "features (.npz)": (features, r"a numpy archive \(\.npz\) of features, names", "osnet evaluate"),
    "an array (.npy)": (array, r"a numpy array \(\.npy\)", "torch.save"),
    "ONNX": (onnx, "an ONNX file", "needs no export"),
}


@pytest.mark.parametrize("kind", NOT_CHECKPOINTS)
def test_what_is_no_checkpoint_is_told_for_what_it_is(tmp_path, weights, kind):
    make, what, cure = NOT_CHECKPOINTS[kind]
    if callable(make):
        make(tmp_path, weights)
    else:
        (tmp_path / "w.pth").write_bytes(make)
    error = refusal(tmp_path / "w.pth")
    assert re.search(what, error.what) and cure in error.cure and "holds no tensors" not in str(error)


@pytest.mark.parametrize("make, made", [(traced, "weights.pth"), (dumped, "weights.pth")])
def test_a_cure_in_python_works(tmp_path, monkeypatch, weights, make, made):
    make(tmp_path, weights)
    follow(refusal(tmp_path / "w.pth").cure, tmp_path, monkeypatch)
    assert same(load(tmp_path / made), {k: v for k, v in weights.items() if not k.startswith("classifier.")})


@pytest.mark.parametrize(
    "kind, made",
    [
        ("gzip", "OUT"),
        ("bzip2", "OUT"),
        ("xz", "OUT"),
        ("a tar around a checkpoint", "inner.pth"),
        ("a zip around a checkpoint", "FOLDER/inner.pth"),
    ],
)
def test_a_cure_in_the_shell_works(tmp_path, weights, kind, made):
    NOT_CHECKPOINTS[kind][0](tmp_path, weights)
    (tmp_path / "inner.pth").unlink(missing_ok=True)
    command = refusal(tmp_path / "w.pth").cure.partition(": ")[2].replace("python ", f"{sys.executable} ")
    program = command.split()[0]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    assert same(load(tmp_path / made), weights)


def test_an_unpacked_checkpoint_and_its_cure(tmp_path, weights):
    """As a browser or a file manager leaves it: given as the folder in it or as the one around."""
    torch.save(weights, tmp_path / "w.pth")
    with zipfile.ZipFile(tmp_path / "w.pth") as archive:
        archive.extractall(tmp_path / "around")
    assert same(load(tmp_path / "w.pth"), weights)
    for folder in (tmp_path / "around" / "w", tmp_path / "around"):
        error = refusal(folder)
        assert "unpacked into a folder (w/data.pkl)" in error.what
    command = error.cure.partition(": ")[2].replace("python ", f"{sys.executable} ")
    subprocess.run(["sh", "-c", command], check=True)
    assert same(load(tmp_path / "around" / "w.pth"), weights)


@pytest.mark.parametrize(
    "content, words",
    [
        ({}, "holds no tensors, so it is no checkpoint"),
        ({"epoch": 3, "acc": 0.5}, "holds no tensors, only epoch, acc"),
        ([1, 2], "holds no tensors by name, but a list"),
        (torch.zeros(3), "is a single tensor of shape [3]"),
        ({"model": {"layer1.weight": torch.zeros(3)}}, "not an OSNet: .*it holds model.layer1.weight"),
        ({"optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}}}, "it holds optimizer.state.0.exp_avg"),
    ],
)
def test_no_tensors_is_said_only_where_there_are_none(tmp_path, content, words):
    torch.save(content, tmp_path / "w.pth")
    what = refusal(tmp_path / "w.pth").what
    assert words in what or re.search(words, what)
    assert ("holds no tensors" in what) == ("holds no tensors" in words)


def test_a_whole_network_and_its_cure(tmp_path, monkeypatch, weights):
    model = build_model("osnet_x0_25")
    model.load_state_dict({k: v for k, v in weights.items() if not k.startswith("classifier.")})
    torch.save(model, tmp_path / "w.pth")
    error = refusal(tmp_path / "w.pth")
    assert "a whole network was pickled (osnet_lib.network.osnet.OSNet)" in error.what
    follow(error.cure, tmp_path, monkeypatch)
    assert same(load(tmp_path / "weights.pth"), model.state_dict())


ODD = {
    "meta": lambda t: t.to("meta"),
    "quantised": lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.qint8),
    "nested": lambda t: torch.nested.nested_tensor([t, t]),
    "sparse": lambda t: t.to_sparse(),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ODD)
@pytest.mark.parametrize("name", ["conv1.conv.weight", "fc.0.bias", "conv1.bn.num_batches_tracked"])
def test_tensors_without_plain_numbers_are_refused_by_name(small_weights, tmp_path, kind, name):
    tensors = torch.load(small_weights, weights_only=True)
    tensors[name] = ODD[kind](tensors[name].float())
    for held in (tensors, {"model": tensors, "ema": dict(tensors)}):
        torch.save(held, tmp_path / "x.pth")
        with pytest.raises(CheckpointError, match=rf"^.*x\.pth: .*({name}|networks that differ)") as caught:
            load_checkpoint(tmp_path / "x.pth")
        assert "\n" not in str(caught.value)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["meta", "quantised", "sparse"])
def test_means_of_pixels_without_plain_numbers_say_nothing(small_weights, tmp_path, kind):
    tensors = torch.load(small_weights, weights_only=True)
    torch.save({**tensors, "pixel_mean": ODD[kind](torch.ones(3))}, tmp_path / "x.pth")
    assert load_checkpoint(tmp_path / "x.pth").architecture == "osnet_x0_25"
