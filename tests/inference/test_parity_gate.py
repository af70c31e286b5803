"""The gate after a conversion lets the same network through and removes any other."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch

from helpers import networks
from osnet_lib.errors import ParityError
from osnet_lib.inference.parity_gate import pass_gate, sample_people
from osnet_lib.inference.session import open_session
from osnet_lib.network.checkpoint import load_checkpoint


def test_people_are_what_the_network_sees():
    people = sample_people(3)
    assert people.shape == (3, 3, 256, 128) and people.dtype == np.float32 and (people == sample_people(4)[:3]).all()
    assert -3 < people.min() < 0 < people.max() < 3


@pytest.mark.parametrize("fixed, batch_size, images", [(None, 1, 3), (None, 4, 7), (2, 2, 4)])
def test_the_same_network_passes(fixed, batch_size, images):
    path = networks.onnx_path(fixed)
    with open_session(networks.checkpoint(), "torch", threads=1) as reference:
        parity = pass_gate(reference, path, "onnx", batch_size)
    assert path.is_file() and (parity.stage, parity.batch_size, parity.images) == ("onnx", batch_size, images)
    assert parity.max_abs < 1e-4


def test_a_network_that_differs_is_removed(tmp_path):
    path = shutil.copy(networks.onnx_path(), tmp_path / "a.onnx")
    other = networks.state_dict()
    other["fc.0.bias"] += 0.01
    torch.save(other, tmp_path / "other.pth")
    with open_session(load_checkpoint(tmp_path / "other.pth"), "torch", threads=1) as reference:
        with pytest.raises(ParityError, match="onnx, batch size 4: features differ from the reference by up to"):
            pass_gate(reference, path, "onnx", 4)
    assert not path.exists()
