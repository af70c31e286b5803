"""A damaged checkpoint is refused as far as its format can tell, and where it cannot its conditions say so."""

from __future__ import annotations

import re
import shutil
import struct
import time
import tracemalloc
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from helpers.networks import refused_checkpoint, state_dict
from osnet_lib.core.files import sha256
from osnet_lib.errors import CheckpointError
from osnet_lib.network import weights
from osnet_lib.network.checkpoint import load_checkpoint
from osnet_lib.network.osnet import ARCHITECTURES, build_model
from osnet_lib.network.pickle_stream import translate
from osnet_lib.network.tensor_check import check_tensors
from osnet_lib.network.weights import MARKET1501, MINI, find_weights, is_known

LEGACY = {"_use_new_zipfile_serialization": False}


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("integrity") / "w.pth"
    torch.save(state_dict(), path)
    return path


def refusal(path) -> str:
    return str(refused_checkpoint(path))


def changed(**tensors) -> dict:
    """A network with one value in some tensors, written as ``conv1__bn__weight=value``."""
    held = state_dict()
    for name, value in tensors.items():
        held[name.replace("__", ".")].view(-1)[0] = value
    return held


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.7, 0.9])
@pytest.mark.parametrize("bit", [0, 6])
def test_one_flipped_bit_in_a_zip_is_seen(tmp_path, saved, share, bit):
    """Even the lowest of a weight, which no bound would show."""
    content = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        members = [info for info in archive.infolist() if info.file_size > 64]
    info = members[int(share * len(members))]
    start = info.header_offset + 30 + sum(struct.unpack_from("<2H", content, info.header_offset + 26))
    content[start + info.file_size // 2] ^= 1 << bit
    path = tmp_path / "w.pth"
    path.write_bytes(content)
    assert f"damaged: the bytes of {info.filename} do not have its CRC-32. Check its size and sha256" in refusal(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_checkpoint_that_was_packed_again_loads(tmp_path, saved, compression):
    with zipfile.ZipFile(saved) as held, zipfile.ZipFile(tmp_path / "w.pth", "w", compression) as again:
        for name in held.namelist():
            again.writestr(name, held.read(name))
    assert load_checkpoint(tmp_path / "w.pth").origin == {}


def without_crc(tensors, path, **options):
    before = torch.serialization.get_crc32_options()
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(tensors, path, **options)
    finally:
        torch.serialization.set_crc32_options(before)


@pytest.mark.parametrize(
    "write, says",
    [
        (torch.save, ""),
        (lambda tensors, path: torch.save(tensors, path, pickle_protocol=4), ""),
        (without_crc, "none, switched off"),
        (lambda tensors, path: without_crc(tensors, path, pickle_protocol=4), "none, switched off"),
        (lambda tensors, path: torch.save(tensors, path, **LEGACY), "none, the format has none"),
        (save_file, "none, the format has none"),
    ],
    ids=["zip", "zip, protocol 4", "no CRC", "no CRC, protocol 4", "legacy", "safetensors"],
)
def test_the_conditions_say_where_damage_could_go_unseen(tmp_path, write, says):
    write(state_dict(), tmp_path / "w")
    loaded = load_checkpoint(tmp_path / "w")
    assert loaded.origin.get("checksum", "").startswith(says) and bool(loaded.origin) is bool(says)
    assert loaded.describe().get("checksum") == loaded.origin.get("checksum")


# ---- known files ----------------------------------------------------------------------------------------------------


def test_the_embedded_weights_are_known_by_their_card():
    assert is_known(MINI, sha256(MINI)) and not is_known(MINI, "0" * 64)
    assert load_checkpoint(MINI).origin == {}  # a safetensors file, and nothing is left open


def test_embedded_weights_that_were_changed_are_refused(tmp_path, monkeypatch):
    for path in (MINI, MINI.with_suffix(".json")):
        shutil.copy(path, tmp_path)
    damaged = tmp_path / MINI.name
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    monkeypatch.setattr(weights, "MINI", damaged)
    with pytest.raises(CheckpointError, match="not the weights that its card tells of. Install osnet again"):
        find_weights("mini")


def test_known_hashes_and_no_others():
    assert is_known(MINI.with_name("x"), MARKET1501.sha256) and not is_known(MINI.with_name("x"), "0" * 64)


def test_a_file_of_the_published_name_is_the_published_one_or_refused(tmp_path, saved):
    path = tmp_path / MARKET1501.file
    shutil.copy(saved, path)
    assert "not the published checkpoint" in refusal(path)


# ---- weights that no network has ------------------------------------------------------------------------------------


@pytest.mark.parametrize("write", [torch.save, save_file], ids=["zip", "safetensors"])
@pytest.mark.parametrize(
    "tensors, says",
    [
        (lambda: changed(conv5__bn__weight=4e34), "conv5.bn.weight 4e+34"),
        (lambda: changed(conv1__conv__weight=-1.1e4), "conv1.conv.weight -1.1e+04"),
        (lambda: changed(fc__0__bias=1e9), "fc.0.bias 1e+09"),
        (lambda: changed(conv1__bn__running_mean=-1e7), "conv1.bn.running_mean -1e+07"),
        (lambda: changed(conv1__bn__running_var=-1e-6), "conv1.bn.running_var -1e-06"),
        (lambda: changed(conv1__bn__running_var=1e11), "conv1.bn.running_var 1e+11"),
        (lambda: changed(classifier__weight=2e30), "classifier.weight 2e+30"),
        (lambda: changed(conv1__bn__num_batches_tracked=-1), "conv1.bn.num_batches_tracked -1"),
    ],
)
def test_weights_beyond_any_network_are_refused(tmp_path, tensors, says, write):
    write(tensors(), tmp_path / "w")
    assert f"1 beyond any trained network, so damaged: {says}. The file is damaged" in refusal(tmp_path / "w")


def test_weights_at_the_bounds_load(tmp_path):
    """As of a network that was fed pixels of 0 to 255, or whose units died."""
    edge = changed(
        conv1__conv__weight=9.9e3, conv1__bn__running_mean=9e5, conv1__bn__running_var=9e9, conv5__bn__running_var=0.0
    )
    torch.save(edge, tmp_path / "w.pth")
    assert load_checkpoint(tmp_path / "w.pth").classes == 751


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("seed", [0, 1])
def test_random_initialisations_are_within_the_bounds(name, seed):
    model = build_model(name, seed=seed)
    check_tensors(dict(model.state_dict()), [], None, model, MINI)  # refuses by raising
    assert max(float(p.detach().abs().max()) for p in model.parameters()) < 100  # a hundredth of the bound


# ---- small files, large harm ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [{}, LEGACY], ids=["zip", "legacy"])
@pytest.mark.parametrize("name", ["conv1.conv.weight", "classifier.weight", "conv1.bn.num_batches_tracked"])
def test_a_tensor_of_more_numbers_than_are_stored(tmp_path, form, name):
    held = state_dict()
    held[name] = torch.zeros(1, dtype=held[name].dtype).expand(40_000, 20_000)
    torch.save(held, tmp_path / "w.pth", **form)
    started = time.process_time()
    assert f"{name} has 800,000,000 numbers, and 1 are stored" in refusal(tmp_path / "w.pth")
    assert time.process_time() - started < 5


def test_a_zip_that_would_unpack_to_gigabytes(tmp_path, saved):
    path = tmp_path / "w.pth"
    with zipfile.ZipFile(saved) as held, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bomb:
        for name in held.namelist():
            bomb.writestr(name, held.read(name))
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2")  # what its list says of the last member
    struct.pack_into("<I", content, place + 24, 3_000_000_000)
    path.write_bytes(content)
    tracemalloc.start()
    try:
        assert re.search(r"would unpack to 3,0\d\d,\d{3},\d{3} bytes", refusal(path))
        assert tracemalloc.get_traced_memory()[1] < 100e6
    finally:
        tracemalloc.stop()


def test_a_pickle_that_calls_for_a_long_text_again_and_again():
    text = b"x" * 1_000_000
    content = b"\x80\x04(X" + struct.pack("<I", len(text)) + text + b"\x94" + b"h\0" * 100_000 + b"l."
    with pytest.raises(ValueError, match="grow without limit"):
        translate(content)
