"""The guide's file of scores, byte for byte."""

from __future__ import annotations

import json

from hypothesis import given, strategies as st

from osnet_lib.guide.metrics_json import write_guide_json


def test_guide_json_has_the_bytes_of_the_guide(tmp_path):
    path = write_guide_json(tmp_path / "made" / "result_bs1.json", 3176 / 3368, 0.8257416732159705)
    assert path.read_bytes() == (
        b'{"title": "Overall statistical evaluation", "value": [{"key": "R1", "value": '
        b'"0.94299287"}, '
        b'{"key": "mAP", "value": "0.8257416732159705"}]}'
    )


@given(st.integers(1, 20000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0, 1))
def test_guide_json_tells_every_query(tmp_path_factory, hits, mAP):
    found = json.loads(
        write_guide_json(tmp_path_factory.getbasetemp() / "guide.json", hits[0] / hits[1], mAP).read_text()
    )
    assert [entry["key"] for entry in found["value"]] == ["R1", "mAP"]
    assert round(float(found["value"][0]["value"]) * hits[1]) == hits[0] and float(found["value"][1]["value"]) == mAP
