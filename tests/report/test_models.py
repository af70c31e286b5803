"""Tables of models: what the files say, parity, and the card of the weights."""

from __future__ import annotations

import json

import pytest

from helpers import networks
from helpers.results import facts, rows
from osnet_lib.conversion.onnx_file import inspect_onnx
from osnet_lib.conversion.parity import Parity
from osnet_lib.core.files import sha256
from osnet_lib.report.models import card_table, onnx_table, parity_table, simplified_table


def test_parity_table_shows_every_stage_and_the_tolerance():
    table = parity_table(
        [Parity("onnx", 8, 15, 6e-8, 1e-9, 1.0, 2e-8), Parity("simplified", 8, 15, 2e-4, 1e-9, 0.9, 2e-8)]
    )
    first, second = rows(table)
    assert (first["stage"], first["batch"], first["images"]) == ("onnx", 8, 15)
    assert (first["max |difference|"], first["gate"]) == (6e-8, "passed")
    assert second["gate"] == "failed" and (second["allowed"], second["cosine allowed"]) == (1e-4, 0.99999)
    assert "6.0e-08" in str(table) and "1.0000000" in str(table)


def test_onnx_tables_show_what_the_files_say():
    source, fixed = (inspect_onnx(networks.onnx_path(batch_size)) for batch_size in (None, 2))
    found = facts(onnx_table(source))
    assert found["file"] == source.path.name and found["opset in the file"] == 11
    assert found["sha256"] == sha256(source.path)
    assert (found["input"], found["output"]) == ("image [batch, 3, 256, 128]", "feature [batch, 512]")
    (row,) = rows(simplified_table(source, [fixed]))
    assert (row["batch"], row["nodes before"], row["nodes after"]) == (2, source.nodes, fixed.nodes)
    assert fixed.nodes < source.nodes


CARD = {
    "untrained": {"rank": {"1": 0.25}},
    "warning": "never a Market-1501 accuracy",
    "data": {
        "name": "mini-market",
        "seed": 7,
        "train_images": 16,
        "train_identities": 4,
        "test_queries": 3,
        "test_gallery": 9,
    },
    "recipe": {"seed": 1},
    "training": {"seconds": 90, "device": "cpu"},
    "result": {"metric": "euclidean", "rank": {"1": 0.9}, "mAP": 0.5},
}


def test_card_table(tmp_path):
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    weights.with_suffix(".json").write_text(json.dumps({**CARD, "sha256": sha256(weights)}))
    found = facts(card_table(weights))
    assert found["note"] == CARD["warning"] and (found["Rank-1"], found["untrained, Rank-1"]) == ("90.00 %", "25.00 %")
    assert found["time"] == "1.5 minutes on cpu"
    assert found["trained on"] == "mini-market, seed 7: 16 images of 4 identities"
    assert found["sha256"] == sha256(weights)


@pytest.mark.parametrize(
    "card, words",
    [
        (None, "none beside w.pth"),
        (json.dumps({**CARD, "sha256": "0" * 64}), "w.json is of other weights than w.pth"),
        ("{", "is no card"),
        ("[]", "is no card"),
        ("[" * 100_000, "is no card"),
        ('{"sha256": 1}', "is of other weights"),
        (b"\xff\xfe", "is no card"),
    ],
)
def test_weights_without_a_card(tmp_path, card, words):
    (tmp_path / "w.pth").write_bytes(b"weights")
    if card is not None:
        (tmp_path / "w.json").write_bytes(card if isinstance(card, bytes) else card.encode())
    assert words in facts(card_table(tmp_path / "w.pth"))["card"]


@pytest.mark.parametrize(
    "card",
    [
        {},
        {**CARD, "recipe": [1, 2]},
        {**CARD, "recipe": None},
        {**CARD, "training": {"seconds": 10**400, "device": "cpu"}},
        {**CARD, "result": {**CARD["result"], "rank": [1]}},
        {**CARD, "data": "mini-market"},
    ],
)
def test_card_of_the_right_weights_with_parts_missing(tmp_path, card):
    (tmp_path / "w.pth").write_bytes(b"weights")
    (tmp_path / "w.json").write_text(json.dumps({**card, "sha256": sha256(tmp_path / "w.pth")}))
    assert "is no card" in facts(card_table(tmp_path / "w.pth"))["card"]
