"""Every form of checkpoint that loads, and every one that is refused, with file and cure in the message."""

from __future__ import annotations

import os
import pickle
import re
import warnings
import zipfile

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings, strategies as st
from safetensors.torch import save_file

from helpers.networks import checkpoint_path, images, refused_checkpoint, state_dict
from osnet_lib.core.files import sha256
from osnet_lib.errors import CheckpointError
from osnet_lib.network.checkpoint import CheckpointWarning, load_checkpoint, recognise
from osnet_lib.network.osnet import ARCHITECTURES, build_model

NAME = "osnet_x0_25"
quick = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def save(content, path, **options):
    if path.suffix == ".safetensors":
        save_file(content, path)
    else:
        torch.save(content, path, **options)
    return path


def refusal(path) -> str:
    return str(refused_checkpoint(path))


def same_weights(model, tensors) -> bool:
    loaded = model.state_dict()
    return all(torch.equal(loaded[k], v) for k, v in tensors.items() if not k.startswith("classifier."))


# ---- what loads -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["w.pth", "w.pt", "w.pth.tar", "model.pth.tar-60", "w.safetensors", "no_suffix"])
def test_files(tmp_path, file):
    path = save(state_dict(), tmp_path / file)
    loaded = load_checkpoint(path)
    assert (loaded.path, loaded.architecture, loaded.classes, loaded.sha256) == (path, NAME, 751, sha256(path))
    assert same_weights(loaded.model, state_dict())
    assert not loaded.model.training and loaded.model.classifier is None


@given(
    nested=st.booleans(),
    prefix=st.sampled_from(["", "module."]),
    legacy=st.booleans(),
    half=st.booleans(),
    counters=st.booleans(),
    classes=st.sampled_from([0, 1, 702, 751, 1041, 4101]),
)
@quick
def test_wrappings(tmp_path, nested, prefix, legacy, half, counters, classes):
    tensors = {
        k: v for k, v in state_dict(classes=classes).items() if counters or not k.endswith("num_batches_tracked")
    }
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    content = {prefix + k: v for k, v in tensors.items()}
    if nested:
        content = {"state_dict": content, "epoch": 150, "optimizer": {"state": {}, "param_groups": [{"lr": 0.0015}]}}
    loaded = load_checkpoint(save(content, tmp_path / "w.pth.tar", _use_new_zipfile_serialization=not legacy))
    assert (loaded.architecture, loaded.classes) == (NAME, classes)
    assert same_weights(loaded.model, {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})
    assert next(loaded.model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.float64])
def test_floats_of_any_width(tmp_path, dtype):
    tensors = {k: v.to(dtype) if v.is_floating_point() else v for k, v in state_dict().items()}
    loaded = load_checkpoint(save(tensors, tmp_path / "w.pth"))
    assert same_weights(loaded.model, {k: v.float() if v.is_floating_point() else v for k, v in tensors.items()})


@pytest.mark.parametrize("rank1", [np.float64(0.94), np.float32(0.94), np.int64(94)], ids=lambda v: type(v).__name__)
def test_training_state_of_torchreid(tmp_path, rank1):
    """Its trainer stores Rank-1 as a numpy scalar beside the weights."""
    path = save({"state_dict": state_dict(), "epoch": 60, "rank1": rank1}, tmp_path / "model.pth.tar-60")
    assert same_weights(load_checkpoint(path).model, state_dict())


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_recognised_from_the_tensors(tmp_path, name):
    path = save(build_model(name, seed=0).state_dict(), tmp_path / "osnet_x0_5_certainly.pt")
    loaded = load_checkpoint(path)
    assert loaded.architecture == name == loaded.model.architecture.name and loaded.classes == 0


@pytest.mark.parametrize(
    "classes, words",
    [
        (0, "no classifier"),
        (751, "Market-1501"),
        (702, "DukeMTMC"),
        (1041, "MSMT17"),
        (4101, "MSMT17"),
        (33, "33 identities"),
    ],
)
def test_says_what_it_was_trained_on(tmp_path, classes, words):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loaded = load_checkpoint(save(state_dict(classes=classes), tmp_path / "w.pt"))
    assert words in loaded.trained_on
    assert loaded.describe() == {
        "file": "w.pt",
        "sha256": loaded.sha256,
        "architecture": NAME,
        "classes": classes,
        "trained_on": loaded.trained_on,
        "parameters": 201_864,
        "multiply_adds": 82_314_880,
    }


def test_imagenet_weights_load_with_a_warning(tmp_path):
    path = save(state_dict(classes=1000), tmp_path / "osnet_x0_25_imagenet.pth")
    with pytest.warns(CheckpointWarning, match="ImageNet only.*means nothing.*Use weights trained") as caught:
        loaded = load_checkpoint(path)
    assert str(path) in str(caught[0].message) and caught[0].filename == __file__
    assert loaded.classes == 1000 and loaded.imagenet and "ImageNet" in loaded.trained_on


def test_weights_that_were_never_trained(tmp_path):
    """A network as it is made; one norm that has seen a batch makes the difference, whichever statistic shows it."""
    fresh = build_model(NAME, 751, seed=0).state_dict()
    loaded = load_checkpoint(save(fresh, tmp_path / "w.pt"))
    assert "batch norms hold mean 0 and variance 1" in loaded.untrained and not loaded.imagenet
    for statistic in ("running_mean", "running_var"):
        seen = {**fresh, f"conv5.bn.{statistic}": fresh[f"conv5.bn.{statistic}"] + 1e-6}
        assert load_checkpoint(save(seen, tmp_path / "w.pt")).untrained == ""


def test_the_zoo_s_checkpoint(market_weights):
    loaded = load_checkpoint(market_weights)
    assert (loaded.architecture, loaded.classes) == (NAME, 751) and "Market-1501" in loaded.trained_on
    assert not loaded.untrained and not loaded.imagenet
    assert loaded.sha256 == "c0ff09177a21417a19bc73bbf5af4eb5d2b097c2074ed35e67819ee6cd93612c"
    stored = torch.load(market_weights, map_location="cpu", weights_only=True)
    assert len(stored) == 567 and same_weights(loaded.model, stored)
    with torch.inference_mode():
        features = loaded.model(torch.from_numpy(images(2)))
    assert features.shape == (2, 512) and features.isfinite().all() and (features[0] != features[1]).any()


# ---- what is refused ------------------------------------------------------------------------------------------------


class Code:
    """Runs a command when it is unpickled without care."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


@pytest.mark.parametrize(
    "write",
    [
        lambda content, path: torch.save(content, path),
        lambda content, path: torch.save(content, path, _use_new_zipfile_serialization=False),
        lambda content, path: path.write_bytes(pickle.dumps(content)),
    ],
    ids=["zip", "legacy", "bare pickle"],
)
@pytest.mark.parametrize("beside_weights", [False, True])
def test_a_pickle_that_holds_code(tmp_path, write, beside_weights):
    path, target = tmp_path / "w.pth", tmp_path / "made_by_the_pickle"
    write({"state_dict": state_dict(), "extra": Code(target)} if beside_weights else Code(target), path)
    assert re.search(r"(run code \(.*mkdir\)|may hold code).*state dict or a \.safetensors", refusal(path))
    assert not target.exists()


def test_a_whole_module(tmp_path):
    torch.save(build_model(NAME, seed=0), tmp_path / "w.pth")
    assert "osnet_lib.network.osnet.OSNet" in refusal(tmp_path / "w.pth")


def lacking(*names):
    return {k: v for k, v in state_dict().items() if k not in names}


@pytest.mark.parametrize(
    "tensors, words",
    [
        (lambda: lacking("conv5.bn.weight"), "1 missing: conv5.bn.weight"),
        (
            lambda: lacking(*list(state_dict())[10:20]),
            r"8 missing: (\S+, ){3}\S+ and 4 more",
        ),  # two of the ten are counters
        (lambda: {**state_dict(), "head.weight": torch.zeros(2)}, "1 unexpected: head.weight"),
        (
            lambda: {**lacking("fc.0.weight"), "fc.0.weight": torch.zeros(512, 64)},
            r"1 misshapen: fc.0.weight \(512, 64\) instead of \(512, 128\)",
        ),
        (
            lambda: {**state_dict(), "classifier.weight": torch.zeros(751, 9)},
            r"misshapen: classifier.weight \(751, 9\)",
        ),
        (lambda: {**state_dict(), "classifier.bias": torch.zeros(750)}, r"misshapen: classifier.bias \(750,\)"),
        (lambda: {**lacking("fc.0.bias"), "tail": torch.zeros(1)}, "1 missing: fc.0.bias; 1 unexpected: tail"),
        (lambda: {**state_dict(), "fc.0.bias": torch.full((512,), torch.nan)}, "1 non-finite: fc.0.bias"),
        (lambda: {**state_dict(), "conv2.0.IN.weight": torch.ones(64)}, "16 channels, variant ibn"),
        (
            lambda: {"layer1.0.conv1.weight": torch.zeros(64, 3, 7, 7)},
            "not an OSNet.*conv1.conv.weight.*layer1.0.conv1",
        ),
        (lambda: {**state_dict(), "conv1.conv.weight": torch.zeros(20, 3, 7, 7)}, "unknown width.*20 channels"),
        (lambda: {"conv1.conv.weight": torch.tensor(1.0)}, "not an OSNet"),
        (lambda: {"classifier.weight": torch.tensor(1.0), **lacking("classifier.weight")}, "classifier.weight"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_tensors_that_do_not_fit(tmp_path, tensors, words, suffix):
    assert re.search(words, refusal(save(tensors(), tmp_path / f"w{suffix}")))


@pytest.mark.parametrize(
    "content, words",
    [
        ({}, "holds no tensors"),
        ({"state_dict": {}}, "holds no tensors"),
        ([1, 2], "holds no tensors"),
        ({"epoch": 3, "acc": 0.5}, "holds no tensors"),
        ({"conv1.conv.weight": torch.zeros(16, 3, 7, 7), "epoch": 3}, "not an OSNet"),
    ],
)
def test_no_checkpoint_inside(tmp_path, content, words):
    assert words in refusal(save(content, tmp_path / "w.pt"))


@pytest.mark.parametrize("file", ["w.pth", "w.pt", "w.pth.tar", "w.safetensors"])
@pytest.mark.parametrize(
    "content, words",
    [
        (None, "no such checkpoint file"),
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><title>Google Drive - Quota exceeded</title>", "not a|truncated"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF" + bytes(range(256)), "not a|truncated"),
        (b"\x00" * 1000, "not a|truncated"),
        (b"PK\x03\x04 half a zip", "not a|truncated"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, file, content, words):
    if content is not None:
        (tmp_path / file).write_bytes(content)
    assert re.search(words, refusal(tmp_path / file))


def test_a_folder(tmp_path):
    assert "it is a folder" in refusal(tmp_path)


def test_a_zip_of_something_else(tmp_path):
    with zipfile.ZipFile(tmp_path / "w.pth", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert re.search("not a|truncated", refusal(tmp_path / "w.pth"))


FORMS = {"zip.pt": {}, "legacy.pt": {"_use_new_zipfile_serialization": False}, "tensors.safetensors": {}}


@pytest.mark.parametrize("file", FORMS)
@given(kept=st.floats(0, 1, exclude_max=True))
@quick
def test_truncated_anywhere(tmp_path, file, kept):
    whole = save(state_dict(), tmp_path / file, **FORMS[file]).read_bytes()
    (tmp_path / file).write_bytes(whole[: max(1, int(kept * len(whole)))])
    assert re.search("not a|truncated", refusal(tmp_path / file))


@pytest.mark.parametrize("file", FORMS)
@given(where=st.floats(0, 1, exclude_max=True), head=st.booleans(), bits=st.integers(1, 255))
@quick
def test_a_changed_byte_never_escapes_as_another_error(tmp_path, file, where, head, bits):
    content = bytearray(save(state_dict(), tmp_path / file, **FORMS[file]).read_bytes())
    content[int(where * (min(4096, len(content)) if head else len(content)))] ^= bits
    (tmp_path / file).write_bytes(content)
    try:
        assert load_checkpoint(tmp_path / file).architecture == NAME  # a changed weight is still a weight
    except CheckpointError as error:
        assert str(error).startswith(str(tmp_path / file))


def test_recognise_works_on_bare_tensors():
    assert recognise(state_dict()) is ARCHITECTURES[NAME]
    with pytest.raises(CheckpointError, match="^checkpoint: not an OSNet"):
        recognise({})


def test_loading_leaves_the_file_alone():
    before = checkpoint_path().stat().st_mtime_ns, sha256(checkpoint_path())
    load_checkpoint(checkpoint_path())
    assert (checkpoint_path().stat().st_mtime_ns, sha256(checkpoint_path())) == before
