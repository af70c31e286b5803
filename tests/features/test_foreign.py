"""Files in which other tools keep features are told for what they are, and the cure works."""

from __future__ import annotations

import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from osnet_lib.errors import FeatureError
from osnet_lib.features.store import load_features

ROWS = np.random.default_rng(0).standard_normal((3, 512)).astype(np.float32)
NAMES = [f"000{i}_c1s1_000001_00.jpg" for i in range(3)]
LABELS = {"pids": np.arange(3), "camids": np.ones(3, int)}


def as_npy(path: Path, array: np.ndarray = ROWS) -> None:
    with path.open("wb") as stream:
        np.save(stream, array)


def as_objects(path: Path) -> None:
    np.savez(path, names=np.array(NAMES, dtype=object), features=ROWS, **LABELS)


def as_pickle(protocol: int):
    return lambda path: path.write_bytes(pickle.dumps({"features": ROWS}, protocol))


# What other tools save, and what they are told.
FOREIGN = {
    "fast-reid or torchreid, arrays of a script": (
        lambda path: np.savez(path, qf=ROWS, q_pids=np.arange(3), q_camids=np.ones(3)),
        "holds qf, q_pids, q_camids, and none of names, pids, camids, features. Save query and gallery",
    ),
    "arrays without names": (lambda path: np.savez(path, ROWS, ROWS), "holds arr_0, arr_1, and none of names"),
    "many arrays": (lambda path: np.savez(path, *[ROWS] * 9), "holds arr_0, .*arr_5 …, and none of names"),
    "one array": (as_npy, r"is a single array \(float32 \[3, 512\]\) without names, pids and camids"),
    "one array of objects": (lambda path: as_npy(path, np.array([{}], dtype=object)), r"is a single array \(damaged\)"),
    "one array cut short": (lambda path: path.write_bytes(b"\x93NUMPY\x01\x00v"), r"is a single array \(damaged\)"),
    "Person_reID_baseline_pytorch": (
        lambda path: savemat(path, {"gallery_f": ROWS, "query_f": ROWS}, appendmat=False),
        "is a MATLAB file, such as the pytorch_result.mat",
    ),
    "MATLAB 7.3": (lambda path: path.write_bytes(b"MATLAB 7.3 MAT-file" + bytes(600)), "is an HDF5 file"),
    "h5py": (lambda path: path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(600)), "is an HDF5 file"),
    "torch.save": (lambda path: torch.save({"features": torch.ones(3, 512)}, path), "is a file of torch.save"),
    "torch.save of old": (
        lambda path: torch.save(torch.ones(3), path, _use_new_zipfile_serialization=False),
        "is a pickle of Python, which could run code",
    ),
    "names as objects": (as_objects, r"holds an array of Python objects. Save names with names.astype\(str\)"),
    **{f"pickle, protocol {n}": (as_pickle(n), "is a pickle of Python") for n in (2, 3, 4, 5)},
}


@pytest.mark.parametrize("suffix", [".npz", ".bin"])
@pytest.mark.parametrize("save, what", FOREIGN.values(), ids=FOREIGN)
def test_files_of_other_tools_are_told_for_what_they_are(tmp_path, save, what, suffix):
    save(tmp_path / "q.npz")
    path = (tmp_path / "q.npz").rename(tmp_path / f"features{suffix}")  # by content and not by name
    with pytest.raises(FeatureError, match=rf"features\{suffix}: {what}") as caught:
        load_features(path)
    text = str(caught.value)
    assert "\n" not in text and "numpy.savez(path, names=, pids=, camids=, features=)" in text


def test_the_cure_works(tmp_path):
    np.savez(tmp_path / "q.npz", names=np.array(NAMES, dtype=object).astype(str), features=ROWS, **LABELS)
    read = load_features(tmp_path / "q.npz")
    assert read.names.tolist() == NAMES and np.array_equal(read.features, ROWS)


def test_a_matlab_file_is_told_by_its_head_and_never_read(tmp_path):
    """One byte of it ends the process that reads it with scipy."""
    path = tmp_path / "q.npz"
    savemat(path, {"gallery_f": ROWS}, appendmat=False)
    content = bytearray(path.read_bytes())
    content[128:] = bytes(len(content) - 128)
    path.write_bytes(content)
    with pytest.raises(FeatureError, match="is a MATLAB file"):
        load_features(path)


def overfull(path: Path) -> None:
    """A small archive whose list says that its last member has gigabytes."""
    np.savez_compressed(path, names=np.array(NAMES), features=ROWS, **LABELS)
    content = bytearray(path.read_bytes())
    struct.pack_into("<I", content, content.rindex(b"PK\1\2") + 24, 3_000_000_000)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "make, what",
    [
        (overfull, r"would unpack to 3,000,\d{3},\d{3} bytes, and the file has"),
        (os.mkfifo, "is a named pipe, not a regular file. Give the path of the file itself"),
        (lambda path: path.symlink_to("/dev/zero"), "is a device, not a regular file"),
        (lambda path: path.symlink_to(path.name), "is a loop of links, not a regular file"),
        (lambda path: path.symlink_to("absent"), "no such feature file"),
    ],
    ids=["overfull", "pipe", "device", "loop", "dangling link"],
)
def test_what_would_fill_the_memory_or_wait_for_ever_is_refused(tmp_path, make, what):
    make(tmp_path / "q.npz")
    with pytest.raises(FeatureError, match=rf"q\.npz: {what}"):
        load_features(tmp_path / "q.npz")
